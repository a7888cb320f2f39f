"""The journal on the page: newest first, with filters, back to a moment, and a day as JSON lines."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell import journal
from openbell.journal import Journal
from openbell.supervisor.web import journal_search
from openbell.supervisor.web.journal_search import Filters, search
from tests.unit.supervisor.web.client import Client

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def write(root: Path, strategy: str, *lines: tuple[datetime, str]) -> None:
    """Write output lines of a strategy."""
    writer = Journal(root, strategy, "boot", echo=False)
    for at, text in lines:
        writer.write("output", at, {"bot": strategy, "text": text})


def texts(root: Path, until: datetime, filters: Filters = Filters(), limit: int = 100) -> list[object]:  # noqa: B008 - a value
    """Return what a search over two strategies finds."""
    return [line.event["text"] for line in search(root, ["a", "b"], filters, until, limit).lines]


def test_lines_of_all_strategies_are_merged(tmp_path: Path) -> None:
    """The newest first, over the end of a day, up to a moment."""
    step = timedelta(hours=8)
    write(tmp_path, "a", (AT, "a1"), (AT + 2 * step, "a2"))
    write(tmp_path, "b", (AT + step, "b1"), (AT + 3 * step, "b2"))
    assert texts(tmp_path, AT + 4 * step) == ["b2", "a2", "b1", "a1"]
    assert texts(tmp_path, AT + 2 * step) == ["a2", "b1", "a1"]
    assert texts(tmp_path, AT, limit=1) == ["a1"]
    assert texts(tmp_path, AT - step) == []
    assert texts(tmp_path, AT + 4 * step, Filters(text="A1")) == ["a1"]
    assert search(tmp_path, ["a", "b"], Filters(), AT + 4 * step, 2).has_more
    assert search(tmp_path, ["none"], Filters(), AT).lines == []


def test_a_search_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes; it says how far back it went, and goes on from there."""
    write(tmp_path, "a", *((AT + timedelta(seconds=n), f"{n} " + "x" * 1000) for n in range(300)))
    monkeypatch.setattr(journal_search, "MOST_BYTES", 200_000)
    found = search(tmp_path, ["a"], Filters(text="9 x"), AT + timedelta(hours=1))
    assert found.is_cut
    assert found.searched_to is not None
    assert AT < found.searched_to < found.lines[-1].at


@pytest.mark.parametrize("content, expected", [
    (b"", []),
    (b'{"event": "a"}', []),
    (b'{"event": "a"}\n', ["a"]),
    (b'{"event": "a"}\nnonsense\n\n{"event": "b"}\n{"event": "c"', ["b", "a"]),
    (b'{"event": "a"}\n' + b"x" * 3_000_000 + b'\n{"event": "b"}\n', ["b", "a"]),
])  # fmt: skip
def test_a_file_is_read_from_its_end(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    """What is no event, too long, or not whole is passed over; all others are the same as read forwards."""
    path = tmp_path / "s" / "2026-11-20.jsonl"
    path.parent.mkdir()
    path.write_bytes(content)
    assert [event["event"] for _, event in journal.backwards(path)] == expected
    forwards = [event["event"] for _, event in journal.read(path) if event is not None]
    assert forwards[::-1] == expected


def test_long_files_are_the_same_both_ways(tmp_path: Path) -> None:
    """Wherever the pieces in which they are read end."""
    write(tmp_path, "s", *((AT + timedelta(seconds=n), "y" * (n * 37 % 900)) for n in range(3000)))
    path = tmp_path / "s" / "2026-11-20.jsonl"
    assert [one for _, one in journal.backwards(path)][::-1] == [one for _, one in journal.read(path)]


def test_the_page(client: Client) -> None:
    """Live, with filters, up to a moment and to a day; text of strategies is escaped; each line has its link."""
    text = client.ask("/journal").text
    assert "&lt;i&gt;looked&lt;/i&gt; at AAPL" in text
    assert "<i>looked" not in text
    assert '<a href="/journal?at=2026-11-20T12:01:00.000Z">' in text
    assert "run_end" not in client.ask("/journal?event=decision").text.partition("<tbody>")[2]
    assert '"signal": ' in client.ask(
        "/journal?symbol=AAPL&event=signal&q=short&strategy=pulse&bot=pulse"
    ).text.replace("&#34;", '"')
    assert "No line is like that." in client.ask("/journal?day=2026-01-01").text
    up_to = client.ask("/journal?at=2026-11-20T12:01:00.000Z").text
    assert 'class="chosen"' in up_to
    assert "ValueError" not in up_to
    for path, status in (("?at=noon", 400), ("?day=never", 400), ("?strategy=other", 404), ("?colour=red", 400)):
        assert client.ask(f"/journal{path}").status_code == status, path


def test_the_same_for_programs(client: Client) -> None:
    """Lines as they are in the journal, and a day of them as a file."""
    answer = client.ask("/api/journal?event=decision&limit=5").json()
    assert [line["symbol"] for line in answer["lines"]] == ["AAPL"]
    assert (answer["has_more"], answer["searched_to"]) == (False, None)
    assert client.ask("/api/journal?limit=1").json()["has_more"] is True
    file = client.ask("/journal/lines.jsonl?day=2026-11-20&event=error")
    assert 'filename="journal-2026-11-20.jsonl"' in file.headers["content-disposition"]
    (line,) = [json.loads(one) for one in file.text.splitlines()]
    assert line["traceback"] == "Traceback\n  line"
    assert client.ask("/journal/lines.jsonl?day=2026-11-19").text == ""


def test_a_journal_that_is_a_link_is_not_read(client: Client) -> None:
    """It is said instead."""
    path = client.world.journal / "pulse" / "2026-11-20.jsonl"
    path.rename(path.with_suffix(".old"))
    path.symlink_to("/etc/passwd")
    answer = client.ask("/api/journal")
    assert answer.status_code == 503
    assert "is a link" in answer.json()["error"]


def test_the_page_names_the_command_that_exports(client: Client) -> None:
    """With the filters of the page and from its day on; words of a reader are quoted for a shell."""
    text = client.ask("/journal?strategy=pulse&event=decision&q=it's; id&day=2026-11-20").text
    command = "make export TO=journal.csv STRATEGY=pulse EVENT=decision TEXT=&#39;it&#39;&#34;&#39;&#34;&#39;s; id&#39; SINCE=2026-11-20"
    assert f"<code>{command}</code>" in text
    assert "<code>make export TO=journal.csv SINCE=2026-11-20</code>" in client.ask("/journal").text
