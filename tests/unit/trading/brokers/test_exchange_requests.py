"""How our ids are written where an exchange has rules for them."""

import pytest

from openbell.strategy.run_state import order_identity
from openbell.trading.brokers.exchange_requests import venue_id
from tests.unit.ledger.test_questions import SLOT


@pytest.mark.parametrize("exchange, allowed, longest", [
    ("okx", "0123456789abcdefghijklmnopqrstuvwxyz", 32),  # no "-"
    ("kraken", "0123456789abcdef", 32),
    ("binance", "0123456789abcdefghijklmnopqrstuvwxyz-", 36),
    ("bybit", "0123456789abcdefghijklmnopqrstuvwxyz-", 36),
])  # fmt: skip
def test_an_id_is_one_that_the_exchange_takes(exchange: str, allowed: str, longest: int) -> None:
    """Only its characters, no longer than it may be, and different for different orders (T19)."""
    ids = [venue_id(exchange, order_identity("b", SLOT, "BTC/USDT", side, "")) for side in ("buy", "sell")]
    assert all(set(one) <= set(allowed) and len(one) <= longest for one in ids)
    assert len(set(ids)) == 2
