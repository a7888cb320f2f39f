"""The ledger's file and its transactions: what they write, what they undo, and when they wait for the disk."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from openbell.group_commit import GroupCommit
from openbell.ledger import Claim, EpochLostError, Ledger
from openbell.ledger.database import Transaction, text_of

SLOT = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
CLAIM = Claim("b", SLOT, "r1", 1, "loop", SLOT)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger, in folders that are made for it."""
    with closing(Ledger(tmp_path / "new" / "state" / "ledger.sqlite")) as one:
        yield one


@dataclass
class ADatabase:
    """A database whose commits may fail."""

    fails: bool = False
    leaves_open: bool = True  # after a commit that failed
    statements: list[str] = field(default_factory=list)
    total_changes: int = 7
    in_transaction: bool = False

    def execute(self, statement: str) -> None:
        """Take a statement."""
        self.statements.append(statement)
        self.in_transaction = statement.startswith("BEGIN")
        if statement == "COMMIT" and self.fails:
            self.in_transaction = self.leaves_open
            msg = "disk full"
            raise sqlite3.OperationalError(msg)


@dataclass
class AGroup:
    """Counts the syncs."""

    syncs: int = 0

    def sync(self) -> None:
        """Sync."""
        self.syncs += 1


@pytest.mark.parametrize("changes, fails, has_group, statements, syncs", [
    (1, False, True, ["BEGIN IMMEDIATE", "COMMIT"], 1),
    (0, False, True, ["BEGIN IMMEDIATE", "COMMIT"], 0),  # nothing was written, so nothing is waited for
    (1, True, True, ["BEGIN IMMEDIATE", "ROLLBACK"], 0),
    (1, False, False, ["BEGIN IMMEDIATE", "COMMIT"], 0),
])  # fmt: skip
def test_a_transaction(changes: int, *, fails: bool, has_group: bool, statements: list[str], syncs: int) -> None:
    """It is kept and synced if it has changed something, and undone if what is in it raises."""
    database, group = ADatabase(), AGroup()
    transaction = Transaction(cast("sqlite3.Connection", database), cast("GroupCommit", group) if has_group else None)
    with suppress(ZeroDivisionError), transaction:
        database.total_changes += changes
        _ = 1 / (not fails)
    assert (database.statements, group.syncs) == (statements, syncs)


@pytest.mark.parametrize("leaves_open, statements", [
    (True, ["BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"]), (False, ["BEGIN IMMEDIATE", "COMMIT"]),
])  # fmt: skip
def test_a_commit_that_fails(*, leaves_open: bool, statements: list[str]) -> None:
    """The error is raised, and no transaction stays open for the next statement."""
    database, group = ADatabase(fails=True, leaves_open=leaves_open), AGroup()
    with (
        pytest.raises(sqlite3.OperationalError, match="disk full"),
        Transaction(cast("sqlite3.Connection", database), cast("GroupCommit", group)),
    ):
        database.total_changes += 1
    assert (database.statements, group.syncs) == (statements, 0)


def test_threads_of_a_strategy_share_a_ledger(ledger: Ledger) -> None:
    """A strategy may order from threads of its own."""
    found: list[str | None] = []
    ledger.remember("a", "b")
    thread = threading.Thread(target=lambda: found.append(ledger.fact("a")))
    thread.start()
    thread.join()
    assert found == ["b"]


def test_a_ledger_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """The message names the file, and nothing of it is changed."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(sqlite3.DatabaseError, match=f"{path} was written by a newer openbell"):
        Ledger(path)
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == []


def test_a_ledger_of_an_older_version_becomes_one_of_this(tmp_path: Path) -> None:
    """Its format is kept in the file, so that an older openbell refuses it."""
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (1,)


def test_an_attempt_that_was_replaced_is_told_so(ledger: Ledger) -> None:
    """Which attempt of which run it was."""
    ledger.claim([CLAIM])
    ledger.act_for(CLAIM)
    ledger.check_epoch()
    ledger.next_attempt(replace(CLAIM, attempt=2))
    told = "attempt 1 of run r1 was replaced by another: it sends and writes nothing more"
    with pytest.raises(EpochLostError, match=f"^{told}$"):
        ledger.check_epoch()


def test_instants_sort_as_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """In UTC and in one width, whatever zone the machine and the instant are in."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        assert text_of(SLOT) == "2026-03-02T09:05:00.000000+00:00"
        assert text_of(SLOT + timedelta(microseconds=1)) == "2026-03-02T09:05:00.000001+00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_an_ended_order_leaves_is_forgotten_with_it(ledger: Ledger) -> None:
    """No table of the file grows for ever."""
    ledger._database.executescript(
        "INSERT INTO sent (client_order_id, at) VALUES ('gone', ''); INSERT INTO terms VALUES ('gone', ''); "
        "INSERT INTO fills VALUES ('gone', '', '', '', '', '', '');"
    )
    ledger.forget_before(SLOT)
    counts = "SELECT (SELECT COUNT(*) FROM sent), (SELECT COUNT(*) FROM terms), (SELECT COUNT(*) FROM fills)"
    assert ledger._database.execute(counts).fetchone() == (0, 0, 0)
