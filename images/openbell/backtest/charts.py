"""What the pictures of a report show, as plain numbers. Pure but for the prices that it asks the market for."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from math import ceil
from typing import NamedTuple, Protocol

from openbell.backtest.account import Fill
from openbell.backtest.engine import Outcome, Setup
from openbell.backtest.figures import Returns, drawdowns, rolling
from openbell.backtest.past import PastMarket
from openbell.backtest.record import Point
from openbell.backtest.trades import Trade
from openbell.thinning import kept
from openbell.trading.markets import Market, MarketError

MOST_POINTS = 4_000  # of a line
MOST_SYMBOLS = 12  # with a picture of their prices: those that were traded most
MOST_TRADES = 2_000  # of one symbol

Column = Sequence[float | None]
Line = dict[str, Column]


class HeatMap(NamedTuple):
    """The best Sharpe ratio by two parameters: one down, the other across."""

    down: str
    across: str
    columns: Sequence[object]  # the values across
    rows: Sequence[tuple[object, Sequence[float | None]]]  # each value down, with its ratios
    others: Sequence[str]  # parameters that vary too


class _AtAnInstant(Protocol):
    @property
    def at(self) -> datetime: ...


def pictures(
    setup: Setup, outcome: Outcome, own: Returns, benchmark: Sequence[Point], market: Market, done: Sequence[Trade]
) -> dict[str, object]:
    """Return the lines of all pictures, by name; each has `x` in seconds since 1970, and its columns.

    own: the returns of the outcome's curve. benchmark: a point for each of that.
    """
    indexes = kept([point.equity for point in outcome.curve], MOST_POINTS)
    curve, held = [outcome.curve[index] for index in indexes], [benchmark[index] for index in indexes]
    x = _seconds(point.at for point in curve)
    half_years = rolling(own)
    rolled = [half_years[index] for index in kept([one.sharpe or 0.0 for one in half_years], MOST_POINTS)]
    return {
        "equity": {"x": x, "strategy": [one.equity for one in curve], "held": [one.equity for one in held]},
        "drawdown": {
            "x": x,
            "strategy": [one.equity for one in drawdowns(curve, setup.cash)],
            "held": [one.equity for one in drawdowns(held, setup.cash)],
        },
        "sharpe": _line(rolled, sharpe=[one.sharpe for one in rolled]),
        "volatility": _line(rolled, volatility=[one.volatility for one in rolled]),
        "exposure": {"x": x, "exposure": [_part(one.exposure, one.equity) for one in curve]},
        "costs": _costs(setup, outcome.fills),
        "symbols": {name: _symbol(name, outcome, market, done) for name in most_traded(outcome.fills)},
    }


def equity(curve: Sequence[Point]) -> Line:
    """Return the line of a curve alone."""
    shown = [curve[index] for index in kept([point.equity for point in curve], MOST_POINTS)]
    return _line(shown, equity=[one.equity for one in shown])


def slippage_paid(setup: Setup, fills: Iterable[Fill]) -> list[float]:
    """Return what slippage has cost each fill."""
    part = float(setup.costs.slippage) / 10_000
    # The price of a fill has the slippage in it already.
    return [abs(one.quantity) * one.price * part / (1 + part if one.quantity > 0 else 1 - part) for one in fills]


def _costs(setup: Setup, fills: Sequence[Fill]) -> Line:
    commissions = list(accumulate(one.commission for one in fills))
    slippage = list(accumulate(slippage_paid(setup, fills)))
    indexes = kept(commissions, MOST_POINTS)
    at = [fills[index] for index in indexes]
    return _line(at, commission=[commissions[one] for one in indexes], slippage=[slippage[one] for one in indexes])


def most_traded(fills: Iterable[Fill]) -> list[str]:
    """Return the symbols whose prices have a picture."""
    return [symbol for symbol, _ in Counter(one.symbol for one in fills).most_common(MOST_SYMBOLS)]


def _symbol(symbol: str, outcome: Outcome, market: Market, done: Sequence[Trade]) -> dict[str, object]:
    own = [one for one in done if one.symbol == symbol][-MOST_TRADES:]
    prices = _prices(symbol, outcome.curve, market)
    return {
        "price": {"x": _seconds(at for at, _ in prices), "price": [price for _, price in prices]},
        "signal": _signal(outcome, symbol),
        "trades": [
            {
                "opened": one.opened_at.timestamp(),
                "closed": one.closed_at.timestamp(),
                "quantity": one.quantity,
                "entry": one.entry,
                "exit": one.exit,
                "profit": round(one.profit, 2),
                "result": round(one.result, 5),
                "entry_reason": one.entry_reason,
                "exit_reason": one.exit_reason,
            }
            for one in own
        ],
    }


def _signal(outcome: Outcome, symbol: str) -> Line:
    found = outcome.signals.get(symbol, ())
    shown = [found[index] for index in kept([value for _, value in found], MOST_POINTS)]
    return {"x": _seconds(at for at, _ in shown), "signal": [value for _, value in shown]}


def _prices(symbol: str, curve: Sequence[Point], market: Market) -> list[tuple[datetime, float]]:
    """Return a symbol's prices over the span of a curve."""
    if isinstance(market, PastMarket):
        prices = market.of(symbol)
        begin = bisect_left(prices.closed_at, curve[0].at)
        end = bisect_right(prices.closed_at, curve[-1].at)
        indexes = kept([bar.close for bar in prices.all_bars[begin:end]], MOST_POINTS)
        return [(prices.closed_at[begin + one], prices.all_bars[begin + one].close) for one in indexes]
    found = []
    for point in curve[:: ceil(len(curve) / MOST_POINTS)]:
        try:
            found.append((point.at, market.price(symbol, point.at)))
        except MarketError:  # not listed yet
            continue
    return found


def _part(exposure: float, equity: float) -> float | None:
    return exposure / equity if equity > 0 else None


def _line(points: Sequence[_AtAnInstant], **columns: Column) -> Line:
    return {"x": _seconds(point.at for point in points), **columns}


def _seconds(instants: Iterable[datetime]) -> list[int]:
    return [int(at.timestamp()) for at in instants]


def heat(swept: Sequence[tuple[Mapping[str, object], float | None]]) -> HeatMap | None:
    """Return a table of the best Sharpe ratio by the first two parameters that vary; None with fewer than two."""
    names = [name for name in swept[0][0] if len({repr(values[name]) for values, _ in swept}) > 1] if swept else []
    if len(names) < 2:
        return None
    rows, columns = (list(dict.fromkeys(values[name] for values, _ in _sorted(swept, name))) for name in names[:2])
    cells: dict[tuple[object, object], float] = {}
    for values, sharpe in swept:
        place = values[names[0]], values[names[1]]
        if sharpe is not None:
            cells[place] = max(sharpe, cells.get(place, sharpe))
    table = [(row, [cells.get((row, column)) for column in columns]) for row in rows]
    return HeatMap(names[0], names[1], columns, table, names[2:])


def _sorted(
    swept: Sequence[tuple[Mapping[str, object], float | None]], name: str
) -> Sequence[tuple[Mapping[str, object], float | None]]:
    try:
        return sorted(swept, key=lambda one: one[0][name])  # type: ignore[arg-type, return-value]
    except TypeError:  # values of several kinds have no order of their own
        return swept
