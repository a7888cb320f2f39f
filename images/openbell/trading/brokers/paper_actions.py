"""Splits and dividends of shares in the paper account, as at a broker: more or fewer shares of the same cost, and cash.

The market tells of them, where it can, and a file beside the strategy. Each is applied once, to what was held before its day:
one that is not later than the symbol's newest order is left out.
"""

import sqlite3
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol, runtime_checkable

from openbell.trading import actions_file
from openbell.trading.brokers import BrokerError, paper_cash
from openbell.trading.cash_account import MONEY
from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.markets import Market, MarketError

# Older accounts get these tables when they are opened.
TABLES = """
CREATE TABLE IF NOT EXISTS splits (symbol TEXT NOT NULL, day TEXT NOT NULL, ratio TEXT NOT NULL, PRIMARY KEY (symbol, day));
CREATE TABLE IF NOT EXISTS splits_until (symbol TEXT PRIMARY KEY, day TEXT NOT NULL);
"""
_BILLIONTH = Decimal("0.000000001")
_UNTIL = "INSERT INTO splits_until VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET day = excluded.day"


@runtime_checkable
class TellsActions(Protocol):
    """A market that tells of splits and dividends."""

    def corporate_actions(self, symbols: Iterable[str], since: date, at: datetime) -> list[CorporateAction]:
        """Return those of these symbols from the day `since` to that of `at`; MarketError if it cannot be asked."""
        ...


def held_since(connection: sqlite3.Connection) -> dict[str, date]:
    """Return, by symbol that is held, the day of its newest order: nothing of that day or earlier is applied."""
    statement = (
        "SELECT symbol, MAX(placed_at) FROM orders WHERE symbol IN (SELECT symbol FROM positions) GROUP BY symbol"
    )
    return {symbol: date.fromisoformat(at[:10]) for symbol, at in connection.execute(statement).fetchall()}


def asked_until(connection: sqlite3.Connection) -> dict[str, date]:
    """Return, by symbol that is held, the day up to which the market was asked."""
    asked = dict(connection.execute("SELECT symbol, day FROM splits_until").fetchall())
    since = held_since(connection)
    return {symbol: max(day, date.fromisoformat(asked.get(symbol, day.isoformat()))) for symbol, day in since.items()}


def announced(
    connection: sqlite3.Connection, market: Market, strategy: Path | None, today: date, at: datetime
) -> tuple[list[CorporateAction], bool]:
    """Return what the strategy's file and, once a day, the market tell, and whether the market was asked."""
    try:
        found = actions_file.read(strategy) if strategy is not None else []
    except actions_file.ActionsFileError as error:
        raise BrokerError(str(error)) from None
    after = asked_until(connection)
    if not isinstance(market, TellsActions) or all(day >= today for day in after.values()):
        return found, False
    try:
        return found + market.corporate_actions(after, min(after.values()), at), True
    except MarketError:
        return found, False  # it is asked again the next time


def mark_asked(connection: sqlite3.Connection, until: date) -> None:
    """Record, in a transaction, that the market was asked about all that is held, up to a day."""
    for symbol in held_since(connection):
        connection.execute(_UNTIL, (symbol, until.isoformat()))


def pending(connection: sqlite3.Connection, told: Iterable[CorporateAction], until: date) -> list[CorporateAction]:
    """Return those of what was told that concern what is held and are not applied yet, in the order of their days."""
    since = held_since(connection)
    due = [one for one in told if not one.named and one.symbol in since and since[one.symbol] < one.day <= until]
    return sorted((one for one in due if not _is_applied(connection, one)), key=lambda one: one.day)


def _is_applied(connection: sqlite3.Connection, one: CorporateAction) -> bool:
    if one.cash:
        return paper_cash.is_booked(connection, one.identity)
    key = (one.symbol, one.day.isoformat())
    return connection.execute("SELECT 1 FROM splits WHERE symbol = ? AND day = ?", key).fetchone() is not None


def apply(connection: sqlite3.Connection, actions: Iterable[CorporateAction], today: date) -> list[str]:
    """Apply what is pending, in a transaction; return the symbols that were split."""
    split = []
    for one in actions:
        row = connection.execute("SELECT quantity FROM positions WHERE symbol = ?", (one.symbol,)).fetchone()
        held = Decimal(row[0])
        if one.cash:
            amount = (held * one.cash).quantize(MONEY)
            paper_cash.book(connection, one.identity, "dividend", one.symbol, amount, today)
            continue
        quantity = f"{(held * one.ratio).quantize(_BILLIONTH):f}"
        connection.execute("UPDATE positions SET quantity = ? WHERE symbol = ?", (quantity, one.symbol))
        connection.execute("INSERT INTO splits VALUES (?, ?, ?)", (one.symbol, one.day.isoformat(), str(one.ratio)))
        split.append(one.symbol)
    return split


def applied(connection: sqlite3.Connection, symbols: Iterable[str], since: date) -> list[CorporateAction]:
    """Return the splits that were applied from a day on."""
    rows = connection.execute("SELECT symbol, day, ratio FROM splits WHERE day >= ? ORDER BY day", (since.isoformat(),))
    wanted = set(symbols)
    return [
        CorporateAction(symbol, date.fromisoformat(day), Decimal(ratio))
        for symbol, day, ratio in rows
        if symbol in wanted
    ]
