"""Hearing of news instead of looking for it, with the real kernel."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell import heartbeat
from openbell.supervisor.ingest.journal_reader import POLL, FolderWatcher, JournalReader
from tests.unit.supervisor.world import World

NOW = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)
LONG = 30.0  # seconds that no test ever waits


@pytest.fixture
def watcher() -> Iterator[FolderWatcher]:
    """Ears that hear."""
    with closing(FolderWatcher()) as watcher:
        assert watcher.works
        yield watcher


def listened(watcher: FolderWatcher, folder: Path) -> None:
    """Listen to a folder, and forget what was there before."""
    watcher.watch({"pulse": folder})
    assert watcher.changed() == {"pulse"}


def test_a_new_line_ends_the_waiting(watcher: FolderWatcher, tmp_path: Path) -> None:
    """The write itself wakes a waiting reader."""
    listened(watcher, tmp_path)
    writing = threading.Thread(target=lambda: (tmp_path / "2026-11-20.jsonl").write_text("{}\n"))
    writing.start()
    watcher.wait(LONG)
    writing.join()
    assert watcher.changed() == {"pulse"}
    assert watcher.changed() == set()


def test_a_beat_is_no_news(watcher: FolderWatcher, tmp_path: Path) -> None:
    """It comes every few seconds, and says nothing as long as it comes."""
    listened(watcher, tmp_path)
    heartbeat.write(tmp_path, heartbeat.Heartbeat(NOW, "boot", ()))
    heartbeat.touch_stream(tmp_path, "ticks")
    watcher.wait(0.05)
    assert watcher.changed() == set()


def test_a_sleeper_can_be_woken(watcher: FolderWatcher, tmp_path: Path) -> None:
    """By another thread, without any news."""
    listened(watcher, tmp_path)
    waking = threading.Thread(target=watcher.wake)
    waking.start()
    watcher.wait(LONG)
    waking.join()
    assert watcher.changed() == set()


def test_a_folder_that_is_made_again_is_listened_to_again(watcher: FolderWatcher, tmp_path: Path) -> None:
    """Its removal is a change; the new folder gives none until it is watched."""
    folder = tmp_path / "pulse"
    folder.mkdir()
    listened(watcher, folder)
    shutil.rmtree(folder)
    assert watcher.changed() == {"pulse"}
    assert watcher.unwatched(["pulse"]) == {"pulse"}
    folder.mkdir()
    listened(watcher, folder)
    (folder / "x.jsonl").write_text("")
    assert watcher.changed() == {"pulse"}


def read(intake: JournalReader, now: datetime, watcher: FolderWatcher) -> int:
    """Take a batch; return how many lines there were."""
    return sum(len(lines) for _, lines in intake.read_batch(["pulse"], now, 100, watcher))


def test_what_is_heard_is_read_at_once_and_silence_is_not(world: World, watcher: FolderWatcher) -> None:
    """A strategy without a notification is read only now and then."""
    world.write("note", message="one")
    intake = JournalReader(world.journal, {}, 30)
    assert read(intake, NOW, watcher) == 1
    world.write("note", message="two")
    assert read(intake, NOW + timedelta(seconds=1), watcher) == 1
    assert intake.trusts_watcher


class Deaf(FolderWatcher):
    """A watcher on a file system that sends no notifications."""

    def _handle(self, number: int, mask: int, file: str) -> None:
        """Nothing."""


def test_ears_that_miss_something_are_not_trusted(world: World) -> None:
    """The next look at everything finds it, and from then on each second looks again."""
    with closing(Deaf()) as watcher:
        intake = JournalReader(world.journal, {}, 30)
        world.write("note", message="one")
        assert read(intake, NOW, watcher) == 1
        world.write("note", message="two")
        assert read(intake, NOW + timedelta(seconds=1), watcher) == 0
        assert read(intake, NOW + POLL, watcher) == 1
        assert read(intake, NOW + POLL + timedelta(seconds=1), watcher) == 0
        world.write("note", message="three")
        assert read(intake, NOW + POLL + timedelta(seconds=2), watcher) == 1


def test_a_listening_watch_sleeps_longer_and_hears_all_the_same(started: World) -> None:
    """It wakes for what is due and for what is written, and looks at nothing in between."""
    watch = started.watch
    watch.use_inotify()
    assert watch._watcher is not None
    with closing(watch._watcher):
        for _ in range(200):
            if watch._sweep is None:
                break
            watch.step(started.now)
        started.now += timedelta(seconds=1)
        assert watch.step(started.now) > 1.0
        started.now = started.slot("12:01")
        started.run(started.now)
        watch.wait(LONG)
        watch.step(started.now)
        assert started.ledger() == [("12:01:00", 1, "succeeded")]
        watch.wake()
        watch.wait(LONG)
