"""Backtests in worker processes: one, or one for each combination of parameters.

The prices are read once, before the workers are forked, so that they share them. A worker runs in a copy of the strategy's
folder: what a strategy writes beside its code (a model, a cache) is gone with the backtest, and no later one can read it.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from itertools import product
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from time import monotonic
from types import FrameType

from openbell.backtest import engine
from openbell.backtest.engine import Interrupted, Outcome, Setup
from openbell.manifest import load_named
from openbell.strategy import loader
from openbell.trading.markets import Market

NICE = 10  # behind everything else of the machine, the live loops above all
TELL_EVERY = 0.2  # seconds between two messages of a worker about its progress

_progress: "Queue[tuple[int, int]] | None" = None
_stop: Event | None = None  # set: the backtests are to end with what is done
_market: Market | None = None  # what the workers share; read before they are forked


def combinations(choices: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    """Return every combination of the parameters' values; one empty one if there is nothing to choose."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def run_all(
    setups: Sequence[Setup], market: Market, workers: int, tell: Callable[[int], None]
) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcomes with their index as they come; `tell` gets the number of slots done so far in all of them.

    After Ctrl-C the backtests that have begun yield what they have done, and no other begins; a second one ends all at once.
    """
    global _market  # noqa: PLW0603 - inherited by the workers; a market is too large to be sent to each
    # Forked: this process has loaded no library of the strategy's, which might not survive it.
    context = get_context("fork")
    progress: Queue[tuple[int, int]] = context.Queue()
    stop = context.Event()
    done: dict[int, int] = {}
    _market = market
    before = signal.signal(signal.SIGINT, _OnInterrupt(stop.set))
    try:
        with ProcessPoolExecutor(workers, context, _begin, (progress, stop)) as pool:
            waiting = {pool.submit(_one, index, setup): index for index, setup in enumerate(setups)}
            try:
                while waiting:
                    if stop.is_set():
                        waiting = {future: index for future, index in waiting.items() if not future.cancel()}
                    finished, _ = wait(waiting, timeout=TELL_EVERY, return_when=FIRST_COMPLETED)
                    _read_progress(progress, done, tell)
                    for future in finished:
                        index = waiting.pop(future)
                        outcome = future.result()
                        done[index] = outcome.slots
                        tell(sum(done.values()))
                        yield index, outcome
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
    finally:
        signal.signal(signal.SIGINT, before)
        _market = None


class _OnInterrupt:
    """Handles Ctrl-C: the first calls a function, the second ends the process as it would have without a handler."""

    def __init__(self, first: Callable[[], None]) -> None:
        self._first = first

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        self._first()


def _read_progress(progress: "Queue[tuple[int, int]]", done: dict[int, int], tell: Callable[[int], None]) -> None:
    with suppress(Empty):
        while True:
            index, slots = progress.get_nowait()
            done[index] = max(slots, done.get(index, 0))
    tell(sum(done.values()))


def _begin(progress: "Queue[tuple[int, int]]", stop: Event) -> None:
    global _progress, _stop
    _progress, _stop = progress, stop
    # A terminal sends Ctrl-C to the workers too, which end at their next slot when the first process says so.
    signal.signal(signal.SIGINT, _OnInterrupt(lambda: None))
    os.nice(NICE)


def _one(index: int, setup: Setup) -> Outcome:
    told = monotonic()

    def tell(slots: int) -> None:
        nonlocal told
        now = monotonic()
        if _progress is not None and now - told >= TELL_EVERY:
            told = now
            _progress.put((index, slots))
            if _stop is not None and _stop.is_set():
                raise Interrupted

    with TemporaryDirectory(prefix="openbell-backtest-") as scratch:
        # The manifest, the report and the journal know a strategy by its folder's name.
        folder = Path(scratch) / setup.folder.name
        shutil.copytree(setup.folder, folder, ignore=shutil.ignore_patterns("__pycache__", ".git"))
        if (shared := loader.shared(setup.folder)) is not None and shared.parent != setup.folder:
            shutil.copytree(shared, folder / shared.name, ignore=shutil.ignore_patterns("__pycache__"))
        os.chdir(folder)
        try:
            # What streams do, no backtest can run.
            names = [
                name for name in loader.functions(load_named(folder / "strategy.toml", folder.name)) if name != "stream"
            ]
            functions = loader.load(folder, names)
            prepare = functions.get("prepare")
            return engine.run(replace(setup, folder=folder), functions["run"], tell, _market, prepare)
        finally:
            os.chdir("/")
