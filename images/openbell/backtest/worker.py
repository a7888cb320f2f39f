"""One backtest in a process of its own, which is forked from one that has read the prices, and so shares them.

It runs in a copy of the strategy's folder: what a strategy writes beside its code (a model, a cache) is gone with the backtest,
and no later one can read it.
"""

import os
import pickle
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from types import FrameType
from typing import BinaryIO

from openbell.backtest import engine
from openbell.backtest.engine import Interrupted, Outcome, Setup
from openbell.error_text import error_text
from openbell.manifest import Manifest
from openbell.records import replace
from openbell.strategy import loader
from openbell.trading.markets import Market

NICE = 10  # behind everything else of the machine, the live loops above all
TELL_EVERY = 0.2  # seconds between two messages about the progress


class WorkerEndedError(Exception):
    """The process of a backtest has ended before its backtest."""


class Worker:
    """The process of one backtest, as the first process sees it."""

    def __init__(self, setup: Setup, manifest: Manifest, market: Market) -> None:
        """Begin."""
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            os.close(reading)
            _end_with(_report, os.fdopen(writing, "wb"), setup, manifest, market)
        os.close(writing)
        self.slots = 0  # that are done
        self.outcome: Outcome | None = None
        self._is_stopped = False
        self._pipe = os.fdopen(reading, "rb")

    def fileno(self) -> int:
        """Return what can be read as soon as there is news."""
        return self._pipe.fileno()

    def is_running(self) -> bool:
        """Take the next news; tell whether more will come. It raises what has ended the backtest, if that was an error."""
        try:
            news = pickle.load(self._pipe)  # noqa: S301 - of a process of ours
        except (EOFError, pickle.UnpicklingError):
            _, status = os.waitpid(self.pid, 0)
            self.pid = 0
            if self.outcome is None and not self._is_stopped:
                code = os.waitstatus_to_exitcode(status)
                how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
                msg = f"the process of the backtest {how}; SIGKILL is often a lack of memory"
                raise WorkerEndedError(msg) from None
            return False
        if isinstance(news, BaseException):
            raise news
        if isinstance(news, Outcome):
            self.outcome, self.slots = news, news.slots
        else:
            self.slots = news
        return True

    def stop(self) -> None:
        """Let the backtest end after its next slot, with what is done; one that has not begun ends without an outcome."""
        self._is_stopped = True
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)

    def close(self) -> None:
        """End the process if it has not ended."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
        self._pipe.close()


def _end_with(work: Callable[..., None], *arguments: object) -> None:
    """Do the work of a process, and end it: nothing of the process that it was forked from goes on here."""
    code = 1
    try:
        work(*arguments)
        code = 0
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _report(pipe: BinaryIO, setup: Setup, manifest: Manifest, market: Market) -> None:
    """Run the backtest, and tell the first process of it."""
    # A terminal sends Ctrl-C to all processes; the first one decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = _Stop()
    signal.signal(signal.SIGTERM, stop)
    os.nice(NICE)
    told = monotonic()

    def tell(slots: int) -> None:
        nonlocal told
        if stop.is_asked_for:
            raise Interrupted
        if (now := monotonic()) - told >= TELL_EVERY:
            told = now
            pickle.dump(slots, pipe)
            pipe.flush()

    with pipe, suppress(BrokenPipeError):  # the first process has ended
        try:
            news: object = _run(setup, manifest, market, tell)
        except Exception as error:  # noqa: BLE001 - the first process raises it again
            news = _portable(error)
        pickle.dump(news, pipe)


class _Stop:
    """Whether the first process has asked for the end."""

    is_asked_for = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.is_asked_for = True


def _run(setup: Setup, manifest: Manifest, market: Market, tell: Callable[[int], None]) -> Outcome:
    with TemporaryDirectory(prefix="openbell-backtest-") as scratch:
        # The manifest, the report and the journal know a strategy by its folder's name.
        folder = Path(scratch) / setup.folder.name
        shutil.copytree(setup.folder, folder, ignore=shutil.ignore_patterns("__pycache__", ".git"))
        if (shared := loader.shared(setup.folder)) is not None and shared.parent != setup.folder:
            shutil.copytree(shared, folder / shared.name, ignore=shutil.ignore_patterns("__pycache__"))
        os.chdir(folder)
        try:
            # What streams do, no backtest can run.
            functions = loader.load(folder, [name for name in loader.functions(manifest) if name != "stream"])
            prepare = functions.get("prepare")
            return engine.run(replace(setup, folder=folder), functions["run"], tell, market, prepare, manifest)
        finally:
            os.chdir("/")


def _portable(error: Exception) -> Exception:
    """Return an error as another process can read it."""
    error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - of this process
    except Exception:  # noqa: BLE001 - an error of a library may fail in any way
        return RuntimeError(error_text(error))
    return error
