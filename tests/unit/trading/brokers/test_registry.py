"""Brokers by name."""

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from openbell.manifest import BROKERS
from openbell.trading.brokers import BrokerError
from openbell.trading.brokers.registry import open_broker
from openbell.trading.markets import Market

NOW = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)
NO_MARKET = cast("Market", None)  # one that fails when it is asked


def test_an_unknown_broker_is_an_error(tmp_path: Path) -> None:
    """A name that no broker has is refused with the names that there are."""
    with pytest.raises(BrokerError, match='no broker is called "moon"; there is: paper, alpaca'):
        open_broker("moon", tmp_path, NO_MARKET, NOW)


@pytest.mark.parametrize("name", [*BROKERS, "ccxt:binance", "ccxt:kraken"])
def test_opening_a_broker_touches_nothing(name: str, tmp_path: Path) -> None:
    """What a manifest may name opens; files and connections are made when they are needed, in the process that needs them."""
    open_broker(name, tmp_path / "state", NO_MARKET, NOW)
    assert not list(tmp_path.iterdir())
