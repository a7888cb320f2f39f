"""The paper account's tables: its money, its positions, its orders, and those that wait."""

import json
import os
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

from openbell import order_terms
from openbell.durable import sync
from openbell.order_terms import leg_of
from openbell.records import replace
from openbell.strategy_user import share
from openbell.trading import cash_account
from openbell.trading.brokers import Order, PlacedOrder, paper_actions, paper_borrowing, paper_cash
from openbell.trading.cash_account import EXACT, MONEY, Holding
from openbell.trading.matching import Book, Fill
from openbell.trading.price_comparison import Resting

CURRENCY = "USD"
STARTING_CASH = Decimal(100_000)

_QUANTITY = Decimal("0.000000001")

SCHEMA = """
CREATE TABLE account (cash TEXT NOT NULL, currency TEXT NOT NULL);
CREATE TABLE positions (symbol TEXT PRIMARY KEY, quantity TEXT NOT NULL, cost TEXT NOT NULL);
CREATE TABLE orders (
    number INTEGER PRIMARY KEY,
    client_order_id TEXT NOT NULL UNIQUE,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    quantity TEXT NOT NULL,
    status TEXT NOT NULL,
    filled_quantity TEXT NOT NULL,
    filled_price TEXT,
    placed_at TEXT NOT NULL,
    reason TEXT NOT NULL
);
"""
# The orders that wait, as the matching engine knows them, and what orders paid beside their prices. Older accounts get both
# when they are opened; an older openbell does not look at them.
LATER = """
CREATE TABLE IF NOT EXISTS resting (client_order_id TEXT PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fees (client_order_id TEXT PRIMARY KEY, fee TEXT NOT NULL);
"""
LATER += paper_actions.TABLES.lstrip() + paper_borrowing.TABLES + paper_cash.TABLES.lstrip()
_COLUMNS = "client_order_id, symbol, side, quantity, status, filled_quantity, filled_price, placed_at, reason"
_HOLD = "INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT (symbol) DO UPDATE SET quantity = excluded.quantity, cost = excluded.cost"
_FIND = f"SELECT number, {_COLUMNS} FROM orders WHERE client_order_id = ?"  # noqa: S608 - the columns are the line above
_RECORD = f"INSERT INTO orders ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - as above
_CHANGE = "UPDATE orders SET quantity = ?, status = ?, filled_quantity = ?, filled_price = ?, reason = ? WHERE client_order_id = ?"
_REST = "INSERT INTO resting VALUES (?, ?) ON CONFLICT (client_order_id) DO UPDATE SET state = excluded.state"
_FEE = "INSERT INTO fees VALUES (?, ?) ON CONFLICT (client_order_id) DO UPDATE SET fee = excluded.fee"
_DECIMALS = ("left", "filled", "value", "fee")
_INSTANTS = ("placed_at", "seen", "expires_at", "full_until")
_PLAIN = ("status", "reason", "is_triggered", "best")


class Settlement:
    """Moves cash and positions as fills say, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, *, short: bool) -> None:
        self._connection = connection
        self._short = short

    def settle(self, fill: Fill) -> str:
        """Move cash and position, and return an empty string; or move nothing, and return why."""
        connection, order = self._connection, fill.order
        amount = (fill.quantity * fill.price).quantize(MONEY)
        cash, holding = _cash(connection), _holding(connection, order.symbol)
        needed = amount + fill.fee
        if reason := cash_account.refusal(
            order.symbol, order.side, fill.quantity, needed, cash, holding.quantity, short=self._short
        ):
            return reason
        cash += -needed if order.side == "buy" else amount - fill.fee
        before, holding = holding.quantity, cash_account.after_fill(holding, order.side, fill.quantity, amount)
        paper_actions.note_fill(connection, order.symbol, fill.at, before, holding.quantity)
        connection.execute("UPDATE account SET cash = ?", (str(cash),))
        if holding.quantity:
            connection.execute(_HOLD, (order.symbol, str(holding.quantity), str(holding.cost)))
        else:
            connection.execute("DELETE FROM positions WHERE symbol = ?", (order.symbol,))
        return ""


def _cash(connection: sqlite3.Connection) -> Decimal:
    return Decimal(connection.execute("SELECT cash FROM account").fetchone()[0])


def _holding(connection: sqlite3.Connection, symbol: str) -> Holding:
    row = connection.execute("SELECT quantity, cost FROM positions WHERE symbol = ?", (symbol,)).fetchone()
    return Holding(Decimal(row[0]), Decimal(row[1])) if row else Holding()


def cash_and_holding(connection: sqlite3.Connection, symbol: str) -> tuple[Decimal, Decimal]:
    """Return the account's cash and how much it holds of a symbol."""
    return _cash(connection), _holding(connection, symbol).quantity


def resting(connection: sqlite3.Connection) -> dict[str, Resting]:
    """Return the orders that wait, by their ids."""
    rows = connection.execute("SELECT client_order_id, state FROM resting ORDER BY client_order_id").fetchall()
    return {str(name): decoded(state) for name, state in rows}


def write(connection: sqlite3.Connection, one: Resting) -> None:
    """Store how far an order has come."""
    order, price = one.order, None if one.price is None else str(one.price.normalize())
    name = order.client_order_id
    wanted = str(whole_quantity(order.quantity)) if isfinite(order.quantity) else str(order.quantity)
    if connection.execute("SELECT 1 FROM orders WHERE client_order_id = ?", (name,)).fetchone() is None:
        row = (name, order.symbol, order.side, wanted, one.status, str(one.filled), price)
        connection.execute(_RECORD, (*row, one.placed_at.astimezone(UTC).isoformat(), one.reason))
    else:
        connection.execute(_CHANGE, (wanted, one.status, str(one.filled), price, one.reason, name))
    if one.fee:
        connection.execute(_FEE, (name, str(one.fee)))
    connection.execute(_REST, (name, encoded(one)))


def forget_done(connection: sqlite3.Connection, book: Book) -> None:
    """Keep no order waiting that is done with all that depends on it."""
    groups: dict[str, list[Resting]] = {}
    for name, one in book.resting.items():
        groups.setdefault(leg_of(name)[0] or name, []).append(one)
    done = [one for group in groups.values() if all(one.is_done for one in group) for one in group]
    for one in done:
        connection.execute("DELETE FROM resting WHERE client_order_id = ?", (one.order.client_order_id,))


def find(connection: sqlite3.Connection, client_order_id: str) -> PlacedOrder | None:
    """Return the order of that id, or None."""
    row = connection.execute(_FIND, (client_order_id,)).fetchone()
    if row is None:
        return None
    number, name, symbol, side, quantity, status, filled, price, placed_at, reason = row
    fee = connection.execute("SELECT fee FROM fees WHERE client_order_id = ?", (client_order_id,)).fetchone()
    return PlacedOrder(
        order_id=f"paper-{number}",
        client_order_id=name,
        symbol=symbol,
        side=side,
        quantity=float(quantity),
        status=status,
        filled_quantity=float(filled),
        filled_price=None if price is None else float(price),
        placed_at=datetime.fromisoformat(placed_at),
        reason=reason,
        fee_paid=float(fee[0]) if fee else 0.0,
    )


def whole_quantity(quantity: float) -> Decimal:
    """Return a quantity to the billionth."""
    return Decimal(repr(float(quantity))).quantize(_QUANTITY, context=EXACT)


def create(path: Path) -> None:
    """Make the account, completely or not at all, also while another process makes it.

    It is built aside and linked into place: the first link wins, and no process ever meets a file that is half made or
    has to switch it to WAL while another uses it, which SQLite answers with "locked" however long one waits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return
    aside = path.with_name(f".{path.name}-{os.urandom(8).hex()}")
    try:
        share(aside)
        with closing(sqlite3.connect(aside, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # nothing of it counts before it is linked
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA + LATER)
            connection.execute("INSERT INTO account VALUES (?, ?)", (str(STARTING_CASH), CURRENCY))
        sync(aside)
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    # The name of the file must survive a loss of power too, or the first orders would go with it.
    sync(path.parent)


def encoded(one: Resting) -> str:
    """Return an order with how far it has come."""
    order = one.order
    told: dict[str, object] = {name: str(getattr(one, name)) for name in _DECIMALS}
    told |= {name: at.isoformat() for name in _INSTANTS if (at := getattr(one, name)) is not None}
    told |= {name: getattr(one, name) for name in _PLAIN}
    told["order"] = [order.client_order_id, order.symbol, order.side, order.quantity, order.is_exit]
    return json.dumps({**told, "terms": order.terms.encoded()})


def decoded(text: str) -> Resting:
    """Return what `encoded` has written."""
    told = json.loads(text)
    order = replace(Order(*told.pop("order")), terms=order_terms.decoded(told.pop("terms")))
    read: dict[str, Any] = {name: datetime.fromisoformat(told.pop(name)) for name in _INSTANTS if name in told}
    read |= {name: Decimal(told.pop(name)) for name in _DECIMALS}
    return Resting(order, **read, **told)
