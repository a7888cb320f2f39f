"""One attempt of one run, in the process that the loop has given it.

Opens what the strategy needs, calls its `run(ctx)`, and turns whatever happens into None or a Failure. Standard output
of the strategy becomes journal lines.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from openbell import clock
from openbell import journal as journals
from openbell.error_text import error_text
from openbell.journal import Journal, stamp
from openbell.json_values import JsonValues
from openbell.ledger import Claim
from openbell.manifest import Manifest
from openbell.paths import Paths, from_environment
from openbell.runner import open_files, orphans, output
from openbell.runner.account_event import tell_account
from openbell.runner.child import Files, answer_stack, wait_for_start
from openbell.runner.launchers import ECHO
from openbell.runner.output import PrintedLines
from openbell.runner.report import Failure, write_report
from openbell.runner.run_setup import (
    TimeLeft,
    desk_of,
    halted,
    open_and_reconcile,
    open_for,
    open_journal,
    open_ledger,
    publish_holdings,
    reconcile_account,
)
from openbell.runner.start_signal import WaitForStart, nothing_to_wait_for
from openbell.strategy import executable, loader
from openbell.strategy.broker_now import BrokerNow
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.executable import StrategyFunction
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.strategy.stream_context import StreamContext
from openbell.strategy.stream_progress import StreamProgress, StreamStopped
from openbell.trading.brokers import BrokerError
from openbell.trading.markets import MarketError, UnknownSymbolError
from openbell.trading.venues import VenueError
from openbell.trading.venues.preload import LibraryMissingError, preload

LAST_ANSWER = 20.0  # seconds that an order of another thread is given to be answered when run() has returned
STREAM_LAST_ANSWER = 5.0  # seconds; a stream that is asked to end is killed soon after


def attempt(
    manifest: Manifest,
    functions: Mapping[str, StrategyFunction],
    places: Paths,
    journal: Journal,
    run: Run,
    wait: WaitForStart = nothing_to_wait_for,
) -> Failure | None:
    """Call the strategy once; return None if it succeeded, else what went wrong.

    functions: the strategy's `run`, `prepare` and `stream`, as far as its bots need them. wait: called once everything is ready;
    returns when the run may begin.
    """
    fields = run.fields()
    process = os.getpid()
    output.capture(printer(journal)(run))
    try:
        ledger = open_ledger(places)
        time_left = TimeLeft(run.bot)
        desk = desk_of(manifest, run.bot, places, ledger, time_left)
        market, open_at = open_for(manifest, run.bot, desk)
        may_not = partial(halted, places)
        reconcile_account(manifest, run.bot, desk, ledger, journal, clock.now(), places)
        ledger.act_for(Claim(run.bot.id, run.slot, run.run_id, run.attempt, "", run.slot))
        if run.bot.is_stream:
            now = BrokerNow(open_at, clock.now)
            services = ContextServices(manifest, market, now, ledger, journal, clock.now, may_not, folder=places.folder)
            _stream(functions["stream"], StreamProgress(services, run), process)
            return None
        broker = open_at(run.slot)
        files = None if places.database else places.state / "files"
        services = ContextServices(manifest, market, broker, ledger, journal, clock.now, may_not, files, places.folder)
        progress = RunProgress(services, run)
        function, context = functions[run.bot.function], Context(progress)
        progress.rehearse()
        wait()
        time_left.restart()
        returned = _run_with_what_is_there(function, progress, context, process)
        if returned is not None:
            text = f"{run.bot.function}() returned {JsonValues(stamp).value(returned)!r:.200}; it is not used: order with ctx.order()"
            _note(journal, fields, text, "warning")
        progress.check_files()
        if progress.state.changed:
            ledger.save_state(run.bot.id, run.slot, progress.state)
        publish_holdings(manifest, places, ledger)
        ordered = progress.has_ordered
        tell_account(
            manifest.broker, broker, market, run.slot, places.state, journal, clock.now(), fields, ordered=ordered
        )
    except SystemExit as error:
        _end_copies(process)
        return Failure(
            f"the strategy called sys.exit({error.code!r}): return from run() instead", traceback.format_exc()
        )
    except BaseException as error:  # noqa: BLE001 - whatever a strategy raises ends its run, never more
        _end_copies(process)
        return Failure(error_text(error), _strategy_traceback(error))
    finally:
        open_files.flush(journal.folder)
        orphans.end()
        output.finish()
        others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        if others:
            text = f"threads still running at the end of the run are ended: {', '.join(others)[:200]}"
            _note(journal, fields, text, "warning")
    return None


def _run_with_what_is_there(
    function: StrategyFunction, progress: RunProgress, context: Context, process: int
) -> object:
    """Call the strategy; if the market does not know one of several symbols, say so and call it again without that one.

    The others' exits must not wait for a symbol that was delisted or renamed. Orders that were sent already are found again.
    """
    while True:
        try:
            return _run(function, progress, context, process)
        except UnknownSymbolError as error:
            if len(progress.symbols) == 1 or not progress.leave_out(error.symbol, str(error)):
                raise
            context = Context(progress)


def warm_up(manifest: Manifest, places: Paths) -> None:
    """Load what every run needs, so that forked runs find it there; no market or broker connects before it is asked.

    StrategyImportError if a library is missing.
    """
    try:
        preload(manifest)
    except (LibraryMissingError, VenueError) as error:
        raise loader.StrategyImportError(str(error)) from None
    for bot in manifest.bots:
        # A symbol that the market does not have is told by the run of the bot that has it.
        with contextlib.suppress(MarketError, BrokerError):
            _, open_at = open_for(manifest, bot, desk_of(manifest, bot, places))
            open_at(clock.now())


def reconcile_at_start(manifest: Manifest, places: Paths, journal: Journal) -> Failure | None:
    """Compare the account with the ledger before the first run; an error is written to the journal and does not prevent the start."""
    try:
        open_and_reconcile(manifest, places, journal, clock.now())
    except Exception as error:  # noqa: BLE001 - a third party's broker may raise anything
        return Failure(error_text(error), traceback.format_exc())
    return None


def _run(function: StrategyFunction, progress: RunProgress, context: Context, process: int) -> object:
    """Let the strategy decide once, and return what its function returned."""
    progress.record_opening_equity()
    try:
        returned = function(context)
    finally:
        _end_copies(process)
        progress.end_threads(LAST_ANSWER)
    progress.hold_the_rest()
    return returned


def _stream(function: StrategyFunction, progress: StreamProgress, process: int) -> None:
    """Let the strategy decide until it ends or is asked to end."""
    progress.record_opening_equity()
    signal.signal(signal.SIGTERM, lambda *_: progress.stop())
    try:
        with contextlib.suppress(StreamStopped):
            progress.beat()
            function(StreamContext(progress))
    finally:
        _end_copies(process)
        progress.end_threads(STREAM_LAST_ANSWER)
    progress.keep_state()


def _end_copies(process: int) -> None:
    """End this process if it is a copy that the strategy has forked and let come back from run(): it is no second run."""
    if os.getpid() != process:
        os._exit(1)


def printer(journal: Journal) -> Callable[[Run], PrintedLines]:
    """Return what makes journal lines of what a run prints."""
    return lambda run: PrintedLines(partial(_note, journal, run.fields()))


def printed_at_import(journal: Journal) -> PrintedLines:
    """Return what makes journal lines of what is printed outside of runs."""
    return PrintedLines(partial(_note, journal, {}))


def _note(journal: Journal, fields: Mapping[str, object], text: str, level: str) -> None:
    # Nothing depends on what a strategy prints: if it cannot be written, the run goes on, and no other error is hidden.
    with contextlib.suppress(OSError):
        journal.write("output", clock.now(), fields, level=level, text=text)


def fresh_command(run: Run, files: Files) -> list[str]:
    """Return the argument list that makes one attempt in a new interpreter."""
    spec = {
        "bot": run.bot.id,
        "slot": run.slot.isoformat(),
        "run_id": run.run_id,
        "attempt": run.attempt,
        "files": files,
        "began": time.monotonic(),
    }
    return [sys.executable, "-m", "openbell.runner.worker", json.dumps(spec)]


def _main(text: str) -> None:
    spec = json.loads(text)
    files = Files(*spec["files"])
    answer_stack(files.stack)
    echo = int(os.environ.pop(ECHO))
    os.set_inheritable(echo, False)  # noqa: FBT003 - positional only
    journals.echo_to(echo)
    orphans.adopt()
    places = from_environment(os.environ)
    manifest = loader.manifest(places)
    journal = open_journal(places, os.environ.get("OPENBELL_BOOT_ID", ""))
    journal.redact(loader.secrets(manifest, os.environ))
    run = Run(manifest.bot(spec["bot"]), datetime.fromisoformat(spec["slot"]), spec["run_id"], spec["attempt"])
    output.capture(printer(journal)(run))
    wait = wait_for_start(run, files.start, spec["began"])
    try:
        functions = loader.load(places.folder, loader.functions(manifest))
    except loader.StrategyImportError as error:
        wait()
        failure: Failure | None = Failure(str(error), error.traceback)
        output.finish()
    else:
        failure = attempt(manifest, functions, places, journal, run, wait)
    write_report(files.report, failure)
    os._exit(0 if failure is None else 1)


def _strategy_traceback(error: BaseException) -> str:
    """Return the traceback from the strategy's own first frame on: openbell's frames above it do not help its author."""
    frame = error.__traceback__
    ours = {__file__, executable.__file__}
    while frame is not None and frame.tb_frame.f_code.co_filename in ours:
        frame = frame.tb_next
    return "".join(traceback.format_exception(error.with_traceback(frame or error.__traceback__)))


if __name__ == "__main__":
    _main(sys.argv[1])
