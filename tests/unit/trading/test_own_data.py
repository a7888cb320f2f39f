"""Data of the user's own: files as people have them, queries, functions; and no row of a run's future."""

import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import pytz

from openbell.backtest import engine
from openbell.backtest.engine import Setup
from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.strategy import Context, loader
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.trading.markets import MarketError
from openbell.trading.own_data import Row, Source
from tests.unit.strategy.context.conftest import MANIFEST, RUN, SLOT, ABroker, ADollarMarket

NEW_YORK = Source(pytz.timezone("America/New_York"))


def at(text: str) -> datetime:
    """Return an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


FILES = [
    ("Date,Open,Close\n2026-03-02,1,2\n2026-03-03,3,4\n", "2026-03-03T05:00", "Close"),
    ("Price,Close,Open\nTicker,SPY,SPY\nDate,,\n2026-03-02,2,1\n2026-03-03,4,3\n", "2026-03-03T05:00", "Close"),
    ("<TICKER>,<DATE>,<TIME>,<CLOSE>\nX,20260302,093000,2\nX,20260302,093500,4\n", "2026-03-02T14:30", "CLOSE"),
    ("Datetime,Close\n2026-03-02 09:30:00-05:00,2\n2026-03-02 09:35:00-05:00,4\n", "2026-03-02T14:30", "Close"),
    (
        "1772461800000,1,2,1,2,9,1772462099999,0,0,0,0,0\n1772462100000,3,4,3,4,9,1772462399999,0,0,0,0,0\n",
        "2026-03-02T14:34:59.999",
        "close",
    ),
    ("time,open,high,low,close\n2026-03-02 09:30,1,2,1,2\n2026-03-02 09:35,3,4,3,4\n", "2026-03-02T14:35", "close"),
    ("day,score\n2026-03-03,4\n2026-03-02,2\n", "2026-03-03T05:00", "score"),
]


@pytest.mark.parametrize(
    "content, known, column",
    FILES,
    ids=["yfinance", "new yfinance", "Stooq", "offsets", "Binance", "bars by their opening", "unsorted"],
)
def test_files_are_read_as_people_have_them(tmp_path: Path, content: str, known: str, column: str) -> None:
    """A row is there from its stamp on, a day from its end in the strategy's zone on; numbers are numbers."""
    path = tmp_path / "own.csv"
    path.write_text(content)
    assert NEW_YORK.file(path, at(known) - timedelta(microseconds=1)) == ()
    (row,) = NEW_YORK.file(path, at(known))
    assert (float(row[column]), row["known_at"]) == (2.0, at(known))
    assert [float(one) for one in NEW_YORK.file(path, at("2027-01-01")).column(column)] == [2.0, 4.0]


class _Column(list[object]):
    def to_pylist(self) -> list[object]:
        """Return the values."""
        return list(self)


def test_parquet_is_read_where_there_is_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the same table in CSV, by pyarrow's own interface; without the package the message names it."""
    path = tmp_path / "own.parquet"
    path.write_bytes(b"PAR1")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MarketError, match="needs the package pyarrow"):
            NEW_YORK.file(path, SLOT)
    parquet: Any = ModuleType("pyarrow.parquet")
    columns = [_Column([date(2026, 3, 2)]), _Column([2.5]), _Column([None])]
    parquet.read_table = lambda _: SimpleNamespace(column_names=["day", "score", "name"], columns=columns)
    package: Any = ModuleType("pyarrow")
    package.parquet = parquet
    monkeypatch.setitem(sys.modules, "pyarrow", package)
    (row,) = NEW_YORK.file(path, at("2026-03-03T05:00"))
    assert (row["score"], row["name"]) == (2.5, None)


def test_a_delay_moves_what_is_known(tmp_path: Path) -> None:
    """A figure of the second that is published on the fourth at nine."""
    path = tmp_path / "own.csv"
    path.write_text("date,value\n2026-03-02,2\n")
    late = Source(pytz.UTC, delay=timedelta(days=2, hours=9))
    assert late.file(path, at("2026-03-04T08:59")) == ()
    assert len(late.file(path, at("2026-03-04T09:00"))) == 1


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    """What prepare() writes is seen by the next run, also in one process."""
    path = tmp_path / "own.csv"
    path.write_text("at,value\n2026-03-02T00:00Z,1\n")
    assert NEW_YORK.file(path, SLOT).column("value") == [1.0]
    path.write_text("at,value\n2026-03-02T00:00Z,2\n")
    assert NEW_YORK.file(path, SLOT).column("value") == [2.0]


@pytest.mark.parametrize("content, said", [
    ("name,value\nx,1\n", "no column that is called closetime, timestamp, datetime"),
    ("date,value\nyesterday,1\n", '"yesterday" is not a date or time'),
    ("date,value\n2026-03-02\n", "line 2: has too few columns"),
])  # fmt: skip
def test_what_cannot_be_read_is_one_line(tmp_path: Path, content: str, said: str) -> None:
    """It says what was found."""
    path = tmp_path / "own.csv"
    path.write_text(content)
    with pytest.raises(MarketError, match=said) as caught:
        NEW_YORK.file(path, SLOT)
    assert "\n" not in str(caught.value)


def test_a_query_of_sqlite_needs_no_package(tmp_path: Path) -> None:
    """The file is opened for reading; what it says is cut to what was known."""
    with closing(sqlite3.connect(tmp_path / "own.sqlite")) as one:
        one.execute("CREATE TABLE scores (day TEXT, symbol TEXT, score REAL)")
        one.executemany("INSERT INTO scores VALUES (?, ?, ?)", [("2026-02-27", "A", 1.5), ("2026-03-02", "A", 2.5)])
        one.commit()
    url = f"sqlite:///{tmp_path / 'own.sqlite'}"
    (row,) = NEW_YORK.query(url, "SELECT day, score FROM scores WHERE symbol = 'A'", SLOT)
    assert row["score"] == 1.5
    with pytest.raises(MarketError, match="the query failed: OperationalError: attempt to write a readonly database"):
        NEW_YORK.query(url, "DELETE FROM scores", SLOT)


def test_a_query_tells_no_password(tmp_path: Path) -> None:
    """A server that is not there is named, and its password is not."""
    url = "postgresql://me:correct-horse@127.0.0.1:1/none"
    with pytest.raises(MarketError, match="the query failed: OperationalError") as caught:
        NEW_YORK.query(url, "SELECT 1", SLOT)
    assert "correct-horse" not in str(caught.value)


def test_a_function_is_asked_for_the_slot() -> None:
    """And may know more than a run may see."""
    asked: list[datetime] = []

    def mine(slot: datetime) -> Iterable[Row]:
        asked.append(slot)
        return [{"when": slot, "value": 1}, {"when": slot + timedelta(seconds=1), "value": 2}]

    found = Source(pytz.UTC, stamp="when").function(mine, SLOT)
    assert (found.column("value"), asked) == ([1], [SLOT])


def test_rows_become_a_frame(tmp_path: Path) -> None:
    """With an index in UTC."""
    path = tmp_path / "own.csv"
    path.write_text("date,value\n2026-02-27,2\n")
    frame = NEW_YORK.file(path, SLOT).frame()
    assert (list(frame.columns), str(frame.index.tz), frame["value"].iloc[0]) == (["date", "value"], "UTC", 2.0)
    assert frame.index[0] == at("2026-02-28T05:00")


def test_only_files_of_the_strategy_are_read(tmp_path: Path) -> None:
    """Whatever the name says; a file in ctx.files comes before one beside strategy.py."""
    folder, lasting = tmp_path / "strategy", tmp_path / "files"
    for place, value in ((tmp_path, 1), (folder, 2), (lasting, 3)):
        place.mkdir(exist_ok=True)
        (place / "own.csv").write_text(f"date,value\n2026-02-27,{value}\n")
    journal = Journal(tmp_path, "demo", "boot", echo=False)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        what = (MANIFEST, ADollarMarket(), ABroker(), ledger, journal, lambda: SLOT)
        context = Context(RunProgress(ContextServices(*what, files=lasting, folder=folder), RUN))
        assert context.data("own.csv").column("value") == [3.0]
        for name in ("../own.csv", str(tmp_path / "own.csv"), "other.csv"):
            with pytest.raises(MarketError, match=r"in ctx\.files or beside strategy\.py"):
                context.data(name)


STRATEGY = """
def run(ctx):
    rows = ctx.data("scores.csv")
    own = ctx.data("RESEARCH", "SELECT day, score FROM scores")
    ctx.signal("AAPL", rows[-1]["score"] if rows else 0.0, own=len(own), rows=len(rows))
    if rows and rows[-1]["score"] > 1 and not ctx.position("AAPL"):
        ctx.order("AAPL", "buy", 1, reason="score")
"""


def test_a_backtest_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file beside strategy.py and the database, each as of the slot: a score of Tuesday buys on Wednesday."""
    folder = tmp_path / "scored"
    folder.mkdir()
    (folder / "strategy.py").write_text(STRATEGY)
    (folder / "strategy.toml").write_text(
        'timezone = "America/New_York"\ncalendar = "XNYS"\nsecrets = ["RESEARCH"]\n[[bot]]\nsymbols = ["AAPL"]\nat = "10:00"\n'
    )
    (folder / "scores.csv").write_text("day,score\n2010-01-04,1\n2010-01-05,2\n")
    with closing(sqlite3.connect(tmp_path / "r.sqlite")) as one:
        one.execute("CREATE TABLE scores AS SELECT '2010-01-04' AS day, 1 AS score")
        one.commit()
    monkeypatch.setenv("RESEARCH", f"sqlite:///{tmp_path / 'r.sqlite'}")
    setup = Setup(folder, at("2010-01-04"), at("2010-01-09"))
    outcome = engine.run(setup, loader.load(folder)["run"])
    assert outcome.failures == ()
    (fill,) = outcome.fills
    assert fill.at.date() == date(2010, 1, 6)
