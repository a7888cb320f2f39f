"""A history: the fleet, the clock, the truth and the supervisor, and what all that happens to them needs."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell import calendars
from openbell.manifest import Manifest
from openbell.slots import slots_between
from openbell.supervisor.health.machine_monitor import DiskSpace
from tests.unit.supervisor.simulation.agenda import Agenda
from tests.unit.supervisor.simulation.bots import SimulatedBot
from tests.unit.supervisor.simulation.loops import SECOND, Loop
from tests.unit.supervisor.simulation.supervisor import Supervisor
from tests.unit.supervisor.simulation.troubles import never_started
from tests.unit.supervisor.simulation.truth import Truth

START = datetime(2026, 2, 2, 6, 10, tzinfo=UTC)
MONTH = timedelta(days=28)


@dataclass(frozen=True)
class Size:
    """How large a history is."""

    bots: int
    length: timedelta
    faults_a_day: float  # in the whole fleet
    calm: timedelta = timedelta(days=9)  # at the end nothing happens any more, so that all comes to its end
    dense: bool = False  # step whenever the watch asks for it, not only when something happens


class History:
    """What is there at an instant of the simulation."""

    def __init__(self, seed: int, size: Size, root: Path, rooms: list[DiskSpace]) -> None:
        """`rooms` are the volumes that the watch sees."""
        self.rooms = rooms
        self.size = size
        self.end = START + size.length
        self.rng = random.Random(seed)
        self.supervisor = Supervisor(root)
        self.agenda = Agenda(START)
        self.truth = Truth(self.attend)
        self.loops: dict[str, Loop] = {}
        self.injected: Counter[str] = Counter()
        self.slots = 0

    @property
    def is_calm(self) -> bool:
        """Tell whether nothing is to happen any more."""
        return self.agenda.now > self.end - self.size.calm

    def look(self, now: datetime) -> None:
        """Let all loops beat, and the watch look."""
        for loop in self.loops.values():
            loop.beat_if_due(now)
        self.supervisor.step(now)

    def attend(self, at: datetime) -> None:
        """Schedule a judgement soon after an instant, and another some time later."""
        for later in (1.0, 6.5, self.rng.uniform(8, 100)):
            self.agenda.at(max(at, self.agenda.now) + later * SECOND, lambda _: None)

    def look_after(self, at: datetime, *seconds: float) -> None:
        """Schedule a judgement so many seconds after an instant."""
        for later in seconds:
            self.agenda.at(at + later * SECOND, lambda _: None)

    def deploy(self, one: Manifest, at: datetime, *, never: bool = False) -> None:
        """Deploy a strategy; `never`: its container does not start for a while."""
        loop = Loop(one, self.agenda, self.truth, self.supervisor.journal, self.supervisor.control, self.rng)
        self.loops[one.name] = loop
        groups: dict[object, list[SimulatedBot]] = {}
        for bot in loop.bots.values():
            if not bot.bot.is_stream:
                groups.setdefault((bot.bot.schedule, bot.bot.shift), []).append(bot)
        if never:
            loop.cause = f"never started: {loop.name}"
            never_started(loop, self.rng)
        else:
            self.agenda.at(at + self.rng.uniform(1, 40) * SECOND, loop.start)
        for group in groups.values():
            self.feed(loop, group, self.slots_of(group[0], at))

    def slots_of(self, one: SimulatedBot, after: datetime) -> Iterator[datetime]:
        """Yield a bot's slots until the end, or until its calendar ends."""
        with suppress(calendars.CalendarExpired):
            while after < self.end:
                yield from slots_between(one.bot.schedule, after, after + MONTH)
                after += MONTH

    def feed(self, loop: Loop, group: list[SimulatedBot], slots: Iterator[datetime]) -> None:
        """Let the slots of bots with one schedule come due, one after the other."""
        slot = next(slots, None)
        if slot is None or slot >= self.end:
            return

        def due(at: datetime) -> None:
            self.slots += len(group)
            for one in group:
                loop.due(one, slot, at)
            self.feed(loop, group, slots)

        self.agenda.at(slot + group[0].bot.shift, due)
