"""Trades: what orders that were filled make of each other, first in, first out. Pure."""

import csv
import io
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import nlargest

from openbell.journal import stamp
from openbell.supervisor.model.records import OrderRecord

_SMALLEST = 1e-9  # of a quantity; less is what arithmetic leaves


@dataclass(frozen=True)
class Trade:
    """A part of a position that was closed.."""

    strategy: str
    bot: str
    symbol: str
    side: str  # long or short
    quantity: float
    entry_at: datetime
    entry_price: float
    entry_reason: str
    exit_at: datetime
    exit_price: float
    exit_reason: str
    costs: float
    result: float


@dataclass(frozen=True)
class _Lot:
    """What is left of an order that opened something."""

    order: OrderRecord
    sign: int
    quantity: float
    price: float
    fee: float  # of each piece


def trades(strategy: str, orders: Iterable[OrderRecord]) -> list[Trade]:
    """Return a strategy's trades, oldest first, from its filled orders, oldest first."""
    lots: dict[tuple[str, str], deque[_Lot]] = defaultdict(deque)
    found: list[Trade] = []
    for order in orders:
        if order.side not in {"buy", "sell"} or not order.filled or order.price is None:
            continue
        sign = 1 if order.side == "buy" else -1
        new = _Lot(order, sign, order.filled, order.price, (order.fee or 0.0) / order.filled)
        open_lots = lots[order.bot, order.symbol]
        closed: list[_Lot] = []
        while open_lots and open_lots[0].sign != sign and new.quantity > _SMALLEST:
            first = open_lots[0]
            part = min(first.quantity, new.quantity)
            closed.append(replace(first, quantity=part))
            new = replace(new, quantity=new.quantity - part)
            if first.quantity - part > _SMALLEST:
                open_lots[0] = replace(first, quantity=first.quantity - part)
            else:
                open_lots.popleft()
        if closed:
            found.append(_trade(strategy, order, new, closed))
        if new.quantity > _SMALLEST:
            open_lots.append(new)
    return found


def _trade(strategy: str, order: OrderRecord, exit_lot: _Lot, closed: Sequence[_Lot]) -> Trade:
    quantity = sum(lot.quantity for lot in closed)
    entry = sum(lot.quantity * lot.price for lot in closed) / quantity
    costs = quantity * exit_lot.fee + sum(lot.quantity * lot.fee for lot in closed)
    sign = closed[0].sign
    first = closed[0].order
    return Trade(
        strategy=strategy,
        bot=order.bot,
        symbol=order.symbol,
        side="long" if sign > 0 else "short",
        quantity=quantity,
        entry_at=first.at,
        entry_price=entry,
        entry_reason=first.why,
        exit_at=order.changed_at,
        exit_price=exit_lot.price,
        exit_reason=order.why,
        costs=costs,
        result=(exit_lot.price - entry) * quantity * sign - costs,
    )


def matching(found: Iterable[Trade], text: str) -> Iterator[Trade]:
    """Yield the trades in which each word of a search occurs."""
    words = text.casefold().split()
    return (one for one in found if all(word in _text(one) for word in words))


def newest(found: Iterable[Trade], most: int) -> tuple[int, list[Trade]]:
    """Return how many trades there are, and the newest of them, newest first. No more than these are kept at any time."""
    count = 0

    def counted() -> Iterator[Trade]:
        nonlocal count
        for count, one in enumerate(found, 1):  # noqa: B007 - read when all have passed
            yield one

    kept = nlargest(most, counted(), key=lambda one: one.exit_at)
    return count, kept


def _text(one: Trade) -> str:
    return f"{one.strategy} {one.bot} {one.symbol} {one.side} {one.entry_reason} {one.exit_reason}".casefold()


_COLUMNS = (
    *("strategy", "bot", "symbol", "side", "quantity", "entry_at", "entry_price", "entry_reason"),
    *("exit_at", "exit_price", "exit_reason", "costs", "result"),
)


def as_csv(found: Iterable[Trade]) -> str:
    """Return trades as CSV. A text that a spreadsheet would take for a formula is written as text."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(_COLUMNS)
    for one in found:
        writer.writerow([_cell(getattr(one, name)) for name in _COLUMNS])
    return written.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
