"""The driver: a fleet, its bad luck, the watch over it, and in the end the comparison of what was said with the truth."""

import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from openbell import journal as journals
from openbell.manifest import load_all
from tests.unit.supervisor.simulation import mishaps, oddities, troubles
from tests.unit.supervisor.simulation.absences import Absences
from tests.unit.supervisor.simulation.fleet import SHORT, write_fleet
from tests.unit.supervisor.simulation.history import START, History, Size
from tests.unit.supervisor.simulation.loops import SECOND, Loop
from tests.unit.supervisor.simulation.machine import MachineTroubles
from tests.unit.supervisor.simulation.scoring import Score, compare, compare_log, compare_slots
from tests.unit.supervisor.simulation.short_calendar import ShortCalendar, own_calendars
from tests.unit.supervisor.simulation.supervisor import longer_waits, simulated_disk

WEEK = timedelta(days=7)
TELL_EVERY = 8.0  # seconds
KEPT = 32  # days of journals; the runner keeps more


class Year:
    """Drives one history."""

    def __init__(self, history: History, say: Callable[[str], None] | None = None) -> None:
        """`say` is told where the history is, now and then."""
        self._history = history
        self._score = Score()
        self._say = say
        self._told = time.monotonic()
        self._checked_until = START

    def run(self) -> Score:
        """Live through it all, then compare."""
        history, supervisor, agenda = self._history, self._history.supervisor, self._history.agenda
        write_fleet(supervisor.strategies, history.size.bots, history.rng)
        calendar = ShortCalendar(history)
        supervisor.start(START)
        supervisor.step(START)
        manifests, errors = load_all(supervisor.strategies)
        assert not errors, errors
        for one in manifests:
            history.deploy(one, START)
        calendar.begin()
        absences = Absences(history)
        MachineTroubles(history)
        agenda.at(START + timedelta(minutes=20), self._something)
        agenda.at(START + WEEK, self._keep_house)
        while agenda.now < history.end:
            self._turn()
        absences.end()
        history.look(history.end)
        self._check_slots(history.end - timedelta(hours=12))
        supervisor.read_log()
        unseen = compare(self._score, history.truth, supervisor.record, supervisor.away, history.end)
        compare_log(self._score, history.truth, supervisor.faults, unseen, history.end)
        supervisor.kill(history.end)
        for loop in history.loops.values():
            loop.close()
        self._score.slots, self._score.steps, self._score.injected = history.slots, supervisor.steps, history.injected
        return self._score

    def _turn(self) -> None:
        """Go to the next second in which something happens, and look after it."""
        history, supervisor, agenda = self._history, self._history.supervisor, self._history.agenda
        upcoming = min(agenda.next or history.end, history.end)
        if history.size.dense and supervisor.is_up:
            upcoming = min(upcoming, agenda.now + timedelta(seconds=min(supervisor.wait, 3600)))
        agenda.run(max(upcoming.replace(microsecond=0), agenda.now) + SECOND)
        if supervisor.is_up:
            history.look(agenda.now)
        if self._say is not None and time.monotonic() - self._told > TELL_EVERY:
            self._told = time.monotonic()
            happenings = history.injected.total()
            self._say(
                f"{agenda.now:%Y-%m-%d}: {history.slots} slots, {supervisor.steps} steps, {happenings} happenings"
            )

    # Bad luck

    def _something(self, at: datetime) -> None:
        if self._history.is_calm:
            return
        self._history.agenda.at(
            at + timedelta(days=self._history.rng.expovariate(self._history.size.faults_a_day)), self._something
        )
        loop = self._history.rng.choice(list(self._history.loops.values()))
        if not loop.is_well or loop.manifest.calendar == SHORT:
            return
        happening, of_bots = self._happening(loop)
        if happening is oddities.journal_damaged and not self._history.supervisor.is_up:
            return  # what was not read yet would be lost, and rightly missed
        name = happening.__name__
        loop.cause = f"{name} of {loop.name} from {at:%Y-%m-%d %H:%M:%S}"
        self._history.injected[name] += 1
        if of_bots:
            bots = list(loop.bots.values())
            for one in self._history.rng.sample(bots, min(len(bots), self._history.rng.choice((1, 1, 3)))):
                happening(loop, one, self._history.rng)
        else:
            loop.fault = name
            happening(loop, self._history.rng)
        self._history.attend(at)

    def _happening(self, loop: Loop) -> tuple[Callable[..., None], bool]:
        """Choose what happens to a loop; tell whether it happens to some of its bots."""
        if any(one.bot.is_stream for one in loop.bots.values()):
            whole = self._history.rng.choice(
                (*oddities.OF_STREAMS, *oddities.OF_STREAMS, *troubles.TROUBLES, *troubles.HARMLESS)
            )
            return whole, False
        loops = (*troubles.TROUBLES, *troubles.HARMLESS, *oddities.TROUBLES, *oddities.HARMLESS)
        kinds = [(one, False) for one in loops] + [(one, True) for one in (*mishaps.TROUBLES, *mishaps.HARMLESS)]
        return self._history.rng.choice(kinds)

    # Housekeeping

    def _keep_house(self, at: datetime) -> None:
        if not self._history.supervisor.is_up:
            self._history.agenda.at(at + timedelta(hours=1), self._keep_house)
            return
        self._history.agenda.at(at + WEEK, self._keep_house)
        self._history.look(self._history.agenda.now)  # it may have come back just now, and has read nothing yet
        self._check_slots(at - timedelta(days=5))
        self._history.supervisor.read_log()
        for loop in self._history.loops.values():
            journals.prune(loop.folder, at.date(), KEPT)

    def _check_slots(self, until: datetime) -> None:
        """Compare the store with the truth, before the store forgets what is old."""
        if until > self._checked_until:
            compare_slots(self._score, self._history.truth, self._history.supervisor.store, self._checked_until, until)
            self._checked_until = until


def simulate(seed: int, size: Size, say: Callable[[str], None] | None = None) -> Score:
    """Run one history; return what it came to."""
    return lived(seed, size, say)[0]


def lived(seed: int, size: Size, say: Callable[[str], None] | None = None) -> tuple[Score, History]:
    """Run one history in a folder of its own, in memory where there is room for that; return also what was said in it."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made below
    folder = Path(tempfile.mkdtemp(prefix="openbell-year-", dir=memory if memory.is_dir() else None))
    began = time.monotonic()
    try:
        with own_calendars(folder / "calendars"), longer_waits(), simulated_disk() as rooms:
            history = History(seed, size, folder, rooms)
            score = Year(history, say).run()
    finally:
        shutil.rmtree(folder)
    score.seed, score.seconds = seed, time.monotonic() - began
    return score, history
