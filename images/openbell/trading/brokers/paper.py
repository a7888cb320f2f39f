"""The broker `paper`: the matching engine fills its orders at the market's prices, and the account is one file.

The file is SQLite in the strategy's state folder, so cash, positions and orders outlive the container. Several runs, each
a process of its own, may use it at once. Amounts are Decimals stored as text: cash and costs are exact to a trillionth
of a dollar, quantities to a billionth. A market order fills at once at the next known price; one that waits meets the
bars that have closed since, whenever the account or the order is asked for. Costs are those of the manifest's [costs].
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from math import isfinite
from pathlib import Path

from openbell.costs import Costs
from openbell.database_version import found_version
from openbell.group_commit import GroupCommit, use_group_commit
from openbell.ledger import Transaction
from openbell.records import replace
from openbell.trading import market_prices, reservations
from openbell.trading.brokers import (
    FINAL,
    Account,
    BrokerError,
    Order,
    PlacedOrder,
    Position,
    paper_actions,
    paper_borrowing,
    paper_cash,
    paper_tables,
)
from openbell.trading.brokers.paper_tables import LATER
from openbell.trading.cash_account import EXACT
from openbell.trading.cash_entries import CashEntry
from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.markets import Market, MarketError
from openbell.trading.matching import Book
from openbell.trading.price_comparison import Prices, Resting, single

FILE = "paper.sqlite"
VERSION = 0  # the file's user_version; a higher one is refused
# Connections of the process that this one was forked from. Closing one here would free locks that are held there.
_INHERITED: list[sqlite3.Connection] = []
SPLIT = "the shares were split: an order that waited for an old price has ended"
_PATIENCE = 5.0  # seconds to wait for another process that is writing


class PaperBroker:
    """The paper account in one folder, for orders placed at one instant."""

    cash_entries_every = timedelta(0)  # they are its own

    def __init__(
        self,
        folder: Path,
        market: Market,
        at: datetime,
        costs: Costs | None = None,
        *,
        short: bool = False,
        strategy: Path | None = None,
    ) -> None:
        """short: more may be sold than is held. strategy: its folder, in which corporate-actions.csv may be."""
        self._path = folder / FILE
        self._group = GroupCommit(self._path)
        self._open: tuple[tuple[int, int], sqlite3.Connection] | None = None  # with the process and the file it is for
        self._market = market
        self._at = at
        self._costs = costs or Costs()
        self._short = short
        self._strategy = strategy
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
            return paper_tables.find(connection, client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Fill `order` at the next known price, let it wait, or reject it with a reason; all are stored for ever.

        BrokerError if the market has no price for the symbol: then nothing is stored, and the order may come again.
        """
        if known := self.find(order.client_order_id):
            return known
        if reason := _malformed(order):
            with self._book() as (connection, book):
                book.resting[order.client_order_id] = Resting(order, self._at, self._at, Decimal(0), "rejected", reason)
            return self._found(order)
        order = replace(order, quantity=float(paper_tables.whole_quantity(order.quantity)))
        # The market is asked outside the transaction, so that a slow one keeps no other process waiting.
        extended = order.terms.extended_hours
        opens = market_prices.closed_until(self._market, order.symbol, self._at, extended=extended)
        price = None if opens is not None else self._price(order.symbol)
        is_extended = market_prices.is_closed(self._market, order.symbol, self._at)
        seen = market_prices.seen_at(self._market, order.symbol, self._at)
        expires = market_prices.expires(self._market, order, self._at)
        with self._book() as (connection, book):
            if known := paper_tables.find(connection, order.client_order_id):
                return known
            cash, held = paper_tables.cash_and_holding(connection, order.symbol)
            waiting = list(book.resting.values())
            if reason := reservations.refusal(order, price, waiting, self._costs, cash, held, short=self._short):
                refused = Resting(order, self._at, seen, Decimal(0), "rejected", reason)
                book.resting[order.client_order_id] = refused
            else:
                book.add(order, self._at, seen, expires)
            if price is not None:
                now = single(seen, price)._replace(is_first=True, is_extended=is_extended)
                _meet(book, order.symbol, now)
            list(book.expire(order.symbol, seen))
            if opens is not None:
                waits = f"the market is closed: the order waits until it opens at {opens:%Y-%m-%d %H:%M} UTC"
                one = book.resting[order.client_order_id]
                book.resting[order.client_order_id] = one if one.is_done else one._replace(reason=waits)
        return self._found(order)

    def _found(self, order: Order) -> PlacedOrder:
        with self._connection() as connection:
            placed = paper_tables.find(connection, order.client_order_id)
        if placed is not None:
            return placed
        msg = f"order {order.client_order_id} was not stored"
        raise BrokerError(msg)

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
                    book.replace(order, paper_tables.whole_quantity(order.quantity))
                    return replace(placed, quantity=order.quantity)
        msg = f"order {order.client_order_id} is done already and cannot be replaced"
        raise BrokerError(msg)

    def _catch_up(self) -> None:
        """Let the orders that wait meet the prices that came since."""
        if self._has_caught_up:
            return
        self._follow_actions()
        self._charge_borrowing()
        with self._connection() as connection:
            waiting = paper_tables.resting(connection)
        prices: dict[str, list[Prices]] = {}
        for symbol in dict.fromkeys(one.order.symbol for one in waiting.values()):
            its = [one for one in waiting.values() if one.order.symbol == symbol]
            prices[symbol] = list(market_prices.since(self._market, symbol, its, self._at))
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

    def corporate_actions(self, symbols: Iterable[str], since: date) -> list[CorporateAction]:
        """Return the splits that this account has followed from that day on."""
        with self._connection() as connection:
            return paper_actions.applied(connection, symbols, since)

    def cash_entries(self, since: date) -> list[CashEntry]:
        """Return the dividends and the borrowing that this account has booked on that day or later."""
        self._catch_up()
        with self._connection() as connection:
            return paper_cash.entries(connection, since)

    def _charge_borrowing(self) -> None:
        """Let short positions cost what they cost."""
        if not self._costs.borrow or not self._short:
            return
        with self._connection() as connection:
            due = paper_borrowing.due(connection, self._at)
        if due:
            prices = {symbol: self._price(symbol) for symbol in due}
            with self._book() as (connection, _):
                paper_borrowing.charge(connection, self._costs, prices, self._at)

    def _follow_actions(self) -> None:
        """Take up splits and dividends of what is held; orders that wait for a price from before a split end."""
        today = paper_actions.day_of(self._at)
        with self._connection() as connection:
            told, was_asked = paper_actions.announced(connection, self._market, self._strategy, today, self._at)
            if not was_asked and not paper_actions.pending(connection, told, today):
                return
        with self._book() as (connection, book):
            split = paper_actions.apply(connection, paper_actions.pending(connection, told, today), today)
            if was_asked:
                paper_actions.mark_asked(connection, today)
            for name, one in list(book.resting.items()):
                if one.order.symbol in split:
                    list(book.cancel(name, reason=SPLIT))

    @contextmanager
    def _book(self) -> Iterator[tuple[sqlite3.Connection, Book]]:
        """Yield the book of the orders that wait, in a transaction; what has changed in it is stored."""
        with self._connection() as connection, localcontext(EXACT), self._transaction(connection):
            before = paper_tables.resting(connection)
            settlement = paper_tables.Settlement(connection, short=self._short)
            book = Book(self._costs, settlement.settle, dict(before))
            yield connection, book
            for name, one in book.resting.items():
                if one != before.get(name):
                    paper_tables.write(connection, one)
            paper_tables.forget_done(connection, book)

    def _transaction(self, connection: sqlite3.Connection) -> AbstractContextManager[None]:
        return Transaction(connection, self._group)

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
        """Yield this process's connection, made if need be with the account."""
        try:
            yield self._open_connection()
        except (OSError, sqlite3.Error) as error:
            msg = f"the paper account {self._path} cannot be used: {error}"
            raise BrokerError(msg) from error

    def _open_connection(self) -> sqlite3.Connection:
        """Return the open connection; a new one in another process or for another file, since neither survives that.

        It stays open: the last one to be closed moves the log into the file, which takes several syncs.
        """
        if not self._path.exists():
            with GroupCommit(self._path).alone():
                paper_tables.create(self._path)
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


def _meet(book: Book, symbol: str, prices: Prices) -> None:
    for _ in book.see(symbol, prices):
        pass


def _malformed(order: Order) -> str:
    """Return what is wrong with an order on any account, or an empty string."""
    if order.side not in ("buy", "sell"):
        return f'the side must be "buy" or "sell", not "{order.side}"'
    if not isfinite(order.quantity) or paper_tables.whole_quantity(order.quantity) <= 0:
        return f"the quantity must be a number above zero, not {order.quantity}"
    return ""
