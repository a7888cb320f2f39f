"""`make query` and `make export`: the journals of an installation as a table."""

import json
import tarfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import duckdb
import pytest

from deploy.data import journal_query
from deploy.data.journal_query import export, first_day, query, unpack
from deploy.errors import CommandError
from deploy.processes import Output
from deploy.settings import Settings

NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)


class Journals:
    """An installation with journals."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[tuple[str, ...]] = []
        self.code = 0

    def write(self, strategy: str, day: str, *lines: dict[str, object]) -> None:
        """Write the lines of a day."""
        (self.root / strategy).mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps({"strategy": strategy, **line}) + "\n" for line in lines)
        (self.root / strategy / f"{day}.jsonl").write_text(text)

    def backup(self, target: BinaryIO, *words: str) -> Output:
        """Write the archive that `openbell backup --journal` writes."""
        self.asked.append(words)
        with tarfile.open(fileobj=target, mode="w|gz") as archive:
            archive.add(self.root, "journal")
        return Output(self.code, "", "openbell backup: no room" if self.code else "")


@pytest.fixture
def journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journals:
    """Two strategies over two days."""
    found = Journals(tmp_path / "journal")
    today = datetime.now(UTC).date().isoformat()
    found.write("a", "2026-11-20", {"event": "run_end", "outcome": "succeeded", "orders": 2})
    found.write("a", today, {"event": "run_end", "outcome": "failed", "orders": 1}, {"event": "note", "text": 5})
    found.write("b", today, {"event": "note", "text": "words"})
    (tmp_path / "journal" / "a" / "beat.json").write_text("{}")

    @contextmanager
    def installation(*_: object) -> Iterator[Journals]:
        yield found

    monkeypatch.setattr(journal_query, "installation_of", installation)
    return found


def ask(sql: str = "", since: str | None = "2026-11-01", to: str | None = None) -> int:
    """Run the command."""
    return query(Settings(), Namespace(sql=sql, since=since, to=to, host=None))


def test_all_strategies_are_one_table(journals: Journals, capsys: pytest.CaptureFixture[str]) -> None:
    """With the fields of all lines, also where one field has two types; as CSV off a terminal."""
    assert ask("SELECT strategy, outcome, orders FROM journal WHERE event = 'run_end' ORDER BY orders") == 0
    assert capsys.readouterr().out.splitlines() == ["strategy,outcome,orders", "a,failed,1", "a,succeeded,2"]
    assert ask("SELECT strategy, text FROM journal WHERE event = 'note' ORDER BY ALL") == 0
    assert [line.replace('"', "") for line in capsys.readouterr().out.splitlines()[1:]] == ["a,5", "b,words"]
    assert journals.asked == [("--journal",), ("--journal",)]


def test_since_leaves_older_days_out(journals: Journals, capsys: pytest.CaptureFixture[str]) -> None:
    """A date or a duration; nothing in that time is said."""
    assert ask("SELECT count(*) FROM journal", since="2026-11-21") == 0
    assert capsys.readouterr().out.splitlines()[1] == "3"
    with pytest.raises(CommandError, match="there are no lines in that time"):
        ask("SELECT 1 FROM journal", since="2999-01-01")


def test_whole_days_are_kept_and_asked_later(
    journals: Journals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Today is not whole yet; what was pruned from the journal is still found."""
    kept = tmp_path / "kept"
    assert ask(to=str(kept)) == 0
    assert [one.name for one in kept.iterdir()] == ["2026-11-20.parquet"]
    assert duckdb.read_parquet(str(kept / "*.parquet")).fetchall()
    (journals.root / "a" / "2026-11-20.jsonl").unlink()
    assert ask("SELECT outcome FROM journal WHERE orders = 2", to=str(kept)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "succeeded"


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nope FROM journal", "SELECT * FROM other"])
def test_wrong_sql_is_one_line(journals: Journals, sql: str) -> None:
    """DuckDB's own words, without a traceback."""
    with pytest.raises(CommandError, match=r"^SQL=: ") as caught:
        ask(sql)
    assert "\n" not in str(caught.value)
    assert journals.asked


def test_what_keeps_it_from_reading_is_said(journals: Journals) -> None:
    """In the words of the command over there; without SQL it says how to ask."""
    journals.code = 1
    with pytest.raises(CommandError, match=r"the journals cannot be read: .*no room"):
        ask("SELECT 1")
    with pytest.raises(CommandError, match="SQL= is missing"):
        ask()


@pytest.mark.parametrize(
    "since, day", [(None, "2026-10-28"), ("2h", "2026-11-27"), ("3d", "2026-11-24"), ("2026-01-31", "2026-01-31")]
)
def test_the_first_day(since: str | None, day: str) -> None:
    """A month, if nothing is said."""
    assert first_day(since, NOW) == day


def test_only_journals_are_unpacked(tmp_path: Path) -> None:
    """Neither a heartbeat nor a path that leads out of the folder."""
    archive = tmp_path / "x.tar.gz"
    (tmp_path / "line").write_text("{}\n")
    with tarfile.open(archive, "w:gz") as made:
        for name in (
            "journal/a/2026-11-20.jsonl",
            "journal/a/beat.json",
            "../up/2026-11-20.jsonl",
            "journal/2026-11-20.jsonl",
        ):
            made.add(tmp_path / "line", name)
    assert unpack(archive, tmp_path / "to", "2026-01-01") == [tmp_path / "to" / "journal" / "a" / "2026-11-20.jsonl"]
    assert unpack(archive, tmp_path / "to", "2026-11-21") == []


def write(to: Path, **filters: str) -> int:
    """Export with filters."""
    given = dict.fromkeys(("strategy", "event", "bot", "symbol", "text"), None) | filters
    return export(Settings(), Namespace(to=str(to), since="2026-11-01", host=None, **given))


@pytest.fixture
def decisions(journals: Journals) -> Journals:
    """Besides, lines with symbols: one of its own, one among several, and words that SQL would read."""
    today = datetime.now(UTC).date().isoformat()
    one = {"event": "decision", "bot": "c1", "symbol": "AAPL", "reason": "Rose above; it's 50 %"}
    several = {"event": "run_start", "bot": "c2", "symbols": ["MSFT", "AAPL"]}
    journals.write("c", today, {"timestamp": "2", **one}, {"timestamp": "1", **several})
    return journals


@pytest.mark.parametrize(
    "filters, events",
    [
        ({"symbol": "AAPL"}, ["run_start", "decision"]),
        ({"symbol": "MSFT"}, ["run_start"]),
        ({"strategy": "c", "event": "decision"}, ["decision"]),
        ({"bot": "c2"}, ["run_start"]),
        ({"text": "rose ABOVE; it's"}, ["decision"]),
        ({"strategy": "a"}, ["run_end", "run_end", "note"]),
    ],
)
def test_an_export_has_what_the_page_filters(
    decisions: Journals, tmp_path: Path, filters: dict[str, str], events: list[str]
) -> None:
    """As the page's filters do, in order of time; columns that no line has are left out."""
    assert write(tmp_path / "out.parquet", **filters) == 0
    found = duckdb.read_parquet(str(tmp_path / "out.parquet"))
    at = found.columns.index("event")
    assert sorted(row[at] for row in found.fetchall()) == sorted(events)
    assert ("outcome" in found.columns) == ("run_end" in events)
    assert decisions.asked == [("--journal",)]


def test_an_export_is_csv_too(decisions: Journals, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It replaces the file at once; where nothing passes, the file stays as it is."""
    file = tmp_path / "out.csv"
    file.write_text("older")
    with pytest.raises(CommandError, match="no line passes these filters"):
        write(file, symbol="NOPE")
    assert file.read_text() == "older"
    assert write(file, strategy="c", event="decision") == 0
    columns = {"strategy", "timestamp", "event", "bot", "symbol", "reason"}
    assert set(file.read_text().splitlines()[0].split(",")) == columns
    assert capsys.readouterr().out == f"openbell: wrote 1 lines to {file}\n"
    with pytest.raises(CommandError, match=r"TO=: .*No such file or directory|the journals: IO Error"):
        write(tmp_path / "none" / "out.csv")
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []
