"""What happens to the simulated loop: kills, stops, clock steps, pauses, requests and full disks; and what a power cut leaves."""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from openbell.control import Control, Pause
from openbell.journal import days
from openbell.manifest import Manifest
from openbell.runner.loop import Loop
from tests.unit.runner.simulated import Fate, Time

STOP_GRACE = 330.0  # seconds between SIGTERM and SIGKILL


@dataclass
class Accidents:
    """Lets one of them happen at a time, and counts them."""

    rng: random.Random
    time: Time
    manifest: Manifest
    control: Control
    fate: Fate
    events: Counter[str]
    deadline: float = float("inf")  # elapsed seconds at which the kernel's patience with the loop ends

    def happen(self, loop: Loop) -> str | None:
        """Let something happen; return how the loop ends if it does at once."""
        happenings: list[tuple[int, Callable[[Loop], str | None]]] = [
            (30, self._kill_at_a_write),
            (3, self._kill_now),
            (20, self._stop),
            (8, self._step_ahead),
            (8, self._step_back),
            (12, self._pause_or_resume),
            (12, self._request),
            (8, self._trouble),
        ]
        (happen,) = self.rng.choices([one for _, one in happenings], [weight for weight, _ in happenings])
        name = happen.__name__.strip("_").replace("_", " ")
        self.events[name] += 1
        return happen(loop)

    def _kill_at_a_write(self, loop: Loop) -> None:
        # Shortly before a slot most of the loop's writes lie ahead.
        second = self.time.wall.minute % 5 * 60 + self.time.wall.second
        self.time.advance(max(0, 299 - second) if self.rng.random() < 0.8 else 0)
        self.fate.kill_in = self.rng.randint(1, 60)

    def _kill_now(self, loop: Loop) -> str:
        return self.rng.choice(("crash", "orphans", "power cut"))

    def _stop(self, loop: Loop) -> None:
        if not loop.draining:
            loop.draining = True
            self.deadline = self.time.elapsed() + STOP_GRACE

    def _step_ahead(self, loop: Loop) -> None:
        self.time.step(self._step_size())
        self.time.advance(self.rng.random())

    def _step_back(self, loop: Loop) -> None:
        self.time.step(-self._step_size())
        self.time.advance(self.rng.random())

    def _step_size(self) -> float:
        return self.rng.choice((0.4, 1.5, 20.0, 400.0, 4000.0, 40000.0)) * self.rng.uniform(0.5, 1.5)

    def _pause_or_resume(self, loop: Loop) -> None:
        bot = self.rng.choice(self.manifest.bots).id
        if not self.control.resume(bot):
            until = self.time.wall + timedelta(minutes=self.rng.randint(1, 600)) if self.rng.random() < 0.8 else None
            self.control.pause(bot, Pause(self.time.wall - timedelta(milliseconds=1), until, "an operator", "a reason"))

    def _request(self, loop: Loop) -> None:
        self.control.request(self.rng.choice(self.manifest.bots).id, "an operator", self.time.wall)

    def _trouble(self, loop: Loop) -> None:
        self.fate.trouble_until = self.time.elapsed() + self.rng.choice((5, 60, 600)) * self.rng.random()


class JournalFiles:
    """The files of a journal, of which a power cut keeps what was synced and perhaps more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._synced: dict[int, int] = {}  # inode → bytes that survive a power cut

    def cut_power(self, rng: random.Random) -> int:
        """Lose of each file what was not synced, up to any byte; return how many files became shorter."""
        cut = 0
        for _, path in days(self._folder):
            status = path.stat()
            kept = rng.randint(min(self._synced.get(status.st_ino, 0), status.st_size), status.st_size)
            if kept < status.st_size:
                cut += 1
                os.truncate(path, kept)
        return cut

    @contextmanager
    def watched_syncs(self) -> Iterator[None]:
        """Remember how much of each file is safe. The real call is left out: these files need not survive this process."""

        def fdatasync(file: int) -> None:
            status = os.fstat(file)
            self._synced[status.st_ino] = status.st_size

        before, os.fdatasync = os.fdatasync, fdatasync  # type: ignore[assignment]
        try:
            yield
        finally:
            os.fdatasync = before
