"""What every way of running a strategy begins with: its code is imported, its launcher made, its release known."""

import contextlib
import faulthandler
import signal
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from openbell import clock, reloads
from openbell.calendars import CalendarExpired
from openbell.journal import Journal
from openbell.ledger import KEEP_DAYS, Ledger
from openbell.manifest import Manifest, ManifestError
from openbell.paths import PathError, Paths
from openbell.runner import open_files, order_follower, orphans, output, worker
from openbell.runner.launchers import ForkLauncher, FreshLauncher
from openbell.runner.output import Pipe
from openbell.runner.processes import ArmingLauncher, RunProcess
from openbell.runner.report import Failure
from openbell.runner.start_signal import WaitForStart
from openbell.strategy import loader
from openbell.strategy.run_state import Run

if TYPE_CHECKING:
    from openbell.runner.loop import Loop

EXIT_CANNOT_START = 3
WATCHDOG = 25.0  # seconds without a turn after which the process ends itself, with its stack in the log
IMPORT_WITHIN = 110.0  # seconds for the import of a strategy and its packages
RECONCILE = 12.0  # seconds for reading the account at the start
# Whatever keeps a strategy from starting; each says in its text what to do.
CANNOT_START = (ManifestError, PathError, loader.StrategyImportError, CalendarExpired, sqlite3.Error, OSError)


class _Owned:
    until = float("inf")  # the monotonic clock's seconds at which this process ends unless its ownership is renewed


def arm_watchdog(seconds: float = WATCHDOG) -> None:
    """Let this process end itself unless it is armed again in time: a hung import or a hung loop does no good."""
    seconds = max(0.001, min(seconds, _Owned.until - time.monotonic()))
    faulthandler.dump_traceback_later(seconds, exit=True, file=output.real_error())


def end_by(until: float) -> None:
    """Let no hang carry this process beyond an instant of the monotonic clock, at which its ownership may be over."""
    _Owned.until = until
    arm_watchdog()


def drain_when_asked_to_stop(loop: "Loop") -> list[str]:
    """Let a signal drain the loop; return a list that has the signal's name once one has come."""
    came: list[str] = []

    def drain(number: int, _: object) -> None:
        came.append(signal.Signals(number).name)
        loop.draining = True

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, drain)
    return came


def launcher_of(manifest: Manifest, places: Paths, journal: Journal) -> ArmingLauncher:
    """Import the strategy, here if runs start warm, in a child if they start fresh; StrategyImportError if it fails."""
    if clock.SPEED != 1.0 and manifest.broker != "paper":
        msg = f'OPENBELL_CLOCK is set, and {manifest.name} trades with "{manifest.broker}": a faster clock is for paper only, unset it'
        raise PathError(msg)
    if manifest.start == "fresh":
        _import_in_child(manifest, places, journal)
        return FreshLauncher(worker.fresh_command, arm_watchdog, worker.printer(journal))
    functions = loader.load(places.folder, loader.functions(manifest))
    worker.warm_up(manifest, places)
    open_files.flush(journal.folder)  # or every run would write anew what the import has left in a buffer
    orphans.keep_children()

    def attempt(run: Run, wait: WaitForStart) -> Failure | None:
        return worker.attempt(manifest, functions, places, journal, run, wait)

    return ForkLauncher(attempt, arm_watchdog, worker.printer(journal))


def _import_in_child(manifest: Manifest, places: Paths, journal: Journal) -> None:
    """See that the strategy can be imported, without its libraries in this process; StrategyImportError if it cannot."""

    def attempt(*_: object) -> Failure | None:
        output.capture(worker.printed_at_import(journal))
        try:
            loader.load(places.folder, loader.functions(manifest))
        except loader.StrategyImportError as error:
            return Failure(str(error), error.traceback)
        finally:
            output.finish()
        return None

    launcher = ForkLauncher(attempt, printer=lambda _: worker.printed_at_import(journal))
    process = launcher.start(Run(manifest.bots[0], clock.now(), "import", 0))
    arm_watchdog(IMPORT_WITHIN)  # it ends a hung import with this process: the container's other processes go with it
    while (ending := process.poll()) is None:
        time.sleep(0.02)
    if ending.failure is not None:
        raise loader.StrategyImportError(ending.failure.error, ending.failure.traceback)


class StartReconciliation:
    """Compares the account with the ledger once, in a process of its own, while the loop is at work already.

    A slow broker delays no slot: each run compares them too before it is released.
    """

    def __init__(self, manifest: Manifest, places: Paths, journal: Journal) -> None:
        def attempt(*_: object) -> Failure | None:
            return worker.reconcile_at_start(manifest, places, journal)

        launcher = ForkLauncher(attempt, arm_watchdog, lambda _: worker.printed_at_import(journal))
        self._journal = journal
        self._process: RunProcess | None = launcher.start(Run(manifest.bots[0], clock.now(), "reconcile", 0))
        self._until = time.monotonic() + RECONCILE

    def tend(self) -> None:
        """See whether it has ended, and end it after RECONCILE; a failure is a line of the journal."""
        if self._process is None:
            return
        is_late = time.monotonic() > self._until
        if is_late:
            self._process.kill()
        if (ending := self._process.poll()) is None:
            return
        self._process = None
        if ending.failure is not None:
            reason = f"it took longer than {RECONCILE:g} s" if is_late else ending.failure.error
            text = f"what the broker holds could not be compared with the ledger: {reason}"
            self._journal.write("output", clock.now(), level="warning", text=text)

    def end(self) -> None:
        """End it: the loop's lock is free only when none of its processes is left."""
        if self._process is not None:
            self._process.kill()
            self._process = None


@contextlib.contextmanager
def captured(journal: Journal) -> Iterator[Pipe]:
    """Let nothing that this process prints reach its standard output unseen, from the strategy's import on."""
    pipe = Pipe(worker.printed_at_import(journal))
    with output.at_standard_files(pipe, worker.printed_at_import(journal)):
        faulthandler.enable(file=output.real_error())
        yield pipe
    faulthandler.enable()


def start_following(manifest: Manifest, places: Paths, journal: Journal) -> RunProcess:
    """Start the process that follows open orders; its client's library is loaded there, not here."""

    def attempt(*_: object) -> Failure | None:
        return order_follower.follow_to_the_end(manifest, places, journal)

    return ForkLauncher(attempt, arm_watchdog).start(Run(manifest.bots[0], clock.now(), "orders", 0))


def start_flattening(manifest: Manifest, places: Paths, journal: Journal) -> RunProcess:
    """Start the process that closes what the strategy holds."""

    def attempt(*_: object) -> Failure | None:
        from openbell.runner.flattening import flatten_in_child  # noqa: PLC0415 - the loop itself never needs it

        return flatten_in_child(manifest, places, journal)

    return ForkLauncher(attempt, arm_watchdog).start(Run(manifest.bots[0], clock.now(), "flatten", 0))


def tell_start(journal: Journal, manifest: Manifest, places: Paths, previous_stop: str) -> None:
    """Write service_start."""
    journal.write(
        "service_start",
        clock.now(),
        release=reloads.release(places.folder),
        timezone=manifest.timezone,
        bots=[bot.id for bot in manifest.bots],
        previous_stop=previous_stop,
        start=manifest.start,
    )


def reasons(error: Exception) -> list[str]:
    """Return why a strategy cannot start, one line each."""
    if isinstance(error, ManifestError):
        return str(error).splitlines()
    return [f"{type(error).__name__}: {error}" if isinstance(error, sqlite3.Error) else str(error)]


def tell_that_it_cannot_start(journal: Journal, error: Exception) -> None:
    """Leave the reason where the supervisor reads it; on standard error if that cannot be written."""
    now = clock.now()
    trace = error.traceback if isinstance(error, loader.StrategyImportError) else ""
    lines = reasons(error)
    try:
        for line in lines:
            journal.write("error", now, level="error", stage="start", error=line, traceback=trace, will_retry=True)
        journal.write("service_stop", now, level="error", reason=f"cannot start: {lines[0]}")
        journal.sync()
    except OSError as journal_error:
        output.say("\n".join(journal.redacted(line) for line in [*lines, str(journal_error)]))


def tidy(ledger: Ledger, journal: Journal, now: datetime) -> datetime:
    """Remove what is too old to be of use, and return when that was; what cannot be removed now is tomorrow."""
    try:
        oldest = journal.prune(now.date(), KEEP_DAYS)
        ledger.forget_before(datetime.combine(oldest, datetime.min.time(), UTC))
    except (OSError, sqlite3.Error) as error:
        output.say(f"{journal.folder.name}: old lines and claims could not be removed: {error}")
    return now
