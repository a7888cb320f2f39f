"""The paper account where the market has sessions and small prices."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.trading.brokers import Order
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.markets import Bars, MarketError, Series
from openbell.trading.markets.alpaca import AlpacaMarket, _is_in_session
from openbell.trading.run_services import RunServices


class _Market(AlpacaMarket):
    """Alpaca's sessions with a price set by hand."""

    def __init__(self, price: float) -> None:
        super().__init__(RunServices())
        self._price = price

    def set_price(self, price: float) -> None:
        """Change the price."""
        self._price = price

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return none."""
        return Bars()

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price."""
        return self._price


class _Always:
    """A market that says nothing of sessions."""

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return none."""
        return Bars()

    def price(self, symbol: str, at: datetime) -> float:
        """Return a hundred-millionth."""
        return 1e-8

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Have none."""
        raise MarketError(name)

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return nothing."""
        return {}


@pytest.mark.parametrize("at, opens", [
    ("2026-11-21T08:00+00:00", "2026-11-23 14:30"),  # Saturday 03:00 in New York
    ("2026-11-20T21:00+00:00", "2026-11-23 14:30"),  # at the close
    ("2026-11-20T14:29:59+00:00", "2026-11-20 14:30"),
    ("2026-11-26T15:00+00:00", "2026-11-27 14:30"),  # Thanksgiving
])  # fmt: skip
def test_a_share_is_not_bought_while_its_market_is_closed(tmp_path: Path, at: str, opens: str) -> None:
    """The newest trade is of another day, and its price cannot be had any more (T17): the order waits for the next one."""
    market = _Market(100.0)
    placed = PaperBroker(tmp_path, market, datetime.fromisoformat(at)).submit(Order("ob-1", "AAPL", "buy", 1.0))
    assert (placed.status, placed.filled_quantity) == ("accepted", 0.0)
    assert placed.reason == f"the market is closed: the order waits until it opens at {opens} UTC"
    opening = datetime.fromisoformat(f"{opens}+00:00")
    market.set_price(105.0)
    still = PaperBroker(tmp_path, market, opening - timedelta(seconds=1)).find("ob-1")
    assert still is not None
    assert still.status == "accepted"
    later = PaperBroker(tmp_path, market, opening + timedelta(minutes=1))
    filled = later.find("ob-1")
    assert filled is not None
    assert (filled.status, filled.filled_price) == ("filled", 105.0)
    assert later.account().cash == 100_000 - 105


def test_a_coin_is_bought_always(tmp_path: Path) -> None:
    """Also on a Saturday."""
    broker = PaperBroker(tmp_path, _Market(100.0), datetime(2026, 11, 21, 8, 0, tzinfo=UTC))
    assert broker.submit(Order("ob-2", "BTC/USD", "buy", 1.0)).status == "filled"


def test_a_share_is_bought_in_the_session(tmp_path: Path) -> None:
    """On a Friday at ten."""
    broker = PaperBroker(tmp_path, _Market(100.0), datetime(2026, 11, 20, 15, 0, tzinfo=UTC))
    assert broker.submit(Order("ob-1", "AAPL", "buy", 1.0)).status == "filled"


def test_small_prices_cost_what_they_cost(tmp_path: Path) -> None:
    """A hundred and twenty coins at a hundred-millionth are 1.2 millionths, not none (T26)."""
    broker = PaperBroker(tmp_path, _Always(), datetime(2026, 11, 20, 15, 0, tzinfo=UTC))
    broker.submit(Order("ob-1", "DUST/USD", "buy", 120.0))
    assert 100_000 - broker.account().cash == pytest.approx(1.2e-6, rel=1e-3)


@pytest.mark.parametrize("opened, closed, is_in", [
    ("2026-11-20T13:15+00:00", "2026-11-20T13:30+00:00", False),  # 08:15 in New York
    ("2026-11-20T14:15+00:00", "2026-11-20T14:30+00:00", False),
    ("2026-11-20T14:30+00:00", "2026-11-20T14:45+00:00", True),
    ("2026-11-20T20:45+00:00", "2026-11-20T21:00+00:00", True),
    ("2026-11-20T21:00+00:00", "2026-11-20T21:15+00:00", False),
    ("2026-11-27T18:00+00:00", "2026-11-27T18:15+00:00", False),  # the day after Thanksgiving closes at 13:00
])  # fmt: skip
def test_bars_of_a_share_are_those_of_its_sessions(opened: str, closed: str, is_in: bool) -> None:
    """Extended hours are another market, and belong to a strategy only if it asks (T27)."""
    assert _is_in_session(datetime.fromisoformat(opened), datetime.fromisoformat(closed)) is is_in
