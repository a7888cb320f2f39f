"""Event tables: the tables whose records are only ever added, each bounded. A line that is read twice is stored once."""

# ruff: noqa: S608 - tables and columns are constants of the module

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from json.encoder import c_make_encoder, encode_basestring_ascii  # type: ignore[attr-defined]
from typing import Generic, NamedTuple, TypeVar

import orjson

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

Record = TypeVar("Record", bound=NamedTuple)

MOST_WAITING = 500  # rows of a table
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
        return tuple("about" if name == self.about else name for name in self.record._fields)


DECISIONS = EventTable("decisions", DecisionRecord)
ERRORS = EventTable("errors", ErrorRecord)
SERVICES = EventTable("services", ServiceEvent, ("strategy",))
SIGNALS = EventTable("signals", SignalRecord, about="values")
NOTES = EventTable("notes", NoteRecord, about="values")
ACCOUNTS = EventTable("accounts", AccountRecord, ("strategy",))
FINDINGS = EventTable("findings", Finding, ("strategy", "bot", "kind"), about="detail")
TABLES = (DECISIONS, ERRORS, SERVICES, SIGNALS, NOTES, ACCOUNTS, FINDINGS)

# What json.dumps(line, sort_keys=True) makes anew for each line.
_SORTED = c_make_encoder(
    markers=None,
    default=str,
    encoder=encode_basestring_ascii,
    indent=None,
    key_separator=": ",
    item_separator=", ",
    sort_keys=True,
    skipkeys=False,
    allow_nan=True,
)
_STORED_AS_THEY_ARE = frozenset({str, int, float, bool, type(None)})
_INSERT: dict[type, str] = {
    table.record: f"INSERT OR IGNORE INTO {table.name} (digest, strategy, {', '.join(table.columns)}) "
    f"VALUES (?, ?, {', '.join('?' * len(table.columns))})"
    for table in TABLES
}


class Events:
    """The event tables of a file. What is added waits in memory until `flush`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._waiting: dict[type, list[tuple[object, ...]]] = {table.record: [] for table in TABLES}

    def clear(self) -> None:
        """Forget what waits: its transaction is over."""
        for rows in self._waiting.values():
            rows.clear()

    def flush(self) -> None:
        """Write what waits."""
        for record, rows in self._waiting.items():
            if rows:
                self._database.executemany(_INSERT[record], rows)
                rows.clear()

    def add(self, strategy: str, record: NamedTuple, line: Event) -> None:
        """Store a record that was read from `line`, if it is new."""
        rows = self._waiting[type(record)]
        rows.append(_row(strategy, record, line))
        if len(rows) >= MOST_WAITING or not self._database.in_transaction:
            self.flush()

    def add_if_new(self, strategy: str, record: NamedTuple, line: Event) -> bool:
        """Store a record as `add` does; return whether it is new."""
        self.flush()
        return self._database.execute(_INSERT[type(record)], _row(strategy, record, line)).rowcount > 0

    def has_any(self, table: EventTable[Record], **owner: str) -> bool:
        """Tell whether there is a record of an owner."""
        self.flush()
        where = " AND ".join(f"{column} = ?" for column in owner)
        found = self._database.execute(f"SELECT 1 FROM {table.name} WHERE {where} LIMIT 1", tuple(owner.values()))
        return found.fetchone() is not None

    def newest(self, table: EventTable[Record], limit: int, **owner: str) -> list[Record]:
        """Return the newest records of an owner, newest first."""
        self.flush()
        where = " AND ".join(f"{column} = ?" for column in owner)
        rows = self._database.execute(
            f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {where} ORDER BY id DESC LIMIT ?",
            (*owner.values(), limit),
        )
        at = [number for number, column in enumerate(table.columns) if column in _JSON]
        return [table.record(*(json.loads(value) if n in at else value for n, value in enumerate(row))) for row in rows]


def _row(strategy: str, record: NamedTuple, line: Event) -> tuple[object, ...]:
    return _digest(line), strategy, *[one if type(one) in _STORED_AS_THEY_ARE else _column(one) for one in record]


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
    if not isinstance(value, Mapping):
        return value
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer of more than 64 bits
        return json.dumps(value)


def _digest(line: Event) -> int:
    content = "".join(_SORTED(line, 0)).encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), signed=True)
