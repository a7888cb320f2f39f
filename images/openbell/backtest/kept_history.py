"""The history that `make history` keeps for backtests: bars as columns of numbers in files, mapped into memory.

    <folder>/<timeframe>/<symbol>/closed, open, high, low, close, volume

Each file is one column: `closed` has 64-bit integers (milliseconds since 1970, when a bar closed), the others 64-bit
floats, all little-endian; `numpy.fromfile(path, "<f8")` reads one too. A / in a symbol is a - in the folder's name. Opening
a symbol reads nothing: the system loads the pages that are asked for, and processes share them.

`closed` is written last. After a crash in the middle of an append it is the shortest, and its bars are those that count.
"""

import mmap
import shutil
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from openbell.instants import from_milliseconds, milliseconds
from openbell.trading.limits import is_usable
from openbell.trading.markets import Bar, Bars, MarketError, timeframes

WIDTH = 8  # bytes of one number
FIGURES = ("open", "high", "low", "close", "volume")
BLOCK = 65_536  # bars that an append converts at a time
_NONE = timedelta(0)


class Columns(NamedTuple):
    """All bars of one symbol and timeframe as columns, oldest first. `closed` is in milliseconds since 1970."""

    closed: Sequence[int]
    open: Sequence[float]
    high: Sequence[float]
    low: Sequence[float]
    close: Sequence[float]
    volume: Sequence[float]

    def bars(self, begin: int, end: int) -> Bars:
        """Return the bars from one index to before another."""
        rows = zip(*(column[begin:end] for column in self), strict=True)
        return Bars(Bar(from_milliseconds(closed), *figures) for closed, *figures in rows)


class KeptHistory:
    """Bars in a folder, by symbol and timeframe. One process appends at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def timeframes(self, symbol: str) -> list[str]:
        """Return the timeframes that are kept of a symbol, the shortest first."""
        name = _folder_name(symbol)
        kept = [path.parent.parent.name for path in self.folder.glob(f"*/{name}/closed")]
        return sorted((one for one in kept if timeframes.length(one)), key=lambda one: timeframes.length(one) or _NONE)

    def newest(self, symbol: str, timeframe: str) -> datetime | None:
        """Return when the newest kept bar closed, from where a fetch goes on; None if there is none."""
        closed = self.columns(symbol, timeframe).closed
        return from_milliseconds(closed[-1]) if closed else None

    def append(self, symbol: str, timeframe: str, bars: Iterable[Bar]) -> int:
        """Keep the bars that are newer than the newest kept one; return how many.

        Bars come oldest first. MarketError for a bar that is out of order or lacks a figure; what came before it is kept.
        """
        if timeframes.length(timeframe) is None:
            msg = f'"{timeframe}" is not a timeframe; allowed: such as 1m, 15m, 1h, 1d'
            raise MarketError(msg)
        place = self.folder / timeframe / _folder_name(symbol)
        place.mkdir(parents=True, exist_ok=True)
        closed = self.columns(symbol, timeframe).closed
        count, newest = len(closed), closed[-1] if closed else None
        before, block, added = None, [], 0
        try:
            for bar in bars:
                stamp = milliseconds(bar.timestamp)
                if before is not None and stamp <= before:
                    msg = f"{symbol} {timeframe}: the bar of {bar.timestamp:%Y-%m-%d %H:%M} UTC is not after the one before"
                    raise MarketError(msg)
                before = stamp
                if not all(map(is_usable, bar[1:5])) or not 0 <= bar.volume < float("inf"):
                    msg = (
                        f"{symbol} {timeframe}: the bar of {bar.timestamp:%Y-%m-%d %H:%M} UTC lacks a figure: {bar[1:]}"
                    )
                    raise MarketError(msg)
                if newest is None or stamp > newest:
                    block.append((stamp, *bar[1:]))
                if len(block) == BLOCK:
                    added += _write(place, count + added, block)
                    block = []
        finally:
            added += _write(place, count + added, block)
        return added

    def begin(self, symbol: str, timeframe: str, at: datetime) -> None:
        """Remember from when on a symbol's bars are kept: the first of them may have closed later, where there was none before."""
        place = self.folder / timeframe / _folder_name(symbol)
        if self.begun(symbol, timeframe) is None:
            place.mkdir(parents=True, exist_ok=True)
            (place / "begun").write_text(at.isoformat())

    def begun(self, symbol: str, timeframe: str) -> datetime | None:
        """Return from when on a symbol's bars are kept; None if nothing was fetched."""
        try:
            return datetime.fromisoformat((self.folder / timeframe / _folder_name(symbol) / "begun").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def forget(self, symbol: str, timeframe: str) -> None:
        """Delete all bars of a symbol."""
        shutil.rmtree(self.folder / timeframe / _folder_name(symbol), ignore_errors=True)

    def columns(self, symbol: str, timeframe: str) -> Columns:
        """Return all bars of a symbol as columns; empty ones if nothing is kept."""
        place = self.folder / timeframe / _folder_name(symbol)
        if not (place / "closed").is_file():
            return Columns([], [], [], [], [], [])
        closed = _mapped(place / "closed").cast("q")
        figures = [_mapped(place / name).cast("d") for name in FIGURES]
        count = len(closed)
        if any(len(column) < count for column in figures):
            msg = f"{place}: a column is shorter than the others: delete this folder, and run make history again"
            raise MarketError(msg)
        return Columns(closed, *(column[:count] for column in figures))

    def bars(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> Bars:
        """Return the bars that closed after `start` and until `end`, oldest first."""
        columns = self.columns(symbol, timeframe)
        begin, stop = (bisect_right(columns.closed, milliseconds(at)) for at in (start, end))
        return columns.bars(begin, stop)


def _folder_name(symbol: str) -> str:
    name = symbol.replace("/", "-")
    if not name or name.startswith(".") or not name.isprintable():
        msg = f'"{symbol}" is not a symbol'
        raise MarketError(msg)
    return name


def _mapped(path: Path) -> memoryview:
    """Return the numbers of a file, mapped into memory, without one that was cut short."""
    size = path.stat().st_size // WIDTH * WIDTH
    if not size:
        return memoryview(b"")
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))


def _write(place: Path, count: int, rows: Sequence[tuple[float, ...]]) -> int:
    """Write rows behind the first `count` ones, `closed` last, and return how many."""
    if not rows:
        return 0
    stamps, *figures = zip(*rows, strict=True)
    columns = [*zip(FIGURES, (array("d", column) for column in figures), strict=True), ("closed", array("q", stamps))]
    for name, column in columns:
        path = place / name
        path.touch()
        with path.open("r+b") as file:
            file.truncate(count * WIDTH)  # what a crash has left behind
            file.seek(0, 2)
            column.tofile(file)
    return len(rows)
