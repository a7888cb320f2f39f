"""The tables of both back ends: the same columns, in one order, of types that mean the same."""

import os
import sqlite3

import pytest

from openbell.ledger import schema
from openbell.postgres.connection import PostgresError
from openbell.postgres.database import Database
from openbell.postgres.tables import LEDGER, PAPER
from openbell.trading.brokers import paper_tables
from tests.serverless.postgres import Server

TYPES = {"text": "TEXT", "double precision": "REAL", "integer": "INTEGER", "bigint": "INTEGER"}
Column = tuple[str, str, str]  # table, name, SQLite's type


def sqlites(tables: str) -> list[Column]:
    """Return the columns that SQLite has after these statements, table by table."""
    database = sqlite3.connect(":memory:")
    database.executescript(tables)
    query = "SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
    found: list[Column] = database.execute(f"{query} ORDER BY m.name, c.cid").fetchall()
    database.close()
    return found


def postgres(server: Server, tables: str) -> list[Column]:
    """Return the columns that PostgreSQL has after these statements, under SQLite's names for their types."""
    name = f"t{os.urandom(6).hex()}"
    database = Database(server.url(), name)
    database.make(tables)
    query = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = ?"
    rows = database.execute(f'{query} ORDER BY table_name COLLATE "C", ordinal_position', (name,))
    database.close()
    return [(str(table), str(name), TYPES[str(kind)]) for table, name, kind in rows]


@pytest.mark.parametrize(
    "theirs, ours",
    [(schema.SCHEMA, LEDGER), (paper_tables.SCHEMA + paper_tables.LATER, PAPER)],
    ids=["ledger", "paper"],
)
def test_both_have_the_same_columns(server: Server, theirs: str, ours: str) -> None:
    """A row of one can be kept by the other."""
    assert postgres(server, ours) == sqlites(theirs)


def test_a_transaction_with_a_failed_statement_is_no_success(server: Server) -> None:
    """PostgreSQL answers COMMIT with ROLLBACK then, without an error."""
    database = Database(server.url(), f"t{os.urandom(6).hex()}")
    database.make("CREATE TABLE one (n INTEGER)")
    with pytest.raises(PostgresError, match="nothing of it was kept"), database.transaction():  # noqa: PT012 - what is tested is the whole block
        database.execute("INSERT INTO one VALUES (1)")
        with pytest.raises(PostgresError, match="division by zero"):
            database.execute("SELECT 1/0")
    assert database.execute("SELECT COUNT(*) FROM one") == [(0,)]
    database.close()


def test_one_transaction_covers_the_tables_of_two_schemas(server: Server) -> None:
    """Each statement finds its own tables, and none of them stays if the transaction fails."""
    name = os.urandom(6).hex()
    first, second = Database(server.url(), f"a{name}"), Database(server.url(), f"b{name}")
    for one in (first, second):
        one.make("CREATE TABLE one (n INTEGER)")
    with first.transaction():
        first.execute("INSERT INTO one VALUES (1)")
        second.execute("INSERT INTO one VALUES (2)")
        first.execute("INSERT INTO one VALUES (3)")
    assert (first.execute("SELECT n FROM one"), second.execute("SELECT n FROM one")) == ([(1,), (3,)], [(2,)])
    with pytest.raises(ZeroDivisionError), first.transaction():  # noqa: PT012 - as above
        second.execute("DELETE FROM one")
        raise ZeroDivisionError
    assert second.execute("SELECT n FROM one") == [(2,)]
    first.close()
