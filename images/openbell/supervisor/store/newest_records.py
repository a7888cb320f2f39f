"""Whether a record of a bot (or of an account) is new, by its instant.

A journal's lines come in the order of time, so nearly every record is newer than all that its owner has. Only one that is
not has to be looked up, and one index by owner and time serves for that and for all other questions. Two records are the
same if all their columns are.
"""

# ruff: noqa: S608 - tables and columns are constants of the program

import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from openbell.supervisor.store.schema import table_definition

_OWNER_AT = 1  # where a row has its owner's first column, the strategy, behind the digest
_AT = 2  # the first column of each of these records is its instant
_BOT = 3

Row = tuple[object, ...]


class _Table(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def owner(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> tuple[str, ...]: ...


def index_by_time(table: str) -> str:
    """Return the name of a table's index by owner and time."""
    return f"{table}_by_time"


class NewestRecords:
    """What is known of the newest records of each owner, within one transaction."""

    def __init__(self, database: sqlite3.Connection, table: _Table) -> None:
        self._database = database
        self._name = table.name
        self._columns: Sequence[str] = ("strategy", *table.columns)
        self._owner = table.owner
        self._of_bots = "bot" in table.owner
        # By owner: the newest instant, and hashes of the rows of that instant. Whole rows would take ten times the memory.
        self._newest: dict[Row, tuple[int, set[int]]] = {}
        self.is_of_older_version = False  # each line has a digest, which no two of them share

    def prepare(self) -> None:
        """Make the index, unless the table is one of an older version, which gets it with `migrate`."""
        (sql,) = self._database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (self._name,)).fetchone()
        self.is_of_older_version = "UNIQUE" in sql
        if not self.is_of_older_version:
            self._make_index()

    def migrate(self) -> None:
        """Make the table anew without the digests' index, in the transaction of the caller."""
        self._database.execute(f"ALTER TABLE {self._name} RENAME TO {self._name}_before")
        self._database.execute(table_definition(self._name))
        self._database.execute(f"INSERT INTO {self._name} SELECT * FROM {self._name}_before ORDER BY id")
        self._database.execute(f"DROP TABLE {self._name}_before")
        self._make_index()
        self.is_of_older_version = False

    def _make_index(self) -> None:
        columns = ", ".join((*self._owner, "at"))
        self._database.execute(f"CREATE INDEX IF NOT EXISTS {index_by_time(self._name)} ON {self._name} ({columns})")
        # An older version, to which a server went back for a while, has made its own.
        kind = "bot" if self._of_bots else "strategy"
        self._database.execute(f"DROP INDEX IF EXISTS {self._name}_of_a_{kind}")

    def clear(self) -> None:
        """Forget what was known: the transaction is over, or was rolled back."""
        self._newest.clear()

    def is_new(self, row: Row, flush: Callable[[], None]) -> bool:
        """Return whether a row, as it is inserted, is new; from then on it is known.

        flush: writes the rows that were new before.
        """
        owner = (row[_OWNER_AT], row[_BOT]) if self._of_bots else (row[_OWNER_AT],)
        newest = self._newest.get(owner)
        if newest is None:
            newest = self._newest[owner] = self._load(owner)
        at, content = cast("int", row[_AT]), hash(row[1:])
        if at > newest[0]:
            self._newest[owner] = at, {content}
            return True
        if at == newest[0]:
            is_new = content not in newest[1]
            newest[1].add(content)
            return is_new
        flush()
        return content not in self._hashes(owner, at)

    def _load(self, owner: Row) -> tuple[int, set[int]]:
        (at,) = self._database.execute(
            f"SELECT coalesce(max(at), -1) FROM {self._name} WHERE {self._where}", owner
        ).fetchone()
        return at, self._hashes(owner, at)

    def _hashes(self, owner: Row, at: int) -> set[int]:
        # An expression has no declared type: the values come as they are stored.
        columns = ", ".join(f"+{column}" for column in self._columns)
        rows = self._database.execute(
            f"SELECT {columns} FROM {self._name} WHERE {self._where} AND at = ?", (*owner, at)
        )
        return {hash(row) for row in rows}

    @property
    def _where(self) -> str:
        return " AND ".join(f"{column} = ?" for column in self._owner)
