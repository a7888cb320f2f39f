"""Moves what a strategy knows from its files into the database, or back: ledger, state, paper account, journal and control.

All of a strategy arrives in one transaction, and is read back and compared before it counts. What it came from stays as it
is, and is marked: no loop starts with it any more. So a move that was cut off is simply made again.
"""

from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from openbell import answers
from openbell.journal import stamp
from openbell.ledger import Ledger
from openbell.ledger.records import MOVED
from openbell.moving.lines import lines_to_database, lines_to_files
from openbell.moving.rows import MoveError, Part, fill_database, fill_file, is_same, parts_of, put_in_place
from openbell.paths import LEDGER as LEDGER_FILE
from openbell.postgres.control_copy import control_to_database, control_to_files
from openbell.postgres.database import Database
from openbell.postgres.journal_copy import keep_cursor, put
from openbell.postgres.ledger import schema_of
from openbell.postgres.tables import ALERTS, SHARED, SHARED_SCHEMA
from openbell.renaming import Volumes

__all__ = ["MoveError", "Moved", "strategies", "to_database", "to_files"]

_OWNER = "SELECT until > clock_timestamp(), host, answers FROM owners WHERE strategy = ? FOR UPDATE"
# The strategy has an owner whose time is over, as after a stop in order.
_FREE = (
    "INSERT INTO owners (strategy, epoch, until, owner, host, answers) VALUES (?, 0, '-infinity', '', '', ?) "
    "ON CONFLICT (strategy) DO UPDATE SET answers = excluded.answers"
)
_MARK = "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


class MoveResult(NamedTuple):
    """What has arrived."""

    rows: int
    lines: int


def to_database(volumes: Volumes, strategy: str, url: str, at: datetime) -> MoveResult:
    """Bring a strategy's files into the database; MoveError, sqlite3.Error or OSError if nothing was brought.

    No loop of this host may run it meanwhile; those of others are kept from it.
    """
    state = volumes.state / strategy
    with closing(Ledger(state / LEDGER_FILE)) as ledger:  # one of an older version is brought up to date
        if ledger.fact(MOVED):
            msg = f"{strategy}: its files were moved already, and it has gone on in the database"
            raise MoveError(msg)
    shared, parts = _shared(url), parts_of(url, strategy, state)
    with shared.transaction():
        _claim(shared, strategy, _text_of(volumes.journal / strategy / answers.FILE))
        if _make_room(parts, strategy):
            shared.execute("DELETE FROM journal WHERE strategy = ?", (strategy,))
        rows = sum(fill_database(part) for part in parts)
        lines = lines_to_database(shared, volumes.journal / strategy, strategy)
        control_to_database(shared, url, volumes.control, strategy)
        newest = shared.execute("SELECT max(number) FROM journal WHERE strategy = ?", (strategy,)).fetchone()
    keep_cursor(state, int(str((newest or (0,))[0] or 0)))
    with closing(Ledger(state / LEDGER_FILE)) as ledger:
        ledger.remember(MOVED, f"to the database at {stamp(at)}")
    return MoveResult(rows, lines)


def to_files(volumes: Volumes, strategy: str, url: str, at: datetime) -> MoveResult:
    """Bring what the database has of a strategy into files; those that were moved before are kept beside them."""
    state = volumes.state / strategy
    state.mkdir(parents=True, exist_ok=True)
    if (state / LEDGER_FILE).exists():
        with closing(Ledger(state / LEDGER_FILE)) as ledger:
            if not ledger.fact(MOVED):
                msg = f"{strategy}: {state / LEDGER_FILE} was never moved: it would be replaced; rename it first"
                raise MoveError(msg)
    shared, parts = _shared(url), parts_of(url, strategy, state)
    with shared.transaction():
        said = _claim(shared, strategy, "")
        rows = sum(fill_file(part) for part in parts)
        lines = lines_to_files(shared, volumes.journal, strategy)
        control_to_files(shared, volumes.control, strategy)
        put(volumes.journal / strategy / answers.FILE, said)
        parts[0].database.execute(_MARK, (MOVED, f"to files at {stamp(at)}"))
    for part in reversed(parts):  # the ledger last: until it is there, no loop starts with files
        put_in_place(part, at)
    return MoveResult(rows, lines)


def strategies(url: str) -> list[str]:
    """Return the strategies that have ever run with the database."""
    return [
        str(name)
        for (name,) in _shared(url).execute(
            "SELECT strategy FROM owners WHERE strategy <> ? ORDER BY strategy", (ALERTS,)
        )
    ]


def _shared(url: str) -> Database:
    found = Database(url, SHARED_SCHEMA)
    found.make(SHARED)
    return found


def _claim(shared: Database, strategy: str, said: str) -> str:
    """Keep every loop from owning the strategy until the transaction ends; return what its last owner has answered."""
    row = shared.execute(_OWNER, (strategy,)).fetchone()
    if row and row[0]:
        msg = f"{strategy} runs on {row[1]}: stop it on all hosts first"
        raise MoveError(msg)
    before = str(row[2]) if row else ""
    shared.execute(_FREE, (strategy, said or before))
    return before


def _make_room(parts: tuple[Part, ...], strategy: str) -> bool:
    """Empty what was moved to files before, and tell whether it was; MoveError if the database has gone on by itself."""
    was_moved = bool(parts[0].database.execute("SELECT value FROM facts WHERE name = ?", (MOVED,)))
    for part in parts:
        for table in part.tables:
            if was_moved:
                part.database.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own definitions
            elif part.database.execute(f"SELECT 1 FROM {table} LIMIT 1") and not is_same(part, table):  # noqa: S608 - as above
                schema = schema_of(strategy)
                msg = (
                    f"the database has a ledger of {strategy} already, which is not that of the files ({table} differs): to "
                    f"take the files', drop its schemas {schema} and {schema}_paper; to keep it, rename {parts[0].file}"
                )
                raise MoveError(msg)
    return was_moved


def _text_of(path: Path) -> str:
    with suppress(OSError, ValueError):
        return path.read_text()
    return ""
