"""What every broker keeps to, the paper account and a third party's included."""

from datetime import UTC, datetime, timedelta

import pytest

from openbell.trading.brokers import BrokerError, Order
from openbell.trading.run_services import Intent
from tests.brokers.conftest import Bench

ID = "ob-75da378a79346df0d4ad7730"


def order(bench: Bench, side: str = "buy", quantity: float | None = None, client_order_id: str = ID) -> Order:
    """Return an order, of which the ledger knows."""
    bench.intents[client_order_id] = Intent(bench.kind.symbol, datetime.now(UTC))
    return Order(client_order_id, bench.kind.symbol, side, quantity or bench.kind.quantity)


def test_a_new_account_has_cash_and_nothing_else(bench: Bench) -> None:
    """Cash is a number in a currency, and no symbol is in the positions."""
    account = bench.broker().account()
    assert account.cash == 100_000
    assert account.currency in {"USD", "USDT"}
    assert account.equity in {None, 100_000}
    assert bench.broker().positions() == {}


def test_an_order_fills_and_is_held(bench: Bench) -> None:
    """What was bought is a position under the strategy's own symbol, and its price has left the cash."""
    placed = bench.broker().submit(order(bench))
    assert (placed.status, placed.filled_quantity, placed.reason) == ("filled", bench.kind.quantity, "")
    assert placed.filled_price is not None
    assert (placed.client_order_id, placed.symbol, placed.side) == (ID, bench.kind.symbol, "buy")
    assert placed.placed_at.utcoffset() == timedelta(0)
    positions = bench.broker().positions()
    assert {symbol: position.quantity for symbol, position in positions.items()} == {
        bench.kind.symbol: bench.kind.quantity
    }
    spent = 100_000 - bench.broker().account().cash
    assert spent == pytest.approx(placed.filled_quantity * placed.filled_price)


def test_what_is_sold_is_gone(bench: Bench) -> None:
    """A symbol of which nothing is held is no position."""
    bench.broker().submit(order(bench))
    bench.broker().submit(order(bench, "sell", client_order_id="ob-2"))
    assert bench.broker().positions() == {}


def test_an_order_is_found_by_our_id(bench: Bench) -> None:
    """Another run, in another process, finds it as it was; an id that was never sent is None."""
    placed = bench.broker().submit(order(bench))
    found = bench.broker().find(ID)
    assert found is not None
    told = (found.order_id, found.client_order_id, found.symbol, found.side, found.status, found.filled_quantity)
    assert told == (placed.order_id, ID, bench.kind.symbol, "buy", "filled", bench.kind.quantity)
    assert bench.broker().find("never sent") is None


def test_more_than_the_cash_is_rejected_with_a_reason(bench: Bench) -> None:
    """A rejected order is an answer and no error; nothing moves."""
    placed = bench.broker().submit(order(bench, quantity=1e6))
    assert (placed.status, placed.filled_quantity, placed.filled_price) == ("rejected", 0.0, None)
    assert placed.reason
    assert "\n" not in placed.reason
    assert (bench.broker().account().cash, bench.broker().positions()) == (100_000, {})


def test_what_is_not_held_cannot_be_sold(bench: Bench) -> None:
    """No broker here lends: the order is rejected, and nothing moves."""
    assert bench.broker().submit(order(bench, "sell")).status == "rejected"
    assert bench.broker().positions() == {}


def test_what_is_done_cannot_be_cancelled(bench: Bench) -> None:
    """A filled order, and one that was never sent, are BrokerErrors of one line."""
    bench.broker().submit(order(bench))
    for client_order_id in (ID, "never sent"):
        with pytest.raises(BrokerError, match="cannot be cancelled") as caught:
            bench.broker().cancel(client_order_id)
        assert "\n" not in str(caught.value)
