"""`openbell run`: the main process of a strategy's container."""

import faulthandler
import gc
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell import journal as journals
from openbell import strategy
from openbell.calendars import CalendarExpired
from openbell.context import Run
from openbell.control import Control
from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import Manifest, ManifestError
from openbell.places import PlaceError, Places, from_environment, prepare
from openbell.runner import worker
from openbell.runner.clock import LONGEST_WAIT, SystemClock
from openbell.runner.lock import LoopLock
from openbell.runner.loop import Loop
from openbell.runner.processes import Failure, ForkLauncher, FreshLauncher, Launcher
from openbell.runner.recovery import recover

WATCHDOG = 25.0  # seconds without a turn after which the loop ends itself, with its stack in the log
ARM_EVERY = 4.0  # seconds; arming costs a thread, more than all the rest of an idle turn
KEEP_DAYS = 90  # days of journal that stay on the volume
EXIT_CANNOT_START = 3


def main(arguments: Sequence[str]) -> int:
    """Run the strategy that the environment names until SIGTERM; return the exit code."""
    if arguments:
        _say("usage: openbell run (it takes no arguments: the environment names the strategy)")
        return 2
    faulthandler.enable()
    try:
        places = from_environment(os.environ)
        prepare(places.journal / places.strategy)
    except PlaceError as error:
        _say(str(error))
        return EXIT_CANNOT_START
    boot_id = os.urandom(4).hex()
    os.environ["OPENBELL_BOOT_ID"] = boot_id
    try:
        for folder in (places.state, places.control / places.strategy):
            prepare(folder)
    except PlaceError as error:
        _cannot_start(Journal(places.journal, places.strategy, boot_id), error)
        return EXIT_CANNOT_START
    LoopLock(places.state).acquire(
        lambda holder: _say(f"{places.strategy}: {holder} runs this strategy; waiting until it ends")
    )
    journal = Journal(places.journal, places.strategy, boot_id)
    _arm_watchdog()
    try:
        return _serve(places, journal, boot_id)
    except (ManifestError, PlaceError, strategy.StrategyImportError, CalendarExpired, sqlite3.Error, OSError) as error:
        _cannot_start(journal, error)
        return EXIT_CANNOT_START


def _serve(places: Places, journal: Journal, boot_id: str) -> int:
    manifest = strategy.manifest(places)
    journal.redact(strategy.secrets(manifest, os.environ))
    launcher = _launcher(manifest, places, journal)
    ledger = Ledger(places.state / "ledger.sqlite")
    control = Control(places.control, manifest.name)
    control.prepare()
    clock = SystemClock()
    loop = Loop(manifest, clock, ledger, journal, control, launcher, boot_id)
    stop: list[str] = []

    def drain(number: int, _: object) -> None:
        stop.append(signal.Signals(number).name)
        loop.draining = True

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, drain)
    previous_stop = ledger.fact("previous stop") or "clean"
    journal.write(
        "service_start",
        clock.now(),
        release=_release(places.folder),
        timezone=manifest.timezone,
        bots=[bot.id for bot in manifest.bots],
        previous_stop=previous_stop,
        start=manifest.start,
    )
    ledger.remember("previous stop", "unclean")
    _warn_of_threads(manifest, journal)
    loop.begin(recover(manifest, ledger, journal, clock.now(), clean=previous_stop == "clean"))
    tidied = _tidy(ledger, journal, clock.now())
    # What is there now stays shared with the runs' processes instead of being copied at their first collection.
    gc.collect()
    gc.freeze()
    armed_at = float("-inf")
    while not loop.is_drained:
        if clock.elapsed() - armed_at >= ARM_EVERY:
            _arm_watchdog()
            armed_at = clock.elapsed()
        clock.wait(min(loop.step(), LONGEST_WAIT))
        if clock.now() - tidied >= timedelta(days=1):
            tidied = _tidy(ledger, journal, clock.now())
    try:
        loop.finish(stop[0] if stop else "drained")
    except (OSError, sqlite3.Error) as error:
        _say(f"{manifest.name}: stopped, but could not write that it did: {error}")
    return 0


def _launcher(manifest: Manifest, places: Places, journal: Journal) -> Launcher:
    """Import the strategy, here if runs start warm, in a child if they start fresh; StrategyImportError if it fails."""
    if manifest.start == "fresh":
        _import_in_child(manifest, places)
        return FreshLauncher(worker.fresh_command, _arm_watchdog)
    functions = strategy.load(places.folder, strategy.functions(manifest))
    worker.warm_up(manifest, places)

    def attempt(run: Run) -> Failure | None:
        return worker.attempt(manifest, functions, places, journal, run)

    return ForkLauncher(attempt, _arm_watchdog)


def _import_in_child(manifest: Manifest, places: Places) -> None:
    """See that the strategy can be imported, without its libraries in this process; StrategyImportError if it cannot."""

    def attempt(_: Run) -> Failure | None:
        try:
            strategy.load(places.folder, strategy.functions(manifest))
        except strategy.StrategyImportError as error:
            return Failure(str(error), error.traceback)
        return None

    process = ForkLauncher(attempt).start(Run(manifest.bots[0], datetime.now(UTC), "import", 0))
    _arm_watchdog()  # it ends a hung import with this process: the container's other processes go with it
    while (ending := process.poll()) is None:
        time.sleep(0.02)
    if ending.failure is not None:
        raise strategy.StrategyImportError(ending.failure.error, ending.failure.traceback)


def _arm_watchdog() -> None:
    faulthandler.dump_traceback_later(WATCHDOG, exit=True)


def _tidy(ledger: Ledger, journal: Journal, now: datetime) -> datetime:
    """Remove what is too old to be of use, and return when that was; what cannot be removed now is tomorrow."""
    try:
        journals.prune(journal.folder, now.date(), KEEP_DAYS)
        ledger.forget_before(now - timedelta(days=KEEP_DAYS))
    except (OSError, sqlite3.Error) as error:
        _say(f"{journal.folder.name}: old lines and claims could not be removed: {error}")
    return now


def _warn_of_threads(manifest: Manifest, journal: Journal) -> None:
    if manifest.start == "fresh":
        return
    faulthandler.cancel_dump_traceback_later()  # its own thread does not count, and takes a moment to be gone
    for _ in range(20):
        threads = sum(1 for _ in Path("/proc/self/task").iterdir())
        if threads == 1:
            break
        time.sleep(0.01)
    if threads > 1:
        names = ", ".join(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
        text = f'importing strategy.py started {threads - 1} threads ({names or "native"}), which runs do not inherit: set start = "fresh" in strategy.toml if they are needed'
        journal.write("output", datetime.now(UTC), level="warning", text=text)


def _cannot_start(journal: Journal, error: Exception) -> None:
    """Leave the reason where the supervisor reads it, one line each."""
    now = datetime.now(UTC)
    lines = (
        str(error).splitlines()
        if isinstance(error, ManifestError)
        else [f"{type(error).__name__}: {error}" if isinstance(error, sqlite3.Error) else str(error)]
    )
    trace = error.traceback if isinstance(error, strategy.StrategyImportError) else ""
    try:
        for line in lines:
            journal.write("error", now, level="error", stage="start", error=line, traceback=trace, will_retry=True)
        journal.write("service_stop", now, level="error", reason=f"cannot start: {lines[0]}")
        journal.sync()
    except OSError:
        _say(traceback.format_exc())


def _release(folder: Path) -> str:
    try:
        return (folder / "release").read_text().strip()
    except OSError:
        return "unreleased"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
