"""The ledger's file, its transactions, and the epoch that each write checks."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from openbell.database_version import found_version
from openbell.group_commit import GroupCommit, use_group_commit
from openbell.ledger.records import Claim, EpochLostError
from openbell.ledger.schema import SCHEMA, VERSION


class LedgerDatabase:
    """One connection to a ledger. Every method raises sqlite3.Error if the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._group: GroupCommit | None = GroupCommit(path)
        self._owner: Claim | None = None
        # Threads of a strategy may order. A context lets one of them in at a time.
        self._database = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            found = found_version(self._database, path, VERSION)
            use_group_commit(self._database)
            self._database.executescript(SCHEMA)
            self._begin()
            if found < VERSION:
                self._database.execute(f"PRAGMA user_version = {VERSION}")
        except sqlite3.Error:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _begin(self) -> None:
        """Bring what an older version has written up to date."""

    def tell_if_owned(self, claim: Claim, tell: Callable[[], None]) -> None:
        """Write what `tell` writes in one step with a check of the claim; EpochLostError if its attempt was replaced."""
        with self._transaction():
            if self._epoch(claim) not in (None, (claim.run_id, claim.attempt, None)):
                msg = f"run {claim.run_id} of {claim.bot} goes on elsewhere"
                raise EpochLostError(msg)
            tell()

    def act_for(self, claim: Claim) -> None:
        """Make every later write of this object one of the claim's attempt: EpochLostError once another has taken over."""
        self._owner = claim

    def check_epoch(self) -> None:
        """Raise EpochLostError if the attempt that this object acts for is not the run's newest, or the run has ended."""
        owner = self._owner
        epoch = self._epoch(owner) if owner is not None else None
        # Without a claim there is no other attempt: a claim is only forgotten months after its end.
        if owner is not None and epoch not in (None, (owner.run_id, owner.attempt, None)):
            msg = f"attempt {owner.attempt} of run {owner.run_id} was replaced by another: it sends and writes nothing more"
            raise EpochLostError(msg)

    def _epoch(self, claim: Claim) -> tuple[str, int, str | None] | None:
        statement = "SELECT run_id, attempt, outcome FROM claims WHERE bot = ? AND slot = ?"
        row = self._database.execute(statement, (claim.bot, text_of(claim.slot))).fetchone()
        return (str(row[0]), int(row[1]), row[2]) if row else None

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Let no other run of the strategy decide on an order until this one is sent; a run that dies lets go."""
        file = os.open(self._path.with_name("orders.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def fact(self, name: str) -> str | None:
        """Return what `remember` was last told under this name."""
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def remember(self, name: str, value: str) -> None:
        """Keep one small fact about the strategy, such as how it last stopped."""
        self.remember_all({name: value})

    def remember_all(self, facts: Mapping[str, str]) -> None:
        """Keep several facts in one durable step."""
        with self._transaction():
            for name, value in facts.items():
                self._remember(name, value)

    def _remember(self, name: str, value: str) -> None:
        statement = "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        self._database.execute(statement, (name, value))

    def _transaction(self) -> AbstractContextManager[None]:
        """Return what makes the statements within it one durable step, or none of them."""
        return Transaction(self._database, self._group)


class Transaction:
    """BEGIN IMMEDIATE, so that a writer waits at the start rather than fails in the middle; COMMIT or ROLLBACK."""

    def __init__(self, database: sqlite3.Connection, group: GroupCommit | None) -> None:
        self._database = database
        self._group = group

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._changes = self._database.total_changes if self._group is not None else 0

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._database.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        if kind is None and self._group is not None and self._database.total_changes > self._changes:
            self._group.sync()


def text_of(at: datetime) -> str:
    """Return an instant in one fixed width, so that texts sort as instants do."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def instant_of(text: str) -> datetime:
    """Return the instant that `text_of` has written."""
    return datetime.fromisoformat(text)
