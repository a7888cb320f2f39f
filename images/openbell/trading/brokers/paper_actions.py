"""Splits and dividends of shares in the paper account, as at a broker: more or fewer shares of the same cost, and cash.

The market tells of them, where it can, and a file beside the strategy. Each is applied once, to what was held when its day
began in New York, however late it is told: what was bought or sold since then had the new price already.
"""

import sqlite3
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol, runtime_checkable

import pytz

from openbell.position import ZERO
from openbell.trading import actions_file
from openbell.trading.brokers import BrokerError, paper_cash
from openbell.trading.cash_account import MONEY
from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.markets import Market, MarketError

# Older accounts get these tables when they are opened.
TABLES = """
CREATE TABLE IF NOT EXISTS splits (symbol TEXT NOT NULL, day TEXT NOT NULL, ratio TEXT NOT NULL, PRIMARY KEY (symbol, day));
CREATE TABLE IF NOT EXISTS splits_until (symbol TEXT PRIMARY KEY, day TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS beginnings (symbol TEXT NOT NULL, day TEXT NOT NULL, quantity TEXT NOT NULL, PRIMARY KEY (symbol, day));
"""
NEW_YORK = pytz.timezone("America/New_York")  # where the days of splits begin
_BILLIONTH = Decimal("0.000000001")
_BEGINNING = "INSERT INTO beginnings VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_UNTIL = "INSERT INTO splits_until VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET day = excluded.day"


@runtime_checkable
class TellsActions(Protocol):
    """A market that tells of splits and dividends."""

    def corporate_actions(self, symbols: Iterable[str], since: date, at: datetime) -> list[CorporateAction]:
        """Return those of these symbols from the day `since` to that of `at`; MarketError if it cannot be asked."""
        ...


def day_of(at: datetime) -> date:
    """Return the day of an instant, as splits and dividends count days."""
    return at.astimezone(NEW_YORK).date()


def note_fill(connection: sqlite3.Connection, symbol: str, at: datetime, before: Decimal, after: Decimal) -> None:
    """Keep what was held when the day of a fill began, in the fill's transaction; nothing of a position that is closed."""
    if not after:
        for table in ("beginnings", "splits_until"):
            connection.execute(f"DELETE FROM {table} WHERE symbol = ?", (symbol,))  # noqa: S608 - one of the two above
        return
    if before and not _has_beginnings(connection, symbol):  # an account of an older version
        connection.execute(_BEGINNING, (symbol, _newest_order(connection, symbol).isoformat(), "0"))
    connection.execute(_BEGINNING, (symbol, day_of(at).isoformat(), f"{before:f}"))


def _has_beginnings(connection: sqlite3.Connection, symbol: str) -> bool:
    return connection.execute("SELECT 1 FROM beginnings WHERE symbol = ? LIMIT 1", (symbol,)).fetchone() is not None


def _newest_order(connection: sqlite3.Connection, symbol: str) -> date:
    (at,) = connection.execute("SELECT MAX(placed_at) FROM orders WHERE symbol = ?", (symbol,)).fetchone()
    return day_of(datetime.fromisoformat(at)) if at else date.min


def held_at(connection: sqlite3.Connection, symbol: str, day: date) -> Decimal:
    """Return how much of a symbol that is held now was held when a day began."""
    statement = "SELECT quantity FROM beginnings WHERE symbol = ? AND day >= ? ORDER BY day LIMIT 1"
    row = connection.execute(statement, (symbol, day.isoformat())).fetchone()
    if row is None and not _has_beginnings(connection, symbol) and _newest_order(connection, symbol) >= day:
        return ZERO  # an account of an older version does not know
    if row is None:
        row = connection.execute("SELECT quantity FROM positions WHERE symbol = ?", (symbol,)).fetchone()
    return Decimal(row[0]) if row else ZERO


def asked_until(connection: sqlite3.Connection) -> dict[str, date]:
    """Return, by symbol that is held, the day up to which the market was asked: at first that on which it was bought."""
    asked = dict(connection.execute("SELECT symbol, day FROM splits_until").fetchall())
    first = dict(connection.execute("SELECT symbol, MIN(day) FROM beginnings GROUP BY symbol").fetchall())
    return {
        symbol: date.fromisoformat(day) if day else _newest_order(connection, symbol)
        for (symbol,) in connection.execute("SELECT symbol FROM positions").fetchall()
        for day in [asked.get(symbol) or first.get(symbol)]
    }


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
    for symbol in asked_until(connection):
        connection.execute(_UNTIL, (symbol, until.isoformat()))


def pending(connection: sqlite3.Connection, told: Iterable[CorporateAction], until: date) -> list[CorporateAction]:
    """Return those of what was told that concern what is held and are not applied yet, in the order of their days."""
    held = {symbol for (symbol,) in connection.execute("SELECT symbol FROM positions").fetchall()}
    due = [one for one in told if not one.named and one.symbol in held and one.day <= until]
    new = [one for one in due if not _is_applied(connection, one) and held_at(connection, one.symbol, one.day)]
    return sorted(new, key=lambda one: one.day)


def _is_applied(connection: sqlite3.Connection, one: CorporateAction) -> bool:
    if one.cash:
        return paper_cash.is_booked(connection, one.identity)
    key = (one.symbol, one.day.isoformat())
    return connection.execute("SELECT 1 FROM splits WHERE symbol = ? AND day = ?", key).fetchone() is not None


def apply(connection: sqlite3.Connection, actions: Iterable[CorporateAction], today: date) -> list[str]:
    """Apply what is pending, in a transaction; return the symbols that were split."""
    split = []
    for one in actions:
        before = held_at(connection, one.symbol, one.day)
        if one.cash:
            amount = (before * one.cash).quantize(MONEY)
            paper_cash.book(connection, one.identity, "dividend", one.symbol, amount, today)
            continue
        _add(connection, one.symbol, one.day, (before * one.ratio).quantize(_BILLIONTH) - before)
        connection.execute("INSERT INTO splits VALUES (?, ?, ?)", (one.symbol, one.day.isoformat(), str(one.ratio)))
        split.append(one.symbol)
    return split


def _add(connection: sqlite3.Connection, symbol: str, day: date, more: Decimal) -> None:
    """Add what a split of that day has made to what is held, and to what was held when later days began."""
    row = connection.execute("SELECT quantity FROM positions WHERE symbol = ?", (symbol,)).fetchone()
    held = f"{Decimal(row[0]) + more:f}"
    connection.execute("UPDATE positions SET quantity = ? WHERE symbol = ?", (held, symbol))
    later = "SELECT day, quantity FROM beginnings WHERE symbol = ? AND day > ?"
    for begun, quantity in connection.execute(later, (symbol, day.isoformat())).fetchall():
        change = "UPDATE beginnings SET quantity = ? WHERE symbol = ? AND day = ?"
        connection.execute(change, (f"{Decimal(quantity) + more:f}", symbol, begun))


def applied(connection: sqlite3.Connection, symbols: Iterable[str], since: date) -> list[CorporateAction]:
    """Return the splits that were applied from a day on."""
    rows = connection.execute("SELECT symbol, day, ratio FROM splits WHERE day >= ? ORDER BY day", (since.isoformat(),))
    wanted = set(symbols)
    return [
        CorporateAction(symbol, date.fromisoformat(day), Decimal(ratio))
        for symbol, day, ratio in rows
        if symbol in wanted
    ]
