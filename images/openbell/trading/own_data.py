"""Data of the user's own for `ctx.data`: files, a query of a database, or a function. A run sees no row of its future.

A row becomes known at its stamp, which is in the column that is called date, time or the like; one without an offset is on the
strategy's clock. A day is known when it is over, and a bar (open, high, low, close) when the next one opens, as far as its stamp
does not say when it closed. `delay` says instead how long after its stamp a row is known.
"""

import sqlite3
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytz

from openbell.trading import table_files
from openbell.trading.markets import MarketError

if TYPE_CHECKING:
    from pandas import DataFrame

STAMPS = ("closetime", "timestamp", "datetime", "date", "time", "day", "opentime", "at", "index")
BAR = frozenset({"open", "high", "low", "close"})
FRESH = 60.0  # seconds for which the answer of a database is kept: a backtest asks at every slot
MOST = 32  # files and queries that are kept
PATIENCE = 10  # seconds for a connection
_DAY = timedelta(days=1)
_kept: dict[tuple[object, ...], tuple[float, "_Known"]] = {}

Row = Mapping[str, Any]  # what a column holds, only its owner knows
Function = Callable[[datetime], Iterable[Row]]


class Rows(tuple[Row, ...]):
    """Rows that were known, oldest first, each a mapping from its columns' names."""

    __slots__ = ()

    def column(self, name: str) -> list[Any]:
        """Return one column; KeyError if there is none of that name."""
        return [row[name] for row in self]

    def frame(self) -> "DataFrame":
        """Return a pandas DataFrame whose index is when each row became known, in UTC; MarketError without pandas."""
        try:
            import pandas as pd  # noqa: PLC0415 - megabytes, only where it is asked for
        except ImportError:
            msg = "rows.frame() needs pandas, which this image does not have: make add STRATEGY=... PACKAGE=pandas"
            raise MarketError(msg) from None
        table = pd.DataFrame.from_records(list(self))
        index = pd.DatetimeIndex([row["known_at"] for row in self], name="known_at", tz="UTC")
        return table.drop(columns="known_at", errors="ignore").set_index(index)


class _Known(NamedTuple):
    at: list[datetime]
    rows: list[Row]


class Source(NamedTuple):
    """Where data come from and how their stamps are read."""

    zone: pytz.BaseTzInfo
    stamp: str = ""  # the column; found by its name if empty
    delay: timedelta | None = None

    def file(self, path: Path, until: datetime) -> Rows:
        """Return the rows of a CSV or Parquet file that were known at an instant."""
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            msg = f"there is no file {path}"
            raise MarketError(msg) from None
        return self._until(until, (path, changed), float("inf"), lambda: _cells(path))

    def query(self, url: str, sql: str, until: datetime) -> Rows:
        """Return the rows of a query that were known at an instant."""
        return self._until(until, (url, sql), FRESH, lambda: _queried(url, sql))

    def function(self, function: Function, until: datetime) -> Rows:
        """Return those rows of a function's that were known at an instant; it is called with that instant."""
        return _before(self._known(function(until)), until)

    def _until(self, until: datetime, key: tuple[object, ...], age: float, read: Callable[[], Iterable[Row]]) -> Rows:
        key = (*key, *self)
        kept = _kept.get(key)
        if kept is None or time.monotonic() - kept[0] > age:
            if len(_kept) >= MOST:
                _kept.clear()
            _kept[key] = kept = time.monotonic(), self._known(read())
        return _before(kept[1], until)

    def _known(self, rows: Iterable[Row]) -> _Known:
        listed = list(rows)
        if not listed:
            return _Known([], [])
        name = self._column(listed[0])
        stamps = [self._instant(row, name) for row in listed]
        if self.delay is not None:
            stamps = [(at + self.delay, False) for at, _ in stamps]
        elif (
            not any(is_day for _, is_day in stamps)
            and _plain(name) != "closetime"
            and set(map(_plain, listed[0])) >= BAR
        ):
            length = _usual_step(sorted(at for at, _ in stamps))
            stamps = [(at + length, False) for at, _ in stamps]
        found = sorted(zip((at for at, _ in stamps), listed, strict=True), key=lambda one: one[0])
        return _Known([at for at, _ in found], [{**row, "known_at": at} for at, row in found])

    def _column(self, row: Row) -> str:
        plain = {_plain(name): str(name) for name in reversed([*row])}
        name = self.stamp or next((plain[one] for one in STAMPS if one in plain), "")
        if name not in row:
            msg = f'no column "{self.stamp}"' if self.stamp else f"no column that is called {', '.join(STAMPS)}"
            msg = f'{msg}; there is: {", ".join(map(str, row))}; name the one with the times as in stamp="when"'
            raise MarketError(msg)
        return name

    def _instant(self, row: Row, name: str) -> tuple[datetime, bool]:
        """Return the instant of a row's stamp, and whether it is a day; without a delay the instant is the day's end."""
        clock = next((one for one in row if _plain(one) == "time" and one != name), None)
        at, is_day = _parsed(row.get(name), row[clock] if clock and _plain(name) == "date" else None)
        if at.tzinfo is None:
            at = self.zone.localize(at + _DAY if is_day and self.delay is None else at)
        return at.astimezone(UTC), is_day


def _usual_step(stamps: Sequence[datetime]) -> timedelta:
    steps = Counter(later - earlier for earlier, later in pairwise(stamps) if later > earlier)
    return steps.most_common(1)[0][0] if steps else _DAY


def _before(known: _Known, until: datetime) -> Rows:
    return Rows(known.rows[: bisect_right(known.at, until)])


def _plain(name: object) -> str:
    return "".join(char for char in str(name).lower() if char.isalnum())


def _parsed(value: object, clock: object = None) -> tuple[datetime, bool]:
    """Return a stamp, naive if it has no offset, and whether it is a day."""
    match value:
        case datetime():
            return value, False
        case date():
            return datetime.fromisoformat(value.isoformat()), True
    text = str(value).strip().removesuffix(".0")
    if text.isdigit() and len(text) in table_files.EPOCH_DIGITS:
        return datetime.fromtimestamp(int(text) / table_files.EPOCH_DIGITS[len(text)], UTC), False
    if clock is not None and str(clock).strip():
        told = str(clock).strip().removesuffix(".0")
        text, has_clock = f"{text} {told.zfill(6) if told.isdigit() else told}", True
    else:
        has_clock = len(text) > len("2026-01-02")
    try:
        return datetime.fromisoformat(text), not has_clock
    except ValueError:
        msg = f'"{text}" is not a date or time such as 2012-01-03 or 2012-01-03 09:30'
        raise MarketError(msg) from None


def _cells(path: Path) -> Iterable[Row]:
    names: Sequence[str] = ()
    for number, line in table_files.lines(path):
        if not names:
            names = [name.strip().strip("<>") for name in line]
        elif len(line) < len(names):
            msg = f"{path}, line {number}: has too few columns"
            raise MarketError(msg)
        else:
            yield {name: _value(cell) for name, cell in zip(names, line, strict=False)}


def _value(cell: str) -> object:
    """Return a cell as a number if it is one, None if it is empty."""
    text = cell.strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return number if isfinite(number) and not (text.isdigit() and len(text) in {8, *table_files.EPOCH_DIGITS}) else text


def _queried(url: str, sql: str) -> list[Row]:
    kind = url.partition(":")[0]
    try:
        match kind:
            case "sqlite":
                path = Path(url.removeprefix("sqlite:///"))
                with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as one:
                    return _records(one.execute(sql))
            case "postgresql" | "postgres" if driver := _driver():
                with closing(driver.connect(url, connect_timeout=PATIENCE)) as one, closing(one.cursor()) as cursor:
                    cursor.execute(sql)
                    return _records(cursor)
        return _by_sqlalchemy(url, sql)
    except MarketError:
        raise
    except Exception as error:  # every driver has exceptions of its own
        told = " ".join(str(error).split()).replace(url, "the database")[:300]
        msg = f"the query failed: {type(error).__name__}: {told}"
        raise MarketError(msg) from error


def _records(cursor: Any) -> list[Row]:
    names = [one[0] for one in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _driver() -> Any:
    """Return psycopg2 or psycopg, whichever the image has; None if it has neither."""
    for name in ("psycopg2", "psycopg"):
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


def _by_sqlalchemy(url: str, sql: str) -> list[Row]:
    try:
        sqlalchemy: Any = import_module("sqlalchemy")
    except ImportError:
        msg = (
            "sqlite:///file is read as it is; postgresql:// needs the package psycopg2-binary, every other database "
            "sqlalchemy and its driver: make add STRATEGY=... PACKAGE="
        )
        raise MarketError(msg) from None
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(sqlalchemy.text(sql)).mappings()]
    finally:
        engine.dispose()
