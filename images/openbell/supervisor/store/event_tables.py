"""Event tables: the tables whose records are only ever added, each bounded. A line that is read twice is stored once.

What runs say comes in great number and in the order of time: a record that is newer than all of its owner is new, and any
other is compared with those of its instant (`newest_records.py`). Of the other tables each line has a digest.
"""

# ruff: noqa: S608 - tables and columns are constants of the module

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from json.encoder import c_make_encoder, encode_basestring_ascii  # type: ignore[attr-defined]
from typing import Any, Generic, NamedTuple, TypeVar

import orjson

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
from openbell.supervisor.store.connection import instant_column
from openbell.supervisor.store.newest_records import NewestRecords, index_by_time

Record = TypeVar("Record", bound=NamedTuple)
EventRecord = DecisionRecord | ErrorRecord | ServiceEvent | SignalRecord | NoteRecord | AccountRecord | Finding

MOST_WAITING = 500  # rows of a table
KEEP_EACH = 200  # records of a bot that stay; of events and accounts, of a strategy
_JSON = frozenset({"about", "positions"})
# A mark: lines from then on are told apart by `_digest`, older ones by `_first_digest`.
_QUICK_SINCE = "quick digests since"


@dataclass(frozen=True)
class EventTable(Generic[Record]):
    """One table. Its columns are the fields of its records; `owner`: the columns within which KEEP_EACH records are kept."""

    name: str
    record: type[Record]
    owner: tuple[str, ...] = ("strategy", "bot")
    about: str = "about"  # the field that is stored in the column `about`
    by_time: bool = False  # its records are told apart, and ordered, by their instants

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns in the order of the record's fields."""
        return tuple("about" if name == self.about else name for name in self.record._fields)


DECISIONS = EventTable("decisions", DecisionRecord, by_time=True)
ERRORS = EventTable("errors", ErrorRecord)
SERVICES = EventTable("services", ServiceEvent, ("strategy",))
SIGNALS = EventTable("signals", SignalRecord, about="values", by_time=True)
NOTES = EventTable("notes", NoteRecord, about="values", by_time=True)
ACCOUNTS = EventTable("accounts", AccountRecord, ("strategy",), by_time=True)
FINDINGS = EventTable("findings", Finding, ("strategy", "bot", "kind"), about="detail")
TABLES = (DECISIONS, ERRORS, SERVICES, SIGNALS, NOTES, ACCOUNTS, FINDINGS)

# For `_first_digest`: json.dumps(line, sort_keys=True) would make an encoder for each line.
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
        self._quick_since = 0
        self._newest = {table.record: NewestRecords(database, table) for table in TABLES if table.by_time}
        # Indexes that the file has: a table of an older version has none by time until it is migrated.
        self._indexes = _indexes(database)

    def prepare(self) -> None:
        """Find out how an older version has stored lines; done at each opening for writing."""
        for newest in self._newest.values():
            newest.prepare()
        self._indexes = _indexes(self._database)
        row = self._database.execute("SELECT +at FROM marks WHERE name = ?", (_QUICK_SINCE,)).fetchone()
        if row is None:
            newest_at = [
                self._database.execute(f"SELECT coalesce(max(at), -1) FROM {table.name}").fetchone()[0]
                for table in TABLES
            ]
            row = (max(newest_at) + 1,)
            self._database.execute("INSERT INTO marks VALUES (?, ?)", (_QUICK_SINCE, *row))
        (self._quick_since,) = row

    def migrate(self) -> Iterator[None]:
        """Bring the tables of an older version to their present form, one with each step."""
        for newest in self._newest.values():
            if newest.is_of_older_version:
                newest.migrate()
                self._indexes = _indexes(self._database)
                yield

    def clear(self) -> None:
        """Forget what waits: its transaction is over."""
        for rows in self._waiting.values():
            rows.clear()
        for newest in self._newest.values():
            newest.clear()

    def flush(self) -> None:
        """Write what waits."""
        for record in self._waiting:
            self._flush(record)

    def _flush(self, record: type) -> None:
        if rows := self._waiting[record]:
            self._database.executemany(_INSERT[record], rows)
            rows.clear()

    def add(self, strategy: str, record: EventRecord, line: Event) -> None:
        """Store a record that was read from `line`, if it is new."""
        kind = type(record)
        row = self._row(strategy, record, line)
        if (newest := self._newest.get(kind)) is not None and not newest.is_new(row, lambda: self._flush(kind)):
            return
        rows = self._waiting[kind]
        rows.append(row)
        if not self._database.in_transaction:
            self.flush()
            self.clear()  # another connection may write before the next transaction
        elif len(rows) >= MOST_WAITING:
            self._flush(kind)

    def add_if_new(self, strategy: str, record: EventRecord, line: Event) -> bool:
        """Store a record of a table whose lines have digests; return whether it is new."""
        return self._database.execute(_INSERT[type(record)], self._row(strategy, record, line)).rowcount > 0

    def _row(self, strategy: str, record: EventRecord, line: Event) -> tuple[object, ...]:
        newest = self._newest.get(type(record))
        digest = None
        if newest is None or newest.is_of_older_version:
            digest = _digest(line) if instant_column(record.at) >= self._quick_since else _first_digest(line)
        return digest, strategy, *[one if (to := _COLUMN.get(type(one))) is None else to(one) for one in record]

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
        is_by_time = index_by_time(table.name) in self._indexes and owner.keys() >= set(table.owner)
        order = "at DESC, id DESC" if is_by_time else "id DESC"
        rows = self._database.execute(
            f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {where} ORDER BY {order} LIMIT ?",
            (*owner.values(), limit),
        )
        at = [number for number, column in enumerate(table.columns) if column in _JSON]
        return [table.record(*(json.loads(value) if n in at else value for n, value in enumerate(row))) for row in rows]


def _indexes(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}


def prune(database: sqlite3.Connection, table: EventTable[Any], owner: Sequence[str]) -> None:
    """Remove the records of an owner beyond the newest KEEP_EACH."""
    where = " AND ".join(f"{column} = ?" for column in table.owner)
    key, order = ("at, id", "at DESC, id DESC") if table.by_time else ("id", "id DESC")
    database.execute(
        f"DELETE FROM {table.name} WHERE {where} AND ({key}) <= "
        f"(SELECT {key} FROM {table.name} WHERE {where} ORDER BY {order} LIMIT 1 OFFSET ?)",
        (*owner, *owner, KEEP_EACH),
    )


def _as_json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer of more than 64 bits
        return json.dumps(value)


# How values become columns; what is not here is stored as it is.
_COLUMN: Mapping[type, Callable[..., object]] = {datetime: instant_column, dict: _as_json}


def _digest(line: Event) -> int:
    try:
        return _hash(orjson.dumps(line, option=orjson.OPT_SORT_KEYS))
    except TypeError:  # what orjson does not write: an integer of more than 64 bits, half a surrogate pair
        return _first_digest(line)


def _first_digest(line: Event) -> int:
    """Return the digest under which versions up to 0.1 stored a line: it takes four times as long."""
    return _hash("".join(_SORTED(line, 0)).encode())


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), signed=True)
