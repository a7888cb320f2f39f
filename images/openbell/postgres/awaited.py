"""Whether a strategy's data is where its loop would work: files that were never moved must not be passed over for an empty database."""

import sqlite3
from contextlib import closing
from pathlib import Path

from openbell.ledger.records import MOVED
from openbell.paths import LEDGER
from openbell.postgres.database import Database
from openbell.postgres.ledger import schema_of

_FACT = "SELECT value FROM facts WHERE name = ?"


def awaited_move(state: Path, url: str, strategy: str) -> str:
    """Return what has to be done before the strategy may run with the database; empty if nothing has."""
    database = Database(url, schema_of(strategy))
    tables = "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = ? AND tablename = 'facts'"
    is_there = bool(database.execute(tables, (schema_of(strategy),)))
    if is_there and (moved := database.execute(_FACT, (MOVED,))):
        return f"its data was moved {moved[0][0]}: unset OPENBELL_DATABASE, or `make move-to-database` brings it back"
    has_begun = is_there and bool(database.execute("SELECT 1 FROM claims LIMIT 1"))
    if not has_begun and (state / LEDGER).exists() and not _is_marked(state / LEDGER):
        return f"{state / LEDGER} is not in the database yet: `make move-to-database` brings it there"
    return ""


def _is_marked(file: Path) -> bool:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as ledger:
        return bool(ledger.execute(_FACT, (MOVED,)).fetchone())
