"""The journal: whole lines whatever happens to the file, readers that survive all of it, and no secrets."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from openbell import journal as journals
from openbell.journal import LONGEST_LINE, Journal, days, instant, prune, read, since, stamp
from openbell.journal.follower import Follower
from openbell.json_values import LEFT_OUT, LONGEST_TEXT

NOW = datetime(2026, 3, 2, 9, 5, 0, 123_456, UTC)
DAY = timedelta(days=1)
TORN = b'{"timestamp": "2026-03-02T09:0'


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal of the strategy demo."""
    one = Journal(tmp_path, "demo", "boot1", echo=False)
    yield one
    one.close()


def events(journal: Journal) -> list[journals.Event]:
    """Return all events of the journal."""
    return list(since(journal.folder, date(2000, 1, 1)))


def texts(journal: Journal) -> list[object]:
    """Return the texts of all events."""
    return [event["text"] for event in events(journal)]


def file_of(journal: Journal, day: datetime = NOW) -> Path:
    """Return the file of a day."""
    return journal.folder / f"{day:%Y-%m-%d}.jsonl"


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


# Secrets


def test_secrets_are_cut_out_wherever_they_are(journal: Journal) -> None:
    """In values, in lists, in mappings, in their names and in the names of fields."""
    journal.redact(["sk-12345"])
    fields: dict[str, object] = {
        "text": "a sk-12345 b",
        "some": [{"sk-12345": ("sk-12345",)}],
        "sk-12345": ValueError("sk-12345"),
    }
    journal.write("note", NOW, fields)
    assert "sk-12345" not in file_of(journal).read_text()
    assert texts(journal) == ["a [secret] b"]


def test_the_longest_secret_is_cut_out_first(journal: Journal) -> None:
    """Of a secret that begins with another one nothing stays."""
    journal.redact(["abcdef", "abcdefghij"])
    journal.write("note", NOW, text="abcdefghij abcdef")
    assert texts(journal) == ["[secret] [secret]"]


def test_a_secret_of_several_lines_is_cut_out_of_each(journal: Journal) -> None:
    """A private key is printed line by line."""
    journal.redact(["-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n"])
    journal.write("output", NOW, text="MIIEvQIBADANBg")
    assert texts(journal) == ["[secret]"]


def test_short_secrets_stay_words(journal: Journal) -> None:
    """A secret of a few letters would take everyday words with it."""
    journal.redact(["buy", ""])
    journal.write("note", NOW, text="buy")
    assert texts(journal) == ["buy"]


# Reading


def test_readers_pass_over_what_is_no_event(journal: Journal) -> None:
    """Text, arrays, numbers, other people's JSON and half lines are skipped; events around them are not."""
    journal.write("note", NOW, text="one")
    with file_of(journal).open("ab") as other:
        other.write(b"not json\n[1, 2]\n7\n{}\n\n\xff\xfe\n" + b"[" * 100_000 + b'\n{"event": 3}\n')
    journal.write("note", NOW, text="two")
    assert texts(journal) == ["one", "two"]
    assert sum(event is None for _, event in read(file_of(journal))) == 8


@pytest.mark.parametrize("size", [LONGEST_LINE + 1, 3 * LONGEST_LINE])
def test_readers_pass_over_lines_of_any_length(journal: Journal, size: int) -> None:
    """An endless line costs one line, and little memory."""
    journal.write("note", NOW, text="one")
    with file_of(journal).open("ab") as other:
        other.write(b'{"event": "note", "text": "' + b"x" * size + b'"}\n')
    journal.write("note", NOW, text="two")
    assert texts(journal) == ["one", "two"]


def test_a_last_line_without_an_end_is_not_read_yet(journal: Journal) -> None:
    """It may still be in the writing: its offset is where the next reading begins."""
    journal.write("note", NOW, text="one")
    whole = file_of(journal).stat().st_size
    with file_of(journal).open("ab") as other:
        other.write(b'{"event": "note"')
        other.flush()
        found = list(read(file_of(journal)))
        assert [offset for offset, _ in found] == [whole]
        other.write(b', "text": "two"}\n')
    assert [event["text"] for _, event in read(file_of(journal), whole) if event] == ["two"]


def test_settling_ends_torn_lines(journal: Journal) -> None:
    """From a boot on, a line that lacks only its end is the same to all readers."""
    for at in (NOW - 2 * DAY, NOW - DAY):
        journal.write("note", at, text="whole")
        os.truncate(file_of(journal, at), file_of(journal, at).stat().st_size - 1)
    journal.settle((NOW - DAY).date())
    assert file_of(journal, NOW - DAY).read_bytes().endswith(b"}\n")
    assert file_of(journal, NOW - 2 * DAY).read_bytes().endswith(b"}")


def test_since_begins_with_a_day(journal: Journal) -> None:
    """Older files are not even opened."""
    for at in (NOW, NOW + DAY):
        journal.write("note", at, text=f"{at:%d}")
    assert [event["text"] for event in since(journal.folder, (NOW + DAY).date())] == ["03"]


def test_old_files_are_pruned_and_others_are_not(journal: Journal) -> None:
    """Files older than the days to keep are removed; files with other names stay."""
    for age in (0, 1, 3, 4, 5):
        journal.write("note", NOW - age * DAY)
    (journal.folder / "notes.jsonl").write_text("mine")
    assert prune(journal.folder, NOW.date(), keep_days=3) == (NOW - 3 * DAY).date()
    names = sorted(path.name for path in journal.folder.iterdir())
    assert names == ["2026-02-27.jsonl", "2026-03-01.jsonl", "2026-03-02.jsonl", "notes.jsonl"]


def test_as_many_files_stay_as_days_are_kept(journal: Journal) -> None:
    """A clock that is years ahead, also over a midnight, removes nothing; nor does a strategy that runs once a month."""
    for age in (0, 30, 60):
        journal.write("note", NOW - age * DAY)
    for ahead in (3650, 3651):
        assert prune(journal.folder, (NOW + ahead * DAY).date(), keep_days=5) == (NOW - 60 * DAY).date()
        journal.write("note", NOW + ahead * DAY)
    assert len(days(journal.folder)) == 5


def test_a_folder_that_is_not_there_has_no_days(tmp_path: Path) -> None:
    """A strategy that never started has an empty journal."""
    assert days(tmp_path / "never") == []
    assert list(since(tmp_path / "never", NOW.date())) == []


# Following


def test_a_follower_hands_out_each_event_once(journal: Journal) -> None:
    """Over polls, days and restarts, with its positions as all that it remembers."""
    follower = Follower(journal.folder.parent)
    journal.write("note", NOW, text="one")
    assert [event["text"] for event in follower.poll()] == ["one"]
    journal.write("note", NOW, text="two")
    journal.write("note", NOW + DAY, text="three")
    later = Follower(journal.folder.parent, follower.positions)
    assert [event["text"] for event in later.poll()] == ["two", "three"]
    assert list(later.poll()) == []


def test_a_follower_reads_a_truncated_file_anew(journal: Journal) -> None:
    """After a power cut the file is shorter than what was read: what is written since is not missed."""
    follower = Follower(journal.folder.parent)
    journal.write("note", NOW, text="one")
    journal.write("note", NOW, text="two")
    list(follower.poll())
    first = next(offset for offset, _ in read(file_of(journal)))
    os.truncate(file_of(journal), first + 10)
    journal.write("note", NOW, text="three")
    assert "three" in [event["text"] for event in follower.poll()]


def test_a_follower_counts_what_it_cannot_read(journal: Journal) -> None:
    """Lines that are no events are passed over once and counted once."""
    journal.write("note", NOW, text="one")
    with file_of(journal).open("ab") as other:
        other.write(b"not json\n")
    follower = Follower(journal.folder.parent)
    assert len(list(follower.poll())) == 1
    assert list(follower.poll()) == []
    assert follower.unreadable == 1


# Instants


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2026-03-02T09:05:00.123Z", datetime(2026, 3, 2, 9, 5, 0, 123_000, UTC)),
        ("2026-03-02T10:05:00.123+01:00", datetime(2026, 3, 2, 9, 5, 0, 123_000, UTC)),
        ("2026-03-02T09:05:00", None),
        ("soon", None),
        (None, None),
        (7, None),
    ],
)
def test_instants_are_aware_or_none(text: object, expected: datetime | None) -> None:
    """A text without a zone stands for no instant."""
    assert instant(text) == expected


def test_a_stamp_and_its_instant_agree_to_the_millisecond() -> None:
    """What is written is what is read."""
    assert instant(stamp(NOW)) == NOW.replace(microsecond=123_000)
    assert json.loads(json.dumps({"at": stamp(NOW)}))["at"] == "2026-03-02T09:05:00.123Z"


@pytest.mark.parametrize("keep,expected", [(0, [4]), (45, [3, 4]), (1_000_000, [1, 2, 3, 4])])
def test_a_follower_passes_over_what_is_there_but_its_end(journal: Journal, keep: int, expected: list[int]) -> None:
    """Where what is kept begins within a line, that line is passed over, and what follows is read."""
    for number in (1, 2, 3):
        journal.write("note", NOW, number=number)
    ((_, path),) = days(journal.folder)
    follower = Follower(journal.folder.parent)

    follower.skip(path, keep and keep + len(path.read_bytes().split(b"\n")[0]))
    journal.write("note", NOW, number=4)

    assert [event["number"] for event in follower.poll()] == expected


def test_a_follower_that_skips_within_a_line_reads_nothing_before_it(journal: Journal) -> None:
    """A line that is still being written belongs to what was there."""
    journal.write("note", NOW, number=1)
    ((_, path),) = days(journal.folder)
    with path.open("ab") as file:
        file.write(b'{"event": "no')
    follower = Follower(journal.folder.parent)

    follower.skip(path)
    with path.open("ab") as file:
        file.write(b'te", "number": 2}\n{"event": "note", "number": 3}\n')

    assert [event["number"] for event in follower.poll()] == [3]
