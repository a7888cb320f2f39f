"""What stands where a file of openbell should be: nothing blocks, and no link is followed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from openbell import control, foreign_files, heartbeat
from openbell.control import Control, Halt, Pause
from openbell.foreign_files import ForeignFileError
from openbell.heartbeat import Heartbeat
from openbell.journal import Journal
from openbell.journal.follower import Follower
from tests.unit.foreign_files.kinds import NOW, directory, endless, fifo, forbidden, foreign, link, sparse_4, sparse_100


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
