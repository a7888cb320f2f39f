"""Splits of shares in the paper account: what is held becomes more or fewer shares of the same cost, as at a broker.

The market tells of them, where it can. Each is applied once: on a day that is later than the one up to which the symbol was
looked after, or than that of its newest order.
"""

import sqlite3
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol, runtime_checkable

from openbell.trading.corporate_actions import CorporateAction

# Older accounts get these tables when they are opened.
TABLES = """
CREATE TABLE IF NOT EXISTS splits (symbol TEXT NOT NULL, day TEXT NOT NULL, ratio TEXT NOT NULL, PRIMARY KEY (symbol, day));
CREATE TABLE IF NOT EXISTS splits_until (symbol TEXT PRIMARY KEY, day TEXT NOT NULL);
"""
_BILLIONTH = Decimal("0.000000001")
_UNTIL = "INSERT INTO splits_until VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET day = excluded.day"


@runtime_checkable
class TellsSplits(Protocol):
    """A market that tells of splits."""

    def splits(self, symbols: Iterable[str], since: date, at: datetime) -> list[CorporateAction]:
        """Return the splits of these symbols from the day `since` to that of `at`; MarketError if it cannot be asked."""
        ...


def looked_after(connection: sqlite3.Connection) -> dict[str, date]:
    """Return, by symbol that is held, the day up to which its splits are in its quantity."""
    found: dict[str, date] = {}
    for (symbol,) in connection.execute("SELECT symbol FROM positions").fetchall():
        days = [row[0] for row in connection.execute("SELECT day FROM splits_until WHERE symbol = ?", (symbol,))]
        newest = connection.execute("SELECT MAX(placed_at) FROM orders WHERE symbol = ?", (symbol,)).fetchone()[0]
        days += [newest[:10]] if newest else []
        if days:
            found[symbol] = date.fromisoformat(max(days))
    return found


def apply(connection: sqlite3.Connection, told: Iterable[CorporateAction], until: date) -> list[str]:
    """Apply the splits that were not yet, in a transaction, up to a day; return the symbols whose quantity has changed."""
    after, changed = looked_after(connection), []
    for one in sorted(told, key=lambda one: one.day):
        row = connection.execute("SELECT quantity FROM positions WHERE symbol = ?", (one.symbol,)).fetchone()
        if row is None or one.named or not after.get(one.symbol, until) < one.day <= until:
            continue
        quantity = (Decimal(row[0]) * one.ratio).quantize(_BILLIONTH)
        connection.execute("UPDATE positions SET quantity = ? WHERE symbol = ?", (f"{quantity:f}", one.symbol))
        connection.execute(
            "INSERT INTO splits VALUES (?, ?, ?) ON CONFLICT (symbol, day) DO UPDATE SET ratio = excluded.ratio",
            (one.symbol, one.day.isoformat(), str(one.ratio)),
        )
        changed.append(one.symbol)
    for symbol in after:
        connection.execute(_UNTIL, (symbol, until.isoformat()))
    return changed


def applied(connection: sqlite3.Connection, symbols: Iterable[str], since: date) -> list[CorporateAction]:
    """Return the splits that were applied from a day on."""
    rows = connection.execute("SELECT symbol, day, ratio FROM splits WHERE day >= ? ORDER BY day", (since.isoformat(),))
    wanted = set(symbols)
    return [
        CorporateAction(symbol, date.fromisoformat(day), Decimal(ratio))
        for symbol, day, ratio in rows
        if symbol in wanted
    ]
