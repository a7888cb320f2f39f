"""The way of an order, step by step: what is asked, what is recorded and what is sent, with a broker that is set by hand."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.abilities import ABILITIES
from openbell.ledger import Ledger, OrderRecord
from openbell.ledger.records import LOST_AT
from openbell.manifest import Limits
from openbell.order_terms import STOP_LOSS, TAKE_PROFIT, Terms, leg_id
from openbell.strategy.order_path import UNCERTAIN, OrderPath
from openbell.trading.brokers import Account, BrokerError, NotSentError, Order, OrderRefusedError, PlacedOrder, Position
from openbell.trading.order_checks import OrderChecks
from tests.order_attempts import MANIFEST, OneMarket
from tests.venue_model import UNIQUE_IDS, Clock, Venue

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SLOT, SENT = NOW - timedelta(minutes=1), NOW - timedelta(seconds=30)
ORDER = Order("ob-1", "BTC/USDT", "buy", 3.0)
BRACKET = replace(ORDER, terms=Terms(take_profit=120.0, stop_loss=80.0))
LEGS = (leg_id("ob-1", TAKE_PROFIT), leg_id("ob-1", STOP_LOSS))


def placed(name: str = "ob-1", status: str = "filled", filled: float = 3.0) -> PlacedOrder:
    """Return an order as the broker has it."""
    return PlacedOrder(f"v-{name}", name, "BTC/USDT", "buy", 3.0, status, filled, 100.0 if filled else None, NOW, "")


@dataclass
class ABroker:
    """A broker with the orders that it is given. refuses: raised at the next order."""

    known: dict[str, PlacedOrder] = field(default_factory=dict)
    sent: list[Order] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    refuses: Exception | None = None
    becomes: dict[str, PlacedOrder] = field(default_factory=dict)  # what is there after an order, or a cancellation
    finds_every_order: bool = True
    abilities: frozenset[str] = frozenset(ABILITIES)

    def account(self) -> Account:
        """Return the account."""
        return Account(1e6, "USDT")

    def positions(self) -> dict[str, Position]:
        """Return none."""
        return {}

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order."""
        return self.known.get(client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Take an order."""
        if self.refuses is not None:
            raise self.refuses
        self.sent.append(order)
        self.known.update(self.becomes or {order.client_order_id: placed(order.client_order_id)})
        return self.known[order.client_order_id]

    def cancel(self, client_order_id: str) -> None:
        """Cancel an order."""
        self.cancelled.append(client_order_id)
        if self.refuses is not None:
            raise self.refuses
        self.known.update(self.becomes)


class Replacing(ABroker):
    """One that changes orders."""

    def replace(self, order: Order) -> PlacedOrder:
        """Change an order."""
        if self.refuses is not None:
            raise self.refuses
        self.sent.append(order)
        return replace(placed(status="accepted", filled=1.0), quantity=order.quantity)


@dataclass
class Desk:
    """A ledger, a broker, and the way between them."""

    ledger: Ledger
    broker: ABroker
    limits: Limits = field(default_factory=Limits)
    market: OneMarket = field(default_factory=lambda: OneMarket(Venue(UNIQUE_IDS, Clock(NOW))))

    @property
    def path(self) -> OrderPath:
        """The way of the bot's orders."""
        manifest = replace(MANIFEST, limits=self.limits)
        bot = manifest.bots[0]
        checks = OrderChecks(manifest, bot, self.market, self.broker, self.ledger, lambda *, is_exit=False: "")
        return OrderPath("b", self.broker, self.ledger, checks, lambda: NOW)

    def send(self, order: Order = ORDER) -> PlacedOrder:
        """Send an order."""
        return self.path.send(order, "a leg", SLOT, SLOT).placed

    def intend(self, order: Order = ORDER, status: str = "intended") -> None:
        """Record an order of an earlier attempt."""
        record = OrderRecord(order.client_order_id, "b", SLOT, order.symbol, order.side, "", 3.0, terms=order.terms)
        self.ledger.intend(record, SENT)
        for leg in order.terms.legs:
            name = leg_id(order.client_order_id, leg)
            self.ledger.intend(replace(record, client_order_id=name, side="sell", terms=order.terms.of_leg(leg)), SENT)
        if status != "intended":
            self.ledger.settle(order.client_order_id, status, "v", reason="as it was")

    def record(self, name: str = "ob-1") -> OrderRecord:
        """Return what the ledger has of an order."""
        found = self.ledger.order(name)
        assert found is not None
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk without any order."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield Desk(ledger, ABroker())


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


def test_what_was_filled_before_an_order_was_forgotten_is_kept(desk: Desk) -> None:
    """With its price, its fee and the venue's id, in the ledger and in the answer."""
    desk.intend()
    desk.ledger.settle("ob-1", "partially_filled", "v", 1.0, 100.0, fee=0.001)
    answer = desk.send()
    assert (answer.status, answer.order_id, answer.reason) == ("uncertain", "v", UNCERTAIN)
    assert (answer.filled_quantity, answer.filled_price, answer.fee_quantity) == (1.0, 100.0, 0.001)
    assert desk.send() == answer
    assert desk.broker.sent == []


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


def test_a_fee_that_the_broker_tells_is_recorded(desk: Desk) -> None:
    """In the coin, and in money."""
    desk.broker.becomes = {"ob-1": replace(placed(), fee_quantity=0.003, fee_paid=0.5)}
    desk.send()
    assert desk.ledger.holdings() == {"BTC/USDT": pytest.approx(2.997)}
    assert float(desk.ledger.flows()["USDT"]) == pytest.approx(-300.5)


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
