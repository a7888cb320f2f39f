"""Keeps the streams of a loop running: each is started again when it ends, after pauses that grow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from openbell import heartbeat
from openbell.control import Control
from openbell.ledger import Claim
from openbell.manifest import Bot, windows
from openbell.runner.runs import Runs, new_run_id

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds from one start of a stream to the next
RAN_WELL = 10.0  # seconds; a stream that ran so long had its connection: what cut it is no reason to wait


@dataclass(frozen=True)
class Revival:
    """When a stream that has ended may be started again: soon after it ran for a while, else after pauses that grow."""

    at: float  # elapsed seconds
    pause: float = 0.0  # seconds
    started_at: float | None = None  # elapsed seconds; None while it does not run

    def started(self, steady: float) -> "Revival":
        """Return the revival of a stream that is started now."""
        return replace(self, started_at=steady)

    def ended(self, steady: float) -> "Revival":
        """Return the revival of a stream that has ended now."""
        began = steady if self.started_at is None else self.started_at
        if steady - began >= RAN_WELL:
            return Revival(steady + FIRST_PAUSE, FIRST_PAUSE)
        pause = FIRST_PAUSE if self.pause == 0 else min(2 * self.pause, LONGEST_PAUSE)
        return Revival(began + pause, pause)


class Streams:
    """The streams of one loop."""

    def __init__(self, bots: Mapping[str, Bot], runs: Runs, control: Control) -> None:
        self._bots = bots
        self._runs = runs
        self._control = control
        self._revivals: dict[str, Revival] = {}

    def add(self, bot_id: str, steady: float) -> None:
        """Keep the bot running from now on."""
        self._revivals[bot_id] = Revival(at=steady)

    def stop(self, steady: float) -> None:
        """Ask all to end."""
        for bot_id in self._revivals:
            self._runs.stop_stream(bot_id, steady)

    def tend(self, now: datetime, steady: float) -> None:
        """Keep each running, unless its bot is paused or in a blackout."""
        for bot_id, revival in self._revivals.items():
            pause = self._control.paused(bot_id)
            if self._runs.of(bot_id) is None and revival.started_at is not None:
                revival = self._revivals[bot_id] = revival.ended(steady)  # noqa: PLW2901 - it is what it has become
            blackout = windows.covering(self._bots[bot_id].schedule.blackout, now)
            if blackout or (pause is not None and pause.holds(now)):
                self._runs.stop_stream(bot_id, steady)
            elif self._runs.of(bot_id) is None and steady >= revival.at:
                self._revivals[bot_id] = revival.started(steady)
                self._runs.queue(Claim(bot_id, now, new_run_id(), 1, "stream", now), self._bots[bot_id])

    def beats(self, folder: Path) -> dict[str, datetime]:
        """Return the newest sign of life of each that has given one."""
        return {bot: at for bot in self._revivals if (at := heartbeat.stream_beat(folder, bot))}

    def waits(self, steady: float) -> Iterator[float]:
        """Yield in how many seconds each may be started again, of those that may not now."""
        # One that could be started and is not running is paused: the next step finds that it was resumed.
        return (revival.at - steady for revival in self._revivals.values() if revival.at > steady)
