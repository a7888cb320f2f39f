"""Brokers by name."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.manifest import BROKERS
from openbell.trading.brokers import BrokerError
from openbell.trading.brokers.registry import open_broker
from openbell.trading.markets import Bars, Series

NOW = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)


class NoMarket:
    """A market that fails when it is asked."""

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Refuse."""
        raise AssertionError

    def price(self, symbol: str, at: datetime) -> float:
        """Refuse."""
        raise AssertionError

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Refuse."""
        raise AssertionError

    def provenance(self, at: datetime) -> dict[str, str]:
        """Refuse."""
        raise AssertionError


def test_an_unknown_broker_is_an_error(tmp_path: Path) -> None:
    """A name that no broker has is refused with the names that there are."""
    with pytest.raises(BrokerError, match='no broker is called "moon"; there is: paper, alpaca'):
        open_broker("moon", tmp_path, NoMarket(), NOW)


@pytest.mark.parametrize("name", [*BROKERS, "ccxt:binance", "ccxt:kraken"])
def test_opening_a_broker_touches_nothing(name: str, tmp_path: Path) -> None:
    """What a manifest may name opens; files and connections are made when they are needed, in the process that needs them."""
    open_broker(name, tmp_path / "state", NoMarket(), NOW)
    assert not list(tmp_path.iterdir())
