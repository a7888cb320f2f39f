"""`openbell run`: the main process of a strategy's container."""

import faulthandler
import gc
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from openbell import reloads, renaming
from openbell.journal import Journal
from openbell.manifest import Manifest
from openbell.paths import LEDGER, PathError, Paths, from_environment, prepare
from openbell.runner import orphans
from openbell.runner.armed import SHORTEST_LEAD, ArmedRuns
from openbell.runner.clock import LONGEST_WAIT, SystemClock
from openbell.runner.flattening import Flattening
from openbell.runner.loop import Loop
from openbell.runner.loop_control import LoopControl
from openbell.runner.loop_lock import LoopLock
from openbell.runner.loop_services import LoopServices
from openbell.runner.order_follower import OrderFollower
from openbell.runner.output import Pipe, say
from openbell.runner.processes import ArmingLauncher
from openbell.runner.recovery import recover
from openbell.runner.run_setup import open_journal, open_ledger
from openbell.runner.startup import (
    CANNOT_START,
    EXIT_CANNOT_START,
    IMPORT_WITHIN,
    StartReconciliation,
    arm_watchdog,
    captured,
    drain_when_asked_to_stop,
    launcher_of,
    reasons,
    start_flattening,
    start_following,
    tell_start,
    tell_that_it_cannot_start,
    tidy,
)
from openbell.strategy import loader
from openbell.strategy_user import keep_private, share, take_over

if TYPE_CHECKING:
    from openbell.runner.owned import Owner

FRESH_LEAD = 10.0  # seconds that the first new interpreters are given to import the strategy before their slot
ARM_EVERY = 4.0  # seconds; arming costs a thread, more than all the rest of an idle turn


def main(arguments: Sequence[str]) -> int:
    """Run the strategy that the environment names until SIGTERM; return the exit code."""
    if arguments:
        say("usage: openbell run (it takes no arguments: the environment names the strategy)")
        return 2
    faulthandler.enable()
    try:
        places = from_environment(os.environ)
        prepare(places.journal / places.strategy)
        keep_private(places.journal / places.strategy)
    except PathError as error:
        say(str(error))
        return EXIT_CANNOT_START
    boot_id = os.urandom(4).hex()
    os.environ["OPENBELL_BOOT_ID"] = boot_id
    try:
        prepare(places.state)
    except PathError as error:
        tell_that_it_cannot_start(Journal(places.journal, places.strategy, boot_id), error)
        return EXIT_CANNOT_START
    journal = open_journal(places, boot_id)
    lock = LoopLock(places.state)
    arm_watchdog(IMPORT_WITHIN)
    try:
        # Imported before the lock is waited for: another loop goes on until this one only has to take over. A deploy waits
        # for the line.
        manifest = loader.manifest(places)
        journal.redact(loader.secrets(manifest, os.environ))
        orphans.adopt()
        with captured(journal) as printed:
            arm_watchdog(IMPORT_WITHIN)  # again: its stack goes to the real standard error, which has moved
            launcher = launcher_of(manifest, places, journal)
            faulthandler.cancel_dump_traceback_later()
            if old := renaming.awaited(places.state):
                say(f"{places.strategy}: {old} runs its bots; waiting until it ends")
                renaming.wait(places.state)
                lock = LoopLock(places.state)
            lock.acquire(lambda holder: say(f"{places.strategy}: {holder} runs this strategy; waiting until it ends"))
            arm_watchdog()
            if places.database:
                from openbell.runner.owned import serve_while_owned  # noqa: PLC0415 - its driver takes 7 MB

                serve = partial(_serve, manifest, launcher, places, journal, boot_id, printed)
                serve_while_owned(places, journal, boot_id, manifest.broker, printed, serve)
            else:
                _serve(manifest, launcher, places, journal, boot_id, printed)
            return 0
    except CANNOT_START as error:
        if lock.try_to_acquire() is None:
            tell_that_it_cannot_start(journal, error)
        else:  # another loop runs the strategy well: its journal is no place for this
            say(f"{places.strategy}: cannot start: {'; '.join(reasons(error))}")
        return EXIT_CANNOT_START


def _serve(
    manifest: Manifest,
    launcher: ArmingLauncher,
    places: Paths,
    journal: Journal,
    boot_id: str,
    printed: Pipe,
    owner: "Owner | None" = None,
) -> bool:
    """Run the loop until this process is asked to stop; False if its ownership ended before, and with it all its runs."""
    for folder in (journal.folder, places.state):
        take_over(folder)
    if owner is None:
        share(places.state / LEDGER)
    ledger = open_ledger(places, prepare=True)
    control = owner.control() if owner else LoopControl(places.control, manifest.name, journal.folder, boot_id)
    clock = owner.clock if owner else SystemClock()
    with closing(control), closing(ledger):
        control.wake_on_change()  # the clock handles the signal
        follower = OrderFollower(ledger, partial(start_following, manifest, places, journal))
        armed = ArmedRuns(launcher, FRESH_LEAD if manifest.start == "fresh" else SHORTEST_LEAD)
        flattening = Flattening(partial(start_flattening, manifest, places, journal))
        services = LoopServices(clock, ledger, journal, control, launcher, follower, armed, flattening)
        loop = Loop(manifest, services, boot_id, release=reloads.release(places.folder))
        stop = drain_when_asked_to_stop(loop)
        previous_stop = ledger.fact("previous stop") or "clean"
        tell_start(journal, manifest, places, previous_stop)
        ledger.remember("previous stop", "unclean")
        _warn_of_threads(manifest, journal)
        unknown_until = owner.unknown_until if owner else None
        clean, lost_commits = previous_stop == "clean", unknown_until is not None
        unfinished = recover(manifest, ledger, journal, clock.now(), clean=clean, lost_commits=lost_commits)
        loop.begin(unfinished, unknown_until=unknown_until)
        if owner is not None and not owner.keep():  # on a busy machine all this has taken a while
            loop.abandon()
            return bool(stop)
        reconciliation = StartReconciliation(manifest, places, journal)
        # What is there now stays shared with the runs' processes instead of being copied at their first collection.
        gc.collect()
        gc.freeze()
        if not _run(loop, owner, clock, printed, reconciliation, lambda now: tidy(ledger, journal, now)):
            loop.abandon()
            return bool(stop)
        reconciliation.end()
        try:
            loop.finish(stop[0] if stop else "moved")
        except (OSError, sqlite3.Error) as error:
            say(f"{manifest.name}: stopped, but could not write that it did: {error}")
        if owner is not None:
            owner.end()
        return bool(stop)


def _run(
    loop: Loop,
    owner: "Owner | None",
    clock: SystemClock,
    printed: Pipe,
    reconciliation: StartReconciliation,
    tidied_at: Callable[[datetime], datetime],
) -> bool:
    """Let the loop do its work until it has drained; False if its ownership ended before."""
    longest_wait = owner.longest_wait if owner else LONGEST_WAIT
    tidied = clock.now() - timedelta(days=1)  # after the first step: a slot may be due by now
    armed_at = float("-inf")
    while not loop.is_drained:
        if owner is not None and not owner.keep():
            return False
        idle = owner.step(loop) if owner else loop.step()
        # What is not due to the moment comes after the step, which may be a slot's.
        printed.read()
        reconciliation.tend()
        if clock.elapsed() - armed_at >= ARM_EVERY:
            arm_watchdog()
            armed_at = clock.elapsed()
        clock.wait(min(idle, longest_wait))
        if clock.now() - tidied >= timedelta(days=1):
            tidied = tidied_at(clock.now())
    return True


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
