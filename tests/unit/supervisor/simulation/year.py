"""The driver: a fleet, its bad luck, the watch over it, and in the end the comparison of what was said with the truth."""

import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from openbell import calendars
from openbell import journal as journals
from openbell.manifest import Manifest, load_all
from openbell.slots import slots_between
from openbell.supervisor.volumes import Room
from tests.unit.supervisor.simulation import mishaps, oddities, troubles
from tests.unit.supervisor.simulation.agenda import Agenda
from tests.unit.supervisor.simulation.fleet import SHORT, manifest, write_fleet
from tests.unit.supervisor.simulation.loops import SECOND, Loop, SimulatedBot
from tests.unit.supervisor.simulation.scoring import Score, compare, compare_log, compare_slots
from tests.unit.supervisor.simulation.supervisor import ROOMY, SHORT_OF_ROOM, Supervisor, longer_waits, simulated_disk
from tests.unit.supervisor.simulation.troubles import never_started
from tests.unit.supervisor.simulation.truth import CALENDAR_RAN_OUT, Truth

START = datetime(2026, 2, 2, 6, 10, tzinfo=UTC)
MONTH = timedelta(days=28)
WEEK = timedelta(days=7)
LATEST = date(2035, 12, 31)
CALENDAR_NOTICE = timedelta(days=60)
TELL_EVERY = 8.0  # seconds
KEPT = 32  # days of journals; the runner keeps more


@dataclass(frozen=True)
class Size:
    """How large a history is."""

    bots: int
    length: timedelta
    faults_a_day: float  # in the whole fleet
    calm: timedelta = timedelta(days=9)  # at the end nothing happens any more, so that all comes to its end
    dense: bool = False  # step whenever the watch asks for it, not only when something happens


class Year:
    """One history."""

    def __init__(self, seed: int, size: Size, root: Path, rooms: list[Room]) -> None:
        self.rooms = rooms
        self.size = size
        self.end = START + size.length
        self.rng = random.Random(seed)
        self.supervisor = Supervisor(root)
        self.agenda = Agenda(START)
        self.truth = Truth(self._attend)
        self.loops: dict[str, Loop] = {}
        self.injected: Counter[str] = Counter()
        self.slots = 0
        self.score = Score()
        self.say: Callable[[str], None] = lambda _: None
        self._looks: set[datetime] = set()
        self._checked_until = START
        self._broken: dict[str, str] = {}  # strategies whose manifest is not valid, and what it should be
        self._mended: list[str] = []
        self._through = START.replace(hour=0, minute=0) + timedelta(days=100 if size.length > MONTH else 2)
        write_fleet(self.supervisor.strategies, size.bots, self.rng)

    def run(self) -> Score:
        """Live through it all, then compare."""
        self.supervisor.start(START)
        self.supervisor.step(START)
        manifests, errors = load_all(self.supervisor.strategies)
        assert not errors, errors
        for one in manifests:
            self._deploy(one, START)
        self._let_calendar_end(self._through)
        self.agenda.at(START + timedelta(minutes=20), self._something)
        self.agenda.at(START + timedelta(hours=20), self._leave)
        self.agenda.at(START + timedelta(hours=7), self._fill_the_disk)
        self.agenda.at(START + timedelta(hours=11), self._mislead_the_clock)
        if self.size.length > 4 * MONTH:
            self.agenda.at(START + MONTH, self._let_runs_creep)
        self.agenda.at(START + WEEK, self._keep_house)
        told = time.monotonic()
        while self.agenda.now < self.end:
            self._turn()
            if time.monotonic() - told > TELL_EVERY:
                told = time.monotonic()
                self.say(
                    f"{self.agenda.now:%Y-%m-%d}: {self.slots} slots, {self.supervisor.steps} steps, {sum(self.injected.values())} happenings"
                )
        if not self.supervisor.is_up:
            self._return(self.agenda.now)
        self._look(self.end)
        self._check_slots(self.end - timedelta(hours=12))
        self.supervisor.read_log()
        unseen = compare(self.score, self.truth, self.supervisor.record, self.supervisor.away, self.end)
        compare_log(self.score, self.truth, self.supervisor.faults, unseen, self.end)
        self.supervisor.kill(self.end)
        for loop in self.loops.values():
            loop.close()
        return self.score

    def _turn(self) -> None:
        """Go to the next second in which something happens, and look after it."""
        upcoming = min(self.agenda.next or self.end, self.end)
        if self.size.dense and self.supervisor.is_up:
            upcoming = min(upcoming, self.agenda.now + timedelta(seconds=min(self.supervisor.wait, 3600)))
        then = upcoming.replace(microsecond=0) + SECOND
        self.agenda.run(max(then, self.agenda.now + SECOND))
        if self.supervisor.is_up:
            self._look(self.agenda.now)

    def _look(self, now: datetime) -> None:
        for loop in self.loops.values():
            loop.beat_if_due(now)
        self.supervisor.step(now)

    def _attend(self, at: datetime) -> None:
        """See that somebody looks soon after an instant, and some time later."""
        for later in (1.0, 6.5, self.rng.uniform(8, 100)):
            self.agenda.at(max(at, self.agenda.now) + later * SECOND, lambda _: None)

    # The fleet

    def _deploy(self, one: Manifest, at: datetime, *, never: bool = False) -> None:
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
            self._feed(loop, group, self._slots(group[0], at))

    def _slots(self, one: SimulatedBot, after: datetime) -> Iterator[datetime]:
        """Yield a bot's slots until the end, or until nobody knows them."""
        with suppress(calendars.CalendarExpired):
            while after < self.end:
                yield from slots_between(one.bot.schedule, after, after + MONTH)
                after += MONTH

    def _feed(self, loop: Loop, group: list[SimulatedBot], slots: Iterator[datetime]) -> None:
        slot = next(slots, None)
        if slot is None or slot >= self.end:
            return

        def due(at: datetime) -> None:
            self.slots += len(group)
            for one in group:
                loop.due(one, slot, at)
            self._feed(loop, group, slots)

        self.agenda.at(slot + group[0].bot.shift, due)

    # Bad luck

    def _something(self, at: datetime) -> None:
        if at > self.end - self.size.calm:
            return
        self.agenda.at(at + timedelta(days=self.rng.expovariate(self.size.faults_a_day)), self._something)
        loop = self.rng.choice(list(self.loops.values()))
        if not loop.is_well or loop.manifest.calendar == SHORT:
            return
        happening, of_bots = self._happening(loop)
        name = happening.__name__
        loop.cause = f"{name} of {loop.name} from {at:%Y-%m-%d %H:%M:%S}"
        self.injected[name] += 1
        if of_bots:
            bots = list(loop.bots.values())
            for one in self.rng.sample(bots, min(len(bots), self.rng.choice((1, 1, 3)))):
                happening(loop, one, self.rng)
        else:
            loop.fault = name
            happening(loop, self.rng)
        self._attend(at)

    def _happening(self, loop: Loop) -> tuple[Callable[..., None], bool]:
        """Choose what happens to a loop; tell whether it happens to some of its bots."""
        if any(one.bot.is_stream for one in loop.bots.values()):
            whole = self.rng.choice(
                (*oddities.OF_STREAMS, *oddities.OF_STREAMS, *troubles.TROUBLES, *troubles.HARMLESS)
            )
            return whole, False
        loops = (*troubles.TROUBLES, *troubles.HARMLESS, *oddities.TROUBLES, *oddities.HARMLESS)
        kinds = [(one, False) for one in loops] + [(one, True) for one in (*mishaps.TROUBLES, *mishaps.HARMLESS)]
        return self.rng.choice(kinds)

    # The machine

    def _fill_the_disk(self, at: datetime) -> None:
        self.rooms[:] = [SHORT_OF_ROOM]
        self._machine_trouble(at, "volume_full", self._make_room, self._fill_the_disk)

    def _make_room(self, at: datetime) -> None:
        self.rooms[:] = [ROOMY]
        self.truth.end(at, "volume_full", "", "")
        self._look_twice(at)

    def _mislead_the_clock(self, at: datetime) -> None:
        self.supervisor.skew = self.rng.choice((-7.5, 3.1))
        self._machine_trouble(at, "clock_wrong", self._right_the_clock, self._mislead_the_clock)

    def _right_the_clock(self, at: datetime) -> None:
        self.supervisor.skew = 0.1
        self.truth.end(at, "clock_wrong", "", "")
        self._look_twice(at)

    def _machine_trouble(
        self, at: datetime, kind: str, end: Callable[[datetime], None], again: Callable[[datetime], None]
    ) -> None:
        self.injected[kind] += 1
        self.truth.begin(at, kind, "", "", kind)
        self._look_twice(at)
        self.agenda.at(at + timedelta(hours=self.rng.uniform(0.1, 9)), end)
        if at < self.end - self.size.calm - timedelta(days=25):
            self.agenda.at(at + timedelta(days=self.rng.uniform(5, 25)), again)

    def _look_twice(self, at: datetime) -> None:
        """The machine is looked at every half minute only."""
        for later in (31, 63):
            self.agenda.at(at + later * SECOND, lambda _: None)

    def _let_runs_creep(self, at: datetime) -> None:
        """Let the runs of some bots take longer and longer."""
        loop = self.loops["us_daily_1"]
        for one in list(loop.bots.values())[:2]:
            one.creeps_since = at
            self.injected["creep"] += 1
            begin = partial(self.truth.begin, kind="slower", strategy=loop.name, bot=one.bot.id, cause="creep")
            self.agenda.at(at + timedelta(days=14), begin)

    # The supervisor's own absences, in which manifests come, break and are mended

    def _leave(self, at: datetime) -> None:
        if at > self.end - self.size.calm:
            return
        self._look(self.agenda.now)
        self.supervisor.kill(self.agenda.now)
        lengths = [2, 15, 40, 300, 4000, 40_000] + ([300_000, 1_500_000] if self.size.length > MONTH else [])
        length = self.rng.choice(lengths) * self.rng.uniform(0.5, 1) * SECOND
        self.injected["supervisor away"] += 1
        if not self._broken and self.rng.random() < 0.3:
            self._break_manifest()
        elif self._broken:
            self._mend_manifest()
        self.agenda.at(min(at + length, self.end - self.size.calm + timedelta(hours=1)), self._return)

    def _return(self, at: datetime) -> None:
        now = self.agenda.now
        newcomer = self._newcomer() if self.rng.random() < 0.3 else None
        self.supervisor.start(now)
        if newcomer is not None:
            manifests, _ = load_all(self.supervisor.strategies)
            self._deploy(next(one for one in manifests if one.name == newcomer), now, never=True)
        for name in self._broken:
            self.truth.begin(now, "bad_manifest", name, "", "a manifest that is not valid")
        for name in self._mended:
            self.truth.end(now, "bad_manifest", name, "")
            self.loops[name].fault = ""
        self._mended.clear()
        for later in (31, 62, 100):
            self.agenda.at(now + later * SECOND, lambda _: None)
        away_again = 0.5 if self._broken else self.rng.uniform(0.2, 8)
        self.agenda.at(now + timedelta(days=away_again), self._leave)

    def _break_manifest(self) -> None:
        """Leave a manifest for the next start that is not valid; the strategy itself goes on."""
        well = [loop for loop in self.loops.values() if loop.is_well and loop.manifest.calendar != SHORT]
        if well:
            loop = self.rng.choice(well)
            loop.fault = "bad_manifest"
            path = self.supervisor.strategies / loop.name / "strategy.toml"
            self._broken[loop.name] = path.read_text()
            path.write_text('timezone = "Mars/Base"\n')
            self.injected["bad_manifest"] += 1

    def _mend_manifest(self) -> None:
        for name, text in self._broken.items():
            (self.supervisor.strategies / name / "strategy.toml").write_text(text)
            self._mended.append(name)
        self._broken.clear()

    def _newcomer(self) -> str:
        """Write the manifest of a strategy whose container does not start for a while."""
        name = f"newcomer_{len(self.loops)}"
        (self.supervisor.strategies / name).mkdir()
        text = manifest(name, 2, "UTC", None, ('every = "4h"', 'at = "12:00"'), self.rng)
        (self.supervisor.strategies / name / "strategy.toml").write_text(text)
        self.injected["never_started"] += 1
        return name

    # The calendar that runs out

    def _let_calendar_end(self, through: datetime) -> None:
        """Say in the truth what has to be said of the short calendar, until it is updated."""
        ends = through + timedelta(days=1)
        loop = self.loops["short_calendar"]
        self.truth.begin(max(START, through - CALENDAR_NOTICE), "calendar_ending", loop.name, "", "a short calendar")
        self.agenda.at(ends, lambda at: self.truth.end(at, "calendar_ending", loop.name, ""))
        for one in loop.bots.values():
            newest = max(self._slots(one, START))
            begin = partial(
                self.truth.begin, kind="calendar_expired", strategy=loop.name, bot=one.bot.id, cause="as well"
            )
            self.agenda.at(newest + 2 * SECOND, begin)
        self.agenda.at(ends + timedelta(days=3), self._update_calendar)

    def _update_calendar(self, at: datetime) -> None:
        """Give supervisor and loop a calendar that reaches further: the slots of the time between have been missed."""
        if not self.supervisor.is_up:
            self.agenda.at(at + timedelta(hours=1), self._update_calendar)
            return
        now = self.agenda.now
        self.supervisor.kill(now)
        write_calendar(LATEST)
        self.supervisor.start(now)
        loop = self.loops["short_calendar"]
        for one in loop.bots.values():
            self.truth.end(now, "calendar_expired", loop.name, one.bot.id)
            for slot in slots_between(one.bot.schedule, self._through, now - timedelta(hours=1)):
                if slot not in self.truth.outcomes[loop.name, one.bot.id]:
                    self.slots += 1
                    self.truth.expect(loop.name, one.bot.id, slot)
                    self.truth.outcome(now, loop.name, one.bot.id, slot, "missed", CALENDAR_RAN_OUT)
            self._feed(loop, [one], self._slots(one, now - timedelta(hours=1)))
        self.truth.begin(now, "not_written", loop.name, "", CALENDAR_RAN_OUT)

    # Housekeeping

    def _keep_house(self, at: datetime) -> None:
        self.agenda.at(at + WEEK, self._keep_house)
        if self.supervisor.is_up:
            self._check_slots(at - timedelta(days=5))
            self.supervisor.read_log()
        for loop in self.loops.values():
            journals.prune(loop.folder, at.date(), KEPT)

    def _check_slots(self, until: datetime) -> None:
        """Compare the store with the truth, before the store forgets what is old."""
        if until > self._checked_until:
            compare_slots(self.score, self.truth, self.supervisor.store, self._checked_until, until)
            self._checked_until = until


@contextmanager
def own_calendars(folder: Path) -> Iterator[None]:
    """Read calendars from a folder of this history's own, so that one can be there that ends early."""
    before = calendars._FOLDER
    shutil.copytree(before, folder)
    calendars._FOLDER = folder
    try:
        yield
    finally:
        calendars._FOLDER = before
        _forget_calendars()


def write_calendar(through: date) -> None:
    """Let the short calendar be New York's through a day."""
    table = json.loads((calendars._FOLDER / "XNYS.json").read_text())
    text = json.dumps({**table, "name": SHORT, "valid_through": through.isoformat()})
    (calendars._FOLDER / f"{SHORT}.json").write_text(text)
    _forget_calendars()


def _forget_calendars() -> None:
    calendars._names.cache_clear()
    calendars._load.cache_clear()


def simulate(seed: int, size: Size, say: Callable[[str], None] | None = None) -> Score:
    """Run one history in a folder of its own, in memory where there is room for that."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made below
    folder = Path(tempfile.mkdtemp(prefix="openbell-year-", dir=memory if memory.is_dir() else None))
    try:
        with own_calendars(folder / "calendars"), longer_waits(), simulated_disk() as rooms:
            year = Year(seed, size, folder, rooms)
            write_calendar(year._through.date())
            year.say = say or year.say
            began = time.monotonic()
            score = year.run()
            score.seed, score.seconds = seed, time.monotonic() - began
            score.slots, score.steps, score.injected = year.slots, year.supervisor.steps, year.injected
            return score
    finally:
        shutil.rmtree(folder)
