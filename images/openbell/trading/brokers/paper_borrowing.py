"""What short positions cost the paper account: charged each hour or later, whenever the account is looked at."""

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from openbell.costs import Costs
from openbell.position import decimal
from openbell.trading.brokers import paper_cash

# Older accounts get this table when they are opened.
TABLES = "CREATE TABLE IF NOT EXISTS borrowed (symbol TEXT PRIMARY KEY, until TEXT NOT NULL);\n"
EVERY = timedelta(hours=1)
_UNTIL = "INSERT INTO borrowed VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET until = excluded.until"


def due(connection: sqlite3.Connection, at: datetime) -> list[str]:
    """Return the symbols that are sold short and of which borrowing is to be charged, or begins."""
    shorts = [symbol for symbol, held in connection.execute("SELECT symbol, quantity FROM positions") if held[0] == "-"]
    until = dict(connection.execute("SELECT symbol, until FROM borrowed").fetchall())
    return [one for one in shorts if one not in until or datetime.fromisoformat(until[one]) + EVERY <= at]


def charge(connection: sqlite3.Connection, costs: Costs, prices: Mapping[str, float], at: datetime) -> None:
    """Take what borrowing these symbols has cost since the last time out of the cash, in a transaction."""
    until = dict(connection.execute("SELECT symbol, until FROM borrowed").fetchall())
    held = dict(connection.execute("SELECT symbol, quantity FROM positions").fetchall())
    for symbol, price in prices.items():
        since = until.get(symbol) or _opened(connection, symbol)
        if since and (quantity := Decimal(held.get(symbol, "0"))) < 0:
            held_for = max(timedelta(0), at - datetime.fromisoformat(since))
            paper_cash.book(
                connection,
                f"borrowing {symbol}",
                "borrowing",
                symbol,
                -costs.borrowing(-quantity * decimal(price), held_for),
                at.date(),
            )
        connection.execute(_UNTIL, (symbol, at.astimezone(UTC).isoformat()))
    for symbol in until:
        if not held.get(symbol, "").startswith("-"):
            connection.execute("DELETE FROM borrowed WHERE symbol = ?", (symbol,))


def _opened(connection: sqlite3.Connection, symbol: str) -> str | None:
    """Return when the newest order of a symbol was placed: of one that was not charged yet, it has opened the position."""
    newest: str | None = connection.execute("SELECT MAX(placed_at) FROM orders WHERE symbol = ?", (symbol,)).fetchone()[
        0
    ]
    return newest
