"""The broker `paper`: the matching engine fills its orders at the market's prices, and the account is one file.

The file is SQLite in the strategy's state folder, so cash, positions and orders outlive the container. Several runs, each
a process of its own, may use it at once. Amounts are Decimals stored as text: cash and costs are exact to a trillionth
of a dollar, quantities to a billionth. A market order fills at once at the next known price; one that waits meets the
bars that have closed since, whenever the account or the order is asked for. Costs are those of the manifest's [costs].
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from math import isfinite
from pathlib import Path

from openbell.costs import Costs
from openbell.database_version import found_version
from openbell.group_commit import GroupCommit, use_group_commit
from openbell.order_terms import leg_of
from openbell.strategy_user import share
from openbell.trading import cash_account, market_prices
from openbell.trading.brokers import FINAL, Account, BrokerError, Order, PlacedOrder, Position, resting_text
from openbell.trading.cash_account import EXACT, MONEY, Holding
from openbell.trading.markets import Market, MarketError
from openbell.trading.matching import Book, Fill, Prices, Resting, single

FILE = "paper.sqlite"
CURRENCY = "USD"
VERSION = 0  # the file's user_version; a higher one is refused
STARTING_CASH = Decimal(100_000)

_QUANTITY = Decimal("0.000000001")
# Connections of the process that this one was forked from. Closing one here would free locks that are held there.
_INHERITED: list[sqlite3.Connection] = []
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
# The orders that wait, as the matching engine knows them, and what orders paid beside their prices. Older accounts get both
# when they are opened; an older openbell does not look at them.
LATER = """
CREATE TABLE IF NOT EXISTS resting (client_order_id TEXT PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fees (client_order_id TEXT PRIMARY KEY, fee TEXT NOT NULL);
"""
_COLUMNS = "client_order_id, symbol, side, quantity, status, filled_quantity, filled_price, placed_at, reason"
_HOLD = "INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT (symbol) DO UPDATE SET quantity = excluded.quantity, cost = excluded.cost"
_FIND = f"SELECT number, {_COLUMNS} FROM orders WHERE client_order_id = ?"  # noqa: S608 - the columns are the line above
_RECORD = f"INSERT INTO orders ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - as above
_CHANGE = "UPDATE orders SET quantity = ?, status = ?, filled_quantity = ?, filled_price = ?, reason = ? WHERE client_order_id = ?"
_REST = "INSERT INTO resting VALUES (?, ?) ON CONFLICT (client_order_id) DO UPDATE SET state = excluded.state"
_FEE = "INSERT INTO fees VALUES (?, ?) ON CONFLICT (client_order_id) DO UPDATE SET fee = excluded.fee"


class PaperBroker:
    """The paper account in one folder, for orders placed at one instant."""

    def __init__(
        self, folder: Path, market: Market, at: datetime, costs: Costs | None = None, *, short: bool = False
    ) -> None:
        """short: more may be sold than is held."""
        self._path = folder / FILE
        self._group = GroupCommit(self._path)
        self._open: tuple[tuple[int, int], sqlite3.Connection] | None = None  # with the process and the file it is for
        self._market = market
        self._at = at
        self._costs = costs or Costs()
        self._short = short
        self._has_caught_up = False  # prices of one instant are met once

    def account(self) -> Account:
        """Return the cash that is left, in dollars; a new account has 100,000."""
        self._catch_up()
        with self._connection() as connection:
            cash, currency = connection.execute("SELECT cash, currency FROM account").fetchone()
        return Account(float(cash), currency)

    def positions(self) -> dict[str, Position]:
        """Return the open positions by symbol, in alphabetical order."""
        self._catch_up()
        with self._connection() as connection:
            rows = connection.execute("SELECT symbol, quantity, cost FROM positions ORDER BY symbol").fetchall()
        return {symbol: Position(symbol, float(held), float(cost) / float(held)) for symbol, held, cost in rows}

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order of that id, rejected ones too, or None."""
        self._catch_up()
        with self._connection() as connection:
            return _find(connection, client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Fill `order` at the next known price, let it wait, or reject it with a reason; all are stored for ever.

        BrokerError if the market has no price for the symbol: then nothing is stored, and the order may come again.
        """
        if known := self.find(order.client_order_id):
            return known
        if reason := _malformed(order):
            with self._book() as (connection, book):
                refused = Resting(order, self._at, self._at, Decimal(0), "rejected", reason)
                book.resting[order.client_order_id] = refused
            return self._found(order)
        order = replace(order, quantity=float(_quantity(order.quantity)))
        # The market is asked outside the transaction, so that a slow one keeps no other process waiting.
        opens = market_prices.closed_until(self._market, order.symbol, self._at)
        price = None if opens is not None else self._price(order.symbol)
        seen = market_prices.seen_at(self._market, order.symbol, self._at)
        expires = None
        if order.waits == "ioc":
            expires = seen
        elif order.waits == "day":
            expires = market_prices.day_ends(self._market, order.symbol, self._at)
        with self._book() as (connection, book):
            if known := _find(connection, order.client_order_id):
                return known
            book.add(order, self._at, seen, expires)
            if price is not None:
                now = single(seen, price)._replace(is_first=True)
                _meet(book, order.symbol, now)
            list(book.expire(order.symbol, seen))
            if opens is not None:
                waits = f"the market is closed: the order waits until it opens at {opens:%Y-%m-%d %H:%M} UTC"
                one = book.resting[order.client_order_id]
                book.resting[order.client_order_id] = one if one.is_done else replace(one, reason=waits)
        return self._found(order)

    def _found(self, order: Order) -> PlacedOrder:
        with self._connection() as connection:
            placed = _find(connection, order.client_order_id)
        if placed is None:
            msg = f"order {order.client_order_id} was not stored"
            raise BrokerError(msg)
        return placed

    def cancel(self, client_order_id: str) -> None:
        """Cancel what is not filled yet of an order; BrokerError if there is none or it is done already."""
        placed = self.find(client_order_id)
        if placed is not None and placed.status not in FINAL:
            with self._book() as (_, book):
                if client_order_id in book.resting:
                    list(book.cancel(client_order_id))
                    return
        state = "is not known" if placed is None else f"is {placed.status} already"
        msg = f"order {client_order_id} {state} and cannot be cancelled"
        raise BrokerError(msg)

    def replace(self, order: Order) -> PlacedOrder:
        """Give an order that waits other terms and another quantity; BrokerError if it is done already."""
        placed = self.find(order.client_order_id)
        if placed is not None and placed.status not in FINAL:
            with self._book() as (_, book):
                if order.client_order_id in book.resting:
                    book.replace(order, _quantity(order.quantity))
                    return replace(placed, quantity=order.quantity)
        msg = f"order {order.client_order_id} is done already and cannot be replaced"
        raise BrokerError(msg)

    def _catch_up(self) -> None:
        """Let the orders that wait meet the prices that came since."""
        if self._has_caught_up:
            return
        with self._connection() as connection:
            waiting = _resting(connection)
        prices: dict[str, list[Prices]] = {}
        for symbol in dict.fromkeys(one.order.symbol for one in waiting.values()):
            seen = min(one.seen for one in waiting.values() if one.order.symbol == symbol)
            prices[symbol] = list(market_prices.since(self._market, symbol, seen, self._at))
        self._has_caught_up = True
        if not prices:
            return
        is_past = market_prices.is_historical(self._market, self._at)
        with self._book() as (_, book):
            for symbol, told in prices.items():
                for one in told:
                    _meet(book, symbol, one)
                newest = told[-1].at if told and is_past else self._at
                list(book.expire(symbol, newest))

    @contextmanager
    def _book(self) -> Iterator[tuple[sqlite3.Connection, Book]]:
        """Yield the book of the orders that wait, in a transaction; what has changed in it is stored."""
        with self._connection() as connection, localcontext(EXACT):
            changes = connection.total_changes
            connection.execute("BEGIN IMMEDIATE")
            before = _resting(connection)
            settlement = _Settlement(connection, short=self._short)
            book = Book(self._costs, settlement.settle, dict(before))
            yield connection, book
            for name, one in book.resting.items():
                if one != before.get(name):
                    _write(connection, one)
            _forget_done(connection, book)
            connection.execute("COMMIT")
            if connection.total_changes > changes:
                self._group.sync()

    def _price(self, symbol: str) -> float:
        try:
            price = self._market.price(symbol, self._at)
        except MarketError as error:
            msg = f"no price for {symbol}: {error}"
            raise BrokerError(msg) from error
        if not isfinite(price) or price <= 0:
            msg = f"no price for {symbol}: the market says {price}"
            raise BrokerError(msg)
        return float(price)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Yield this process's connection, made if need be with the account; what is not committed is undone."""
        try:
            connection = self._open_connection()
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except (OSError, sqlite3.Error) as error:
            msg = f"the paper account {self._path} cannot be used: {error}"
            raise BrokerError(msg) from error

    def _open_connection(self) -> sqlite3.Connection:
        """Return the open connection; a new one in another process or for another file, since neither survives that.

        It stays open: the last one to be closed moves the log into the file, which takes several syncs.
        """
        if not self._path.exists():
            _create(self._path)
        key = (os.getpid(), self._path.stat().st_ino)
        if self._open is None or self._open[0] != key:
            if self._open is not None and self._open[0][0] != key[0]:
                _INHERITED.append(self._open[1])
            connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            found_version(connection, self._path, VERSION)
            use_group_commit(connection)
            for statement in LATER.strip().splitlines():
                connection.execute(statement)
            self._open = key, connection
        return self._open[1]


class _Settlement:
    """Moves cash and positions as fills say, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, *, short: bool) -> None:
        self._connection = connection
        self._short = short

    def settle(self, fill: Fill) -> str:
        """Move cash and position, and return an empty string; or move nothing, and return why."""
        connection, order = self._connection, fill.order
        amount = (fill.quantity * fill.price).quantize(MONEY)
        cash = Decimal(connection.execute("SELECT cash FROM account").fetchone()[0])
        row = connection.execute("SELECT quantity, cost FROM positions WHERE symbol = ?", (order.symbol,)).fetchone()
        holding = Holding(Decimal(row[0]), Decimal(row[1])) if row else Holding()
        needed = amount + fill.fee
        if reason := cash_account.refusal(
            order.symbol, order.side, fill.quantity, needed, cash, holding.quantity, short=self._short
        ):
            return reason
        cash += -needed if order.side == "buy" else amount - fill.fee
        holding = cash_account.after_fill(holding, order.side, fill.quantity, amount)
        connection.execute("UPDATE account SET cash = ?", (str(cash),))
        if holding.quantity:
            connection.execute(_HOLD, (order.symbol, str(holding.quantity), str(holding.cost)))
        else:
            connection.execute("DELETE FROM positions WHERE symbol = ?", (order.symbol,))
        return ""


def _meet(book: Book, symbol: str, prices: Prices) -> None:
    for _ in book.see(symbol, prices):
        pass


def _malformed(order: Order) -> str:
    """Return what is wrong with an order whatever the account holds, or an empty string."""
    if order.side not in ("buy", "sell"):
        return f'the side must be "buy" or "sell", not "{order.side}"'
    if not isfinite(order.quantity) or _quantity(order.quantity) <= 0:
        return f"the quantity must be a number above zero, not {order.quantity}"
    return ""


def _resting(connection: sqlite3.Connection) -> dict[str, Resting]:
    rows = connection.execute("SELECT client_order_id, state FROM resting ORDER BY client_order_id").fetchall()
    return {str(name): resting_text.decoded(state) for name, state in rows}


def _write(connection: sqlite3.Connection, one: Resting) -> None:
    """Store how far an order has come."""
    order, price = one.order, None if one.price is None else str(one.price.normalize())
    name = order.client_order_id
    wanted = str(_quantity(order.quantity)) if isfinite(order.quantity) else str(order.quantity)
    if connection.execute("SELECT 1 FROM orders WHERE client_order_id = ?", (name,)).fetchone() is None:
        row = (name, order.symbol, order.side, wanted, one.status, str(one.filled), price)
        connection.execute(_RECORD, (*row, one.placed_at.astimezone(UTC).isoformat(), one.reason))
    else:
        connection.execute(_CHANGE, (wanted, one.status, str(one.filled), price, one.reason, name))
    if one.fee:
        connection.execute(_FEE, (name, str(one.fee)))
    connection.execute(_REST, (name, resting_text.encoded(one)))


def _forget_done(connection: sqlite3.Connection, book: Book) -> None:
    """Keep no order waiting that is done with all that depends on it."""
    groups: dict[str, list[Resting]] = {}
    for name, one in book.resting.items():
        groups.setdefault(leg_of(name)[0] or name, []).append(one)
    done = [one for group in groups.values() if all(one.is_done for one in group) for one in group]
    for one in done:
        connection.execute("DELETE FROM resting WHERE client_order_id = ?", (one.order.client_order_id,))


def _find(connection: sqlite3.Connection, client_order_id: str) -> PlacedOrder | None:
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


def _quantity(quantity: float) -> Decimal:
    return Decimal(repr(float(quantity))).quantize(_QUANTITY, context=EXACT)


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
            connection.executescript(SCHEMA + LATER)
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
