"""Orders that wait keep back what they may need, on the paper account and in the arithmetic that backtests share."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.costs import FREE, Costs
from openbell.order_terms import MARKET, Terms
from openbell.trading.brokers import Order
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.matching import Book
from openbell.trading.reservations import refusal
from tests.unit.trading.brokers.test_paper_sessions import _Market

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
FEE = Costs(commission=Decimal(100))  # one per cent


def order(name: str, side: str, quantity: float, terms: Terms = MARKET, *, is_exit: bool = False) -> Order:
    """Return an order of one symbol."""
    return Order(name, "AAPL", side, quantity, is_exit=is_exit, terms=terms)


LIMIT = Terms(limit=90.0, time_in_force="gtc")
BUY = order("b", "buy", 5, LIMIT)  # keeps back 450
STOP = order("s", "sell", 8, Terms(stop=80.0))
PAIR = order("p", "sell", 8, Terms(limit=120.0, stop_loss=80.0, is_pair=True), is_exit=True)
COVER = order("c", "buy", 50, LIMIT, is_exit=True)


@pytest.mark.parametrize("waiting, wanted, costs, said", [
    ([], order("x", "buy", 10), FREE, ""),
    ([BUY], order("x", "buy", 6), FREE, "insufficient cash: needs 600.00, has 550.00; 450.00 is kept back"),
    ([BUY], order("x", "buy", 5.5), FREE, ""),
    ([BUY], order("x", "buy", 5.5), FEE, "insufficient cash: needs 555.50, has 545.50; 454.50 is kept back"),
    ([BUY], order("x", "buy", 7, LIMIT), FREE, "insufficient cash: needs 630.00, has 550.00"),
    ([BUY], order("x", "buy", 6, is_exit=True), FREE, ""),
    ([COVER], order("x", "buy", 10), FREE, ""),
    ([order("m", "buy", 5)], order("x", "buy", 10), FREE, ""),
    ([STOP], order("x", "sell", 2), FREE, ""),
    ([STOP], order("x", "sell", 3), FREE, "insufficient position: needs 3 AAPL, has 2; 8 is kept back"),
    ([PAIR], order("x", "sell", 2), FREE, ""),
    ([PAIR], order("x", "sell", 3), FREE, "insufficient position: needs 3 AAPL, has 2; 8 is kept back"),
])  # fmt: skip
def test_what_waits_is_not_promised_twice(waiting: list[Order], wanted: Order, costs: Costs, said: str) -> None:
    """A thousand in cash, ten held, at a hundred."""
    book = Book(costs, lambda _: "")
    for one in waiting:
        book.add(one, AT, AT, None)
    found = refusal(wanted, 100.0, book.resting.values(), costs, Decimal(1000), Decimal(10), short=False)
    assert found.startswith(said)
    assert bool(found) is bool(said)


def test_cash_is_free_again_when_an_order_ends(tmp_path: Path) -> None:
    """On the paper account: two purchases of 60,000 are one too many, until the first is cancelled."""
    broker = PaperBroker(tmp_path, _Market(100.0), AT)
    waits = Terms(limit=60.0, time_in_force="gtc")
    assert broker.submit(order("a", "buy", 1000, waits)).status == "accepted"
    refused = broker.submit(order("b", "buy", 1000, waits))
    assert refused.status == "rejected"
    assert (
        refused.reason == "insufficient cash: needs 60000.00, has 40000.00; 60000.00 is kept back for orders that wait"
    )
    assert broker.account().cash == 100_000
    broker.cancel("a")
    assert broker.submit(order("c", "buy", 1000, waits)).status == "accepted"
    later = PaperBroker(tmp_path, _Market(59.0), AT + timedelta(minutes=5))
    filled = later.find("c")
    assert filled is not None
    assert (filled.status, later.account().cash) == ("filled", 100_000 - 59_000)
