"""Event tables: the tables whose records are only ever added, each bounded. A line that is read twice is stored once."""

# ruff: noqa: S608 - tables and columns are constants of the module

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from json.encoder import c_make_encoder, encode_basestring_ascii  # type: ignore[attr-defined]
from typing import Generic, NamedTuple, TypeVar

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

# What json.dumps(line, sort_keys=True) makes anew for each line, for `_first_digest`.
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

    def choose_digests(self) -> None:
        """Find out which lines an older version may have stored under its own digest; done once for a file."""
        row = self._database.execute("SELECT +at FROM marks WHERE name = ?", (_QUICK_SINCE,)).fetchone()
        if row is None:
            newest = [
                self._database.execute(f"SELECT coalesce(max(at), -1) FROM {table.name}").fetchone()[0]
                for table in TABLES
            ]
            row = (max(newest) + 1,)
            self._database.execute("INSERT INTO marks VALUES (?, ?)", (_QUICK_SINCE, *row))
        (self._quick_since,) = row

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

    def add(self, strategy: str, record: EventRecord, line: Event) -> None:
        """Store a record that was read from `line`, if it is new."""
        rows = self._waiting[type(record)]
        rows.append(self._row(strategy, record, line))
        if len(rows) >= MOST_WAITING or not self._database.in_transaction:
            self.flush()

    def add_if_new(self, strategy: str, record: EventRecord, line: Event) -> bool:
        """Store a record as `add` does; return whether it is new."""
        self.flush()
        return self._database.execute(_INSERT[type(record)], self._row(strategy, record, line)).rowcount > 0

    def _row(self, strategy: str, record: EventRecord, line: Event) -> tuple[object, ...]:
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
        rows = self._database.execute(
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
