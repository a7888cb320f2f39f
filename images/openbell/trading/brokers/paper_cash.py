"""Money that moves in the paper account without an order: kept by entry, so that the strategy's ledger can take it up."""

import sqlite3
from datetime import date
from decimal import Decimal

from openbell.trading.cash_entries import CashEntry

# Older accounts get this table when they are opened.
TABLES = """
CREATE TABLE IF NOT EXISTS cash_entries (identity TEXT PRIMARY KEY, kind TEXT NOT NULL, symbol TEXT NOT NULL, amount TEXT NOT NULL, day TEXT NOT NULL);
"""
_BOOK = (
    "INSERT INTO cash_entries VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (identity) DO UPDATE SET amount = excluded.amount, day = excluded.day"
)


def book(connection: sqlite3.Connection, identity: str, kind: str, symbol: str, amount: Decimal, day: date) -> None:
    """Add an amount, in a transaction, to the account's cash and to the entry of that identity."""
    cash = Decimal(connection.execute("SELECT cash FROM account").fetchone()[0])
    connection.execute("UPDATE account SET cash = ?", (f"{cash + amount:f}",))
    row = connection.execute("SELECT amount FROM cash_entries WHERE identity = ?", (identity,)).fetchone()
    whole = amount + Decimal(row[0] if row else 0)
    connection.execute(_BOOK, (identity, kind, symbol, f"{whole:f}", day.isoformat()))


def is_booked(connection: sqlite3.Connection, identity: str) -> bool:
    """Tell whether there is an entry of that identity."""
    return connection.execute("SELECT 1 FROM cash_entries WHERE identity = ?", (identity,)).fetchone() is not None


def entries(connection: sqlite3.Connection, since: date) -> list[CashEntry]:
    """Return the entries that have changed on a day or later."""
    statement = "SELECT identity, kind, symbol, amount FROM cash_entries WHERE day >= ? ORDER BY identity"
    rows = connection.execute(statement, (since.isoformat(),)).fetchall()
    return [CashEntry(identity, kind, symbol, Decimal(amount)) for identity, kind, symbol, amount in rows]
