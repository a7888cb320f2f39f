"""Makes longer bars of shorter ones: 1h of 15m, 1d of anything intraday. A bar never spans two sessions."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from openbell.backtest.kept_prices import KeptBars
from openbell.backtest.price_files import DAY, PriceFile
from openbell.trading.markets import Bar

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def resampled(prices: PriceFile, length: timedelta) -> tuple[Bar, ...]:
    """Return the bars of `length`, a multiple of the file's own, oldest first; a bar's timestamp is when it closed.

    Bars shorter than a day begin on the grid of the UTC day and end with the session; those of whole days follow it.
    """
    bars = prices.bars
    return tuple([_merged(bars, begin, stop, closed_at) for closed_at, begin, stop in _groups(prices, length)])


def _groups(prices: PriceFile, length: timedelta) -> Iterator[tuple[datetime, int, int]]:
    """Yield when each longer bar closes, its first bar, and the one after its last."""
    opened_at, most = prices.opened_at, length // prices.length + 1
    opening = closing = _EPOCH  # of the session that the bar before lay in
    begin = stop = 0  # of the longer bar that goes on
    closes = _EPOCH
    while stop < len(opened_at):
        at = opened_at[stop]
        if not opening <= at < closing:
            opening, closing = prices.hours.of(prices.hours.day(at))
        end = _end(at, length, closing)
        if end != closes and stop > begin:
            yield closes, begin, stop
            begin = stop
        closes = end
        # The bars that open before it closes are found at once; those after the session follow one by one.
        near = min(stop + most, len(opened_at))
        if at >= end:
            stop += 1
        else:
            stop = bisect_left(opened_at, end, stop, near if opened_at[near - 1] >= end else len(opened_at))
    if stop > begin:
        yield closes, begin, stop


def _end(opened_at: datetime, length: timedelta, closing: datetime) -> datetime:
    if length >= DAY:
        return closing
    grid = opened_at - (opened_at - _EPOCH) % length + length
    return min(grid, closing) if opened_at < closing else grid


def _merged(bars: Sequence[Bar], begin: int, stop: int, closed_at: datetime) -> Bar:
    if isinstance(bars, KeptBars):
        columns = bars.columns  # no objects are made of millions of bars
        return Bar(
            closed_at,
            columns.open[begin],
            max(columns.high[begin:stop]),
            min(columns.low[begin:stop]),
            columns.close[stop - 1],
            sum(columns.volume[begin:stop]),
        )
    part = bars[begin:stop]
    return Bar(
        closed_at,
        part[0].open,
        max([bar.high for bar in part]),
        min([bar.low for bar in part]),
        part[-1].close,
        sum([bar.volume for bar in part]),
    )
