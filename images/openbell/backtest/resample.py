"""Makes longer bars of shorter ones: 1h of 15m, 1d of anything intraday. A bar never spans two sessions."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from openbell.backtest.price_files import DAY, PriceFile
from openbell.backtest.session_hours import SessionHours
from openbell.trading.markets import Bar

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def resampled(prices: PriceFile, length: timedelta) -> tuple[Bar, ...]:
    """Return the bars of `length`, a multiple of the file's own, oldest first; a bar's timestamp is when it closed.

    Bars shorter than a day begin on the grid of the UTC day and end with the session; those of whole days follow it.
    """

    def end(pair: tuple[datetime, Bar]) -> datetime:
        return _end(pair[0], length, prices.hours)

    pairs = zip(prices.opened_at, prices.bars, strict=True)
    return tuple(_merged(closed_at, [bar for _, bar in group]) for closed_at, group in groupby(pairs, end))


def _end(opened_at: datetime, length: timedelta, hours: SessionHours) -> datetime:
    _, closing = hours.of(hours.day(opened_at))
    if length >= DAY:
        return closing
    grid = opened_at - (opened_at - _EPOCH) % length + length
    return min(grid, closing) if opened_at < closing else grid


def _merged(closed_at: datetime, bars: Sequence[Bar]) -> Bar:
    return Bar(
        closed_at,
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        sum(bar.volume for bar in bars),
    )


def known_prices(prices: PriceFile) -> Iterator[tuple[datetime, float, bool]]:
    """Yield every price with the instant from which it is known, in order, and whether it opens a bar."""
    for opened_at, bar in zip(prices.opened_at, prices.bars, strict=True):
        yield opened_at, bar.open, True
        yield bar.timestamp, bar.close, False
