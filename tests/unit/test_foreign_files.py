"""Foreign files: no link is followed, nothing blocks, everything is bounded, and every fault is one kind of error."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import control, foreign_files, heartbeat, journal
from openbell.control import Control, Halt, Pause
from openbell.foreign_files import ForeignFileError
from openbell.heartbeat import Heartbeat
from openbell.journal import Journal
from openbell.journal.follower import MOST_BYTES, MOST_LINES, Follower

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
GIGABYTE = 1 << 30


def brackets(path: Path) -> None:
    """Lists within each other, 100,000 deep."""
    path.write_text("[" * 100_000)


def fifo(path: Path) -> None:
    """A pipe without a writer."""
    os.mkfifo(path)


def directory(path: Path) -> None:
    """A directory that is not empty."""
    path.mkdir()
    (path / "x").touch()


def link(path: Path) -> None:
    """A link to a file that could be read."""
    target = path.parent / "elsewhere"
    target.write_text(json.dumps({"since": "2026-01-01T00:00:00Z"}))
    path.symlink_to(target)


def endless(path: Path) -> None:
    """A link to a device that never ends."""
    path.symlink_to("/dev/zero")


def sparse_4(path: Path) -> None:
    """4 GB of nothing."""
    path.touch()
    os.truncate(path, 4 * GIGABYTE)


def sparse_100(path: Path) -> None:
    """100 GB of nothing."""
    path.touch()
    os.truncate(path, 100 * GIGABYTE)


def not_text(path: Path) -> None:
    """Bytes that are no UTF-8."""
    path.write_bytes(b'{"since": "\xff\xfe"}')


def huge_number(path: Path) -> None:
    """A number of 5,000 digits in a list that is no object."""
    path.write_text("[" + "9" * 5_000 + "]")


def forbidden(path: Path) -> None:
    """A link that leads in a circle."""
    path.symlink_to(path.name)


FOREIGN = (brackets, fifo, directory, link, endless, sparse_4, sparse_100, not_text, huge_number, forbidden)
foreign = pytest.mark.parametrize("plant", FOREIGN, ids=lambda plant: plant.__name__)


@foreign
def test_one_error_says_which_file_and_why(plant: Callable[[Path], None], tmp_path: Path) -> None:
    """Whatever is planted, reading ends at once with a ForeignFileError that names the file."""
    path = tmp_path / "strategy" / "file.json"
    path.parent.mkdir()
    plant(path)
    with pytest.raises(ForeignFileError, match=r"strategy/file\.json") as found:
        foreign_files.read_object(path, tmp_path)
    assert len(str(found.value)) < 500


@foreign
def test_a_halt_that_is_no_regular_file_holds(plant: Callable[[Path], None], tmp_path: Path) -> None:
    """Whatever is at the halt's place halts, can be lifted, and can be replaced by a real one."""
    plant(tmp_path / "halt.json")
    held = control.halted(tmp_path)
    assert held is not None
    assert "unhalt" in held.reason
    control.halt(tmp_path, Halt(NOW, "alice", "odd fills"))
    assert control.halted(tmp_path) == Halt(NOW, "alice", "odd fills")
    assert control.unhalt(tmp_path)
    plant_again = tmp_path / "halt.json"
    for left in tmp_path.glob("elsewhere"):
        left.unlink()
    plant(plant_again)
    assert control.unhalt(tmp_path)
    assert control.halted(tmp_path) is None


@foreign
def test_a_pause_that_is_no_regular_file_holds(plant: Callable[[Path], None], tmp_path: Path) -> None:
    """Whatever is at a pause's place pauses the bot until it is resumed."""
    own = Control(tmp_path, "demo")
    own.prepare()
    plant(tmp_path / "demo" / "paused" / "b.json")
    pause = own.paused("b")
    assert pause is not None
    assert pause.covers(NOW)
    assert own.resume("b")
    own.pause("b", Pause(NOW, None, "alice", "earnings"))
    assert own.paused("b") == Pause(NOW, None, "alice", "earnings")


@foreign
def test_a_request_that_is_no_regular_file_is_passed_over(plant: Callable[[Path], None], tmp_path: Path) -> None:
    """A file that is no request blocks nothing; the real ones beside it are found."""
    own = Control(tmp_path, "demo")
    own.prepare()
    plant(tmp_path / "demo" / "requests" / "0.json")
    request = own.request("b", "alice", NOW)
    assert own.requests() == [request]


@foreign
def test_a_deployment_that_is_no_regular_file_is_none(plant: Callable[[Path], None], tmp_path: Path) -> None:
    """Nothing is muted by what cannot be read."""
    plant(tmp_path / "deployment.json")
    assert control.deployment(tmp_path) is None


@foreign
def test_a_beat_that_is_no_regular_file_is_none(plant: Callable[[Path], None], tmp_path: Path) -> None:
    """A loop whose beat cannot be read has none; its next beat replaces what is there."""
    folder = tmp_path / "demo"
    folder.mkdir()
    plant(folder / "beat.json")
    assert heartbeat.read(folder) is None
    heartbeat.write(folder, Heartbeat(NOW, "boot", ()))
    assert heartbeat.read(folder) == Heartbeat(NOW, "boot", ())


@pytest.mark.parametrize("plant", [fifo, directory, link, endless, sparse_4, sparse_100, forbidden])
def test_a_day_that_is_no_regular_file_is_an_error(plant: Callable[[Path], None], tmp_path: Path) -> None:
    """The follower says which file cannot be read, and has read nothing of it."""
    folder = tmp_path / "demo"
    folder.mkdir()
    plant(folder / "2026-03-02.jsonl")
    follower = Follower(tmp_path)
    with pytest.raises(ForeignFileError, match=r"2026-03-02\.jsonl"):
        list(follower.follow([folder / "2026-03-02.jsonl"]))
    assert follower.positions == {}


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    """A strategy's folder that is a link leads nowhere, for readers and for writers."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "beat.json").write_text("{}")
    (tmp_path / "demo").symlink_to("victim")
    with pytest.raises(ForeignFileError, match="is a link"):
        foreign_files.read_bytes(tmp_path / "demo" / "beat.json", tmp_path)
    with pytest.raises(ForeignFileError, match="is a link"):
        foreign_files.replace(tmp_path / "demo" / "beat.json", tmp_path, b"{}")
    with pytest.raises(ForeignFileError, match="is a link"):
        foreign_files.remove(tmp_path / "demo" / "beat.json", tmp_path)
    with pytest.raises(ForeignFileError, match="is a link"):
        Journal(tmp_path, "demo", "boot", echo=False).write("note", NOW)
    assert (tmp_path / "victim" / "beat.json").read_text() == "{}"


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link planted at a file's place, or at the name that its writer used to use, is replaced or left alone."""
    victim = tmp_path / "supervisor.sqlite"
    victim.write_text("records")
    for name in ("halt.json", "halt.new", "halt.json.new"):
        (tmp_path / name).symlink_to(victim)
    control.halt(tmp_path, Halt(NOW, "alice", "odd fills"))
    assert victim.read_text() == "records"
    assert control.halted(tmp_path) == Halt(NOW, "alice", "odd fills")
    assert not (tmp_path / "halt.json").is_symlink()


def test_a_journal_is_not_written_through_a_link(tmp_path: Path) -> None:
    """A day's file that leads elsewhere is an error for the loop that would append to it."""
    victim = tmp_path / "supervisor.sqlite"
    victim.write_text("records")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "2026-03-02.jsonl").symlink_to(victim)
    with pytest.raises(ForeignFileError, match="is a link"):
        Journal(tmp_path, "demo", "boot", echo=False).write("note", NOW)
    assert victim.read_text() == "records"


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
    """Every text that is no object, or is nested too deeply, is a ValueError with a short text."""
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
