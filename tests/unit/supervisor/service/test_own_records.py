"""A damaged or foreign database of the supervisor's own: put aside, rebuilt from the journals, and told."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from openbell import clock
from openbell.manifest import load_all
from openbell.supervisor.alerts.service import AlertService, AlertSetup
from openbell.supervisor.alerts.settings import AlertSettings
from openbell.supervisor.alerts.store import AlertStore, open_database
from openbell.supervisor.health.snapshot import Snapshot
from openbell.supervisor.service import own_records
from openbell.supervisor.store import connection
from openbell.supervisor.store.store import Store
from openbell.supervisor.watch import Watch
from tests.unit.supervisor.world import World


def garbage(file: Path) -> None:
    """Overwrite the first bytes, as a broken disk or a foreign tool would."""
    with file.open("r+b") as opened:
        opened.write(b"not a database at all" * 10)


def pages(file: Path) -> None:
    """Overwrite all pages but the first."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xa5" * (size - 4096))


def text(file: Path) -> None:
    """Replace the file by other bytes."""
    file.write_text("a shopping list\n" * 300)


def empty_folder(file: Path) -> None:
    """Replace the file by a directory."""
    file.unlink()
    file.mkdir()


def link(file: Path) -> None:
    """Replace the file by a link to another place."""
    file.unlink()
    file.symlink_to("/dev/zero")


def foreign(file: Path) -> None:
    """Replace the file by another program's database."""
    file.unlink()
    with closing(sqlite3.connect(file)) as database:
        database.executescript("CREATE TABLE slots (name TEXT); CREATE TABLE members (name TEXT)")


def foreign_of_our_version(file: Path) -> None:
    """Replace the file by another program's database that happens to have our version."""
    foreign(file)
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version = 1")


DAMAGES = [garbage, pages, text, empty_folder, link, foreign, foreign_of_our_version]


@dataclass
class Process:
    """What a supervisor's process holds, over the files of a world."""

    world: World
    store: Store
    watch: Watch
    alerts: AlertService
    is_closed: bool = False

    def step(self, *, at: timedelta = timedelta(0)) -> Snapshot:
        """Do as the service does, some time later."""
        self.world.now += at
        while self.watch.step(self.world.now) == 0.0:
            pass
        assert self.watch.snapshot is not None
        self.alerts.process(self.watch.snapshot, self.world.now)
        return self.watch.snapshot

    def close(self) -> None:
        """End it, once."""
        if self.is_closed:
            return
        self.is_closed = True
        self.alerts.close()
        self.store.close()
        own_records.note_closed(self.world.root)

    def titles(self) -> list[str]:
        """Return what was told, oldest first."""
        with closing(sqlite3.connect(self.world.root / own_records.ALERTS)) as database:
            return [title for (title,) in database.execute("SELECT title FROM messages ORDER BY id")]


@pytest.fixture
def begin(world: World) -> Iterator[Callable[[], Process]]:
    """Starts a supervisor as its service does; what runs is ended before."""
    running: list[Process] = []

    def start() -> Process:
        for one in running:
            one.close()
        running.clear()
        store = own_records.open_store(world.root, world.now)
        manifests, errors = load_all(world.strategies)
        watch = Watch(manifests, errors, world.journal, world.control, store)
        settings = AlertSettings()
        setup = AlertSetup(settings, manifests, world.root, world.control, store, lambda: world.now, lambda _: None)
        alerts = AlertService(setup)
        running.append(Process(world, store, watch, alerts))
        return running[0]

    yield start
    for one in running:
        one.close()


def fail_and_tell(world: World, process: Process) -> None:
    """Let the bot fail at 12:01, and let it be told."""
    world.start()
    world.beat()
    process.step()
    world.now = world.slot("12:01")
    world.run(world.now, "failed")
    world.beat()
    process.step()
    for _ in range(20):
        process.step(at=timedelta(seconds=1))
    assert process.titles() == ["CRITICAL: pulse failed"]


@pytest.mark.parametrize("spoil", DAMAGES)
@pytest.mark.parametrize("name", [own_records.STORE, own_records.ALERTS])
def test_what_is_damaged_is_put_aside_and_told(
    world: World, begin: Callable[[], Process], name: str, spoil: Callable[[Path], None]
) -> None:
    """The start succeeds at once, the condition names the file, and the bot that fails is not told as recovered."""
    process = begin()
    fail_and_tell(world, process)
    process.close()
    spoil(world.root / name)
    world.now += timedelta(seconds=3)
    process = begin()
    process.step()
    world.beat()
    snapshot = process.step(at=timedelta(seconds=1))
    assert {one.kind for one in snapshot.conditions} == {"failed", "store_rebuilt"}
    (rebuilt,) = [one for one in snapshot.conditions if one.kind == "store_rebuilt"]
    assert f"put aside as {name}.damaged-" in rebuilt.reason
    assert len(list(world.root.glob(f"{name}.damaged-*Z"))) == 1
    for _ in range(15):
        process.step(at=timedelta(seconds=1))
    assert [title for title in process.titles() if "recovered" in title] == []
    assert "CRITICAL: this machine had damaged records, which were rebuilt" in process.titles()


def test_what_was_closed_in_order_is_read_after_the_start(tmp_path: Path) -> None:
    """A large store does not delay a start; damage without any trace of a writer is found all the same."""
    for name in (own_records.STORE, own_records.ALERTS):
        own_records.open_store(tmp_path, clock.now()).close()
        with closing(AlertStore(open_database(tmp_path / own_records.ALERTS))):
            pass
        own_records.note_closed(tmp_path)
        assert own_records.find_damage(tmp_path) is None
        before = (tmp_path / name).stat()
        with (tmp_path / name).open("r+b") as file:
            file.seek(-4096, os.SEEK_END)
            file.write(b"\xa5" * 4096)
        os.utime(tmp_path / name, ns=(before.st_atime_ns, before.st_mtime_ns))
        own_records.open_store(tmp_path, clock.now()).close()
        assert list(tmp_path.glob("*.damaged-*")) == []
        error = own_records.find_damage(tmp_path)
        assert error is not None
        assert own_records.put_aside(tmp_path, error, own_records.STORE, clock.now())
        assert [one.name.partition(".damaged")[0] for one in tmp_path.glob("*.damaged-*Z")] == [name]
        for one in tmp_path.iterdir():
            one.unlink()


def test_a_rebuilt_store_still_knows_what_was_missed(world: World, begin: Callable[[], Process]) -> None:
    """A slot that nothing was written of is missed, told once, and stays open until a later slot has succeeded."""
    process = begin()
    world.start()
    world.beat()
    process.step()
    world.now = world.slot("12:01")
    for _ in range(26):
        process.step(at=timedelta(seconds=1))
    assert process.titles() == ["CRITICAL: pulse missed a slot"]
    process.close()
    garbage(world.root / own_records.STORE)
    process = begin()
    world.beat()
    for _ in range(10):
        process.step(at=timedelta(seconds=1))
    assert "OK: pulse recovered" not in process.titles()
    world.now = world.slot("12:02")
    world.run(world.now)
    world.beat()
    for _ in range(3):
        process.step(at=timedelta(seconds=1))
    assert "OK: pulse recovered" in process.titles()


def test_misses_of_the_time_without_a_supervisor_are_found_by_a_rebuilt_store(
    world: World, begin: Callable[[], Process]
) -> None:
    """It is told from when on the one before it no longer watched."""
    process = begin()
    world.start()
    world.beat()
    process.step()
    process.close()
    garbage(world.root / own_records.STORE)
    world.now += timedelta(minutes=3)
    process = begin()
    world.beat()
    process.step()
    snapshot = process.step(at=timedelta(seconds=1))
    (missed,) = [one for one in snapshot.conditions if one.kind == "missed"]
    assert (missed.since, missed.count) == (world.slot("12:01"), 3)


@pytest.mark.parametrize("name", [own_records.STORE, own_records.ALERTS])
def test_a_database_that_is_deleted_while_in_use_is_noticed(
    world: World, begin: Callable[[], Process], name: str
) -> None:
    """The next step says so; after the start that follows, a condition does."""
    process = begin()
    world.start()
    world.beat()
    process.step()
    (world.root / name).unlink()
    with pytest.raises(connection.DamagedError, match=f"{name} was deleted while it was in use") as raised:
        process.step()
    assert own_records.put_aside(world.root, raised.value, own_records.STORE, world.now)
    process = begin()
    (condition,) = process.step().conditions
    assert (condition.kind, condition.since) == ("store_rebuilt", world.now)
    assert "was deleted while it was in use" in condition.reason


def test_it_is_told_for_a_day_and_few_copies_stay(tmp_path: Path) -> None:
    """A disk that breaks files again and again is not filled with them."""
    now = clock.now().replace(microsecond=0)
    file = tmp_path / own_records.STORE
    for number in range(5):
        file.write_text("garbage")
        connection.put_aside(file, now + timedelta(minutes=number))
    assert len(list(tmp_path.iterdir())) == connection.KEEP
    last = now + timedelta(minutes=4)
    assert [one.at for one in connection.reported(tmp_path, (own_records.STORE,), last)] == [last]
    assert connection.reported(tmp_path, (own_records.STORE,), last + timedelta(days=1)) == []


def test_a_full_disk_or_a_lock_is_no_damage(tmp_path: Path) -> None:
    """A trouble that may pass by itself does not replace the store."""
    with closing(Store(tmp_path / own_records.STORE)), closing(sqlite3.connect(tmp_path / own_records.STORE)) as other:
        other.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as raised:
            other.execute("CREATE TABLE big AS SELECT randomblob(100000) AS one")
        assert not own_records.put_aside(tmp_path, raised.value, own_records.STORE, clock.now())


def test_damage_that_a_check_does_not_find_is_put_aside_all_the_same(tmp_path: Path) -> None:
    """Otherwise the supervisor would start with it again and again."""
    with closing(Store(tmp_path / own_records.STORE)):
        pass
    with closing(AlertStore(open_database(tmp_path / own_records.ALERTS))):
        pass
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT_INDEX
    assert own_records.put_aside(tmp_path, error, own_records.STORE, clock.now())
    assert [one.name.partition(".damaged")[0] for one in tmp_path.glob("*.damaged-*Z")] == [own_records.STORE]
