"""Brokers by name."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.brokers import BrokerError, open_broker
from openbell.manifest import BROKERS
from openbell.market import Bars

NOW = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)


class NoMarket:
    """A market that nobody should ask."""

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Refuse."""
        raise AssertionError

    def price(self, symbol: str, at: datetime) -> float:
        """Refuse."""
        raise AssertionError

    def provenance(self, at: datetime) -> dict[str, str]:
        """Refuse."""
        raise AssertionError


@pytest.mark.parametrize("name", BROKERS)
def test_every_broker_that_a_manifest_may_name_opens(name: str, tmp_path: Path) -> None:
    """What the manifest allows, open_broker knows."""
    assert open_broker(name, tmp_path, NoMarket(), NOW).find("never sent") is None


def test_an_unknown_broker_is_an_error(tmp_path: Path) -> None:
    """A name that no broker has is refused with the names that there are."""
    with pytest.raises(BrokerError, match='no broker is called "moon"; there is: paper'):
        open_broker("moon", tmp_path, NoMarket(), NOW)


def test_opening_a_broker_touches_nothing(tmp_path: Path) -> None:
    """Files are made when they are needed, in the process that needs them."""
    open_broker("paper", tmp_path / "state", NoMarket(), NOW)
    assert not list(tmp_path.iterdir())
