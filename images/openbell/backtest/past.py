"""The market of a backtest: prices of the past as of an instant. What was not known then cannot be asked for.

The price that an order fills at is the next one after the decision. Daily prices know two instants of a day, its
opening and its close: an opening price stands for the first quarter of an hour of its session.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from openbell.backtest import price_files
from openbell.backtest.price_files import DAY, PriceFile
from openbell.backtest.resample import known_prices, resampled
from openbell.backtest.session_hours import SessionHours, calendar_of
from openbell.calendars import CalendarExpired
from openbell.manifest import Bot
from openbell.trading.markets import Bar, Bars, MarketError, Series, history, timeframes
from openbell.trading.markets import series as files

OPENING = timedelta(minutes=15)  # for how long a day's opening price is the price of the moment


class NextPrice(NamedTuple):
    """The price at which an order fills, and when."""

    at: datetime
    price: float


class SymbolPrices:
    """All prices of one symbol."""

    def __init__(self, prices: PriceFile) -> None:
        self.hours = prices.hours
        self.length = prices.length
        self._prices = prices
        known = sorted(known_prices(prices), key=lambda one: one[0])  # stable: a close before the next bar's open
        self.known_at = [at for at, _, _ in known]
        self.known = [price for _, price, _ in known]
        self._opens = [opens for _, _, opens in known]
        self.all_bars = prices.bars
        self.opened_at = prices.opened_at
        self.closed_at = [bar.timestamp for bar in prices.bars]
        self.is_daily = prices.length == DAY
        self._bars: dict[timedelta, tuple[tuple[Bar, ...], list[datetime]]] = {}

    def bars(self, length: timedelta, count: int, at: datetime) -> Bars | None:
        """Return the last `count` bars of a length that had closed at `at`; None if there are none of that length."""
        if length not in self._bars:
            if length < self.length or length % self.length or length > DAY:
                return None
            made = self._prices.bars if length == self.length else resampled(self._prices, length)
            self._bars[length] = (made, [bar.timestamp for bar in made])
        made, closed_at = self._bars[length]
        end = bisect_right(closed_at, at)
        return Bars(made[max(0, end - count) : end])

    def price(self, at: datetime) -> float | None:
        """Return the newest price that was known at `at`."""
        known = bisect_right(self.known_at, at)
        return self.known[known - 1] if known else None

    def next_price(self, at: datetime) -> NextPrice | None:
        """Return the price that an order of `at` fills at: an opening at `at` or later, or a close after it."""
        index = bisect_left(self.known_at, at)
        if self.length == DAY and index and self._opens[index - 1] and at < self.known_at[index - 1] + OPENING:
            return NextPrice(at, self.known[index - 1])
        # A close that is known at `at` has been seen: it cannot be had any more. Where a bar closes as the next one
        # opens, the opening is the later of the two prices.
        while index < len(self.known) and not self._opens[index] and self.known_at[index] == at:
            index += 1
        if index == len(self.known):
            return None
        if index + 1 < len(self.known) and self.known_at[index + 1] == self.known_at[index]:
            index += 1
        return NextPrice(self.known_at[index], self.known[index])

    def is_stale(self, at: datetime) -> bool:
        """Tell whether a session has closed without a price since the newest one: the data end, pause or have a hole."""
        newest = bisect_right(self.known_at, at)
        if not newest:
            return True
        try:
            expected = timeframes.expected_close("1d", at, None if self.hours.never_closes else self.hours.calendar)
        except CalendarExpired:
            return False
        return expected is not None and self.known_at[newest - 1] < expected


class PastMarket:
    """Prices of the past. A bar is known once it has closed."""

    is_complete = True  # no bar lacks a figure

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
        prices = self.of(symbol)
        length = timeframes.length(timeframe)
        bars = prices.bars(length, count, at) if length is not None else None
        if bars is None:
            shortest = (
                "1d" if prices.length == DAY else f"{prices.length // timedelta(minutes=1)}m and multiples up to 1d"
            )
            msg = f'there are no "{timeframe}" bars of the past; there are: {shortest}'
            raise MarketError(msg)
        return bars

    def price(self, symbol: str, at: datetime) -> float:
        """Return the newest price that was known at `at`."""
        prices = self.of(symbol)
        price = prices.price(at)
        if price is None:
            msg = f"{symbol} has no price before {prices.known_at[0]:%Y-%m-%d %H:%M} UTC"
            raise MarketError(msg)
        return price

    def next_price(self, symbol: str, at: datetime) -> NextPrice | None:
        """Return the price that an order of `at` fills at, and when; None if the data end before."""
        return self.of(symbol).next_price(at)

    def stale_since(self, symbol: str, at: datetime) -> datetime | None:
        """Return the instant of the newest price if it is older than a session ago, else None."""
        prices = self.of(symbol)
        if not prices.is_stale(at):
            return None
        return prices.known_at[max(0, bisect_right(prices.known_at, at) - 1)]

    def ends_before(self, symbol: str, at: datetime) -> NextPrice | None:
        """Return a symbol's last price and when it was known, if all its prices end before `at`; else None."""
        prices = self.of(symbol)
        return NextPrice(prices.known_at[-1], prices.known[-1]) if prices.known_at[-1] < at else None

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
        first = max(prices.known_at[0] for prices in self._prices.values())
        return first, max(prices.known_at[-1] for prices in self._prices.values())

    def of(self, symbol: str) -> SymbolPrices:
        """Return all prices of a symbol."""
        if symbol not in self._prices:
            msg = f'there are no prices of "{symbol}"; there are: {", ".join(sorted(self._prices))}'
            raise MarketError(msg)
        return self._prices[symbol]


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
        else:
            prices = price_files.read(price_files.find(folder, symbol), hours[calendar], extended_hours=extended_hours)
        found[symbol] = SymbolPrices(prices)
        tell(len(found), len(symbols))
    return found


def _sample(symbol: str, hours: SessionHours) -> PriceFile:
    days = history.load(symbol)
    bars = days.all(lambda day: hours.of(date.fromisoformat(day))[1])
    return PriceFile(bars, [hours.of(date.fromisoformat(day))[0] for day in days.days], DAY, hours)
