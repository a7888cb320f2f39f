"""What goes wrong with the machine, and what goes slowly: a full disk, a wrong clock, runs that creep up on their timeout."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from tests.unit.supervisor.simulation.bots import SimulatedBot
from tests.unit.supervisor.simulation.history import MONTH, START, History
from tests.unit.supervisor.simulation.loops import Loop
from tests.unit.supervisor.simulation.supervisor import ROOMY, SHORT_OF_ROOM

MENDED_AFTER = timedelta(days=75)  # runs that creep are made short again
LOOKS = (31.0, 63.0)  # seconds; the watch looks at the machine every half minute only


class MachineTroubles:
    """The machine's bad luck."""

    def __init__(self, history: History) -> None:
        self._history = history
        history.agenda.at(START + timedelta(hours=7), self._fill_the_disk)
        history.agenda.at(START + timedelta(hours=11), self._mislead_the_clock)
        if history.size.length > 4 * MONTH:
            history.agenda.at(START + MONTH, self._let_runs_creep)

    def _fill_the_disk(self, at: datetime) -> None:
        self._history.rooms[:] = [SHORT_OF_ROOM]
        self._machine_trouble(at, "volume_full", self._make_room, self._fill_the_disk)

    def _make_room(self, at: datetime) -> None:
        self._history.rooms[:] = [ROOMY]
        self._history.truth.end(at, "volume_full", "", "")
        self._history.look_after(at, *LOOKS)

    def _mislead_the_clock(self, at: datetime) -> None:
        self._history.supervisor.skew = self._history.rng.choice((-7.5, 3.1))
        self._machine_trouble(at, "clock_wrong", self._right_the_clock, self._mislead_the_clock)

    def _right_the_clock(self, at: datetime) -> None:
        self._history.supervisor.skew = 0.1
        self._history.truth.end(at, "clock_wrong", "", "")
        self._history.look_after(at, *LOOKS)

    def _machine_trouble(
        self, at: datetime, kind: str, end: Callable[[datetime], None], again: Callable[[datetime], None]
    ) -> None:
        self._history.injected[kind] += 1
        self._history.truth.begin(at, kind, "", "", kind)
        self._history.look_after(at, *LOOKS)
        self._history.agenda.at(at + timedelta(hours=self._history.rng.uniform(0.1, 9)), end)
        if at < self._history.end - self._history.size.calm - timedelta(days=25):
            self._history.agenda.at(at + timedelta(days=self._history.rng.uniform(5, 25)), again)

    def _let_runs_creep(self, at: datetime) -> None:
        """Let the runs of some bots take longer and longer."""
        loop = self._history.loops["us_daily_1"]
        for one in list(loop.bots.values())[:2]:
            one.creeps_since = at
            self._history.injected["creep"] += 1
            begin = partial(self._history.truth.begin, kind="slower", strategy=loop.name, bot=one.bot.id, cause="creep")
            self._history.agenda.at(at + timedelta(days=14), begin)
            self._history.agenda.at(at + MENDED_AFTER, partial(self._make_short, loop, one))

    def _make_short(self, loop: Loop, one: SimulatedBot, at: datetime) -> None:
        one.creeps_since = None
        self._history.truth.end(at, "slower", loop.name, one.bot.id)
