"""Makes longer bars of shorter ones: 1h of 15m, 1d of anything intraday. A bar never spans two sessions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from openbell.backtest.price_files import DAY, PriceFile
from openbell.trading.markets import Bar

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def resampled(prices: PriceFile, length: timedelta) -> tuple[Bar, ...]:
    """Return the bars of `length`, a multiple of the file's own, oldest first; a bar's timestamp is when it closed.

    Bars shorter than a day begin on the grid of the UTC day and end with the session; those of whole days follow it.
    """
    opening = closing = _EPOCH  # of the session that the bar before lay in

    def end(pair: tuple[datetime, Bar]) -> datetime:
        nonlocal opening, closing
        if not opening <= pair[0] < closing:
            opening, closing = prices.hours.of(prices.hours.day(pair[0]))
        return _end(pair[0], length, closing)

    pairs = zip(prices.opened_at, prices.bars, strict=True)
    return tuple(_merged(closed_at, [bar for _, bar in group]) for closed_at, group in groupby(pairs, end))


def _end(opened_at: datetime, length: timedelta, closing: datetime) -> datetime:
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
