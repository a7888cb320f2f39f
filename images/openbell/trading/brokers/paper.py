"""The broker `paper`: an order fills at once and whole at the market's next known price, and the account is one file.

The file is SQLite in the strategy's state folder, so cash, positions and orders outlive the container. Several runs, each
a process of its own, may use it at once. Amounts are Decimals stored as text: cash and costs are exact to a trillionth
of a dollar, quantities to a billionth. There is no commission and no spread; nothing can be sold that is not held, and
nothing bought that cash does not cover.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal, localcontext
from math import isfinite
from pathlib import Path

from openbell.database_version import found_version
from openbell.strategy_user import share
from openbell.trading.brokers import Account, BrokerError, Order, OrderRefusedError, PlacedOrder, Position
from openbell.trading.markets import Market, MarketError

FILE = "paper.sqlite"
CURRENCY = "USD"
VERSION = 0  # the file's user_version; a higher one is refused
STARTING_CASH = Decimal(100_000)

_MONEY = Decimal("0.000000000001")
_QUANTITY = Decimal("0.000000001")
_CENT = Decimal("0.01")
_EXACT = Context(prec=1000)  # holds the product of any two floats, so only the explicit quantize calls round
_PATIENCE = 5.0  # seconds to wait for another process that is writing

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
_COLUMNS = "client_order_id, symbol, side, quantity, status, filled_quantity, filled_price, placed_at, reason"
_HOLD = "INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT (symbol) DO UPDATE SET quantity = excluded.quantity, cost = excluded.cost"
_FIND = f"SELECT number, {_COLUMNS} FROM orders WHERE client_order_id = ?"  # noqa: S608 - the columns are the line above
_RECORD = f"INSERT INTO orders ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number, {_COLUMNS}"  # noqa: S608


class PaperBroker:
    """The paper account in one folder, for orders placed at one instant."""

    def __init__(self, folder: Path, market: Market, at: datetime) -> None:
        self._path = folder / FILE
        self._market = market
        self._at = at

    def account(self) -> Account:
        """Return the cash that is left, in dollars; a new account has 100,000."""
        with self._connection() as connection:
            cash, currency = connection.execute("SELECT cash, currency FROM account").fetchone()
        return Account(float(cash), currency)

    def positions(self) -> dict[str, Position]:
        """Return the open positions by symbol, in alphabetical order."""
        with self._connection() as connection:
            rows = connection.execute("SELECT symbol, quantity, cost FROM positions ORDER BY symbol").fetchall()
        return {symbol: Position(symbol, float(held), float(cost) / float(held)) for symbol, held, cost in rows}

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order of that id, rejected ones too, or None."""
        with self._connection() as connection:
            return _find(connection, client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Fill `order` whole at the next known price, or reject it with a reason; both are stored for ever.

        BrokerError if the market has no price for the symbol: then nothing is stored, and the order may come again.
        """
        if known := self.find(order.client_order_id):
            return known
        reason = _malformed(order)
        self._wait_for_the_open(order.symbol)
        # The price is asked for outside the transaction, so that a slow market keeps no other process waiting.
        price = None if reason else self._price(order.symbol)
        with self._connection() as connection, localcontext(_EXACT):
            connection.execute("BEGIN IMMEDIATE")
            if known := _find(connection, order.client_order_id):
                return known
            if price is not None:
                reason = _settle(connection, order, price)
            placed = self._record(connection, order, None if reason else price, reason)
            connection.execute("COMMIT")
        return placed

    def _wait_for_the_open(self, symbol: str) -> None:
        """Refuse what a closed market would fill at a price of days ago; a market that does not say is always open."""
        closed_until = getattr(self._market, "closed_until", None)
        if closed_until is not None and (opens := closed_until(symbol, self._at)) is not None:
            msg = f"the market of {symbol} is closed until {opens:%Y-%m-%d %H:%M} UTC, and paper orders fill at once or not at all"
            raise OrderRefusedError(msg)

    def cancel(self, client_order_id: str) -> None:
        """Raise BrokerError: a paper order is filled or rejected as soon as it is placed."""
        placed = self.find(client_order_id)
        state = "is not known" if placed is None else f"is {placed.status} already"
        msg = f"order {client_order_id} {state} and cannot be cancelled"
        raise BrokerError(msg)

    def _price(self, symbol: str) -> Decimal:
        try:
            price = self._market.price(symbol, self._at)
        except MarketError as error:
            msg = f"no price for {symbol}: {error}"
            raise BrokerError(msg) from error
        if not isfinite(price) or price <= 0:
            msg = f"no price for {symbol}: the market says {price}"
            raise BrokerError(msg)
        return Decimal(repr(float(price)))

    def _record(self, connection: sqlite3.Connection, order: Order, price: Decimal | None, reason: str) -> PlacedOrder:
        filled = Decimal(0) if price is None else _quantity(order.quantity)
        row = (
            order.client_order_id,
            order.symbol,
            order.side,
            str(filled or order.quantity),
            "rejected" if price is None else "filled",
            str(filled),
            None if price is None else str(price),
            self._at.astimezone(UTC).isoformat(),
            reason,
        )
        return _placed(connection.execute(_RECORD, row).fetchall()[0])

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection for one call, made if need be with the account; what is not committed is undone.

        A connection lives no longer than the call: SQLite's do not survive a fork, and every run is one.
        """
        try:
            if not self._path.exists():
                _create(self._path)
            with closing(sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)) as connection:
                found_version(connection, self._path, VERSION)
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
        except (OSError, sqlite3.Error) as error:
            msg = f"the paper account {self._path} cannot be used: {error}"
            raise BrokerError(msg) from error


def _malformed(order: Order) -> str:
    """Return what is wrong with an order whatever the account holds, or an empty string."""
    if order.side not in ("buy", "sell"):
        return f'the side must be "buy" or "sell", not "{order.side}"'
    if not isfinite(order.quantity) or _quantity(order.quantity) <= 0:
        return f"the quantity must be a number above zero, not {order.quantity}"
    return ""


def _settle(connection: sqlite3.Connection, order: Order, price: Decimal) -> str:
    """Move cash and position as `order` says, and return an empty string; or move nothing, and return why."""
    quantity = _quantity(order.quantity)
    amount = (quantity * price).quantize(_MONEY)
    cash = Decimal(connection.execute("SELECT cash FROM account").fetchone()[0])
    row = connection.execute("SELECT quantity, cost FROM positions WHERE symbol = ?", (order.symbol,)).fetchone()
    held, cost = (Decimal(row[0]), Decimal(row[1])) if row else (Decimal(0), Decimal(0))
    if order.side == "buy":
        if amount > cash:
            needs, has = amount.quantize(_CENT, ROUND_UP), cash.quantize(_CENT, ROUND_DOWN)
            return f"insufficient cash: needs {needs}, has {has}"
        cash, held, cost = cash - amount, held + quantity, cost + amount
    else:
        if quantity > held:
            return f"insufficient position: needs {_plain(quantity)} {order.symbol}, has {_plain(held)}"
        # What is left keeps its average price.
        cost = (cost * (held - quantity) / held).quantize(_MONEY)
        cash, held = cash + amount, held - quantity
    connection.execute("UPDATE account SET cash = ?", (str(cash),))
    if held:
        connection.execute(_HOLD, (order.symbol, str(held), str(cost)))
    else:
        connection.execute("DELETE FROM positions WHERE symbol = ?", (order.symbol,))
    return ""


def _find(connection: sqlite3.Connection, client_order_id: str) -> PlacedOrder | None:
    row = connection.execute(_FIND, (client_order_id,)).fetchone()
    return _placed(row) if row else None


def _placed(row: tuple[int, str, str, str, str, str, str, str | None, str, str]) -> PlacedOrder:
    number, client_order_id, symbol, side, quantity, status, filled, price, placed_at, reason = row
    return PlacedOrder(
        order_id=f"paper-{number}",
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        quantity=float(quantity),
        status=status,
        filled_quantity=float(filled),
        filled_price=None if price is None else float(price),
        placed_at=datetime.fromisoformat(placed_at),
        reason=reason,
    )


def _quantity(quantity: float) -> Decimal:
    return Decimal(repr(float(quantity))).quantize(_QUANTITY, context=_EXACT)


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"


def _create(path: Path) -> None:
    """Make the account, whole or not at all, whoever else is making it now.

    It is built aside and linked into place: the first link wins, and no process ever meets a file that is half made or
    has to switch it to WAL while another uses it, which SQLite answers with "locked" however long one waits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}-{os.urandom(8).hex()}")
    try:
        share(aside)
        with closing(sqlite3.connect(aside, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
            connection.execute("INSERT INTO account VALUES (?, ?)", (str(STARTING_CASH), CURRENCY))
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    # The name of the file must survive a loss of power too, or the first orders would go with it.
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
