"""The market's protocol: bars by column, and markets by name."""

from datetime import UTC, datetime, timedelta

import pytest

from openbell.manifest import MARKETS, Bot, Schedule
from openbell.trading.markets import Bar, Bars, MarketError
from openbell.trading.markets.registry import open_market

BOT = Bot("idea", "idea", ("AAPL",), Schedule("UTC", every=timedelta(minutes=1)))


def test_bars_give_each_column_oldest_first() -> None:
    """Bars are a tuple of bars and give each column in the same order."""
    first = Bar(datetime(2009, 3, 2, 21, tzinfo=UTC), 1.0, 4.0, 0.5, 2.0, 100.0)
    second = Bar(datetime(2009, 3, 3, 21, tzinfo=UTC), 2.0, 5.0, 1.5, 3.0, 200.0)
    bars = Bars([first, second])
    assert tuple(bars) == (first, second)
    assert bars.opens == (1.0, 2.0)
    assert bars.highs == (4.0, 5.0)
    assert bars.lows == (0.5, 1.5)
    assert bars.closes == (2.0, 3.0)
    assert bars.volumes == (100.0, 200.0)


@pytest.mark.parametrize("name", [*MARKETS, "ccxt:binance", "ccxt:kraken"])
def test_every_market_that_a_manifest_may_name_opens(name: str) -> None:
    """What the manifest allows, open_market knows, and opening one sends no request."""
    assert open_market(name, BOT).provenance(datetime(2026, 11, 20, tzinfo=UTC))["source"] in name


def test_an_unknown_market_is_an_error() -> None:
    """A name that no market has is refused with the names that there are."""
    with pytest.raises(MarketError, match='no market is called "moon"; there is: sample'):
        open_market("moon", BOT)
