"""Prices of the past: nothing is known before its time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.backtest.past import PastMarket, load
from openbell.trading.markets import MarketError

HEADER = "Date,Open,High,Low,Close,Volume,Adjustment\n"
ROWS = "2012-01-03,10,12,9,11,100,1\n2012-01-04,11,13,10,12,200,0.5\n"


@pytest.fixture
def market() -> PastMarket:
    """The shipped prices of two symbols."""
    return PastMarket(load({"AAPL": "XNYS", "MSFT": "XNYS"}, None), "sample")


@pytest.mark.parametrize(
    "at, newest",
    [
        ("2012-03-07T20:59:59+00:00", "2012-03-06"),
        ("2012-03-07T21:00:00+00:00", "2012-03-07"),
        ("2012-03-08T14:35:00+00:00", "2012-03-07"),
    ],
)
def test_a_bar_is_known_from_its_close_on(market: PastMarket, at: str, newest: str) -> None:
    """16:00 in New York; a second before, it does not exist."""
    bars = market.bars("AAPL", "1d", 3, datetime.fromisoformat(at))
    assert [bar.timestamp.date().isoformat() for bar in bars][-1] == newest
    assert len(bars) == 3


def test_the_price_is_the_newest_that_was_known(market: PastMarket) -> None:
    """The close of the day before until the opening, the opening until the close, then the close."""
    bars = market.bars("AAPL", "1d", 2, datetime(2012, 3, 8, tzinfo=UTC))
    assert market.price("AAPL", datetime(2012, 3, 7, 14, 29, 59, tzinfo=UTC)) == bars[0].close
    assert market.price("AAPL", datetime(2012, 3, 7, 14, 30, tzinfo=UTC)) == bars[1].open
    assert market.price("AAPL", datetime(2012, 3, 7, 20, 59, tzinfo=UTC)) == bars[1].open
    assert market.price("AAPL", datetime(2012, 3, 7, 21, 0, tzinfo=UTC)) == bars[1].close


def test_however_much_is_asked_for_nothing_of_the_future_comes(market: PastMarket) -> None:
    """All that can be asked at an instant has closed by then."""
    at = datetime(2008, 7, 1, 13, 35, tzinfo=UTC)
    for count in (1, 10, 10**9):
        assert max(bar.timestamp for bar in market.bars("MSFT", "1d", count, at)) <= at


def test_own_files_are_read_with_their_adjustment(tmp_path: Path) -> None:
    """A folder of CSV files in the sample's form; a / in a symbol is a - in the file's name."""
    (tmp_path / "BTC-USD.csv").write_text(HEADER + ROWS)
    market = PastMarket(load({"BTC/USD": "24/7"}, tmp_path), "mine")
    (one, two) = market.bars("BTC/USD", "1d", 5, datetime(2012, 1, 5, tzinfo=UTC))
    assert (one.close, two.close, two.volume) == (11.0, 6.0, 400.0)
    assert market.provenance(datetime(2012, 1, 5, 15, tzinfo=UTC)) == {"source": "mine", "historical_day": "2012-01-05"}


def test_what_is_not_there_is_named(market: PastMarket, tmp_path: Path) -> None:
    """Symbols, timeframes, counts, files, and instants before the first price."""
    at = datetime(2012, 1, 5, tzinfo=UTC)
    with pytest.raises(MarketError, match='there are no prices of "IBM"; there are: AAPL, MSFT'):
        market.bars("IBM", "1d", 1, at)
    with pytest.raises(MarketError, match='there are no "1h" bars of the past; there are: 1d'):
        market.bars("AAPL", "1h", 1, at)
    with pytest.raises(MarketError, match="the count of bars must be at least 1, not 0"):
        market.bars("AAPL", "1d", 0, at)
    with pytest.raises(MarketError, match=r"has no IBM\.csv with the prices of IBM"):
        load({"IBM": "XNYS"}, tmp_path)
    with pytest.raises(MarketError, match="AAPL has no price before"):
        market.price("AAPL", market.span()[0] - timedelta(days=4000))
