"""Event tables: the tables whose records are only ever added, each bounded. A line that is read twice is stored once."""

# ruff: noqa: S608 - tables and columns are constants of the module

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Generic, TypeVar

from openbell.instants import milliseconds
from openbell.journal import Event
from openbell.supervisor.model.records import (
    AccountRecord,
    DecisionRecord,
    ErrorRecord,
    Finding,
    NoteRecord,
    ServiceEvent,
    SignalRecord,
)

Record = TypeVar("Record")

KEEP_EACH = 200  # records of a bot that stay; of events and accounts, of a strategy
_JSON = frozenset({"about", "positions"})


@dataclass(frozen=True)
class EventTable(Generic[Record]):
    """One table. Its columns are the fields of its records; `owner`: the columns within which KEEP_EACH records are kept."""

    name: str
    record: type[Record]
    owner: tuple[str, ...] = ("strategy", "bot")
    about: str = "about"  # the field that is stored in the column `about`

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns in the order of the record's fields."""
        names = [field.name for field in fields(self.record)]  # type: ignore[arg-type]
        return tuple("about" if name == self.about else name for name in names)


DECISIONS = EventTable("decisions", DecisionRecord)
ERRORS = EventTable("errors", ErrorRecord)
SERVICES = EventTable("services", ServiceEvent, ("strategy",))
SIGNALS = EventTable("signals", SignalRecord, about="values")
NOTES = EventTable("notes", NoteRecord, about="values")
ACCOUNTS = EventTable("accounts", AccountRecord, ("strategy",))
FINDINGS = EventTable("findings", Finding, ("strategy", "bot", "kind"), about="detail")
TABLES = (DECISIONS, ERRORS, SERVICES, SIGNALS, NOTES, ACCOUNTS, FINDINGS)

_VALUES: dict[type, Callable[[object], tuple[object, ...]]] = {
    table.record: attrgetter(*(field.name for field in fields(table.record))) for table in TABLES
}
_STORED_AS_THEY_ARE = frozenset({str, int, float, bool, type(None)})
_SORTED = json.JSONEncoder(sort_keys=True)
INSERT: dict[type, str] = {
    table.record: f"INSERT OR IGNORE INTO {table.name} (digest, strategy, {', '.join(table.columns)}) "
    f"VALUES (?, ?, {', '.join('?' * len(table.columns))})"
    for table in TABLES
}


def add(database: sqlite3.Connection, strategy: str, record: object, line: Event) -> bool:
    """Store a record that was read from `line`; return whether it is new."""
    return database.execute(INSERT[type(record)], row(strategy, record, line)).rowcount > 0


def row(strategy: str, record: object, line: Event) -> tuple[object, ...]:
    """Return a record that was read from `line` as INSERT of its type takes it."""
    values = _VALUES[type(record)](record)
    return _digest(line), strategy, *(one if type(one) in _STORED_AS_THEY_ARE else _column(one) for one in values)


def newest(database: sqlite3.Connection, table: EventTable[Record], limit: int, **owner: str) -> list[Record]:
    """Return the newest records of an owner, newest first."""
    where = " AND ".join(f"{column} = ?" for column in owner)
    rows = database.execute(
        f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {where} ORDER BY id DESC LIMIT ?",
        (*owner.values(), limit),
    )
    at = [number for number, column in enumerate(table.columns) if column in _JSON]
    return [table.record(*(json.loads(value) if n in at else value for n, value in enumerate(row))) for row in rows]


def prune(database: sqlite3.Connection, table: str, **owner: str) -> None:
    """Remove the records of an owner beyond the newest KEEP_EACH."""
    where = " AND ".join(f"{column} = ?" for column in owner)
    values = tuple(owner.values())
    database.execute(
        f"DELETE FROM {table} WHERE {where} AND id <= "
        f"(SELECT id FROM {table} WHERE {where} ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (*values, *values, KEEP_EACH),
    )


def _column(value: object) -> object:
    if isinstance(value, datetime):
        return milliseconds(value)
    return json.dumps(value) if isinstance(value, Mapping) else value


def _digest(line: Event) -> int:
    content = _SORTED.encode(line).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), signed=True)
