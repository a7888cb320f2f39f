"""An order is sent once over all attempts of a run, whatever became of those before."""

from dataclasses import replace

import pytest

from openbell.ledger import Claim, EpochLostError, OrderRecord
from openbell.trading.brokers import BrokerError, Order, PlacedOrder
from tests.unit.trading.exits.conftest import SLOT, SYMBOL, Desk

# Whose attempt it is


def test_an_attempt_that_was_replaced_sends_and_writes_nothing(desk: Desk) -> None:
    """It slept between looking for its order and recording the intent; the second attempt has sent the order meanwhile (T28)."""
    claim = Claim("b", SLOT, "r1", 1, "loop", SLOT)
    desk.ledger.claim([claim])
    desk.ledger.act_for(claim)
    context = desk.context()
    desk.ledger.next_attempt(replace(claim, attempt=2))
    with pytest.raises(EpochLostError):
        context.order(SYMBOL, "buy", 0.01, reason="up")
    with pytest.raises(EpochLostError):
        desk.ledger.settle("ob-1", "filled", "o", 1.0)
    with pytest.raises(EpochLostError):
        desk.ledger.save_state("b", SLOT, {"a": 1})
    with pytest.raises(EpochLostError):
        desk.ledger.send_again("ob-1", SLOT)
    assert (desk.broker.sent, desk.ledger.state("b")) == ([], {})


def test_an_attempt_of_a_run_that_has_ended_writes_nothing(desk: Desk) -> None:
    """The loop has given the run its outcome."""
    claim = Claim("b", SLOT, "r1", 1, "loop", SLOT)
    desk.ledger.claim([claim])
    desk.ledger.act_for(claim)
    desk.ledger.finish([(claim, "timed_out")])
    with pytest.raises(EpochLostError):
        desk.ledger.intend(OrderRecord("ob-1", "b", SLOT, SYMBOL, "buy", "", 1.0), SLOT)


def test_two_loops_cannot_both_make_the_next_attempt(desk: Desk) -> None:
    """The second to ask finds that the run goes on elsewhere, however it got there."""
    claim = Claim("b", SLOT, "r1", 1, "loop", SLOT)
    desk.ledger.claim([claim])
    desk.ledger.next_attempt(replace(claim, attempt=2))
    desk.ledger.next_attempt(replace(claim, attempt=2))  # a step that is repeated after an error is no second owner
    with pytest.raises(EpochLostError):
        desk.ledger.next_attempt(replace(claim, attempt=4))


# What the venue forgot


def test_an_order_that_was_filled_is_not_sent_again_though_the_venue_forgot_it(desk: Desk) -> None:
    """The attempt that repeats the run finds the fill in the ledger."""
    context = desk.context()
    assert context.order(SYMBOL, "buy", 0.01, reason="up").status == "filled"
    context._progress._sent.clear()
    assert context.order(SYMBOL, "buy", 0.01, reason="up").status == "filled"
    assert len(desk.broker.sent) == 1


@pytest.mark.parametrize("status, is_sure", [("intended", False), ("accepted", True), ("partially_filled", True)])
def test_an_order_of_unknown_fate_is_uncertain_and_never_sent_again(desk: Desk, status: str, is_sure: bool) -> None:
    """The venue does not know it any more, or cannot be believed: a person decides, and no program sends."""
    desk.broker.finds_every_order = is_sure  # type: ignore[attr-defined]
    desk.broker.fills = False
    context = desk.context()
    context.order(SYMBOL, "buy", 0.01, reason="up")
    desk.ledger._database.execute("UPDATE orders SET status = ?", (status,))
    for _ in range(2):
        context._progress._sent.clear()
        placed = context.order(SYMBOL, "buy", 0.01, reason="up")
        assert (placed.status, placed.reason.startswith("it is unknown whether this order arrived")) == (
            "uncertain",
            True,
        )
    assert len(desk.broker.sent) == 1
    assert [line["level"] for line in desk.lines("decision")][1:] == ["warning", "warning"]


def test_an_order_that_never_arrived_is_sent_again_where_that_is_certain(desk: Desk) -> None:
    """The venue finds every order that it ever took."""
    desk.ledger.intend(OrderRecord("ob-1", "b", SLOT, SYMBOL, "buy", "", 0.01), SLOT)
    context = desk.context()
    context._send(Order("ob-1", SYMBOL, "buy", 0.01), "up", "", {})
    assert [order.client_order_id for order in desk.broker.sent] == ["ob-1"]


def test_a_broker_without_an_answer_is_an_error(desk: Desk) -> None:
    """Whether the order arrived is looked up by the next attempt."""

    def submit(order: Order) -> PlacedOrder:
        msg = "no connection"
        raise BrokerError(msg)

    desk.broker.submit = submit  # type: ignore[method-assign]
    with pytest.raises(BrokerError):
        desk.context().order(SYMBOL, "buy", 0.01, reason="up")
    assert [one.status for one in desk.ledger.open_orders()] == ["intended"]
