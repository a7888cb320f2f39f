"""The page about money: equity and drawdown of a strategy or of all, positions, exposure, orders that wait, trades."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge

from openbell.instants import milliseconds
from openbell.supervisor.health.snapshot import StrategyView
from openbell.supervisor.model.records import AccountRecord, OrderRecord
from openbell.supervisor.store.equity import DAY, HOUR, LENGTHS, begin_of
from openbell.supervisor.store.store import Store
from openbell.supervisor.web.charts import Chart, Point, line_chart
from openbell.supervisor.web.trades import Trade, trades

RANGES: Mapping[str, tuple[timedelta, str]] = {
    "day": (timedelta(days=1), HOUR),
    "week": (timedelta(days=7), HOUR),
    "month": (timedelta(days=30), HOUR),
    "year": (timedelta(days=365), DAY),
    "all": (timedelta(days=3_650), DAY),
}
MOST_TRADES = 2_000  # orders of a strategy from which trades are made
MOST_ORDERS = 100  # that wait
MOST_STRATEGIES = 200  # whose orders are read for a list of all


@dataclass(frozen=True)
class Position:
    """What one strategy holds of one symbol."""

    strategy: str
    symbol: str
    quantity: float
    average_price: float | None
    price: float | None
    value: float | None
    profit: float | None

    @property
    def part(self) -> float | None:
        """The profit as a part of what was paid."""
        paid = abs(self.quantity * self.average_price) if self.average_price else 0.0
        return self.profit / paid if paid and self.profit is not None else None


@dataclass(frozen=True)
class Exposure:
    """What all strategies hold of one symbol: `long` and `short` are values, `net` their difference."""

    symbol: str
    long: float
    short: float
    strategies: tuple[str, ...]

    @property
    def net(self) -> float:
        """What is held when long and short are set off."""
        return self.long - self.short


@dataclass(frozen=True)
class Curve:
    """Equity of accounts in one currency over time, and how far it lay below its highest value so far, as a part of that."""

    currency: str
    equity: Sequence[Point]
    drawdown: Sequence[Point]

    @property
    def newest(self) -> float:
        """The equity now."""
        return self.equity[-1][1]

    @property
    def gain(self) -> float:
        """What was gained over the range."""
        return self.equity[-1][1] - self.equity[0][1]

    @property
    def deepest(self) -> float:
        """The deepest drawdown, zero or less."""
        return min(value for _, value in self.drawdown)

    @property
    def charts(self) -> tuple[Chart | None, Chart | None]:
        """The drawings of both."""
        return line_chart(self.equity), line_chart(self.drawdown)


@dataclass(frozen=True)
class MoneyPage:
    """What the page shows."""

    curves: Sequence[Curve]
    positions: Sequence[Position]
    exposure: Sequence[Exposure]
    waiting: Sequence[tuple[str, OrderRecord]]  # strategy, order


def curves(views: Iterable[StrategyView], store: Store, span: str, now: datetime) -> list[Curve]:
    """Return a curve for each currency, the largest first."""
    length, bars = RANGES[span]
    lines: dict[str, list[list[Point]]] = defaultdict(list)
    for view in views:
        account = next(iter(store.accounts(view.name, 1)), None)
        if account is None:
            continue
        if found := store.equity.line(view.name, account.broker, bars, now - length):
            lines[account.currency].append(found)
    made = [_curve(currency, summed(of_currency, LENGTHS[bars])) for currency, of_currency in lines.items()]
    return sorted(made, key=lambda one: -abs(one.newest))


def summed(lines: Sequence[Sequence[Point]], step: timedelta) -> list[Point]:
    """Return the sum of several lines: where it begins, and its last point within each step.

    Before its first point a line counts with that one, so that no start is a gain.
    """
    if len(lines) == 1:
        return list(lines[0])
    now = [line[0][1] for line in lines]
    points: list[Point] = []
    for at, index, value in merge(*(_changes(index, line) for index, line in enumerate(lines))):
        now[index] = value
        if len(points) > 1 and begin_of(milliseconds(points[-1][0]), step) == begin_of(milliseconds(at), step):
            points.pop()
        points.append((at, sum(now)))
    return points


def _changes(index: int, line: Sequence[Point]) -> Iterator[tuple[datetime, int, float]]:
    return ((at, index, value) for at, value in line)


def _curve(currency: str, equity: Sequence[Point]) -> Curve:
    highest, drawdown = equity[0][1], []
    for at, value in equity:
        highest = max(highest, value)
        drawdown.append((at, 0.0 if highest <= 0 else (value - highest) / highest * 100))
    return Curve(currency, equity, drawdown)


def positions(strategy: str, account: AccountRecord | None) -> list[Position]:
    """Return what a strategy holds, the largest first."""
    held = [] if account is None else [_position(strategy, symbol, one) for symbol, one in account.positions.items()]
    return sorted((one for one in held if one.quantity), key=lambda one: -abs(one.value or 0.0))


def _position(strategy: str, symbol: str, figures: Mapping[str, float]) -> Position:
    quantity, average, price = figures.get("qty", 0.0), figures.get("average_price"), figures.get("price")
    profit = None if average is None or price is None else (price - average) * quantity
    return Position(strategy, symbol, quantity, average, price, figures.get("value"), profit)


def exposure(held: Iterable[Position]) -> list[Exposure]:
    """Return what all strategies hold of each symbol, the largest first."""
    by_symbol: dict[str, list[Position]] = defaultdict(list)
    for one in held:
        by_symbol[one.symbol].append(one)
    found = [
        Exposure(
            symbol,
            sum(one.value or 0.0 for one in of_symbol if one.quantity > 0),
            -sum(one.value or 0.0 for one in of_symbol if one.quantity < 0),
            tuple(sorted(one.strategy for one in of_symbol)),
        )
        for symbol, of_symbol in by_symbol.items()
    ]
    return sorted(found, key=lambda one: -(one.long + one.short))


def held_by(views: Iterable[StrategyView], store: Store) -> list[Position]:
    """Return what some strategies hold, as their newest accounts tell."""
    return [
        position for view in views for position in positions(view.name, next(iter(store.accounts(view.name, 1)), None))
    ]


def money_page(views: Sequence[StrategyView], store: Store, span: str, now: datetime) -> MoneyPage:
    """Return what is known of the money of some strategies."""
    held = held_by(views, store)
    return MoneyPage(curves(views, store, span, now), held, exposure(held), waiting(views, store))


def waiting(views: Iterable[StrategyView], store: Store) -> list[tuple[str, OrderRecord]]:
    """Return the orders of some strategies that wait or are of unknown fate, each with its strategy."""
    return [
        (view.name, order)
        for view in views
        if any(bot.open_orders for bot in view.bots)
        for order in store.orders.newest(view.name, limit=MOST_ORDERS, is_open=True)
    ]


def all_trades(views: Sequence[StrategyView], store: Store, span: str, now: datetime) -> Iterator[Trade]:
    """Yield the trades of some strategies that were closed within a range, strategy by strategy."""
    since = now - RANGES[span][0]
    for view in views[:MOST_STRATEGIES]:
        found = trades(view.name, store.orders.filled(view.name, MOST_TRADES))
        yield from (one for one in found if one.exit_at >= since)
