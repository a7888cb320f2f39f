"""Made-up prices: the same ones whenever they are asked for, and shaped like prices."""

import itertools
from datetime import UTC, datetime, timedelta
from statistics import stdev

import pytest

from openbell.trading.markets import MarketError, synthetic
from openbell.trading.markets.synthetic import SyntheticMarket

AT = datetime(2026, 11, 21, 9, 30, 5, tzinfo=UTC)


@pytest.fixture
def market() -> SyntheticMarket:
    """The market."""
    return SyntheticMarket()


@pytest.mark.parametrize("timeframe, minutes", [("15m", 15), ("1h", 60), ("4h", 240), ("1d", 1440)])
def test_bars_have_closed_and_follow_each_other(market: SyntheticMarket, timeframe: str, minutes: int) -> None:
    """On the grid of the day in UTC, without a gap in time or price, and none of the future."""
    bars = market.bars("BTC/USDT", timeframe, 50, AT)
    assert len(bars) == 50
    assert timedelta(0) <= AT - bars[-1].timestamp < timedelta(minutes=minutes)
    for earlier, later in itertools.pairwise(bars):
        assert later.timestamp - earlier.timestamp == timedelta(minutes=minutes)
        assert later.open == earlier.close
    assert all(0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    assert all(bar.volume > 0 for bar in bars)


def test_the_same_question_has_the_same_answer(market: SyntheticMarket) -> None:
    """Also in another process, a moment later, and from a longer look back."""
    bars = market.bars("ETH/USDT", "15m", 5, AT)
    for cached in (synthetic._price, synthetic._edges, synthetic._shared):
        cached.cache_clear()
    assert SyntheticMarket().bars("ETH/USDT", "15m", 20, AT + timedelta(minutes=10))[-5:] == bars
    assert bars[-1].close == pytest.approx(2946.3, abs=300)


def test_prices_move_like_prices(market: SyntheticMarket) -> None:
    """Some tenths of a percent in a quarter of an hour, more in longer bars, up about as often as down."""
    spreads = []
    for timeframe in ("15m", "1h", "4h"):
        closes = market.bars("BTC/USDT", timeframe, 500, AT).closes
        changes = [later / earlier - 1 for earlier, later in itertools.pairwise(closes)]
        spreads.append(stdev(changes))
        assert 0.4 < sum(change > 0 for change in changes) / len(changes) < 0.6
    assert 0.0005 < spreads[0] < spreads[1] < spreads[2] < 0.05


def test_symbols_differ_and_yet_have_something_in_common(market: SyntheticMarket) -> None:
    """Each has its own price, also an unknown one."""
    prices = {symbol: market.price(symbol, AT) for symbol in ("BTC/USDT", "ETH/USDT", "NEW/USDT", "AAPL")}
    assert len(set(prices.values())) == 4
    assert all(price > 0 for price in prices.values())


def test_every_line_says_that_it_is_made_up(market: SyntheticMarket) -> None:
    """With its seed."""
    assert market.provenance(AT) == {"source": "synthetic", "seed": "20260101"}


@pytest.mark.parametrize(
    "timeframe, count, said", [("7x", 1, 'there is no timeframe "7x"'), ("15m", 0, "at least 1, not 0")]
)
def test_wrong_questions_are_refused(market: SyntheticMarket, timeframe: str, count: int, said: str) -> None:
    """What was asked, and what there is."""
    with pytest.raises(MarketError, match=said):
        market.bars("BTC/USDT", timeframe, count, AT)
