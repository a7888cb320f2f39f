"""The loop and the supervisor, both real, on one machine whose clock is wrong for a while and is corrected.

    python -m tests.unit.clock_simulation --seed 1 --seeds 50

Each seed is one history: the clock is off by seconds to years, ahead or behind, for seconds to hours, and either side
is killed and started again before, during or after that. Then the loop is down for long enough to miss slots.
"""

import argparse
import logging
import random
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from openbell.manifest import load_all
from openbell.slots import slots_between
from openbell.supervisor.alerts.incidents import Incidents
from openbell.supervisor.alerts.settings import AlertSettings
from openbell.supervisor.alerts.store import AlertStore, open_database
from openbell.supervisor.store.store import Store
from openbell.supervisor.watch import Watch
from tests.unit.runner.fakes import Rig

STRATEGY = 'timezone = "UTC"\n[defaults]\ngrace = "10s"\ntimeout = "20s"\n' + "".join(
    f'[[bot]]\nid = "{name}"\nsymbols = ["AAPL"]\nevery = "{every}"\n'
    for name, every in (("fast", "30s"), ("slow", "5m"))
)
OFFSETS = tuple(
    timedelta(**{unit: number})
    for unit, numbers in {"seconds": (3, 45, 400), "hours": (1, 9, 30), "days": (3, 40, 400, 3650)}.items()
    for number in numbers
)
STEP = timedelta(seconds=5)  # the supervisor looks at least so often
TICK = timedelta(microseconds=1)


@dataclass
class Result:
    """What a history came to."""

    seed: int
    offsets: list[str] = field(default_factory=list)
    slots: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}: {self.slots} slots, {', '.join(self.offsets)}", *self.problems[:10]])


class Machine:
    """One machine: its clock, a strategy's loop and a supervisor."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = random.Random(seed)
        self.result = Result(seed)
        (folder / "strategies" / "demo").mkdir(parents=True)
        (folder / "strategies" / "demo" / "strategy.toml").write_text(STRATEGY)
        (self.manifest,), _ = load_all(folder / "strategies")
        self.folder = folder
        self.rig = Rig(folder, self.manifest)
        self.loop_is_up = True
        self.off = timedelta(0)  # by which the clock is ahead
        self._store: Store | None = None
        self._watch: Watch | None = None
        self._alerts: AlertStore | None = None
        self._incidents: Incidents | None = None
        self._look_at = 0.0
        self.told: dict[tuple[str, str], datetime] = {}  # kind, bot → when it was said last, in true time
        self.start_supervisor()

    # Either side

    def start_supervisor(self) -> None:
        """Start it as the service does, after what a kill -9 left."""
        if self._store is not None:
            self._store.close()
        self._store = Store(self.folder / "supervisor.sqlite")
        self._watch = Watch(
            *load_all(self.folder / "strategies"), self.folder / "journal", self.folder / "control", self._store
        )
        if self._alerts is not None:
            self._alerts.close()
        self._alerts = AlertStore(open_database(self.folder / "alerts.sqlite"))
        self._incidents = Incidents(self._alerts, AlertSettings(), self._store.faults)

    def kill_supervisor(self) -> None:
        """End it as kill -9 does."""
        self._watch = None

    def kill_loop(self) -> None:
        """End it as kill -9 does."""
        if self.loop_is_up:
            self.rig.kill()
        self.loop_is_up = False

    def start_loop(self) -> None:
        """Start it as the service does."""
        if not self.loop_is_up:
            self.rig.boot()
        self.loop_is_up = True

    # Time

    @property
    def true_time(self) -> datetime:
        """What a clock that is right would show."""
        return self.rig.clock.now() - self.off

    def set_clock(self, off: timedelta) -> None:
        """Set the clock so far ahead of the true time."""
        self.rig.clock.step((off - self.off).total_seconds())
        self.off = off

    def live(self, length: timedelta) -> None:
        """Let time pass; whatever runs does what it does."""
        clock = self.rig.clock
        end = clock.elapsed() + length.total_seconds()
        while (left := end - clock.elapsed()) > 0:
            wait = self.rig.loop.step() if self.loop_is_up else 60.0
            if self._watch is not None and clock.elapsed() >= self._look_at:
                self._look_at = clock.elapsed() + min(self._look(), STEP.total_seconds())
            until_look = max(0.001, self._look_at - clock.elapsed()) if self._watch is not None else left
            clock.wait(max(0.000001, min(wait, until_look, left)))

    def _look(self) -> float:
        assert self._watch is not None
        assert self._incidents is not None
        now = self.rig.clock.now()
        wait = self._watch.step(now)
        if self._watch.snapshot is not None:
            for condition in self._watch.snapshot.conditions:
                self.told[condition.kind, condition.bot] = self.true_time
            alerts_wait = self._incidents.process(self._watch.snapshot, now)
            wait = wait if alerts_wait is None else max(0.1, min(wait, alerts_wait))
        return wait

    def messages(self) -> list[tuple[str, str]]:
        """Return sort and title of each message so far."""
        assert self._alerts is not None
        return self._alerts.database.execute("SELECT sort, title FROM messages ORDER BY id").fetchall()

    def outcome(self, bot: str, slot: datetime) -> str | None:
        """Return what the supervisor has recorded of a slot; "nothing" without a record."""
        assert self._store is not None
        records = self._store.slots.in_range("demo", bot, slot, slot)
        return records[0].outcome if records else "nothing"

    def close(self) -> None:
        """Give back what is open."""
        self.kill_loop()
        for one in (self._store, self._alerts):
            if one is not None:
                one.close()


def simulate(seed: int) -> Result:
    """Run one history, with its files in memory where there is such a place: a killed process loses nothing there."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made below
    with tempfile.TemporaryDirectory(prefix="openbell-clocks-", dir=memory if memory.is_dir() else None) as folder:
        return _history(Machine(seed, Path(folder)))


def _history(machine: Machine) -> Result:
    rng = machine.rng
    began = machine.true_time
    machine.live(timedelta(minutes=rng.uniform(6, 12)))
    until = machine.true_time - timedelta(seconds=40)
    for _ in range(rng.randint(1, 3)):
        _wrong_for_a_while(machine)
        _works_again(machine)
    _misses_are_told(machine)
    _compare(machine, began, "succeeded", until)  # nothing is removed because a clock was years ahead
    machine.close()
    return machine.result


def _wrong_for_a_while(machine: Machine) -> None:
    """Let the clock be wrong, with restarts of either side."""
    rng = machine.rng
    off = rng.choice(OFFSETS) * rng.uniform(0.9, 1.1) * rng.choice((1, 1, -1))
    length = timedelta(seconds=rng.choice((12, 90, 900)) * rng.uniform(0.8, 1.2))
    moments = {side: rng.choice(("never", "before", "during", "after", "across")) for side in ("loop", "supervisor")}
    machine.result.offsets.append(
        f"{off.total_seconds():+.0f} s for {length.total_seconds():.0f} s (loop {moments['loop']}, supervisor {moments['supervisor']})"
    )
    down = {"loop": machine.kill_loop, "supervisor": machine.kill_supervisor}
    up = {"loop": machine.start_loop, "supervisor": machine.start_supervisor}

    def restart(moment: str) -> None:
        for side in [side for side, at in moments.items() if at == moment]:
            down[side]()
            machine.live(timedelta(seconds=rng.uniform(0.1, 3)))
            up[side]()

    restart("before")
    machine.set_clock(off)
    machine.live(length / 2)
    restart("during")
    machine.live(length / 2)
    across = [side for side, at in moments.items() if at == "across"]
    for side in across:
        down[side]()
    machine.set_clock(timedelta(0))
    machine.live(timedelta(seconds=rng.uniform(0.1, 2)))
    for side in across:
        up[side]()
    restart("after")


def _works_again(machine: Machine) -> None:
    """After the correction each bot goes on within a slot, and the supervisor sees it."""
    corrected = machine.true_time
    machine.live(timedelta(minutes=11))
    _compare(machine, corrected + timedelta(seconds=40), "succeeded")
    still = {key for key, at in machine.told.items() if at > machine.true_time - timedelta(seconds=6)}
    for kind, bot in still - {("clock_wrong", "")}:
        machine.result.problems.append(f"{kind} of {bot or 'demo'} is still said 11 min after the correction")


def _misses_are_told(machine: Machine) -> None:
    """Slots that are really missed after the correction are told, whether or not the supervisor runs meanwhile."""
    machine.told.clear()
    before = len(machine.messages())
    if machine.rng.random() < 0.5:  # the loop dies while the clock is ahead, and says nothing after the correction
        machine.set_clock(machine.rng.choice(OFFSETS))
        machine.live(timedelta(seconds=12))
        machine.kill_loop()
        machine.set_clock(timedelta(0))
        machine.live(timedelta(minutes=1))
        if ("stalled", "") not in machine.told:
            machine.result.problems.append("a loop that died before the correction is not said to be silent")
    gone = machine.true_time
    machine.kill_loop()
    watched = machine.rng.random() < 0.5
    if not watched:
        machine.kill_supervisor()
    machine.live(timedelta(minutes=6))
    back = machine.true_time
    if not watched:
        machine.start_supervisor()
    machine.start_loop()
    machine.live(timedelta(minutes=1))
    if not any(sort in {"alert", "update", "summary"} for sort, _ in machine.messages()[before:]):
        machine.result.problems.append("no message was sent of the missed slots")
    _compare(machine, gone, "missed", back - timedelta(seconds=12))
    for bot in machine.manifest.bots:
        if ("missed", bot.id) not in machine.told and not _has_fault(machine, bot.id):
            machine.result.problems.append(f"the missed slots of {bot.id} are told nowhere")
    machine.live(timedelta(minutes=6))


def _has_fault(machine: Machine, bot: str) -> bool:
    assert machine._store is not None
    return any(fault.condition.kind == "missed" and fault.condition.bot == bot for fault in machine._store.faults(0))


def _compare(machine: Machine, after: datetime, wanted: str, until: datetime | None = None) -> None:
    until = until or machine.true_time - timedelta(seconds=12)
    for bot in machine.manifest.bots:
        for slot in slots_between(bot.schedule, after, until):
            machine.result.slots += 1
            if (found := machine.outcome(bot.id, slot)) != wanted:
                machine.result.problems.append(f"{bot.id} {slot:%Y-%m-%d %H:%M:%S}: {found} instead of {wanted}")


def main() -> int:
    """Run the histories that the command line asks for; return 1 if one has a problem."""
    parser = argparse.ArgumentParser(description="simulate wrong clocks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many, from --seed on")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found = 0
    for seed in range(options.seed, options.seed + options.seeds):
        result = simulate(seed)
        print(result, flush=True)
        found += len(result.problems)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
