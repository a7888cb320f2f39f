"""The JSON Schema of strategy.toml: made from the reader, it accepts and refuses the same keys and values."""

import copy
import datetime as dt
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from openbell.manifest import ManifestError, strategy_folders
from openbell.manifest.reading import read
from openbell.manifest.schema import FILE, LINE, schema_text, strategy_schema
from tests.unit.strategy_file import GOOD

KIT = Path(__file__).parents[3]
SCHEMA = json.loads(json.dumps(strategy_schema()))
VALIDATOR = Draft202012Validator(SCHEMA)
MINIMAL: dict[str, object] = {"timezone": "UTC", "bot": [{"id": "b", "symbols": ["AAPL"], "at": "09:35"}]}
# What holds between keys of a file is the reader's: the schema knows keys and values, and the nearest of these rules.
RELATIONS = (
    "open and close only with a calendar",
    'an interval that divides a day, such as "15m", "1h" or "4h"; any other',
    "an offset shorter than every",
    "from only with a calendar",
    "either offset or from",
    "early_close only beside",
    'a bound only beside catch_up = "latest"',
    "times that fall into sessions",
    "live = true only with a broker",
    'a feed only with market = "alpaca"',
    "also ",
    "a stagger that keeps every bot",
    "symbols without blanks, unless",
    "a spot pair such as",
    "for a coin, a ticker",
    "an id that no other bot has",
    "another id: this one is that of [prepare]",
    "orders elsewhere were never tried",
)
DURATIONS = ["0s", "0d", "1ms", "999ms", "1000ms", "90s", "1m", "7m", "2h", "24h", "25h", "1d", "2d", "3650d", "3651d"]
DURATIONS += ["86400s", "86401s", "1440m", "1441m", "315360000s", "315360001s", "000001s", "1w", "1 m", "-1s", "m", ""]
DAYS = ["daily", "mon-fri", "mon, wed,fri", "sat-mon", "mon-", "mon;tue", "month-end", "week-start", "quarter-end"]
DAYS += ["year-end", "1st fri", "6th fri", "last mon", "session 3 of month", "session -2 of month", "session 0 of week"]
DAYS += [
    "session 7 of week",
    "session 8 of week",
    "session 31 of month",
    "session 32 of month",
    "session -92 of quarter",
]
DAYS += ["session 93 of quarter", "1st fri,last fri", "month-end, mon", "session 03 of month"]
TIMES = [
    "09:35",
    "24:00",
    "9:35",
    "23:59:59",
    "open",
    "close",
    "open+5m",
    "close-10m",
    "open+12h",
    "close-11h",
    "open+",
]
TIMES += ["open-0s", "open-1s", "open+719m", "open+720m", "close+43199s", "close+43200s", "open+0d", "open+1d", "noon"]
WINDOWS = ["fri 21:55 - sun 22:05 America/New_York", "daily 17:00-18:00 UTC", "2026-12-16 13:55 - 14:30 Europe/Berlin"]
WINDOWS += [
    "  fri  21:55 -  sun 22:05   UTC ",
    "fri 21:55 - sun 22:05",
    "fri 21:55 - sun 22:05 Mars",
    "fri 25:00 - 26:00 UTC",
]
WORDS = [
    "skip",
    "run",
    "latest",
    "refuse",
    "trade",
    "warm",
    "fresh",
    "stream",
    "schedule",
    "iex",
    "sip",
    "free",
    "x",
    "UTC",
]
WORDS += [
    "America/New_York",
    "Mars/Olympus",
    "XNYS",
    "NYSE",
    "24/7",
    "XXXX",
    "sample",
    "alpaca",
    "paper",
    "ccxt:kraken",
]
WORDS += ["ccxt:Kraken", "my_market:Market", "my.mod:Class", "my:class", "512m", "0m", "1g", "portfolio", "Portfolio"]
SCALARS: list[object] = [
    True,
    False,
    0,
    1,
    -1,
    20,
    21,
    64,
    256,
    257,
    1000,
    1001,
    0.5,
    1.5,
    0.25,
    9999.999,
    10000,
    1e300,
]
SCALARS += [dt.time(9, 35), dt.date(2026, 11, 27)]
LISTS: list[object] = [
    [],
    ["AAPL"],
    ["AAPL", "AAPL"],
    ["AAPL", 1],
    ["A B"],
    [""],
    [" A"],
    ["KEY_A"],
    ["key"],
    {},
    {"a": 1},
]
LISTS += [["09:35", "open+5m"], ["09:35", "nine"], ["fri 21:55 - sun 22:05 UTC", "daily 17:00 - 18:00 UTC"], [["AAPL"]]]
VALUES: list[object] = [*DURATIONS, *DAYS, *TIMES, *WINDOWS, *WORDS, *SCALARS, *LISTS]


def refused_by_reader(table: dict[str, object]) -> list[str]:
    """Return what the reader has against a file's keys and values."""
    try:
        read(copy.deepcopy(table), "strategy.toml", "demo")
    except ManifestError as error:
        return [str(one) for one in error.problems if not any(rule in one.allowed for rule in RELATIONS)]
    return []


def differs(table: dict[str, object]) -> str:
    """Return how reader and schema differ about a file; empty if they agree."""
    wrong, accepted = refused_by_reader(table), VALIDATOR.is_valid(table)
    if accepted == (not wrong):
        return ""
    why = next(VALIDATOR.iter_errors(table)).message[:200] if not accepted else ""
    return f"{table}: the reader says {wrong or 'yes'}, the schema {'yes' if accepted else why}"


def with_value(path: tuple[object, ...], value: object) -> dict[str, object]:
    """Return the smallest good file with one value in place."""
    table = copy.deepcopy(MINIMAL)
    place: object = table
    for step in path[:-1]:
        place = place[step] if isinstance(place, list) else place.setdefault(step, {})  # type: ignore[call-overload,attr-defined]
    place[path[-1]] = value  # type: ignore[index]
    return table


def places() -> Iterator[tuple[object, ...]]:
    """Yield the place of every key that there is, and of one in each table that there is not."""
    for name, about in SCHEMA["properties"].items():
        if name == "bot":
            yield from (("bot", 0, key) for key in (*about["items"]["properties"], "unknown"))
        elif "properties" in about:
            yield from ((name, key) for key in (*about["properties"], "unknown"))
        yield (name,)
    yield ("unknown",)


@pytest.mark.parametrize("place", list(places()), ids=lambda place: ".".join(map(str, place)))
def test_reader_and_schema_agree_about_every_value_of_every_key(place: tuple[object, ...]) -> None:
    """Each key is given each of many values, good and bad for it."""
    found = (differs(with_value(place, value)) for value in VALUES)
    assert [text for text in found if text] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        'timezone = "UTC"',
        'timezone = "UTC"\nbot = []',
        '[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"',
        'timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]',
        'timezone = "UTC"\n[[bot]]\nat = "09:35"',
        'timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"\nevery = "5m"',
        'timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"\noffset = "5s"',
        'timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nevery = "5m"\noffset = "5s"',
        'timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nkind = "stream"',
        'timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nkind = "stream"\nevery = "5m"',
        'timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"\n[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"',
        'timezone = "UTC"\n[[bot]]\nid = "a"\nsymbols = ["A"]\nat = "09:35"\n[[bot]]\nid = "b"\nsymbols = ["A"]\nat = "09:35"',
        'timezone = "UTC"\n[prepare]\nat = "06:00"\n[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"',
        'timezone = "UTC"\n[prepare]\n[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"',
        'timezone = "UTC"\n[capital]\namount = 5\npart = 0.5\n[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"',
        'timezone = "UTC"\n[capital]\n[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"',
        'timezone = "UTC"\n[limits]\nmax_position = 5\nshort = true\n[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"',
        GOOD,
    ],
)
def test_reader_and_schema_agree_about_what_belongs_together(text: str) -> None:
    """Keys that need or exclude each other within a table."""
    assert differs(tomllib.loads(text)) == ""


@pytest.mark.parametrize("folder", strategy_folders(KIT / "strategies"), ids=lambda folder: folder.name)
def test_the_schema_accepts_the_kits_strategies(folder: Path) -> None:
    """An editor finds nothing wrong with any of them."""
    path = folder / "strategy.toml"
    if path.is_file():
        assert [error.message for error in VALIDATOR.iter_errors(tomllib.loads(path.read_text()))] == []


def test_the_shipped_schema_is_the_readers() -> None:
    """After a change of the reader, `make new` of any strategy writes it anew."""
    assert (KIT / "strategies" / FILE).read_text() == schema_text()
    assert f"#:schema ../{FILE}" == LINE
