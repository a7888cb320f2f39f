"""Backtests side by side, one process each: a single one, or one for each combination of parameters.

The prices and the slots are computed once, before the processes are forked, so that all share them.
"""

import gc
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from selectors import EVENT_READ, DefaultSelector
from types import FrameType

from openbell.backtest.engine import Outcome, Setup
from openbell.backtest.worker import TELL_EVERY, Worker
from openbell.manifest import Manifest
from openbell.trading.markets import Market


def combinations(choices: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    """Return every combination of the parameters' values; one empty one if there is nothing to choose."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def run_all(
    setups: Sequence[Setup], manifest: Manifest, market: Market, workers: int, tell: Callable[[int], None]
) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcomes with their index as they come; `tell` gets the number of slots done so far in all of them.

    After Ctrl-C the backtests that have begun yield what they have done, and no other begins; a second one ends all at once.
    """
    waiting, running, done = deque(enumerate(setups)), dict[Worker, int](), 0
    interrupt = _Interrupt()
    before = signal.signal(signal.SIGINT, interrupt)
    # What is there now is not looked at by collections of garbage, which would copy it into each process.
    gc.freeze()
    try:
        with DefaultSelector() as selector:
            while waiting or running:
                if interrupt.take():
                    waiting.clear()
                    for worker in running:
                        worker.stop()
                while waiting and len(running) < workers:
                    index, setup = waiting.popleft()
                    worker = Worker(setup, manifest, market)
                    running[worker] = index
                    selector.register(worker, EVENT_READ, worker)
                for key, _ in selector.select(TELL_EVERY):
                    worker = key.data
                    if not worker.is_running():
                        selector.unregister(worker)
                        worker.close()
                        index = running.pop(worker)
                        if worker.outcome is not None:
                            done += worker.slots
                            yield index, worker.outcome
                tell(done + sum(worker.slots for worker in running))
    finally:
        gc.unfreeze()
        signal.signal(signal.SIGINT, before)
        for worker in running:
            worker.close()


class _Interrupt:
    """Handles Ctrl-C: the first is kept for `take`, the second ends the process as it would have without a handler."""

    def __init__(self) -> None:
        self._is_new = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        self._is_new = True

    def take(self) -> bool:
        """Tell whether Ctrl-C came since the last call."""
        is_new, self._is_new = self._is_new, False
        return is_new
