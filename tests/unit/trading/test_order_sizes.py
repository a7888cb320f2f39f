"""Whole steps and ticks: never more than was wanted, never a worse limit, and nothing that is too small for the market."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal

import pytest

from openbell.order_terms import Terms
from openbell.trading.order_size import NANO, SizeRules, as_decimal, priced, sizes_of

D = Decimal


@pytest.mark.parametrize("quantity, step, whole", [
    ("33.33333333333333", "0.001", "33.333"),
    ("0.30000000000000004", "0.1", "0.3"),
    ("0.29999999999999998", "0.1", "0.2"),
    ("1", "1", "1"),
    ("0.9", "1", "0"),
    ("100", "10", "100"),
    ("109", "10", "100"),
    ("1E+20", "0.00000001", "100000000000000000000"),
    ("0.0000000019", str(NANO), "0.000000001"),
])  # fmt: skip
def test_a_quantity_in_whole_steps(quantity: str, step: str, whole: str) -> None:
    """Rounded down, and written without an exponent."""
    found = SizeRules(D(step)).rounded(D(quantity))
    assert found == D(whole)
    assert f"{found:f}" == whole


@pytest.mark.parametrize("number, told", [
    (0.1 + 0.2, "0.3"), (1.1 * 3, "3.3"), (0.7 + 0.1, "0.8"), (1e-9, "1E-9"), (123456789.123456789, "123456789.123457"), (3.0, "3.0"),
])  # fmt: skip
def test_what_binary_fractions_add_is_nothing(number: float, told: str) -> None:
    """A quantity is the decimal that it was meant as (15 digits)."""
    assert as_decimal(number) == D(told)


@pytest.mark.parametrize("price, tick, below_one, direction, expected", [
    (10.019, "0.01", "0", ROUND_DOWN, 10.01),
    (10.011, "0.01", "0", ROUND_UP, 10.02),
    (10.016, "0.01", "0", ROUND_HALF_EVEN, 10.02),
    (10.01, "0.01", "0", ROUND_UP, 10.01),
    (0.51236, "0.01", "0.0001", ROUND_DOWN, 0.5123),
    (1.0, "0.01", "0.3", ROUND_DOWN, 1.0),
    (0.516, "0.01", "0", ROUND_DOWN, 0.51),
    (10.019, "0", "0", ROUND_DOWN, 10.019),
    (0.004, "0.01", "0", ROUND_DOWN, 0.01),  # never none at all
])  # fmt: skip
def test_a_price_in_whole_ticks(price: float, tick: str, below_one: str, direction: str, expected: float) -> None:
    """In the direction that is asked for, with the finer tick of prices below one where there is one."""
    assert SizeRules(tick=D(tick), tick_below_one=D(below_one)).price(price, direction) == expected


@pytest.mark.parametrize("quantity, price, too_small", [
    ("0.001", "1000000", False),
    ("0.0009", "1000000", True),  # less than the smallest
    ("0.0019", "5000", True),  # 0.001 in whole steps: worth 5
    ("0.002", "5000", False),
    ("0.001", "9999", True),
    ("0.001", "10000", False),
    ("-0.001", "10000", False),
    ("0", "1", True),
])  # fmt: skip
def test_what_no_order_can_be_sent_for(quantity: str, price: str, too_small: bool) -> None:
    """Less than a step, than the smallest quantity, or than the smallest value."""
    rules = SizeRules(step=D("0.001"), smallest=D("0.001"), smallest_value=D(10))
    assert rules.is_too_small(D(quantity), D(price)) is too_small


def test_without_rules_a_billionth_is_the_step() -> None:
    """A broker of the user's own that names none."""
    assert sizes_of(object(), "AAPL") == SizeRules()
    assert not SizeRules().is_too_small(NANO, D("0.000001"))
    assert SizeRules().is_too_small(NANO / 2, D(100))


def test_a_broker_that_knows_its_market_is_asked() -> None:
    """By symbol."""

    class Knows:
        def sizes(self, symbol: str) -> SizeRules:
            return SizeRules(step=D(len(symbol)))

    assert sizes_of(Knows(), "AAPL").step == 4


@pytest.mark.parametrize("side, limit", [("buy", 10.01), ("sell", 10.02)])
def test_prices_of_an_order(side: str, limit: float) -> None:
    """A limit is no worse than it was wanted, a stop the nearest; what is not set stays so."""
    rules = SizeRules(tick=D("0.01"))
    terms = priced(Terms(limit=10.015, stop=9.996, trail=0.504, stop_loss=8.004, take_profit=12.006), side, rules)
    assert (terms.limit, terms.stop, terms.trail, terms.stop_loss, terms.take_profit) == (limit, 10.0, 0.5, 8.0, 12.01)
    assert priced(Terms(), side, rules) == Terms()
