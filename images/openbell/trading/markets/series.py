"""Named series: figures that no market gives, from a file that lies in the strategy's folder.

    strategies/<name>/series/<series>.csv

    # where it comes from: lines that begin with # are for people
    timestamp,value
    2026-01-02,1.93
    2026-01-02T16:00:00Z,1.95

A bare date is its midnight in UTC. The timestamp is when the value became known: a run sees no value of its future.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from math import isfinite
from pathlib import Path

from openbell.trading.markets import MarketError, Series, Value

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


def read(folder: Path, name: str, count: int, at: datetime) -> Series:
    """Return the last `count` values of a series that were known at `at`; MarketError if the file is not as above."""
    if count < 1:
        msg = f"the count of values must be at least 1, not {count}"
        raise MarketError(msg)
    path = folder / "series" / f"{name if _NAME.fullmatch(name) else '-'}.csv"
    try:
        values = _load(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        known = sorted(one.stem for one in (folder / "series").glob("*.csv"))
        msg = f'there is no series "{name}"; there is: {", ".join(known) or "none"} (series/<name>.csv beside strategy.py)'
        raise MarketError(msg) from None
    except (OSError, ValueError) as error:
        msg = f"series/{name}.csv: {error}"
        raise MarketError(msg) from None
    end = bisect_right(values, at, key=lambda value: value.timestamp)
    return Series(values[max(0, end - count) : end])


@lru_cache(maxsize=16)
def _load(path: Path, _changed: int) -> tuple[Value, ...]:
    with path.open(newline="") as file:
        values = tuple(_values(file))
    if any(later.timestamp <= earlier.timestamp for earlier, later in pairwise(values)):
        msg = "the timestamps must rise from line to line"
        raise ValueError(msg)
    return values


def _values(lines: Iterable[str]) -> Iterable[Value]:
    import csv  # noqa: PLC0415 - an idle loop does without

    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#") or line.strip() == "timestamp,value":
            continue
        try:
            stamp, text = next(csv.reader([line]))
            at, value = datetime.fromisoformat(stamp.strip()), float(text)
        except ValueError as error:
            msg = f"line {number}: {error}; a line is timestamp,value such as 2026-01-02,1.93"
            raise ValueError(msg) from None
        if not isfinite(value):
            msg = f"line {number}: {text.strip()} is not a number"
            raise ValueError(msg)
        yield Value(at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC), value)
