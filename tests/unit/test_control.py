"""Desired state and requests as files: written whole, read with care, obeyed once."""

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.control import Control, Halt, Pause, Request, halt
from openbell.runner.loop_control import LoopControl
from openbell.runner.loop_lock import READ_REQUESTS
from tests.unit.runner.fakes import wait_for

NOW = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def control(tmp_path: Path) -> Control:
    """The control folders of the strategy demo."""
    one = Control(tmp_path, "demo")
    one.prepare()
    return one


def pause_file(tmp_path: Path) -> Path:
    """Return where the pause of the bot b is."""
    return tmp_path / "demo" / "paused" / "b.json"


# Pauses


@pytest.mark.parametrize("until", [None, NOW + HOUR])
def test_a_pause_survives(control: Control, tmp_path: Path, until: datetime | None) -> None:
    """What one process stores another one reads, to the millisecond."""
    pause = Pause(NOW, until, "alice", "earnings")
    control.pause("b", pause)
    assert Control(tmp_path, "demo").paused("b") == pause
    assert control.paused("c") is None


def test_a_new_pause_replaces_the_old(control: Control) -> None:
    """The newest word holds."""
    control.pause("b", Pause(NOW, None, "alice", "earnings"))
    control.pause("b", Pause(NOW + HOUR, None, "bob", "holiday"))
    assert control.paused("b") == Pause(NOW + HOUR, None, "bob", "holiday")


def test_a_resume_says_whether_there_was_a_pause(control: Control) -> None:
    """Resuming twice is no error."""
    control.pause("b", Pause(NOW, None, "alice", "earnings"))
    assert control.resume("b")
    assert not control.resume("b")
    assert control.paused("b") is None


@pytest.mark.parametrize(
    "at, covered",
    [(NOW - HOUR, False), (NOW, True), (NOW + HOUR / 2, True), (NOW + HOUR, False)],
)
def test_a_pause_covers_its_beginning_and_not_its_end(at: datetime, covered: bool) -> None:
    """A slot at the instant of the pause is skipped, one at its end runs."""
    assert Pause(NOW, NOW + HOUR, "alice", "").covers(at) is covered


def test_a_pause_without_an_end_covers_all_that_follows() -> None:
    """Until it is resumed."""
    assert Pause(NOW, None, "alice", "").covers(NOW + 10_000 * HOUR)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"paused"', "\x00\x00"])
def test_a_pause_that_cannot_be_read_holds(control: Control, tmp_path: Path, content: str) -> None:
    """Half a file means a pause: the bot stays paused, and the reason says what to do."""
    pause_file(tmp_path).write_text(content)
    pause = control.paused("b")
    assert pause is not None
    assert pause.covers(NOW)
    assert "resume the bot to remove it" in pause.reason


def test_a_pause_written_by_hand_holds(control: Control, tmp_path: Path) -> None:
    """Without a beginning it holds from the beginning of time."""
    pause_file(tmp_path).write_text('{"reason": "because"}')
    pause = control.paused("b")
    assert pause is not None
    assert pause.covers(NOW)
    assert (pause.by, pause.reason) == ("unknown", "because")


def test_a_pause_that_nobody_may_read_holds(control: Control, tmp_path: Path) -> None:
    """A folder where the file should be is no reason to trade."""
    pause_file(tmp_path).mkdir()
    pause = control.paused("b")
    assert pause is not None
    assert pause.covers(NOW)


def test_a_pause_is_safe_before_it_is_there(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut leaves the old pause or the new one, never an empty file."""
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink().name))
    control.pause("b", Pause(NOW, None, "alice", "earnings"))
    assert [name.startswith(".b.json.") for name in synced] == [True, False], synced
    assert synced[1] == "paused"  # the new name in the folder


# Requests


def test_requests_wait_until_the_loop_has_taken_them(control: Control, tmp_path: Path) -> None:
    """Oldest first, each with who asked. The loop only remembers which it has taken, over a restart too."""
    late = control.request("b", "bob", NOW + timedelta(seconds=30))
    early = control.request("c", "alice", NOW)
    assert Control(tmp_path, "demo").requests() == [early, late]
    loop = LoopControl(tmp_path, "demo", tmp_path / "journal" / "demo", "boot1")
    (tmp_path / "journal" / "demo").mkdir(parents=True)
    loop.done(early)
    assert loop.requests() == [late]
    assert LoopControl(tmp_path, "demo", tmp_path / "journal" / "demo", "boot2").requests() == [late]
    assert control.requests() == [early, late]


def test_requests_of_before_are_removed_by_the_next(control: Control) -> None:
    """Requests that no loop reads any more are removed by the next request."""
    control.request("b", "alice", NOW)
    late = control.request("b", "alice", NOW + HOUR)
    assert control.requests() == [late]


def test_requests_that_are_none_are_removed(control: Control, tmp_path: Path) -> None:
    """Half a file is not waited for, and is removed in the end."""
    folder = tmp_path / "demo" / "requests"
    for name, content in {
        "torn": "{",
        "list": "[]",
        "no-bot": '{"requested_at": "2026-03-02T09:05:00Z"}',
        "no-time": '{"bot": "b"}',
    }.items():
        (folder / f"{name}.json").write_text(content)
    request = control.request("b", "alice", NOW)
    assert control.requests() == [request]
    assert [path.stem for path in folder.iterdir()] == [request.id]


def test_ids_differ(control: Control) -> None:
    """Two requests of one instant are two."""
    assert control.request("b", "alice", NOW).id != control.request("b", "alice", NOW).id


def test_the_version_tells_that_something_came(control: Control) -> None:
    """As long as nothing comes or goes it stays, so that looking is cheap."""
    before = control.requests_version()
    assert control.requests_version() == before
    os.utime(control._requests, ns=(0, 0))
    control.request("b", "alice", NOW)
    assert control.requests_version() not in {0, before}


def test_removed_folders_are_made_again(control: Control) -> None:
    """A control volume that was emptied is complete again after the next step."""
    control._requests.rmdir()
    control._paused.rmdir()
    control.requests_version()
    assert control.request("b", "alice", NOW) in control.requests()
    assert isinstance(control.requests()[0], Request)
    assert control.paused("b") is None


def test_a_loop_is_woken_when_somebody_asks_for_something(control: Control, tmp_path: Path) -> None:
    """The kernel tells it of a request, a pause and a halt at once."""
    (tmp_path / "journal" / "demo").mkdir(parents=True)
    loop = LoopControl(tmp_path, "demo", tmp_path / "journal" / "demo", "boot")
    woken: list[int] = []
    before = signal.signal(READ_REQUESTS, lambda number, _: woken.append(number))
    try:
        loop.wake_on_change()
        changes = (
            lambda: control.request("b", "alice", NOW),
            lambda: control.pause("b", Pause(NOW, None, "alice", "earnings")),
            lambda: halt(tmp_path, Halt(NOW, "alice", "odd fills")),
        )
        for change in changes:
            woken.clear()
            change()
            wait_for(lambda: bool(woken), "the signal", 5)
    finally:
        loop.close()
        signal.signal(READ_REQUESTS, before)
