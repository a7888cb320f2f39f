"""Runs inside the runtime image: one pass over 1,000 registered bots of which none is due, by our loop and by schedule's.

Prints one JSON object: the seconds of each pass, by name.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import schedule

from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import Anchor, Bot, Manifest, Schedule
from openbell.runner.clock import SystemClock
from openbell.runner.loop import Loop
from openbell.runner.loop_control import LoopControl
from openbell.runner.loop_services import LoopServices
from openbell.runner.processes import RunProcess
from openbell.strategy.run_state import Run


class NoLauncher:
    """Starts nothing: no bot may come due here."""

    def start(self, run: Run) -> RunProcess:
        """Say that the measurement is wrong."""
        raise AssertionError(run)


def our_step(bots: int, folder: Path) -> Callable[[], object]:
    """Return the step of a loop whose bots are due in hours."""
    clock = SystemClock()
    later = (clock.now() + timedelta(hours=6)).time().replace(microsecond=0)
    daily = Schedule("UTC", at=(Anchor("clock", later),))
    manifest = Manifest(
        name="many",
        description="",
        timezone="UTC",
        calendar=None,
        market="sample",
        broker="paper",
        secrets=(),
        start="warm",
        max_parallel=64,
        bots=tuple(Bot("many", f"bot-{number}", ("AAPL",), daily) for number in range(bots)),
    )
    journal = Journal(folder / "journal", "many", "bench", echo=False)
    journal.folder.mkdir(parents=True)
    control = LoopControl(folder / "control", "many", journal.folder, "bench")
    services = LoopServices(clock, Ledger(folder / "ledger.sqlite"), journal, control, NoLauncher())
    loop = Loop(manifest, services, "bench")
    loop.begin([])
    return loop.step


def schedule_pass(jobs: int) -> Callable[[], object]:
    """Return run_pending of a scheduler whose jobs are due in hours."""
    scheduler = schedule.Scheduler()
    for _ in range(jobs):
        scheduler.every(6).hours.do(print)
    return scheduler.run_pending


def seconds_of(one_pass: Callable[[], object], passes: int) -> list[float]:
    """Return how long each pass took; the first ones, which warm up, are left out."""
    seconds: list[float] = []
    for _ in range(passes + 20):
        start = time.perf_counter()
        one_pass()
        seconds.append(time.perf_counter() - start)
    return seconds[20:]


def main(bots: int, passes: int) -> None:
    """Measure both."""
    with tempfile.TemporaryDirectory() as folder:
        ours = seconds_of(our_step(bots, Path(folder)), passes)
    peers = seconds_of(schedule_pass(bots), passes)
    print(json.dumps({"openbell, Loop.step": ours, "schedule, run_pending": peers}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
