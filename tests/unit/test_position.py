"""What fills, adoptions and splits make of a position, and what a paper account makes of a fill: exact, in both directions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from openbell.ledger import OrderRecord
from openbell.position import Position, after_adoption, after_fill, after_split, total
from openbell.trading.cash_account import Holding, plain, refusal
from openbell.trading.cash_account import after_fill as holding_after

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
D = Decimal


def held(quantity: str, cost: str, realised: str = "0") -> Position:
    """Return a position that was opened NOW."""
    return Position("b", "AAPL", D(quantity), D(cost), NOW if D(quantity) else None, D(realised))


@pytest.mark.parametrize("before, change, value, quantity, cost, realised, is_new", [
    (held("0", "0"), "10", "1000", "10", "1000", "0", True),
    (held("10", "1000"), "10", "1200", "20", "2200", "0", False),
    (held("10", "1000"), "-4", "-480", "6", "600", "80", False),
    (held("10", "1000", "5"), "-10", "-900", "0", "0", "-95", True),
    (held("10", "1000"), "-15", "-1500", "-5", "-500", "0", True),  # through zero: the rest is short at the fill's price
    (held("10", "1000"), "0", "5", "10", "1005", "0", False),  # a fee that was told later
    (held("0", "0"), "-10", "-1000", "-10", "-1000", "0", True),
    (held("-10", "-1000"), "-10", "-800", "-20", "-1800", "0", False),
    (held("-10", "-1000"), "4", "360", "-6", "-600", "40", False),
    (held("-10", "-1000"), "12", "1080", "2", "180", "100", True),
    (held("0.00005", "1"), "1", "100", "1.00005", "101", "0", True),  # a rest does not date the position
    (held("0.02", "2"), "1", "100", "1.02", "102", "0", False),
    (held("0.01", "1"), "1", "100", "1.01", "101", "0", True),
])  # fmt: skip
def test_a_fill(
    before: Position, change: str, value: str, quantity: str, cost: str, realised: str, is_new: bool
) -> None:
    """Units, cost and profit to the last digit; what closes earns, what opens is dated."""
    after = after_fill(before, D(change), D(value), LATER)
    assert (after.quantity, after.cost, after.realised) == (D(quantity), D(cost), D(realised))
    assert (after.bot, after.symbol) == ("b", "AAPL")
    expected = None if not D(quantity) else LATER if is_new else NOW
    assert after.since == expected


def test_the_average_price() -> None:
    """Of one unit; none of nothing."""
    assert held("8", "1000").average_price == 125
    assert held("-8", "-1000").average_price == 125
    assert held("0", "0").average_price == 0


@pytest.mark.parametrize("before, quantity, cost, since", [
    (held("10", "1000"), "4", "400", NOW),
    (held("10", "1000"), "0", "0", None),
    (held("0", "0"), "4", "0", LATER),
    (held("-10", "-1000"), "-4", "-400", NOW),
])  # fmt: skip
def test_a_quantity_that_a_person_has_confirmed(
    before: Position, quantity: str, cost: str, since: datetime | None
) -> None:
    """The average price stays, and so does what was earned."""
    after = after_adoption(before, D(quantity), LATER)
    assert (after.quantity, after.cost, after.since, after.realised) == (D(quantity), D(cost), since, before.realised)


def test_a_split_changes_no_cost() -> None:
    """Ten of 1000 are a hundred of 100."""
    after = after_split(held("10", "10000"), D(10))
    assert (after.quantity, after.cost, after.average_price, after.since) == (D(100), D(10000), D(100), NOW)


@pytest.mark.parametrize("side, quantity, amount, cash, there, short, told", [
    ("buy", "1", "100", "100", "0", False, ""),
    ("buy", "1", "100.001", "100", "0", False, "insufficient cash: needs 100.01, has 100.00"),
    ("buy", "1", "100.001", "99.999", "0", True, "insufficient cash: needs 100.01, has 99.99"),
    ("sell", "2", "100", "0", "2", False, ""),
    ("sell", "2.5", "100", "0", "2", False, "insufficient position: needs 2.5 AAPL, has 2"),
    ("sell", "2.5", "100", "0", "2", True, ""),
    ("sell", "100", "100", "0", "20", False, "insufficient position: needs 100 AAPL, has 20"),
])  # fmt: skip
def test_what_an_account_refuses(
    side: str, quantity: str, amount: str, cash: str, there: str, short: bool, told: str
) -> None:
    """More than the cash, and more than is held unless it may go short; amounts are rounded against the account."""
    assert refusal("AAPL", side, D(quantity), D(amount), D(cash), D(there), short=short) == told


@pytest.mark.parametrize("before, side, quantity, amount, after", [
    (("0", "0"), "buy", "10", "1000", ("10", "1000")),
    (("10", "1000"), "buy", "10", "1200", ("20", "2200")),
    (("10", "1000"), "sell", "4", "999", ("6", "600")),
    (("10", "1000"), "sell", "10", "999", ("0", "0")),
    (("10", "1000"), "sell", "15", "1800", ("-5", "-600")),
    (("0", "0"), "sell", "10", "1000", ("-10", "-1000")),
    (("-10", "-1000"), "sell", "10", "800", ("-20", "-1800")),
    (("-10", "-1000"), "buy", "4", "999", ("-6", "-600")),
    (("-10", "-1000"), "buy", "15", "1800", ("5", "600")),
    (("3", "1"), "sell", "1", "9", ("2", "0.666666666667")),
    (("3", "1"), "sell", "10", "1", ("-7", "-0.7")),
    (("3", "1"), "sell", "9", "1", ("-6", "-0.666666666667")),
    (("0.3", "3"), "buy", "0.3", "4", ("0.6", "7")),
    (("0.3", "3"), "sell", "0.1", "4", ("0.2", "2")),
    (("4", "1E+20"), "sell", "1", "1", ("3", "75000000000000000000")),  # more digits than a Decimal usually has
    (("1", "1"), "sell", "5", "1E+20", ("-4", "-80000000000000000000")),
    (("0", "0"), "buy", "3", "1E+20", ("3", "1E+20")),
])  # fmt: skip
def test_an_accounts_holding_after_a_fill(
    before: tuple[str, str], side: str, quantity: str, amount: str, after: tuple[str, str]
) -> None:
    """What is left keeps its average price; what lies beyond zero has the fill's."""
    found = holding_after(Holding(*map(D, before)), side, D(quantity), D(amount))
    assert (found.quantity, found.cost) == tuple(map(D, after))


@pytest.mark.parametrize("numbers, expected", [
    ((0.1, 0.2), 0.3), ((0.3, -0.1), 0.2), ((1.1, 2.2), 3.3), ((), 0.0), ((1e-9, 2e-9), 3e-9), ((0.1,) * 3, 0.3),
])  # fmt: skip
def test_a_sum_of_quantities_is_exact(numbers: tuple[float, ...], expected: float) -> None:
    """Not 0.30000000000000004, which is more than the order's quantity."""
    assert total(*numbers) == expected


def test_what_is_left_of_an_order_is_exact() -> None:
    """0.3 of which 0.1 is filled leaves 0.2; more than all leaves none."""
    order = OrderRecord("ob-1", "b", NOW, "BTC/USD", "buy", "", 0.3, filled=0.1)
    assert order.left == 0.2
    assert replace(order, filled=0.4).left == 0.0


@pytest.mark.parametrize("quantity, text", [("1E+2", "100"), ("2.50", "2.5"), ("0.00000001", "0.00000001"), ("0", "0")])
def test_a_quantity_as_text_has_no_exponent(quantity: str, text: str) -> None:
    """As a person writes it."""
    assert plain(D(quantity)) == text
