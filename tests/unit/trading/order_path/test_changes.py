"""An order that waits is cancelled, replaced, or asked for."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from openbell.ledger import Ledger
from openbell.order_terms import Terms
from openbell.trading.brokers import BrokerError, Order, PlacedOrder
from tests.unit.trading.order_path.desk import BRACKET, LEGS, ORDER, SENT, ABroker, Desk, Replacing, placed


def test_an_order_is_cancelled(desk: Desk) -> None:
    """And recorded as far as it had come, with its legs."""
    desk.intend(BRACKET, "accepted")
    desk.broker.becomes = {"ob-1": placed(status="cancelled", filled=0.0)}
    desk.broker.known = {"ob-1": placed(status="accepted", filled=0.0)}
    assert desk.path.cancel("ob-1").status == "cancelled"
    assert desk.broker.cancelled == ["ob-1"]
    assert [desk.record(name).status for name in ("ob-1", *LEGS)] == ["cancelled"] * 3


def test_a_cancellation_that_the_venue_still_works_on(desk: Desk) -> None:
    """It was taken: the order is answered as it is, and followed to its end."""
    desk.intend(status="accepted")
    desk.broker.becomes = {"ob-1": placed(status="pending_cancel", filled=1.0)}
    assert desk.path.cancel("ob-1").status == "pending_cancel"
    assert [one.filled for one in desk.ledger.open_orders()] == [1.0]


def test_an_order_that_has_filled_meanwhile_is_not_cancelled(desk: Desk) -> None:
    """The broker refuses; the order is answered as filled."""
    desk.intend(status="accepted")
    desk.broker.refuses = BrokerError("it is filled already")
    desk.broker.known = {"ob-1": placed()}
    assert desk.path.cancel("ob-1") == placed()
    assert desk.record().status == "filled"


def test_an_order_that_goes_on_although_it_was_to_be_cancelled(desk: Desk) -> None:
    """The broker's reason is the error, and the ledger keeps what it knew."""
    desk.intend(status="accepted")
    desk.broker.refuses = BrokerError("not now")
    desk.broker.known = {"ob-1": placed(status="accepted", filled=0.0)}
    with pytest.raises(BrokerError, match="not now"):
        desk.path.cancel("ob-1")
    assert desk.record().status == "accepted"


@pytest.mark.parametrize("status, finds_every, given_up", [
    ("intended", True, True), ("intended", False, False), ("accepted", True, False),
])  # fmt: skip
def test_an_order_that_never_left_is_given_up(desk: Desk, status: str, finds_every: bool, given_up: bool) -> None:
    """A run was killed before it sent it: it is lost, with its legs, where the broker finds every order."""
    desk.intend(BRACKET, status)
    desk.broker.finds_every_order = finds_every
    desk.broker.refuses = BrokerError("there is none")
    if not given_up:
        with pytest.raises(BrokerError, match="there is none"):
            desk.path.cancel("ob-1")
        assert desk.record().status == status
        return
    lost = desk.path.cancel("ob-1")
    named = ("", "ob-1", "BTC/USDT", "buy", 3.0)
    assert lost == PlacedOrder(*named, "lost", 0.0, None, SENT, "it never reached the broker")
    told = [(one.status, one.reason, one.order_id) for one in map(desk.record, ("ob-1", *LEGS))]
    assert told == [("lost", "it never reached the broker", None)] * 3


def test_an_order_that_is_not_known_at_all(desk: Desk) -> None:
    """Neither here nor there."""
    with pytest.raises(BrokerError, match="order ob-9 is not known"):
        desk.path.cancel("ob-9")


def test_an_order_is_asked_for(desk: Desk) -> None:
    """As it is now; one that is done, or that the broker does not know, as the ledger has it."""
    desk.intend(status="accepted")
    assert desk.path.query(desk.record()).status == "accepted"
    desk.broker.known = {"ob-1": placed(status="partially_filled", filled=1.0)}
    assert desk.path.query(desk.record()) == placed(status="partially_filled", filled=1.0)
    assert desk.record().filled == 1.0
    desk.ledger.settle("ob-1", "cancelled", "v", 1.0, 100.0, "enough")
    answer = desk.path.query(desk.record())
    assert (answer.status, answer.filled_quantity, answer.filled_price) == ("cancelled", 1.0, 100.0)
    assert (answer.reason, answer.placed_at, answer.quantity) == ("enough", SENT, 3.0)


def test_an_order_is_replaced(tmp_path: Path) -> None:
    """The broker gets the whole new order, and the ledger what came of it."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        desk = Desk(ledger, Replacing())
        desk.intend(status="accepted")
        answer = desk.path.replace(desk.record(), 5.0, Terms(limit=90.0))
        assert desk.broker.sent == [Order("ob-1", "BTC/USDT", "buy", 5.0, terms=Terms(limit=90.0))]
        record = desk.record()
        assert (answer.quantity, record.quantity, record.filled, record.terms) == (5.0, 5.0, 1.0, Terms(limit=90.0))


@pytest.mark.parametrize("status, is_told", [("filled", True), ("cancelled", True), ("accepted", False)])
def test_an_order_that_is_done_meanwhile_is_not_replaced(tmp_path: Path, status: str, *, is_told: bool) -> None:
    """It is returned as it ended; where it goes on, the broker's error is told."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        desk = Desk(
            ledger, Replacing(refuses=BrokerError("too late"), known={"ob-1": placed(status=status, filled=1.0)})
        )
        desk.intend(status="accepted")
        if not is_told:
            with pytest.raises(BrokerError, match="too late"):
                desk.path.replace(desk.record(), 5.0, Terms(limit=90.0))
            return
        assert desk.path.replace(desk.record(), 5.0, Terms(limit=90.0)).status == status
        assert (desk.record().status, desk.record().quantity, desk.record().filled) == (status, 3.0, 1.0)


def test_a_broker_that_cannot_replace_says_so(desk: Desk) -> None:
    """And nothing changes."""
    desk.intend(status="accepted")
    with pytest.raises(BrokerError, match="this broker cannot change an order: cancel it, and send another one"):
        desk.path.replace(desk.record(), 5.0, Terms(limit=90.0))
    assert desk.record().quantity == 3.0


class Plain:
    """A broker of a user's own that says nothing of what it finds."""

    def __init__(self, broker: ABroker) -> None:
        self.account, self.positions, self.find = broker.account, broker.positions, broker.find
        self.submit, self.cancel = broker.submit, broker.cancel


def test_a_broker_that_does_not_say_it_finds_every_order(desk: Desk) -> None:
    """Then it does: what is not found is sent, or given up."""
    plain = Desk(desk.ledger, Plain(desk.broker))  # type: ignore[arg-type]
    desk.intend()
    assert plain.send().status == "filled"
    desk.intend(replace(ORDER, client_order_id="ob-2"))
    desk.broker.refuses = BrokerError("there is none")
    assert plain.path.cancel("ob-2").status == "lost"
