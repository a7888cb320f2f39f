"""Longer bars are made of shorter ones within a session, whatever is missing, and however the shorter ones are kept."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest

from openbell.backtest.price_files import DAY, PriceFile
from openbell.backtest.resample import resampled
from openbell.backtest.session_hours import SessionHours
from openbell.trading.markets import Bar

BEGIN, DAYS = datetime(2015, 3, 1, tzinfo=UTC), 15  # with the day on which New York's clocks change
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def opened(hours: SessionHours, length: timedelta, share: float, chance: random.Random) -> Iterator[datetime]:
    """Yield when bars open: all or a share of them, in the sessions or also outside."""
    extended = chance.random() < 0.5
    for number in range(DAYS * DAY // length):
        at = BEGIN + number * length
        if (extended or hours.is_within(at)) and chance.random() < share:
            yield at


def closes(at: datetime, length: timedelta, hours: SessionHours) -> datetime:
    """Return when the longer bar closes that a bar opens in: with the grid of the UTC day, or the session if that is earlier."""
    closing = hours.of(hours.day(at))[1]
    if length == DAY:
        return closing
    grid = at - (at - EPOCH) % length + length
    return min(grid, closing) if at < closing else grid


@pytest.mark.parametrize("calendar", ["XNYS", "XLON", "XTKS", "24/7"])
@pytest.mark.parametrize("minutes", [5, 15, 60])
def test_a_longer_bar_is_all_that_opens_before_it_closes(calendar: str, minutes: int) -> None:
    """Its first price, its extremes, its last price and all of the volume."""
    hours, own, chance = SessionHours(calendar), timedelta(minutes=minutes), random.Random(minutes)
    for share in (1.0, 0.8, 0.1):
        starts = list(opened(hours, own, share, chance))
        bars = tuple(Bar(at + own, *(chance.uniform(1, 9) for _ in range(5))) for at in starts)
        for length in (own, 2 * own, 4 * own, DAY):
            groups = groupby(zip(starts, bars, strict=True), lambda one: closes(one[0], length, hours))  # noqa: B023 - used at once
            wanted = []
            for closed_at, group in groups:
                part = [bar for _, bar in group]
                extremes = max(bar.high for bar in part), min(bar.low for bar in part)
                volume = sum(bar.volume for bar in part)
                wanted.append(Bar(closed_at, part[0].open, *extremes, part[-1].close, volume))
            assert resampled(PriceFile(bars, starts, own, hours), length) == tuple(wanted)
