"""Values that authors pass to ctx.log and ctx.signal: each becomes sensible JSON, and none raises."""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum

import numpy as np
import pandas as pd
import pytest

from openbell.journal import stamp
from openbell.json_values import LEFT_OUT, JsonValues

EARLIER_THAN_ANY = datetime.min.replace(tzinfo=timezone(timedelta(hours=9)))  # in UTC it would be in the year 0
LATEST = datetime.max.replace(tzinfo=UTC)


class Angry:
    """An object whose every look raises."""

    def __repr__(self) -> str:
        msg = "no"
        raise RuntimeError(msg)

    def __getattr__(self, name: str) -> object:
        raise KeyError(name)


class AngryMapping(Mapping[str, int]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: str) -> int:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


class Side(IntEnum):
    """An integer with a name."""

    LONG = 1


class Word(StrEnum):
    """A text with a name."""

    BUY = "buy"


def plain(value: object) -> object:
    """Return the value as a line has it, having seen that strict JSON takes it."""
    found = JsonValues(stamp).value(value)
    json.loads(json.dumps(found, allow_nan=False))
    return found


@pytest.mark.parametrize(
    "value, expected",
    [
        pytest.param(pd.Timestamp("2026-01-02 09:30"), "2026-01-02T09:30:00", id="naive Timestamp"),
        pytest.param(pd.Timestamp("2026-01-02 09:30", tz="America/New_York"), "2026-01-02T14:30:00.000Z", id="aware Timestamp"),
        pytest.param(pd.NaT, "NaT", id="NaT"),
        pytest.param(pd.NA, "<NA>", id="NA"),
        pytest.param(pd.Timedelta("1h"), "0 days 01:00:00", id="Timedelta"),
        pytest.param(pd.Series([1.5, 2.0]), [1.5, 2.0], id="Series"),
        pytest.param(datetime(2026, 1, 2, 9, 30), "2026-01-02T09:30:00", id="naive datetime"),  # noqa: DTZ001
        pytest.param(datetime.min, "0001-01-01T00:00:00", id="the first instant"),  # noqa: DTZ901
        pytest.param(LATEST, "9999-12-31T23:59:59.999Z", id="the last instant"),
        pytest.param(EARLIER_THAN_ANY, "0001-01-01T00:00:00+09:00", id="an instant before the first"),
        pytest.param(date(2026, 1, 2), "2026-01-02", id="date"),
        pytest.param(time(9, 30), "09:30:00", id="time"),
        pytest.param(timedelta(minutes=5), "0:05:00", id="timedelta"),
        pytest.param(np.float64(1.5), 1.5, id="numpy float64"),
        pytest.param(np.float32(0.5), 0.5, id="numpy float32"),
        pytest.param(np.float64("nan"), "nan", id="numpy nan"),
        pytest.param(np.int64(7), 7, id="numpy int64"),
        pytest.param(np.bool_(True), True, id="numpy bool"),
        pytest.param(np.datetime64("2026-01-02T09:30", "s"), "2026-01-02T09:30:00", id="numpy datetime64"),
        pytest.param(np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]], id="numpy array"),
        pytest.param(np.array([1.0, math.nan]), [1.0, "nan"], id="numpy array with nan"),
        pytest.param(np.array(3), 3, id="numpy array of no dimension"),
        pytest.param(Decimal("1.10"), 1.1, id="Decimal"),
        pytest.param(Decimal("0.1234567890123456789"), "0.1234567890123456789", id="Decimal beyond a float"),
        pytest.param(Decimal("NaN"), "NaN", id="Decimal nan"),
        pytest.param(Decimal("1e999"), "1E+999", id="huge Decimal"),
        pytest.param(2**63 - 1, 2**63 - 1, id="largest integer"),
        pytest.param(2**64, "18446744073709551616", id="integer beyond 64 bits"),
        pytest.param(10**5000, "[an integer of 16610 bits]", id="integer of 5000 digits"),
        pytest.param(math.inf, "inf", id="infinity"),
        pytest.param(Angry(), "[a Angry that cannot be shown: KeyError]", id="an object that raises"),
        pytest.param(AngryMapping(), "[a AngryMapping that cannot be shown: RuntimeError]", id="a mapping that raises"),
        pytest.param({Angry(): 1}, {"[a Angry that cannot be shown: KeyError]": 1}, id="a key that raises"),
        pytest.param({1: 2, None: 3, (1, 2): 4}, {"1": 2, "None": 3, "[1, 2]": 4}, id="keys that are no texts"),
        pytest.param(Side.LONG, 1, id="IntEnum"),
        pytest.param(Word.BUY, "buy", id="StrEnum"),
        pytest.param(b"\xff", "b'\\xff'", id="bytes"),
        pytest.param({3}, [3], id="set"),
    ],
)  # fmt: skip
def test_a_value_becomes_sensible_json(value: object, expected: object) -> None:
    """What a number is stays a number, what a time is becomes ISO 8601, and the rest is text."""
    assert plain(value) == expected
    assert type(plain(value)) in {str, int, float, bool, list, dict}


def test_what_contains_itself_is_shown_once() -> None:
    """A list in itself, and mappings in a ring, end where they begin again; the same list twice is no ring."""
    ring: list[object] = [1]
    ring.append(ring)
    assert plain(ring) == [1, "[the list contains itself]"]
    one: dict[str, object] = {}
    one["other"] = {"one": one}
    assert plain(one) == {"other": {"one": "[the dict contains itself]"}}
    twice = [2]
    assert plain([twice, twice]) == [[2], [2]]


def test_what_is_deep_or_large_is_shortened() -> None:
    """A hundred thousand levels, and arrays of millions, become a few thousand characters."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert len(json.dumps(plain(deep))) < 1_000
    assert len(json.dumps(plain(np.zeros(10_000_000)))) < 10_000
    many = plain(list(range(1_000_000)))
    assert isinstance(many, list)
    assert many[-1] == LEFT_OUT
    assert len(json.dumps(many)) < 500_000
