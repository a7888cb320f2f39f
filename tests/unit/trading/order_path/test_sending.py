"""An order is sent: what is asked, recorded and sent, step by step, and never sent twice."""

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from openbell.ledger import OrderRecord
from openbell.ledger.records import LOST_AT
from openbell.manifest import Limits
from openbell.order_terms import STOP_LOSS, Terms, leg_id
from openbell.strategy.order_path import UNCERTAIN
from openbell.trading.brokers import BrokerError, NotSentError, OrderRefusedError, PlacedOrder
from tests.order_attempts import OneMarket
from tests.unit.trading.order_path.desk import BRACKET, LEGS, NOW, ORDER, SENT, SLOT, Desk, placed
from tests.venue_model import UNIQUE_IDS, Clock, Venue


def test_an_order_is_recorded_before_and_after_it_is_sent(desk: Desk) -> None:
    """With its slot, leg and instant, and then with the answer."""
    assert desk.send() == placed()
    (sent,) = desk.broker.sent
    assert (sent.client_order_id, sent.quantity, sent.is_exit) == ("ob-1", 3.0, False)
    record = desk.record()
    assert (record.bot, record.slot, record.symbol, record.side, record.leg) == ("b", SLOT, "BTC/USDT", "buy", "a leg")
    assert (record.status, record.order_id, record.filled, record.price) == ("filled", "v-ob-1", 3.0, 100.0)
    assert record.at == NOW
    assert desk.ledger.position("b", "BTC/USDT").since == NOW


class TheSlotsPrices(OneMarket):
    """A market that has a price for the run's slot only."""

    def price(self, symbol: str, at: datetime) -> float:
        """Return it."""
        assert at == SLOT
        return super().price(symbol, at)


def test_an_order_is_judged_at_its_slots_price_and_on_its_own_day(desk: Desk) -> None:
    """The slot says which price counts, and the clock which day's orders do: yesterday's are none of today's."""
    desk.limits = Limits(max_order_value=300.0, max_orders_per_day=1)
    desk.market = TheSlotsPrices(Venue(UNIQUE_IDS, Clock(NOW)))
    desk.ledger.intend(OrderRecord("old", "b", SLOT, "BTC/USDT", "buy", "", 1.0), NOW - timedelta(days=1))
    desk.ledger.settle("old", "rejected")
    assert desk.send().status == "filled"
    again = desk.send(replace(ORDER, client_order_id="ob-2"))
    assert (again.status, "max_orders_per_day" in again.reason) == ("refused", True)


def test_a_refusal_says_why_and_what_was_wanted(desk: Desk) -> None:
    """The reason is the limit's; the size that was rounded away and the terms are told beside it."""
    desk.limits = Limits(max_order_value=100.0)
    wanted = replace(ORDER, quantity=3.0, terms=Terms(limit=100.0))
    sent = desk.path.send(wanted, "", SLOT, SLOT)
    assert sent.placed.status == "refused"
    assert "max_order_value" in sent.placed.reason
    assert sent.told == {"terms": {"limit": 100.0}}
    desk.limits = Limits()
    assert desk.path.send(wanted, "", SLOT, SLOT).told == {"terms": {"limit": 100.0}}


@pytest.mark.parametrize("side, limits, locks", [
    ("buy", Limits(), 0), ("buy", Limits(max_orders_per_day=9), 1), ("sell", Limits(), 1),
])  # fmt: skip
def test_orders_that_count_for_each_other_are_decided_on_one_after_the_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, side: str, limits: Limits, locks: int
) -> None:
    """A sale, and whatever a limit counts, holds the lock; a purchase without limits waits for no other."""
    taken: list[int] = []
    real = desk.ledger.one_at_a_time

    def counted() -> AbstractContextManager[None]:
        taken.append(1)
        return real()

    monkeypatch.setattr(desk.ledger, "one_at_a_time", counted)
    desk.limits = limits
    desk.send(replace(ORDER, side=side))
    assert len(taken) == locks


def test_an_order_that_gets_no_answer_stays_intended(desk: Desk) -> None:
    """The next attempt asks for it, finds nothing, and sends it anew at its own instant."""
    desk.broker.refuses = BrokerError("no answer")
    with pytest.raises(BrokerError, match="no answer"):
        desk.send()
    assert desk.record().status == "intended"
    desk.broker.refuses = None
    assert desk.send().status == "filled"
    assert len(desk.broker.sent) == 1


@pytest.mark.parametrize("finds_every_order", [True, False])
def test_an_order_that_the_broker_has_not_read_is_sent_by_the_next_attempt(desk: Desk, finds_every_order: bool) -> None:
    """Wrong keys, a ban: the run fails and says so; nothing is remembered as rejected, and nothing is uncertain."""
    desk.broker.finds_every_order = finds_every_order
    desk.broker.refuses = NotSentError("check the keys")
    with pytest.raises(BrokerError, match="check the keys"):
        desk.send(BRACKET)
    told = [(one.status, one.reason) for one in map(desk.record, ("ob-1", *LEGS))]
    assert told == [("refused", "check the keys")] * 3
    assert desk.ledger.sent_since(NOW - timedelta(hours=1)) == 0
    desk.broker.refuses = None
    assert desk.send(BRACKET).status == "filled"


def test_an_order_that_openbell_does_not_send_is_refused(desk: Desk) -> None:
    """With its legs; the next attempt may send it."""
    desk.broker.refuses = OrderRefusedError("halted: odd fills")
    refused = desk.send(BRACKET)
    named = ("ob-1", "BTC/USDT", "buy", 3.0)
    assert refused == PlacedOrder("", *named, "refused", 0.0, None, NOW, "halted: odd fills")
    told = [(one.status, one.reason, one.order_id) for one in map(desk.record, ("ob-1", *LEGS))]
    assert told == [("refused", "halted: odd fills", None)] * 3
    assert desk.ledger.open_orders() == []
    desk.broker.refuses = None
    assert desk.send().status == "filled"


@pytest.mark.parametrize("status", ["filled", "rejected", "cancelled", "expired", "uncertain"])
def test_what_the_ledger_knows_the_end_of_is_not_asked_for(desk: Desk, status: str) -> None:
    """The broker may have forgotten it: it is answered as it was, and never sent."""
    desk.intend(status=status)
    sent = desk.path.send(ORDER, "", SLOT, SLOT)
    named = ("v", "ob-1", "BTC/USDT", "buy", 3.0)
    assert sent.placed == PlacedOrder(*named, status, 0.0, None, SENT, "as it was", 0.0)
    assert sent.told == {"repeated": True}
    assert desk.broker.sent == []


@pytest.mark.parametrize("status", ["intended", "lost", "accepted"])
def test_what_was_sent_before_and_is_found_is_not_sent_again(desk: Desk, status: str) -> None:
    """It is recorded as far as it has come, with its legs."""
    desk.intend(BRACKET, status)
    desk.broker.known = {"ob-1": placed(), LEGS[0]: placed(LEGS[0], "accepted", 0.0)}
    assert desk.send(BRACKET) == placed()
    assert desk.broker.sent == []
    assert desk.record(LEGS[0]).status == "accepted"
    assert desk.record(LEGS[1]).status == "intended"


@pytest.mark.parametrize("status, finds_every, ends", [
    ("intended", True, "filled"),
    ("lost", True, "filled"),
    ("intended", False, "uncertain"),
    ("lost", False, "lost"),  # a person has given it up
    ("accepted", True, "uncertain"),  # it was there, and is not found any more
    ("refused", False, "filled"),  # it never left
])  # fmt: skip
def test_what_is_not_found_is_sent_only_where_it_never_arrived(
    desk: Desk, status: str, finds_every: bool, ends: str
) -> None:
    """Elsewhere its fate is unknown: told, and never sent again."""
    desk.broker.finds_every_order = finds_every
    desk.intend(status=status)
    answer = desk.send()
    assert answer.status == ends
    assert len(desk.broker.sent) == (ends == "filled")
    assert desk.record().status == ends
    assert desk.record().at == (NOW if ends == "filled" else SENT)
    if ends == "uncertain":
        assert (answer.reason, answer.filled_quantity) == (UNCERTAIN, 0.0)


@pytest.mark.parametrize("has_lost, status, answered", [
    (True, "filled", "filled"), (True, "accepted", "accepted"), (True, None, "filled"), (False, "accepted", "filled"),
])  # fmt: skip
def test_an_order_that_a_ledger_without_its_newest_commits_does_not_know(
    desk: Desk, has_lost: bool, status: str | None, answered: str
) -> None:
    """The broker is asked before anything is sent; a ledger that has lost nothing knows each order, and asks for none."""
    if has_lost:
        desk.ledger.remember(LOST_AT, SENT.isoformat())
    other = placed("ob-9", "rejected", 0.0)
    earlier = placed(status=status, filled=3.0 if status == "filled" else 1.0) if status else None
    leg = placed(LEGS[0], "accepted", 0.0)
    desk.broker.known = {"ob-9": other, LEGS[0]: leg, **({"ob-1": earlier} if earlier else {})}
    is_repeated = has_lost and earlier is not None
    assert desk.send(BRACKET) == (earlier if is_repeated else placed())
    assert len(desk.broker.sent) == (0 if is_repeated else 1)
    record = desk.record()
    assert (record.status, record.order_id, record.at, record.terms) == (answered, "v-ob-1", NOW, BRACKET.terms)
    assert record.filled == (earlier.filled_quantity if is_repeated and earlier else 3.0)
    assert [desk.record(name).status for name in LEGS] == ["accepted", "intended"]


@pytest.mark.parametrize("status, filled, legs", [
    ("rejected", 0.0, "cancelled"), ("cancelled", 1.0, "intended"), ("accepted", 0.0, "intended"),
])  # fmt: skip
def test_the_legs_of_an_order_that_came_to_nothing_end(desk: Desk, status: str, filled: float, legs: str) -> None:
    """Those of one that has bought something stay."""
    desk.broker.becomes = {"ob-1": placed(status=status, filled=filled)}
    desk.send(BRACKET)
    assert desk.record().terms == BRACKET.terms
    assert [desk.record(name).terms for name in LEGS] == [Terms(limit=120.0), Terms(stop=80.0)]
    assert [desk.record(name).status for name in LEGS] == [legs] * 2
    reason = f"the order that it belongs to is {status}" if legs == "cancelled" else ""
    assert [desk.record(name).reason for name in LEGS] == [reason] * 2
    assert [(desk.record(name).at, desk.record(name).order_id) for name in LEGS] == [(NOW, None)] * 2
    assert [(desk.record(name).side, desk.record(name).leg) for name in LEGS] == [
        ("sell", "a leg tp"),
        ("sell", "a leg sl"),
    ]


def test_a_pair_of_exits_has_one_side(desk: Desk) -> None:
    """Both close what is held."""
    desk.send()
    exits = replace(ORDER, client_order_id="ob-2", side="sell", terms=Terms(120.0, stop_loss=80.0, is_pair=True))
    desk.broker.becomes = {"ob-2": placed("ob-2", "accepted", 0.0)}
    assert desk.send(exits).status == "accepted"
    assert [desk.record(name).side for name in ("ob-2", leg_id("ob-2", STOP_LOSS))] == ["sell", "sell"]


def test_what_was_filled_before_an_order_was_forgotten_is_kept(desk: Desk) -> None:
    """With its price, its fee and the venue's id, in the ledger and in the answer."""
    desk.intend()
    desk.ledger.settle("ob-1", "partially_filled", "v", 1.0, 100.0, fee=0.001)
    answer = desk.send()
    assert (answer.status, answer.order_id, answer.reason) == ("uncertain", "v", UNCERTAIN)
    assert (answer.filled_quantity, answer.filled_price, answer.fee_quantity) == (1.0, 100.0, 0.001)
    assert desk.send() == answer
    assert desk.broker.sent == []


def test_a_fee_that_the_broker_tells_is_recorded(desk: Desk) -> None:
    """In the coin, and in money."""
    desk.broker.becomes = {"ob-1": replace(placed(), fee_quantity=0.003, fee_paid=0.5)}
    desk.send()
    assert desk.ledger.holdings() == {"BTC/USDT": pytest.approx(2.997)}
    assert float(desk.ledger.flows()["USDT"]) == pytest.approx(-300.5)
