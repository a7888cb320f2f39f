"""Readers of a journal survive whatever is in its files."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.journal import LONGEST_LINE, Journal, days, instant, prune, read, since, stamp
from openbell.journal.follower import Follower
from tests.unit.journal.conftest import DAY, NOW, file_of, texts

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
