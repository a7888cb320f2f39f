"""The journal is written in whole lines, whatever happens to the file."""

import os
from pathlib import Path

import pytest

from openbell.journal import LONGEST_LINE, Journal, days, read, since
from openbell.json_values import LEFT_OUT, LONGEST_TEXT
from tests.unit.journal.conftest import DAY, NOW, events, file_of, texts

TORN = b'{"timestamp": "2026-03-02T09:0'


# Writing


def test_a_line_has_its_head_then_the_run_then_its_own(journal: Journal) -> None:
    """The order of the fields is that of the documentation, with Python's default separators for grep."""
    journal.write("signal", NOW, {"bot": "b", "slot": NOW}, symbol="SPY", signal=1.5)
    assert file_of(journal).read_text() == (
        '{"timestamp": "2026-03-02T09:05:00.123Z", "event": "signal", "level": "info", "strategy": "demo", '
        '"boot_id": "boot1", "bot": "b", "slot": "2026-03-02T09:05:00.123Z", "symbol": "SPY", "signal": 1.5}\n'
    )


def test_lines_go_to_standard_output_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What `docker logs` shows is the file's content."""
    journal = Journal(tmp_path, "demo", "boot1")
    journal.write("note", NOW, text="heard")
    assert capfd.readouterr().out == file_of(journal).read_text()
    journal.close()


def test_a_rehearsal_writes_nothing(journal: Journal, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither a line that is made ahead of its time nor one that was torn shows, and the next line is as ever."""
    journal.rehearse(NOW, {"bot": "b"})
    assert not journal.folder.exists()
    journal.write("note", NOW, text="first")
    with file_of(journal).open("ab") as file:
        file.write(TORN)
    before = file_of(journal).read_bytes()
    capfd.readouterr()
    journal.rehearse(NOW, {"bot": "b"})
    assert file_of(journal).read_bytes() == before
    assert capfd.readouterr().out == ""
    journal.write("note", NOW, {"bot": "c"}, text="second")
    assert texts(journal) == ["first", "second"]


def test_each_utc_day_has_its_file(journal: Journal) -> None:
    """A line is in the file of its own date, also when the clock goes back."""
    for at in (NOW, NOW + DAY, NOW):
        journal.write("note", at, text=f"{at:%d}")
    assert [path.name for _, path in days(journal.folder)] == ["2026-03-02.jsonl", "2026-03-03.jsonl"]
    assert texts(journal) == ["02", "02", "03"]


def test_the_file_of_the_day_before_is_synced_before_it_is_left(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sync` speaks for all lines so far; those of yesterday's file are safe before today's is begun."""
    journal.write("note", NOW, text="yesterday")
    synced: list[Path] = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink()))
    journal.write("note", NOW + DAY, text="today")
    assert synced == [file_of(journal)]


def test_a_new_file_is_synced_with_its_name(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file's folder is synced, so that the file is found after a power cut."""
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink()))
    journal.write("note", NOW, text="one")
    journal.write("note", NOW, text="two")
    assert synced == [journal.folder]


def test_a_forked_process_writes_into_the_same_file(journal: Journal) -> None:
    """Lines of the loop and of its runs never mix."""
    journal.write("note", NOW, text="before")
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            for line in range(200):
                journal.write("note", NOW, text=f"{number} {line} " + "x" * 500)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert len(texts(journal)) == 801
    assert all(event is not None for _, event in read(file_of(journal)))


def test_a_line_that_was_cut_short_is_ended(journal: Journal) -> None:
    """A torn line of a crash, or of another process on a full disk, costs itself and not its successor."""
    journal.write("note", NOW, text="one")
    with file_of(journal).open("ab") as other:
        other.write(TORN)
    journal.write("note", NOW, text="two")
    assert texts(journal) == ["one", "two"]


def test_a_write_that_is_cut_short_is_told(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes half a line raises, and the line that follows is whole."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
    with pytest.raises(OSError, match=r"only \d+ of \d+ bytes could be written"):
        journal.write("note", NOW, text="half")
    monkeypatch.setattr(os, "write", write)
    journal.write("note", NOW, text="whole")
    assert texts(journal) == ["whole"]


def test_a_line_that_lacks_only_its_end_is_written(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said to be written, since it is: a second try would have it there twice."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:-1]))
    journal.write("note", NOW, text="one")
    monkeypatch.setattr(os, "write", write)
    journal.write("note", NOW, text="two")
    assert texts(journal) == ["one", "two"]


def test_a_removed_file_is_made_again(journal: Journal) -> None:
    """Removing today's file loses what was in it, and nothing that follows."""
    journal.write("note", NOW, text="one")
    file_of(journal).unlink()
    journal.write("note", NOW, text="two")
    assert texts(journal) == ["two"]


def test_a_closed_standard_output_is_no_journal(tmp_path: Path) -> None:
    """A journal opened while descriptor 1 is free does not echo its lines into itself."""
    child = os.fork()
    if child == 0:
        os.close(1)
        Journal(tmp_path, "demo", "boot1").write("note", NOW, text="once")
        os._exit(0)
    os.waitpid(child, 0)
    assert [event["text"] for event in since(tmp_path / "demo", NOW.date())] == ["once"]


def test_a_long_text_keeps_both_ends(journal: Journal) -> None:
    """One value of megabytes becomes a page."""
    journal.write("note", NOW, text="a" * 50_000 + "b" * 50_000)
    (text,) = texts(journal)
    assert isinstance(text, str)
    assert len(text) < LONGEST_TEXT + 100
    assert (text[0], text[-1]) == ("a", "b")
    assert f"[{100_000 - LONGEST_TEXT} characters left out]" in text


def test_a_line_is_never_longer_than_a_reader_takes(journal: Journal) -> None:
    """Values that are too many are left out, and the line says so; the fields before them stay."""
    journal.write(
        "note", NOW, text="x", values=[1] * LONGEST_LINE, names={f"n{number}": "y" * 9_000 for number in range(999)}
    )
    (line,) = events(journal)
    assert (line["text"], line["names"]) == ("x", LEFT_OUT)
    assert isinstance(line["values"], list)
    assert line["values"][-1] == LEFT_OUT
    assert file_of(journal).stat().st_size < LONGEST_LINE


def test_a_writer_without_a_folder_raises(tmp_path: Path) -> None:
    """No journal, no word of having written one."""
    (tmp_path / "demo").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="File exists"):
        Journal(tmp_path, "demo", "boot1", echo=False).write("note", NOW)
