"""Whole manifest files that are refused: unreadable ones, one with every error at once, and whatever may be in one."""

from datetime import date, datetime, time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.manifest import ManifestError, Problem, load, load_named
from openbell.manifest.reading import read
from tests.unit.strategy_file import problems

TOML = "a readable TOML file in UTF-8"
TOP_KEYS = ("description", "timezone", "calendar", "market", "broker", "secrets", "start", "max_parallel", "stagger")
SETTINGS = ("grace", "timeout", "retries", "catch_up", "halt_after")
BOT_KEYS = ("id", "symbols", "at", "every", "offset", "days", "params", *SETTINGS)


@pytest.mark.parametrize(
    "content,found",
    [
        (b"timezone = ", "Invalid value (at end of document)"),
        (b"timezone = 'UTC", 'Expected "\'" (at end of document)'),
        (b"[bot\n", "Expected ']' at the end of a table declaration (at line 1, column 5)"),
        (b"timezone = 'UTC'\ntimezone = 'UTC'\n", "Cannot overwrite a value (at line 2, column 17)"),
        (b"\xef\xbb\xbftimezone = 'UTC'", "Invalid statement (at line 1, column 1)"),
        (b"# caf\xe9", "'utf-8' codec can't decode byte 0xe9 in position 5: unexpected end of data"),
        (b"x = " + b"[" * 5000, ""),  # a RecursionError; the words differ from one Python to the next
        (b"x = " + b"9" * 5000, ""),  # a plain ValueError
    ],
    ids=["no value", "open quote", "open bracket", "doubled key", "byte order mark", "latin-1", "deep", "huge"],
)
def test_a_file_that_is_not_toml(tmp_path: Path, content: bytes, found: str) -> None:
    """What the parser cannot read is one line that says where, whatever it is that the parser raises."""
    (tmp_path / "strategy.toml").write_bytes(content)

    with pytest.raises(ManifestError) as caught:
        load_named(tmp_path / "strategy.toml", "demo")

    (problem,) = caught.value.problems
    assert str(problem).startswith(f"demo/strategy.toml: file: found {found}")
    assert str(problem).endswith(f"; allowed: {TOML}")
    assert "\n" not in str(problem)


def test_a_missing_file(tmp_path: Path) -> None:
    """A folder without a strategy.toml is not a strategy yet."""
    with pytest.raises(ManifestError) as caught:
        load(tmp_path / "demo")

    assert str(caught.value) == (
        "demo/strategy.toml: file: found no such file; allowed: a strategy.toml in the strategy's folder"
    )


def test_a_folder_in_the_files_place(tmp_path: Path) -> None:
    """What cannot be opened is a problem of the file, in the system's words."""
    (tmp_path / "demo" / "strategy.toml").mkdir(parents=True)

    with pytest.raises(ManifestError) as caught:
        load(tmp_path / "demo")

    (problem,) = caught.value.problems
    assert (problem.file, problem.key, problem.allowed) == ("demo/strategy.toml", "file", TOML)
    assert "Is a directory" in problem.found


EVERYTHING_WRONG = """
discription = "x"
timezone = "Mars/Base"
calendar = "NYSX"
market = "moon"
broker = "none"
secrets = "KEY"
start = "cold"
max_parallel = 0
stagger = "soon"

[defaults]
grace = 60
timeout = "0s"
retries = -1
catch_up = "all"
halt_after = "never"
patience = 1

[[bot]]
id = "A"
symbols = []
at = "noon"
days = "someday"
params = 5
grace = "x"

[[bot]]
symbols = ["A", "A"]
every = "7 minutes"
offset = "soon"

[[bot]]
id = "b"
symbols = ["AAPL"]
at = "open"

[[bot]]
id = "b"
symbols = ["AAPL"]

[[bot]]
id = "c"
symbols = ["AAPL"]
at = "09:35"
every = "5m"
"""


def test_all_problems_of_a_file_come_at_once(tmp_path: Path) -> None:
    """A file with an error in every place names them all, each once, in the order of the grammar."""
    lines = problems(tmp_path, EVERYTHING_WRONG)

    assert [line.partition(":")[0] for line in lines] == [
        *("discription", "timezone", "calendar", "market", "broker", "secrets", "start", "max_parallel", "stagger"),
        *("defaults.patience", "defaults.grace", "defaults.timeout", "defaults.retries"),
        *("defaults.catch_up", "defaults.halt_after"),
        *("bot[0].id", "bot[0].symbols", "bot[0].params", "bot[0].days", "bot[0].at", "bot[0].grace"),
        *("bot[1].id", "bot[1].symbols", "bot[1].every", "bot[1].offset"),
        # Nothing about "open" in bot[2]: the calendar is named, only wrongly.
        *("bot[3].at", "bot[3].id"),
        "bot[4].at",
    ]


def test_a_problem_is_one_line_whatever_is_in_it() -> None:
    """Line breaks, escape sequences and undecodable bytes of a folder's name are shown, not sent to the terminal."""
    problem = Problem("a\nb", "c\x1b[31m", "d\u2028\udc80", "é €")

    assert str(problem) == "a\\nb: c\\x1b[31m: found d\\u2028\\udc80; allowed: é €"


VALUES: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["UTC", "XNYS", "XTKS", "09:35", "open", "15m", "1d", "3h", "mon-fri", "a", "sample", "paper"])
    | st.sampled_from([datetime(2026, 1, 1), date(2026, 1, 1), time(9, 35)]),  # noqa: DTZ001 - TOML's local date-times
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
).filter(lambda value: value is not None)
SETTING_TABLES = st.dictionaries(st.sampled_from([*SETTINGS, "x"]), VALUES, max_size=4)
BOT_TABLES = st.dictionaries(st.sampled_from([*BOT_KEYS, "x"]), VALUES, max_size=8)
TABLES = st.tuples(
    st.dictionaries(st.sampled_from([*TOP_KEYS, "x"]), VALUES, max_size=6),
    st.fixed_dictionaries({}, optional={"defaults": SETTING_TABLES, "bot": st.lists(BOT_TABLES, max_size=3)}),
).map(lambda both: {**both[0], **both[1]})


@given(TABLES)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_no_table_breaks_the_reading(table: dict[str, object]) -> None:
    """Whatever TOML can hold under any key gives a manifest or a ManifestError with one-line problems."""
    found: tuple[Problem, ...] | None = None
    try:
        read(table, "demo/strategy.toml", "demo")
    except ManifestError as error:
        found = error.problems

    assert found != ()
    assert all(len(str(problem).splitlines()) == 1 for problem in found or ())
    assert len(set(found or ())) == len(found or ())


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_no_file_breaks_the_reading(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever bytes a file holds, the answer is a ManifestError with one-line problems."""
    path = tmp_path_factory.mktemp("file") / "strategy.toml"
    path.write_bytes(content)

    with pytest.raises(ManifestError) as caught:
        load_named(path, "demo")

    assert caught.value.problems
    assert all(len(str(problem).splitlines()) == 1 for problem in caught.value.problems)
