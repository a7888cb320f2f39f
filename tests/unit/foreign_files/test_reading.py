"""Foreign files are bounded when read, and every fault is one kind of error."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from openbell import foreign_files, heartbeat, journal
from openbell.foreign_files import ForeignFileError
from openbell.heartbeat import Heartbeat
from openbell.journal.follower import MOST_BYTES, MOST_LINES, Follower
from tests.unit.foreign_files.kinds import NOW, foreign


@foreign
def test_one_error_says_which_file_and_why(plant: Callable[[Path], None], tmp_path: Path) -> None:
    """Whatever is planted, reading ends at once with a ForeignFileError that names the file."""
    path = tmp_path / "strategy" / "file.json"
    path.parent.mkdir()
    plant(path)
    with pytest.raises(ForeignFileError, match=r"strategy/file\.json") as found:
        foreign_files.read_object(path, tmp_path)
    assert len(str(found.value)) < 500


def test_a_folder_with_too_many_files_is_an_error_and_no_delay(tmp_path: Path) -> None:
    """Of a folder with more files than a strategy can write only so many are looked at."""
    folder = tmp_path / "demo"
    folder.mkdir()
    for number in range(foreign_files.MOST_NAMES + 1):
        (folder / f"{number}.jsonl").touch()
    with pytest.raises(ForeignFileError, match="holds more than"):
        journal.days(folder)
    assert len(foreign_files.folders(tmp_path)) == 1


def test_only_so_many_folders_of_a_root_are_looked_at(tmp_path: Path) -> None:
    """Folders beyond the limit, links and files are passed over."""
    for number in range(20):
        (tmp_path / f"{number:02}").mkdir()
    (tmp_path / "link").symlink_to("00")
    (tmp_path / "file").touch()
    assert len(foreign_files.folders(tmp_path, 10)) == 10
    assert len(foreign_files.folders(tmp_path)) == 20


SAID = [
    ('{"a": NaN, "b": [Infinity, -Infinity], "c": 1e999}', {"a": None, "b": [None, None], "c": None}),
    ('{"a": ' + "9" * 5_000 + "}", {"a": None}),
    ('{"a": 9223372036854775807, "b": 9223372036854775808}', {"a": 9223372036854775807, "b": 9223372036854775808.0}),
    ('{"a": "\\ud800", "\\udfff": 1, "c": "\\ud83d\\ude00"}', {"a": "?", "?": 1, "c": "\U0001f600"}),
]


@pytest.mark.parametrize("text, found", SAID)
def test_what_is_read_can_be_written_down_again(text: str, found: object) -> None:
    """Whatever JSON's own text cannot hold, or no other program can, is None, a float or a question mark."""
    read = foreign_files.parse_object(text.encode())
    assert read == found
    assert json.dumps(read, allow_nan=False).encode("utf-8")


BAD = [
    "[",
    "[" * 100_000,
    '{"a": ' * 100 + "1" + "}" * 100,
    "1",
    "null",
    "",
    "{",
    '{"a": 1} x',
    "\x00" * 100,
    '{"a": tru}',
]


@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:12]))
def test_what_is_no_object_is_one_error(text: str) -> None:
    """Every text that is not an object, or is nested too deeply, is a ValueError with a short text."""
    with pytest.raises(ValueError, match=r"\w") as found:
        foreign_files.parse_object(text.encode())
    assert len(str(found.value)) < 300


def test_a_line_without_an_end_is_read_piece_by_piece(tmp_path: Path) -> None:
    """A reader that has others to read takes so many bytes at once, and comes to the end all the same."""
    folder = tmp_path / "demo"
    folder.mkdir()
    path = folder / "2026-03-02.jsonl"
    good = b'{"event": "note", "text": "after"}\n'
    path.write_bytes(b"x" * (3 * MOST_BYTES) + b"\n" + good)
    follower, steps = Follower(tmp_path), 0
    found: list[journal.Event] = []
    while not found:
        before = follower.positions.get("demo/2026-03-02.jsonl", 0)
        found = list(follower.follow([path], MOST_BYTES))
        assert follower.positions["demo/2026-03-02.jsonl"] - before < 2 * MOST_BYTES
        steps += 1
    assert steps > 2
    assert [event["text"] for event in found] == ["after"]
    assert follower.unreadable == 1
    assert list(follower.follow([path], MOST_BYTES)) == []


def test_lines_that_say_nothing_are_bounded_too(tmp_path: Path) -> None:
    """A file of empty lines is taken a few thousand at a time."""
    folder = tmp_path / "demo"
    folder.mkdir()
    path = folder / "2026-03-02.jsonl"
    path.write_bytes(b"\n" * (2 * MOST_LINES))
    follower = Follower(tmp_path)
    assert list(follower.follow([path], MOST_BYTES)) == []
    assert follower.is_cut
    assert follower.unreadable == MOST_LINES


def test_what_this_process_lacks_is_no_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many open files is an OSError, and not a beat that is not there."""
    (tmp_path / "demo").mkdir()
    heartbeat.write(tmp_path / "demo", Heartbeat(NOW, "boot", ()))

    def open_nothing(*_: object, **__: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "open", open_nothing)
    with pytest.raises(OSError, match="Too many open files") as found:
        heartbeat.read(tmp_path / "demo")
    assert not isinstance(found.value, ForeignFileError)
