"""Orders with terms, from the strategy's call to the account."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.journal import since
from openbell.ledger import Ledger, OrderRecord
from openbell.order_terms import MARKET, Terms, decoded
from openbell.strategy.run_state import order_identity
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.order_size import SizeRules, priced
from openbell.trading.reconciliation import differences
from tests.unit.strategy.order_terms.conftest import SLOT, Desk


def test_a_limit_waits_and_is_in_the_books_when_it_has_filled(desk: Desk) -> None:
    """The loop's look between slots finds it filled, at its own price."""
    placed = desk.context().order("X", "buy", 10, reason="cheap", limit=95)
    assert placed.status == "accepted"
    (waiting,) = desk.context().open_orders("X")
    assert (waiting.terms, waiting.left) == (Terms(limit=95), 10)
    desk.market.add(101, 94, 99)
    context = desk.context()
    assert (float(context.position("X")), context.position("X").average_price) == (10, 95)
    assert context.open_orders() == ()
    assert context.account.cash == {"USD": 100_000 - 950}


def test_a_retry_sends_no_second_order_with_other_terms(desk: Desk) -> None:
    """The identity is bot, slot, symbol, side and leg, whatever the terms are."""
    first = desk.context().order("X", "buy", 10, reason="cheap", limit=95)
    again = desk.context(again=True).order("X", "buy", 10, reason="cheap", limit=96)
    assert first.client_order_id == again.client_order_id
    assert [one.terms.limit for one in desk.ledger.open_orders()] == [95]


def test_a_value_is_turned_into_a_quantity(desk: Desk) -> None:
    """At the newest price, or at the limit."""
    assert desk.context().order("X", "buy", value=1000, reason="x").quantity == 10
    assert desk.context().order("X", "buy", value=1000, limit=50, reason="x").quantity == 20
    lines = [one for one in since(desk.folder / "journal" / "demo", SLOT.date()) if one["event"] == "decision"]
    assert [(one["wanted_value"], one["price"], one["qty"]) for one in lines] == [(1000, 100.0, 10.0), (1000, 50, 20.0)]


def test_a_shortfall_is_not_hidden_by_the_two_exits_of_a_bracket(desk: Desk) -> None:
    """Both wait to sell what is held once: more that is missing is a difference."""
    desk.context().bracket("X", "buy", 10, take_profit=110, stop_loss=95, reason="breakout")
    desk.ledger.hold({"X": 20.0}, SLOT)
    found = differences(PaperBroker(desk.folder, desk.market, desk.at), desk.ledger, ("X",), SLOT)
    assert found == []  # ten of twenty may have been sold by one of the exits
    desk.ledger.hold({"X": 21.0}, SLOT)
    found = differences(PaperBroker(desk.folder, desk.market, desk.at), desk.ledger, ("X",), SLOT)
    assert [(one.symbol, one.ours, one.theirs) for one in found] == [("X", 21.0, 10.0)]


def test_an_order_that_waits_is_replaced(desk: Desk) -> None:
    """Its limit and its quantity are others, it is the same order, and a retry replaces nothing again."""
    desk.context().order("X", "buy", 10, reason="cheap", limit=90)
    context = desk.context()
    placed = context.replace(context.open_orders("X")[0], limit=95, quantity=5, reason="nearer")
    assert placed.quantity == 5
    desk.market.add(101, 94, 99)
    context = desk.context()
    assert (float(context.position("X")), context.position("X").average_price) == (5, 95)
    assert context.replace(placed, limit=94, reason="too late").status == "filled"


def test_a_bracket_exits_at_one_of_its_prices(desk: Desk) -> None:
    """Both exits are open orders as soon as the entry has filled; the one that fills cancels the other."""
    context = desk.context()
    placed = context.bracket("X", "buy", 10, take_profit=110, stop_loss=95, reason="breakout")
    assert placed.status == "filled"
    legs = {one.terms.kind: one for one in context.open_orders("X")}
    assert set(legs) == {"limit", "stop"}
    desk.market.add(111, 99, 110)
    context = desk.context()
    assert float(context.position("X")) == 0
    assert context.open_orders() == ()
    assert context.position("X").realised_profit == 100
    assert desk.ledger.order(legs["stop"].client_order_id).status == "cancelled"  # type: ignore[union-attr]


def test_what_exits_wait_to_sell_cannot_be_sold_twice(desk: Desk) -> None:
    """Two exits of which one cancels the other count once."""
    desk.context().bracket("X", "buy", 10, take_profit=110, stop_loss=95, reason="breakout")
    context = desk.context()
    placed = context.order("X", "sell", 1, reason="too much")
    assert (placed.status, placed.reason.partition(":")[0]) == ("refused", "insufficient position")
    closed = context.close("X", reason="enough")
    assert closed is not None
    assert (closed.status, closed.quantity) == ("filled", 10)
    assert context.open_orders() == ()
    assert float(context.position("X")) == 0


def test_exits_protect_what_is_held(desk: Desk) -> None:
    """A stop and a profit for ten shares, of which one cancels the other."""
    desk.context().order("X", "buy", 10, reason="in")
    desk.context().exits("X", take_profit=120, stop_loss=90, reason="protect")
    assert len(desk.context().open_orders("X")) == 2
    desk.market.add(101, 85, 88)
    context = desk.context()
    assert float(context.position("X")) == 0
    assert context.open_orders() == ()
    assert context.position("X").realised_profit == -100


def test_a_bracket_that_is_cancelled_takes_its_exits_along(desk: Desk) -> None:
    """None of them waits for a position that never came."""
    context = desk.context()
    placed = context.bracket("X", "buy", 10, limit=90, take_profit=110, stop_loss=80, reason="dip")
    assert {one.status for one in context.open_orders()} == {"accepted", "held"}
    context.cancel(placed, reason="changed my mind")
    assert context.open_orders() == ()


def test_a_trailing_stop_follows(desk: Desk) -> None:
    """Three per cent below the best price since it was placed."""
    desk.context().order("X", "buy", 10, reason="in")
    desk.context().order("X", "sell", 10, trail="3%", time_in_force="gtc", reason="follow")
    for figures in ((110, 99, 109), (120, 109, 119), (119, 115, 117)):
        desk.market.add(*figures)
        context = desk.context()
    assert float(context.position("X")) == 0
    assert context.position("X").realised_profit == pytest.approx(164)


def test_prices_are_rounded_to_the_venues_ticks() -> None:
    """A limit no worse than it was wanted, a stop to the nearest; nothing where a venue names no tick."""
    rules = SizeRules(tick=Decimal("0.01"), tick_below_one=Decimal("0.0001"))
    assert priced(Terms(limit=10.019, stop=10.016), "buy", rules) == Terms(limit=10.01, stop=10.02)
    assert priced(Terms(limit=10.011), "sell", rules) == Terms(limit=10.02)
    assert priced(Terms(limit=0.12345), "buy", rules) == Terms(limit=0.1234)
    assert priced(Terms(limit=10.0123), "buy", SizeRules()) == Terms(limit=10.0123)


def test_an_older_ledger_takes_orders_with_terms(tmp_path: Path) -> None:
    """Its tables are made when it is opened; its own orders are market orders."""
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    ledger._database.execute("DROP TABLE terms")
    ledger.close()
    ledger = Ledger(path)
    ledger.intend(OrderRecord("old", "b", SLOT, "X", "buy", "", 1.0), SLOT)
    ledger.intend(OrderRecord("new", "b", SLOT, "X", "buy", "2", 1.0, terms=Terms(limit=5.0)), SLOT)
    assert [one.terms for one in ledger.open_orders()] == [Terms(limit=5.0), MARKET]
    assert decoded(MARKET.encoded()) == MARKET


def test_an_order_that_was_never_sent_is_cancelled_without_the_broker(desk: Desk) -> None:
    """A kill between the intent and the sending leaves an order that nothing can cancel; it may be sent again."""
    context = desk.context()
    name = order_identity("b", SLOT + timedelta(seconds=1), "X", "buy", "")
    desk.ledger.intend(OrderRecord(name, "b", SLOT, "X", "buy", "", 1.0, terms=Terms(limit=90.0)), SLOT)
    (waiting,) = context.open_orders()
    assert context.cancel(waiting, reason="a new grid").status == "lost"
    assert context.open_orders() == ()
    assert context.order("X", "buy", 1, limit=90, reason="again").status == "accepted"
