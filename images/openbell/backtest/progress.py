"""The progress of a backtest: a bar on a terminal, now and then a line elsewhere, with the time that is left."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from openbell import terminal

TELL_EVERY = 5.0  # seconds between two lines of progress where there is no terminal


def reading(started: float) -> Callable[[int, int], None]:
    """Return what tells of the symbols whose prices have been read, if that takes long."""
    told = started

    def tell(done: int, count: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= TELL_EVERY / 2:
            told = now
            left = (count - done) * (now - started) / done
            print(
                f"openbell: prices of {done:,} of {count:,} symbols read, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    return tell


@contextmanager
def running(total: int, what: str = "") -> Iterator[Callable[[int], None]]:
    """Give what tells of the slots that are done."""
    if not sys.stderr.isatty():
        yield _lines(total, what)
        return
    # A bar without a terminal loads nothing of this.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    text = TextColumn(
        "{task.description}{task.completed:,.0f} of {task.total:,} slots, {task.fields[rate]:,.0f} a second"
    )
    left = TextColumn("left")
    console, started = Console(file=terminal.unguarded_error()), time.monotonic()
    columns = (BarColumn(), text, TimeRemainingColumn(), left)
    # The workers are forked while it is shown: no thread refreshes it, and standard output and error stay as they are.
    with Progress(*columns, console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task(what, total=total, rate=0.0)

        def tell(done: int) -> None:
            bar.update(task, completed=done, rate=_rate(done, started), refresh=True)

        yield tell


def _lines(total: int, what: str) -> Callable[[int], None]:
    started = told = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= TELL_EVERY:
            told = now
            rate = _rate(done, started)
            left = f", {(total - done) / rate:.0f} s left" if rate else ""
            print(
                f"openbell: {what}{done:,} of {total:,} slots, {rate:,.0f} a second{left}", file=sys.stderr, flush=True
            )

    return tell


def _rate(done: int, started: float) -> float:
    return done / max(time.monotonic() - started, 1e-9)
