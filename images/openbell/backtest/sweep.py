"""Backtests in worker processes: one, or one for each combination of parameters."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from multiprocessing.queues import Queue
from queue import Empty

from openbell.backtest import engine
from openbell.backtest.engine import Outcome, Setup
from openbell.strategy import loader

NICE = 10  # behind everything else of the machine, the live loops above all
LOOK_EVERY = 0.2  # seconds between two looks at the progress

_progress: "Queue[tuple[int, int]] | None" = None


def combinations(choices: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    """Return every combination of the parameters' values; one empty one if there is nothing to choose."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def run_all(setups: Sequence[Setup], workers: int, tell: Callable[[int], None]) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcomes with their index as they come; `tell` gets the number of slots done so far in all of them."""
    # Fresh interpreters: a strategy's libraries may not survive a fork.
    context = get_context("spawn")
    progress: Queue[tuple[int, int]] = context.Queue()
    done: dict[int, int] = {}
    with ProcessPoolExecutor(workers, context, _begin, (progress,)) as pool:
        waiting = {pool.submit(_one, index, setup): index for index, setup in enumerate(setups)}
        while waiting:
            finished = [future for future in waiting if future.done()]
            if not finished:
                _take(progress, done, tell)
            for future in finished:
                index = waiting.pop(future)
                outcome = future.result()
                done[index] = outcome.slots
                tell(sum(done.values()))
                yield index, outcome


def _take(progress: "Queue[tuple[int, int]]", done: dict[int, int], tell: Callable[[int], None]) -> None:
    try:
        index, slots = progress.get(timeout=LOOK_EVERY)
    except Empty:
        return
    done[index] = max(slots, done.get(index, 0))
    tell(sum(done.values()))


def _begin(progress: "Queue[tuple[int, int]]") -> None:
    global _progress  # noqa: PLW0603 - a worker process has one queue for its life
    _progress = progress
    os.nice(NICE)


def _one(index: int, setup: Setup) -> Outcome:
    function = loader.load(setup.folder, ("run",))["run"]

    def tell(slots: int) -> None:
        if _progress is not None:
            _progress.put((index, slots))

    return engine.run(setup, function, tell)
