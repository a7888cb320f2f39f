"""The market of a backtest: prices of the past as of an instant. What was not known then cannot be asked for.

The price that an order fills at is the next one after the decision. Daily prices know two instants of a day, its
opening and its close: an opening price stands for the first quarter of an hour of its session.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from openbell.backtest import kept_prices, price_files
from openbell.backtest.price_files import DAY, PriceFile
from openbell.backtest.resample import resampled
from openbell.backtest.session_hours import SessionHours, calendar_of
from openbell.calendars import CalendarExpired
from openbell.manifest import Bot
from openbell.trading.markets import Bar, Bars, MarketError, Series, history, timeframes
from openbell.trading.markets import series as files

_NEVER, _ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
OPENING = timedelta(minutes=15)  # for how long a day's opening price is the price of the moment


class KnownPrice(NamedTuple):
    """A price, and when it is known."""

    at: datetime
    price: float


class PastBars(Bars):
    """Bars that are a part of a longer row, whose columns are there already."""

    closing: tuple[float, ...]

    @property
    def closes(self) -> tuple[float, ...]:
        """Return the last price of every bar."""
        return self.closing


class _Timeframe(NamedTuple):
    """All bars of one timeframe, when each closed, and their closes if they are objects in memory."""

    bars: Sequence[Bar]
    closed_at: Sequence[datetime]
    closes: tuple[float, ...] | None


class SymbolPrices:
    """All prices of one symbol."""

    def __init__(self, prices: PriceFile) -> None:
        self.hours = prices.hours
        self.length = prices.length
        self._prices = prices
        self.all_bars = prices.bars
        self.opened_at = prices.opened_at
        self.closed_at = kept_prices.closed_at(prices.bars)
        self.is_daily = prices.length == DAY
        self._made: dict[str, _Timeframe] = {}  # by timeframe
        # What is known at the instant that was asked for last: a run asks several times for one, and the next is not far.
        self._at = _NEVER
        self._closed = 0  # how many bars have closed
        self._since = self._until = _ALWAYS  # when the last of them has closed, and when the next one does
        self._opens = _ALWAYS  # when the next one opens
        self._price: float | None = None

    def bars(self, timeframe: str, count: int, at: datetime) -> Bars | None:
        """Return the last `count` bars of a timeframe that had closed at `at`; None if there are none of that timeframe."""
        made = self._made.get(timeframe) or self._make(timeframe)
        if made is None:
            return None
        if made.closed_at is self.closed_at:
            if at is not self._at:
                self._move_to(at)
            end = self._closed
        else:
            end = bisect_right(made.closed_at, at)
        begin = end - count if end > count else 0
        if made.closes is None:
            return Bars(made.bars[begin:end])
        bars = PastBars(made.bars[begin:end])
        bars.closing = made.closes[begin:end]
        return bars

    def _make(self, timeframe: str) -> "_Timeframe | None":
        length = timeframes.length(timeframe)
        if length is None or length < self.length or length % self.length or length > DAY:
            return None
        is_own = length == self.length
        bars = self.all_bars if is_own else resampled(self._prices, length)
        closes = tuple([bar.close for bar in bars]) if isinstance(bars, tuple) else None
        closed_at = self.closed_at if is_own else kept_prices.closed_at(bars)
        made = self._made[timeframe] = _Timeframe(bars, closed_at, closes)
        return made

    def _move_to(self, at: datetime) -> None:
        if not self._since <= at < self._until:
            closed_at = self.closed_at
            following = self._closed + 1  # most slots are one bar after the one before
            if at < self._until or (following < len(closed_at) and closed_at[following] <= at):
                following = bisect_right(closed_at, at)
            self._closed = following
            self._since = closed_at[following - 1] if following else _NEVER
            is_last = following == len(closed_at)
            self._until, self._opens = (
                (_ALWAYS, _ALWAYS) if is_last else (closed_at[following], self.opened_at[following])
            )
        self._at = at
        closed = self._closed
        if self._since <= self._opens <= at:
            self._price = self.all_bars[closed].open
        else:
            self._price = self.all_bars[closed - 1].close if closed else None

    def closed_before(self, at: datetime) -> int:
        """Return how many bars had closed at `at`."""
        if at is not self._at:
            self._move_to(at)
        return self._closed

    def newest(self, at: datetime) -> KnownPrice | None:
        """Return the newest price that was known at `at`, and since when: a bar's opening, or the close before it."""
        price = self.price(at)
        is_opening = self._since <= self._opens <= at
        return None if price is None else KnownPrice(self._opens if is_opening else self._since, price)

    def price(self, at: datetime) -> float | None:
        """Return the newest price that was known at `at`."""
        if at is not self._at:
            self._move_to(at)
        return self._price

    def is_stale(self, at: datetime) -> bool:
        """Tell whether a session has closed without a price since the newest one: the data end, pause or have a hole."""
        newest = self.newest(at)
        if newest is None:
            return True
        if self.is_daily and newest.at == self._opens:
            return False  # of the session that goes on
        try:
            expected = timeframes.expected_close("1d", at, None if self.hours.never_closes else self.hours.calendar)
        except CalendarExpired:
            return False
        return expected is not None and newest.at < expected

    @property
    def first_at(self) -> datetime:
        """When the first price is known."""
        return self.opened_at[0]

    @property
    def last(self) -> KnownPrice:
        """The last price of all, and when it is known."""
        return KnownPrice(self.closed_at[-1], self.all_bars[-1].close)


class PastMarket:
    """Prices of the past. A bar is known once it has closed."""

    is_complete = True  # no bar lacks a figure
    is_past = True  # its bars are as old as they should be

    def __init__(self, prices: Mapping[str, SymbolPrices], source: str, folder: Path = Path()) -> None:
        """`source` names the prices in the journal; `folder` is the strategy's own, for its named series."""
        self._prices = prices
        self._source = source
        self._folder = folder
        self._told: tuple[datetime, dict[str, str]] | None = (
            None  # the newest provenance: asked for at each line of a run
        )

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return up to `count` adjusted bars that had closed at `at`, oldest first."""
        if count < 1:
            msg = f"the count of bars must be at least 1, not {count}"
            raise MarketError(msg)
        prices = self._prices.get(symbol) or self.of(symbol)
        bars = prices.bars(timeframe, count, at)
        if bars is None:
            shortest = (
                "1d" if prices.length == DAY else f"{prices.length // timedelta(minutes=1)}m and multiples up to 1d"
            )
            msg = f'there are no "{timeframe}" bars of the past; there are: {shortest}'
            raise MarketError(msg)
        return bars

    def price(self, symbol: str, at: datetime) -> float:
        """Return the newest price that was known at `at`."""
        prices = self._prices.get(symbol) or self.of(symbol)
        price = prices.price(at)
        if price is None:
            msg = f"{symbol} has no price before {prices.first_at:%Y-%m-%d %H:%M} UTC"
            raise MarketError(msg)
        return price

    def stale_since(self, symbol: str, at: datetime) -> datetime | None:
        """Return the instant of the newest price if it is older than a session ago, else None."""
        prices = self.of(symbol)
        if not prices.is_stale(at):
            return None
        newest = prices.newest(at)
        return newest.at if newest else prices.first_at

    def ends_before(self, symbol: str, at: datetime) -> KnownPrice | None:
        """Return a symbol's last price and when it was known, if all its prices end before `at`; else None."""
        last = self.of(symbol).last
        return last if last.at < at else None

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Return values of a series of the strategy's own as they were known at `at`."""
        return files.read(self._folder, name, count, at)

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return the source and the day: these are not today's prices."""
        if self._told is None or self._told[0] != at:
            day = next(iter(self._prices.values())).hours.day(at) if self._prices else at.date()
            self._told = at, {"source": self._source, "historical_day": day.isoformat()}
        return self._told[1]

    def span(self) -> tuple[datetime, datetime]:
        """Return the first instant at which every symbol has a price, and the last at which one of them has a new one."""
        first = max(prices.first_at for prices in self._prices.values())
        return first, max(prices.last.at for prices in self._prices.values())

    def of(self, symbol: str) -> SymbolPrices:
        """Return all prices of a symbol."""
        prices = self._prices.get(symbol)
        if prices is None:
            msg = f'there are no prices of "{symbol}"; there are: {", ".join(sorted(self._prices))}'
            raise MarketError(msg)
        return prices


def calendars_of(bots: Iterable[Bot]) -> dict[str, str]:
    """Return the symbols of the bots, each with the calendar that its daily bars follow."""
    found: dict[str, str] = {}
    for bot in bots:
        for symbol in bot.symbols:
            found.setdefault(symbol, calendar_of(symbol, bot.schedule.calendar))
    return dict(sorted(found.items()))


def load(
    symbols: Mapping[str, str],
    folder: Path | None,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
    *,
    extended_hours: bool = False,
) -> dict[str, SymbolPrices]:
    """Return the prices of these symbols (with their calendars), from the shipped sample or from a folder of files.

    MarketError says what is wrong with a file. `tell` is called with the number of symbols read, and of all.
    """
    hours = {calendar: SessionHours(calendar) for calendar in set(symbols.values())}
    found: dict[str, SymbolPrices] = {}
    for symbol, calendar in symbols.items():
        if folder is None:
            prices = _sample(symbol, hours[calendar])
        elif kept := kept_prices.find(folder, symbol):
            prices = kept_prices.read(folder, symbol, kept, hours[calendar], extended_hours=extended_hours)
        else:
            prices = price_files.read(price_files.find(folder, symbol), hours[calendar], extended_hours=extended_hours)
        found[symbol] = SymbolPrices(prices)
        tell(len(found), len(symbols))
    return found


def _sample(symbol: str, hours: SessionHours) -> PriceFile:
    days = history.load(symbol)
    bars = days.all(lambda day: hours.of(date.fromisoformat(day))[1])
    return PriceFile(bars, [hours.of(date.fromisoformat(day))[0] for day in days.days], DAY, hours)
