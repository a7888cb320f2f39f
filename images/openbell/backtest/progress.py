"""The progress of a backtest: a bar on a terminal, now and then a line elsewhere, with the time that is left."""

import sys
import time
from collections.abc import Callable

from openbell import terminal

BAR = 30  # characters
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


def running(total: int, started: float, what: str = "") -> Callable[[int], None]:
    """Return what tells of the slots that are done."""
    told = started

    def tell(done: int) -> None:
        nonlocal told
        now = time.monotonic()
        rate = done / (now - started) if now > started else 0.0
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
        line = f"{what}{done:,} of {total:,} slots, {rate:,.0f} a second{left}"
        if sys.stderr.isatty():
            filled = round(BAR * done / total) if total else BAR
            terminal.progress(f"[{'#' * filled}{'.' * (BAR - filled)}] {line}")
        elif now - told >= TELL_EVERY:
            told = now
            print(f"openbell: {line}", file=sys.stderr, flush=True)

    return tell
