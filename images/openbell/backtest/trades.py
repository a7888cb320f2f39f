"""Round trips: the fills of a backtest matched into trades, long and short, with what each came to. Pure."""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from math import copysign
from typing import NamedTuple

from openbell.backtest.account import Fill
from openbell.records import dataclass

_NOTHING = 1e-12


class Trade(NamedTuple):
    """A round trip: what was opened first is closed first. `profit` is after commissions, in the account's currency."""

    bot: str
    symbol: str
    opened_at: datetime
    closed_at: datetime
    quantity: float  # below zero for a short position
    entry: float  # price
    exit: float  # price
    profit: float
    entry_reason: str = ""
    exit_reason: str = ""

    @property
    def result(self) -> float:
        """Return the profit as a part of what was opened."""
        return self.profit / (abs(self.quantity) * self.entry)


def trades(fills: Iterable[Fill]) -> list[Trade]:
    """Return the round trips: each fill closes the oldest of the same bot and symbol that are still open, then opens.

    A fill of no bot (a share that is no longer traded) closes those of all bots.
    """
    open_: dict[tuple[str, str], deque[Fill]] = {}
    found: list[Trade] = []
    for fill in fills:
        left = fill
        for (bot, symbol), lots in open_.items():
            if symbol == fill.symbol and fill.bot in {bot, ""}:
                while lots and abs(left.quantity) > _NOTHING and lots[0].quantity * left.quantity < 0:
                    trade, left = _closed(lots, left)
                    found.append(trade)
        if fill.bot and abs(left.quantity) > _NOTHING:
            open_.setdefault((fill.bot, fill.symbol), deque()).append(left)
    return found


def _closed(lots: deque[Fill], fill: Fill) -> tuple[Trade, Fill]:
    """Close as much as can be of the oldest lot; return the trade and what is left of the fill."""
    lot = lots.popleft()
    size = min(abs(lot.quantity), abs(fill.quantity))
    sign = 1 if lot.quantity > 0 else -1
    parts = size / abs(lot.quantity), size / abs(fill.quantity)
    profit = sign * size * (fill.price - lot.price) - lot.commission * parts[0] - fill.commission * parts[1]
    if abs(lot.quantity) - size > _NOTHING:
        lots.appendleft(_rest(lot, size))
    trade = Trade(
        lot.bot,
        lot.symbol,
        lot.at,
        fill.at,
        sign * size,
        lot.price,
        fill.price,
        profit,
        lot.reason,
        fill.reason,
    )
    return trade, _rest(fill, size)


def _rest(fill: Fill, done: float) -> Fill:
    """Return what is left of a fill when so much of it is done."""
    size = abs(fill.quantity)
    return fill._replace(
        quantity=copysign(size - done, fill.quantity), commission=fill.commission * (size - done) / size
    )


@dataclass(frozen=True)
class TradeFigures:
    """What the round trips came to."""

    count: int
    won: float | None  # share
    average: float | None  # profit of one
    profit_factor: float | None  # what was won for each unit that was lost


def trade_figures(found: Sequence[Trade]) -> TradeFigures:
    """Return the figures of round trips."""
    if not found:
        return TradeFigures(0, None, None, None)
    gained = sum(trade.profit for trade in found if trade.profit > 0)
    lost = -sum(trade.profit for trade in found if trade.profit < 0)
    return TradeFigures(
        len(found),
        sum(trade.profit > 0 for trade in found) / len(found),
        sum(trade.profit for trade in found) / len(found),
        gained / lost if lost else None,
    )
