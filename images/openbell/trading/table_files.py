"""Files with columns as people have them: CSV, packed or not, and Parquet where pyarrow is there.

Known are the headers of yfinance, also the three lines of its newer versions, those of Stooq (<DATE>), and Binance's dumps,
which have none.
"""

import csv
import gzip
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from openbell.trading.markets import MarketError

ENDINGS = (".csv", ".csv.gz", ".parquet")
EPOCH_DIGITS = {10: 1, 13: 1_000, 16: 1_000_000}  # digits of an instant since 1970 → units in a second
BINANCE = ("open time", "open", "high", "low", "close", "volume", "close time", "quote volume", "trades", "taker base", "taker quote", "ignore")  # fmt: skip
Line = tuple[int, Sequence[str]]  # the number of a line in its file, and its cells


def lines(path: Path) -> Iterator[Line]:
    """Yield a file's lines, the first of which names the columns; MarketError if it cannot be read."""
    try:
        yield from _with_header(_parquet(path) if path.suffix == ".parquet" else _csv(path))
    except (OSError, EOFError, gzip.BadGzipFile, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: cannot be read: {error}"
        raise MarketError(msg) from None


def _csv(path: Path) -> Iterator[Line]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = csv.reader(content.decode("utf-8-sig").splitlines())
    return ((number, row) for number, row in enumerate(rows, 1) if row)


def _with_header(found: Iterator[Line]) -> Iterator[Line]:
    head = list(islice(found, 3))
    if not head:
        return
    first = head[0][1]
    if is_dump(first):
        head.insert(0, (0, BINANCE[: len(first)]))
    elif len(head) == 3 and [line[0] for _, line in head[1:]] in (["Ticker", "Date"], ["Ticker", "Datetime"]):
        head = [(1, (head[2][1][0], *first[1:]))]
    yield from chain(head, found)


def is_dump(line: Sequence[str]) -> bool:
    """Tell whether a line is a row of Binance's dumps."""
    return len(line) >= 6 and line[0].isdigit() and len(line[0]) in EPOCH_DIGITS


def _parquet(path: Path) -> Iterator[Line]:
    try:
        from pyarrow import parquet  # noqa: PLC0415 - only where a strategy's environment has it
    except ImportError:
        msg = f"{path}: reading Parquet needs the package pyarrow: add it to the strategy's requirements, or use CSV"
        raise MarketError(msg) from None
    table = parquet.read_table(path)
    yield 1, tuple(table.column_names)
    for number, row in enumerate(zip(*(column.to_pylist() for column in table.columns), strict=True), 2):
        yield number, tuple("" if value is None else str(value) for value in row)
