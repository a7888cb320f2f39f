"""The orders of a strategy are sent exactly once over all attempts."""

from collections.abc import Callable
from datetime import timedelta, timezone

import pytest

from openbell.strategy.run_state import StrategyError, order_identity
from openbell.trading.brokers import BrokerError
from tests.unit.strategy.context.conftest import SLOT, Desk

# Orders


def test_an_order_is_one_decision(desk: Desk) -> None:
    """The line says what was sent, why, on which signal, and what became of it."""
    context = desk.context()
    context.signal("AAPL", 0.5)
    placed = context.order("AAPL", "buy", 2, reason="it rose")
    assert (placed.status, placed.quantity) == ("filled", 2.0)
    (line,) = desk.lines("decision")
    names = ("symbol", "action", "reason", "signal", "qty", "order_id", "status", "filled_qty", "filled_price")
    assert [line[name] for name in names] == ["AAPL", "buy", "it rose", 0.5, 2.0, "o-1", "filled", 2.0, 1.0]
    assert line["client_order_id"] == order_identity("b", SLOT, "AAPL", "buy", "")
    assert context._progress.decisions == {"AAPL": "buy"}


def test_a_rejected_order_is_an_answer(desk: Desk) -> None:
    """The broker's no is told with its reason, and is no error."""
    desk.broker.status = "rejected"
    assert desk.context().order("AAPL", "buy", 2, reason="x").status == "rejected"
    (line,) = desk.lines("decision")
    assert (line["status"], line["broker_reason"]) == ("rejected", "no such symbol")


def test_an_orders_identity_is_its_occasion() -> None:
    """The same slot, whatever its zone, decides the same order; every other occasion is another one."""
    occasions: list[Callable[[], str]] = [
        lambda: order_identity("b", SLOT, "AAPL", "buy", ""),
        lambda: order_identity("c", SLOT, "AAPL", "buy", ""),
        lambda: order_identity("b", SLOT + timedelta(microseconds=1), "AAPL", "buy", ""),
        lambda: order_identity("b", SLOT, "IBM", "buy", ""),
        lambda: order_identity("b", SLOT, "AAPL", "sell", ""),
        lambda: order_identity("b", SLOT, "AAPL", "buy", "2"),
    ]
    assert len({identity() for identity in occasions}) == len(occasions)
    elsewhere = SLOT.astimezone(timezone(timedelta(hours=9)))
    assert order_identity("b", elsewhere, "AAPL", "buy", "") == occasions[0]()
    assert len(occasions[0]()) <= 32
    # Fixed for ever: a new version of openbell must find the orders of the old one.
    assert occasions[0]() == "ob-75da378a79346df0d4ad7730"


def test_an_attempt_finds_the_order_of_the_one_before(desk: Desk) -> None:
    """Sent in the first attempt, found in the second: one order, and the line says that it is repeated."""
    first = desk.context().order("AAPL", "buy", 2, reason="it rose")
    assert desk.context(attempt=2).order("AAPL", "buy", 2, reason="it rose") == first
    assert len(desk.broker.submitted) == 1
    assert [line.get("repeated") for line in desk.lines("decision")] == [None, True]


def test_an_order_whose_answer_was_lost_is_not_sent_again(desk: Desk) -> None:
    """The broker has the order although its answer was lost: the next attempt asks first."""
    desk.broker.lost = "answer"
    with pytest.raises(BrokerError):
        desk.context().order("AAPL", "buy", 2, reason="it rose")
    assert [order.status for order in desk.ledger.orders("b", SLOT)] == ["intended"]
    desk.broker.lost = ""
    desk.context(attempt=2).order("AAPL", "buy", 2, reason="it rose")
    assert len(desk.broker.submitted) == 1
    assert [order.status for order in desk.ledger.orders("b", SLOT)] == ["filled"]


def test_an_order_that_never_arrived_is_sent(desk: Desk) -> None:
    """What was only intended is not taken for sent."""
    desk.broker.lost = "request"
    with pytest.raises(BrokerError):
        desk.context().order("AAPL", "buy", 2, reason="it rose")
    desk.broker.lost = ""
    assert desk.context(attempt=2).order("AAPL", "buy", 2, reason="it rose").status == "filled"
    assert len(desk.broker.submitted) == 1


def test_a_strategy_may_try_an_order_again_itself(desk: Desk) -> None:
    """An order without an answer can be repeated in the same run, and is still one."""
    context = desk.context()
    desk.broker.lost = "answer"
    with pytest.raises(BrokerError):
        context.order("AAPL", "buy", 2, reason="it rose")
    desk.broker.lost = ""
    context.order("AAPL", "buy", 2, reason="it rose")
    assert len(desk.broker.submitted) == 1


def test_a_rejected_order_is_not_tried_again_by_a_retry(desk: Desk) -> None:
    """A no stays a no for this slot."""
    desk.broker.status = "rejected"
    desk.context().order("AAPL", "buy", 2, reason="x")
    desk.broker.status = "filled"
    assert desk.context(attempt=2).order("AAPL", "buy", 2, reason="x").status == "rejected"


def test_the_next_slot_orders_anew(desk: Desk) -> None:
    """Exactly once means once a slot."""
    desk.context().order("AAPL", "buy", 2, reason="x")
    desk.context(slot=SLOT + timedelta(minutes=5)).order("AAPL", "buy", 2, reason="x")
    assert len(desk.broker.submitted) == 2


def test_two_orders_of_one_side_need_two_legs(desk: Desk) -> None:
    """A second order that looks like the first is a mistake, unless it is said to be another one."""
    context = desk.context()
    context.order("AAPL", "buy", 2, reason="x")
    with pytest.raises(
        StrategyError, match='this run has an order to buy AAPL already: tell a second one apart with leg="2"'
    ):
        context.order("AAPL", "buy", 2, reason="x")
    context.order("AAPL", "buy", 2, reason="x", leg="2")
    context.order("AAPL", "sell", 2, reason="x")
    assert len(desk.broker.submitted) == 3


@pytest.mark.parametrize(
    "side, quantity, message",
    [
        ("hold", 1, 'side is "buy" or "sell", not \'hold\''),
        ("buy", 0, "the quantity of an order is a positive number, not 0"),
        ("buy", -1, "the quantity of an order is a positive number, not -1"),
        ("buy", float("nan"), "the quantity of an order is a positive number, not nan"),
        ("buy", float("inf"), "the quantity of an order is a positive number, not inf"),
        ("buy", True, "the quantity of an order is a positive number, not True"),
    ],
)
def test_an_order_that_cannot_be_meant_is_not_sent(desk: Desk, side: str, quantity: float, message: str) -> None:
    """It leaves nothing in the ledger and nothing at the broker."""
    with pytest.raises(StrategyError) as caught:
        desk.context().order("AAPL", side, quantity, reason="x")
    assert str(caught.value) == message
    assert desk.ledger.orders("b", SLOT) == []
    assert desk.broker.submitted == []


def test_an_order_that_cannot_be_noted_is_not_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a ledger there is no order: it would be unknown after a crash."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(desk.ledger, "intend", fail)
    with pytest.raises(OSError, match="No space left"):
        desk.context().order("AAPL", "buy", 2, reason="x")
    assert desk.broker.submitted == []
