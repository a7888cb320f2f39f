"""The journal from the command line: all of it, or the lines since an instant or of a symbol."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.commands import journal
from openbell.journal import Journal
from tests.unit.commands.conftest import NOW


def test_a_journal_is_printed_line_by_line(root: Path, lines: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line is the file's own, for grep and jq; filters hold together."""
    for symbol, event in (("AAPL", "signal"), ("IBM", "signal"), ("AAPL", "decision")):
        lines.write(event, datetime.now(UTC), {"bot": "b"}, symbol=symbol)
    assert journal.main(["demo"]) == 0
    (path,) = (root / "journal" / "demo").glob("*.jsonl")
    assert capsys.readouterr().out == path.read_text()
    assert journal.main(["demo", "--symbol", "AAPL", "--event", "decision", "--bot", "b"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["symbol"], line["event"]) for line in told] == [("AAPL", "decision")]


def test_a_journal_begins_where_it_is_asked_to(root: Path, lines: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """Of older lines none is printed, also not from the same day's file."""
    now = datetime.now(UTC)
    for age in (timedelta(days=3), timedelta(minutes=90), timedelta(minutes=1)):
        lines.write("note", now - age, age=str(age))
    assert journal.main(["demo", "--since", "1h"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert journal.main(["demo", "--since", f"{now - timedelta(days=4):%Y-%m-%d}"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_an_unknown_journal_names_the_known(root: Path, lines: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """A typing error is answered with what there is."""
    assert journal.main(["dmeo"]) == 1
    assert capsys.readouterr().err == "dmeo: no journal of that strategy; there is none\n"
    lines.write("note", NOW)
    assert journal.main(["dmeo"]) == 1
    assert capsys.readouterr().err == "dmeo: no journal of that strategy; did you mean demo?\n"


@pytest.mark.parametrize(
    "options,words",
    [
        (["--symbol", "APL"], 'demo: no line since 1d has symbol "APL"; did you mean AAPL?'),
        (["--bot", "x", "--symbol", "AAPL"], 'demo: no line since 1d has bot "x"; there is b'),
        (["--bot", "b", "--event", "error"], 'demo: no line since 1d has event "error"; there is signal'),
        (["--since", "1s", "--symbol", "AAPL"], 'demo: no line since 1s has symbol "AAPL"'),
        (["--since", "1s"], "demo: no such line since 1s: give an earlier start, such as SINCE=30d"),
    ],
)
def test_a_journal_without_such_a_line_says_so(
    root: Path, lines: Journal, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    """Silence would look like a strategy that decided nothing."""
    lines.write("signal", datetime.now(UTC) - timedelta(minutes=5), {"bot": "b"}, symbol="AAPL")
    assert journal.main(["demo", *options]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{words}\n")


def test_a_beginning_that_is_none_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what is allowed."""
    assert journal.main(["demo", "--since", "yesterday"]) == 2
    assert '--since: found "yesterday"; allowed: a duration such as' in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2h", NOW - timedelta(hours=2)),
        ("3000d", NOW - timedelta(days=3000)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T10:00:00+01:00", datetime(2026, 3, 1, 9, 0, tzinfo=UTC)),
        ("soon", None),
    ],
)
def test_since(text: str, expected: datetime | None) -> None:
    """A duration counts back from now; a date is UTC unless it says otherwise."""
    assert journal.since_instant(text, NOW) == expected
