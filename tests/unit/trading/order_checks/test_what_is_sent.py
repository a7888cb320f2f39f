"""What an order is before it is sent: in whole steps and ticks, with a value of its own, or as another one that waits."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from openbell.manifest import Limits
from openbell.order_terms import MARKET, Terms
from openbell.trading.brokers import Order
from openbell.trading.order_checks import CheckedOrder
from openbell.trading.order_size import SizeRules
from tests.unit.trading.order_checks.desk import BRACKET, COIN, NOW, SHARE, SHORT, ABroker, Desk, judged


@pytest.mark.parametrize("terms, side, limit", [
    (Terms(limit=99.7), "buy", 99.5),
    (Terms(limit=99.7), "sell", 100.0),
    (Terms(limit=99.5), "buy", 99.5),
])  # fmt: skip
def test_prices_are_in_whole_ticks(desk: Desk, terms: Terms, side: str, limit: float) -> None:
    """A limit is no worse than it was wanted, and the journal is told what is sent."""
    found = judged(desk.checks(limits=SHORT), side, 1, terms=terms)
    assert (found.order.terms, found.order.side, found.reason) == (Terms(limit=limit), side, "")
    assert found.told == {"terms": {"limit": limit}}


@pytest.mark.parametrize("quantity, sent, told", [(1.0, 1.0, {}), (1.0004, 1.0, {"wanted_qty": 1.0004})])
def test_quantities_are_in_whole_steps(desk: Desk, quantity: float, sent: float, told: dict[str, object]) -> None:
    """What was wanted is told where it differs."""
    found = judged(desk.checks(), "buy", quantity)
    assert (found.order, found.told) == (Order("ob-1", COIN, "buy", sent), told)


def test_less_than_a_step_is_sent_by_none(desk: Desk) -> None:
    """The order stays as it was wanted."""
    found = judged(desk.checks(), "buy", 0.0004)
    assert found == CheckedOrder(
        Order("ob-1", COIN, "buy", 0.0004), "0.0004 BTC/USDT is less than the market's smallest step of 0.001", {}
    )


@pytest.mark.parametrize("broker, symbol, abilities, terms, quantity, reason", [
    ("own", COIN, ("market",), Terms(limit=1.0), 1.0, "own takes no limit orders"),
    ("own", COIN, ("market", "limit"), Terms(limit=1.0), 1.0, ""),
    ("alpaca", SHARE, (), Terms(limit=1.0, time_in_force="gtc"), 1.5,
     "Alpaca takes fractions of a share only in day orders"),
    ("alpaca", SHARE, (), Terms(limit=1.0, time_in_force="gtc"), 2.0, ""),
    ("alpaca", "BTC/USD", (), Terms(stop=1.0), 1.5,
     "alpaca coins takes no stop orders"),
])  # fmt: skip
def test_what_a_venue_cannot_do_is_not_sent(
    desk: Desk, broker: str, symbol: str, abilities: Sequence[str], terms: Terms, quantity: float, reason: str
) -> None:
    """Nothing else is asked for such an order, and nothing is told of it."""
    desk.broker.abilities = abilities
    found = judged(desk.checks((symbol,), broker=broker), "buy", quantity, symbol, terms=terms)
    assert found.order == Order("ob-1", symbol, "buy", quantity, terms=terms)
    assert found.reason.startswith(reason)
    assert bool(found.reason) is (found.told == {}) is bool(reason)


def test_a_broker_that_says_nothing_takes_market_orders(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the user's own need not say what it can do."""
    monkeypatch.delattr(ABroker, "abilities")
    del desk.broker.abilities
    desk.waits("buy", 2.0, named="ob-9")
    record = desk.ledger.order("ob-9")
    assert record is not None
    assert judged(desk.checks(), "buy", 1.0).reason == ""
    assert judged(desk.checks(), "buy", 1.0, terms=Terms(limit=1.0)).reason.startswith("own takes no limit orders")
    assert desk.checks().replaced(record, 3.0, MARKET, NOW, NOW).reason.startswith("own cannot change an order")


@pytest.mark.parametrize("broker, symbol, side, terms, held, value", [
    ("alpaca", SHARE, "buy", MARKET, 0.0, 250.0),
    ("alpaca", SHARE, "buy", Terms(time_in_force="day"), 0.0, 250.0),
    ("alpaca", SHARE, "buy", Terms(limit=100.0), 0.0, None),  # a limit is told with a quantity
    ("alpaca", SHARE, "buy", Terms(time_in_force="cls"), 0.0, None),
    ("alpaca", SHARE, "buy", BRACKET, 0.0, None),
    ("alpaca", SHARE, "sell", MARKET, 9.0, None),  # it could sell more than is held
    ("alpaca", SHARE, "buy", MARKET, -9.0, None),  # an exit
    ("own", SHARE, "buy", MARKET, 0.0, None),
])  # fmt: skip
def test_a_value_is_sent_where_the_venue_takes_one(
    desk: Desk, broker: str, symbol: str, side: str, terms: Terms, held: float, value: float | None
) -> None:
    """For purchases in fractions, that open or add, at the next price."""
    if held:
        desk.holds(held, symbol)
    quantity = 2.5 if terms.waits(SHARE) == "day" and not terms.legs else 2.0
    found = judged(desk.checks((symbol,), broker=broker), side, quantity, symbol, terms=terms, value=250.0)
    assert (found.reason, found.order.value, found.told.get("sent_value")) == ("", value, value)


@pytest.mark.parametrize("step, value", [("1", None), ("0.999", 250.0)])
def test_whole_shares_have_no_value_of_their_own_choosing(desk: Desk, step: str, value: float | None) -> None:
    """Of an asset that is not fractionable a value cannot be bought."""
    desk.broker.rules[SHARE] = SizeRules(Decimal(step))
    assert judged(desk.checks((SHARE,), broker="alpaca"), "buy", 3.0, SHARE, value=250.0).order.value == value


@pytest.mark.parametrize("quantity, filled, sent, reason", [
    (4.0, 1.0, 4.0, ""),
    (4.0006, 1.0, 4.0, ""),
    (1.0, 1.0, 1.0, "0 BTC/USDT is less than the market's smallest step of 0.001"),
    (0.5, 1.0, 1.0, "0 BTC/USDT is less than the market's smallest step of 0.001"),
])  # fmt: skip
def test_a_replacement_counts_what_is_filled(
    desk: Desk, quantity: float, filled: float, sent: float, reason: str
) -> None:
    """What is left of it is judged; the quantity is that of the whole order again."""
    desk.waits("buy", 2.0, named="ob-9", filled=filled, status="partially_filled", terms=Terms(limit=99.0))
    record = desk.ledger.order("ob-9")
    assert record is not None
    found = desk.checks().replaced(record, quantity, Terms(limit=98.2), NOW, NOW)
    assert found.reason == reason
    assert found.order == Order("ob-9", COIN, "buy", sent, terms=Terms(limit=98.0))
    assert found.told["terms"] == {"limit": 98.0}


def test_a_replacement_is_judged_as_any_order(desk: Desk) -> None:
    """By the limits, with what is left and without what the order itself keeps back."""
    desk.waits("buy", 2.0, named="ob-9", terms=Terms(limit=99.0))
    record = desk.ledger.order("ob-9")
    assert record is not None
    checks = desk.checks(limits=Limits(max_position=400.0))
    assert checks.replaced(record, 4.0, Terms(limit=98.0), NOW, NOW).reason == ""
    assert checks.replaced(record, 5.0, Terms(limit=98.0), NOW, NOW).reason.startswith("max_position: ")


@pytest.mark.parametrize("abilities, replaces", [(("market", "limit"), False), (("market", "limit", "replace"), True)])
def test_what_cannot_be_replaced_is_not(desk: Desk, abilities: Sequence[str], *, replaces: bool) -> None:
    """The order goes on as it was."""
    desk.broker.abilities = abilities
    desk.waits("buy", 2.0, named="ob-9", terms=Terms(limit=99.0))
    record = desk.ledger.order("ob-9")
    assert record is not None
    found = desk.checks().replaced(record, 3.0, Terms(limit=98.0), NOW, NOW)
    if replaces:
        assert (found.reason, found.order.quantity) == ("", 3.0)
    else:
        assert found.reason.startswith("own cannot change an order: ")
        assert (found.order, found.told) == (Order("ob-9", COIN, "buy", 2.0, terms=Terms(limit=99.0)), {})
