"""Sources of bars and prices: the protocol that a run meets.

A market is always asked about an instant (`at`, aware UTC), so a run that is repeated for the same slot sees the same
bars; the price of a market of today is the newest, whenever it is asked for.
"""

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from pandas import DataFrame

    from openbell.trading.markets.columns import Arrays


class Bar(NamedTuple):
    """One bar: prices in the symbol's currency, volume in units of the symbol."""

    timestamp: datetime  # when the bar closed, aware UTC
    open: float
    high: float
    low: float
    close: float
    volume: float


class Bars(tuple[Bar, ...]):
    """Bars of one symbol, oldest first; each property is one column in the same order."""

    __slots__ = ()

    def frame(self) -> "DataFrame":
        """Return a pandas DataFrame with the columns open to volume; its index is when each bar closed, in UTC.

        MarketError if the strategy's image has no pandas.
        """
        from openbell.trading.markets import columns  # noqa: PLC0415 - loads nothing where it is not needed

        return columns.frame(self)

    def arrays(self) -> "Arrays":
        """Return numpy arrays: `.times` (datetime64, UTC), `.opens`, `.highs`, `.lows`, `.closes`, `.volumes`.

        MarketError if the strategy's image has no numpy.
        """
        from openbell.trading.markets import columns  # noqa: PLC0415 - as above

        return columns.arrays(self)

    @property
    def opens(self) -> tuple[float, ...]:
        """Return the first price of every bar."""
        return tuple([bar.open for bar in self])

    @property
    def highs(self) -> tuple[float, ...]:
        """Return the highest price of every bar."""
        return tuple([bar.high for bar in self])

    @property
    def lows(self) -> tuple[float, ...]:
        """Return the lowest price of every bar."""
        return tuple([bar.low for bar in self])

    @property
    def closes(self) -> tuple[float, ...]:
        """Return the last price of every bar."""
        return tuple([bar.close for bar in self])

    @property
    def volumes(self) -> tuple[float, ...]:
        """Return the volume of every bar."""
        return tuple([bar.volume for bar in self])


class Quote(NamedTuple):
    """What a symbol is offered and asked for at; None where the market does not say."""

    symbol: str
    bid: float | None
    ask: float | None
    last: float  # the newest trade
    at: datetime  # of the newest of them, aware UTC


class Value(NamedTuple):
    """One value of a named series."""

    timestamp: datetime  # from when on it was known, aware UTC
    value: float


class Series(tuple[Value, ...]):
    """Values of one named series, oldest first."""

    __slots__ = ()

    @property
    def values(self) -> tuple[float, ...]:
        """Return the bare values."""
        return tuple(one.value for one in self)


class MarketError(Exception):
    """A question that the market cannot answer; its text is one line that says what it can."""


class UnknownSymbolError(MarketError):
    """The market does not know a symbol, or not any more; the others of the bot are no worse for it."""

    def __init__(self, symbol: str, message: str) -> None:
        super().__init__(message)
        self.symbol = symbol


class Market(Protocol):
    """Where bars and prices come from."""

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return the last `count` bars that had closed at `at`, oldest first; fewer if there are not as many.

        MarketError for an unknown symbol, for a timeframe ("1d") that the market does not offer, and for a count below 1.
        """
        ...

    def price(self, symbol: str, at: datetime) -> float:
        """Return the next known price at `at`, which is what an order sent now fills at; MarketError if there is none."""
        ...

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Return the last `count` values of a named series (a figure that is not a price) that were known at `at`.

        MarketError if there is no such series.
        """
        ...

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return the fields that say where the prices seen at `at` come from; every journal line of a run carries them.

        A market of the past says so with `historical_day`; its bars are as old as they should be.
        """
        ...
