"""What `make database` starts: PostgreSQL with backups, from which it is restored."""

import socket
import time
from collections.abc import Iterator

import pytest

from openbell.postgres.address import settings
from tests.hosts.own_database import OwnDatabase, own_database
from tests.installed import Installed


@pytest.fixture(scope="module")
def database(installed: Installed) -> Iterator[OwnDatabase]:
    """A database that runs, with a base backup and a row from before it."""
    installed("postgres")
    with own_database() as one:
        one.start()
        one.ask("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
        assert one.run("backup").returncode == 0
        yield one


def rows(database: OwnDatabase) -> list[object]:
    """Return the numbers in the table."""
    return [row[0] for row in database.ask("SELECT n FROM kept ORDER BY n")]


def test_the_newest_state_is_restored(database: OwnDatabase) -> None:
    """All that was confirmed, also what was not archived yet; a new timeline tells that commits may be missing."""
    database.ask("INSERT INTO kept VALUES (2)")
    assert "the database runs: it has to be stopped first" in database.run("restore").stderr
    assert database.stop() == 0
    done = database.run("restore")
    assert done.returncode == 0, done.stderr
    assert "what was there is in" in done.stdout
    database.start()
    assert rows(database) == [1, 2]
    database.wait(lambda: database.ask("SELECT timeline_id FROM pg_control_checkpoint()") == [(2,)])


def test_the_state_of_an_instant_is_restored(database: OwnDatabase) -> None:
    """For a mistake: what came after the instant is gone, and kept beside. An instant before all backups changes nothing."""
    before = rows(database)
    time.sleep(1.1)  # an instant is told to the second
    instant = str(
        database.ask("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")[0][0]
    )
    time.sleep(1.1)
    database.ask("DELETE FROM kept")
    database.ask("SELECT pg_switch_wal()")
    database.wait(lambda: database.ask("SELECT 1 FROM pg_stat_archiver WHERE archived_count > 0"))
    assert database.stop() == 0
    refused = database.run("restore", "2001-01-01T00:00Z").stderr
    assert "there is no base backup that is older than 2001-01-01T00:00Z" in refused
    assert "yesterdayish is no instant" in database.run("restore", "yesterdayish").stderr
    done = database.run("restore", instant)
    assert done.returncode == 0, done.stderr
    database.start()
    assert rows(database) == before
    assert list((database.folder / "cluster").glob("data.before-*"))


def test_old_backups_go_with_their_log(database: OwnDatabase) -> None:
    """So many are kept as is asked for, here one, and the log that the oldest of them needs."""
    base = database.folder / "backups" / "base"
    first = list(base.glob("2*Z"))
    done = database.run("backup")
    assert done.returncode == 0, done.stderr
    (kept,) = base.glob("2*Z")
    assert [kept] != first
    needed = (kept / "first-wal").read_text().strip()
    names = [one.name.removesuffix(".gz") for one in (database.folder / "backups" / "wal").iterdir()]
    assert min(name for name in names if len(name) == len(needed)) == needed


def has_ipv6() -> bool:
    """Tell whether this machine can be reached by IPv6."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_a_host_elsewhere_verifies_it(database: OwnDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own certificate, whatever name or address the host has, also one of IPv6; without it nothing is trusted."""
    root = database.folder / "cluster" / "tls" / "certificate.pem"
    verified = database.url(f"sslmode=verify-ca&sslrootcert={root}")
    assert settings(verified)["sslmode"] == "verify-ca"
    assert database.ask("SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()", verified) == [("true",)]
    assert database.ask("SELECT 1", database.url("sslmode=verify-ca")) == []
    monkeypatch.setenv("OPENBELL_DATABASE_ROOT_FILE", str(root))
    for host in ("127.0.0.1", "[::1]") if has_ipv6() else ("127.0.0.1",):
        assert database.ask("SELECT 1", database.url("sslmode=verify-ca", host)) == [(1,)]
