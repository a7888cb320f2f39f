"""Terms that cannot be meant, or that a venue cannot do, are refused before an order is sent."""

from pathlib import Path

import pytest

from openbell import abilities
from openbell.order_terms import MARKET, Terms, problem
from openbell.strategy.run_state import StrategyError
from tests.unit.strategy.order_terms.conftest import Desk


@pytest.mark.parametrize("side, arguments, message", [
    ("buy", {"limit": -1}, "limit is a price above zero"),
    ("buy", {"limit": float("nan")}, "limit is a price above zero"),
    ("buy", {"time_in_force": "fok"}, "time_in_force is one of day, gtc, ioc, opg, cls"),
    ("buy", {"trail": 1, "limit": 5}, "a trailing stop has neither limit nor stop"),
    ("buy", {"trail": "much"}, "trail is a distance such as 2.5 or a part"),
    ("buy", {"stop": 5, "time_in_force": "ioc"}, "cannot be ioc"),
    ("buy", {"extended_hours": True}, "needs a limit"),
    ("buy", {"value": 5}, "either a quantity or a value"),
])  # fmt: skip
def test_terms_that_cannot_be_meant_are_an_error(
    desk: Desk, side: str, arguments: dict[str, float], message: str
) -> None:
    """The message says what to change."""
    with pytest.raises(StrategyError, match=message):
        desk.context().order("X", side, 1, reason="x", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("side, terms, is_right", [
    ("buy", Terms(take_profit=110, stop_loss=90), True),
    ("buy", Terms(take_profit=90, stop_loss=110), False),
    ("sell", Terms(take_profit=90, stop_loss=110), True),
    ("buy", Terms(take_profit=110), False),
    ("sell", Terms(limit=110, stop_loss=90, is_pair=True), True),
    ("sell", Terms(limit=90, stop_loss=110, is_pair=True), False),
    ("buy", Terms(take_profit=110, stop_loss=90, time_in_force="ioc"), False),
])  # fmt: skip
def test_the_exits_of_a_bracket_lie_on_both_sides(side: str, terms: Terms, *, is_right: bool) -> None:
    """The profit where the position earns, the stop where it loses."""
    assert (problem(side, terms) == "") is is_right


@pytest.mark.parametrize("broker, symbol, terms, is_taken", [
    ("paper", "X", Terms(take_profit=2, stop_loss=1), True),
    ("paper", "BTC/USD", Terms(trail=2), True),
    ("paper", "BTC/USD", Terms(limit=2, extended_hours=True), True),
    ("paper", "BTC/USD", Terms(time_in_force="opg"), False),
    ("paper", "AAPL", Terms(time_in_force="cls"), True),
    ("alpaca", "AAPL", MARKET, True),
    ("alpaca", "BTC/USD", Terms(time_in_force="opg"), False),
    ("alpaca", "BTC/USD", Terms(take_profit=2, stop_loss=1), False),
    ("ccxt:binance", "BTC/USDT", Terms(take_profit=2, stop_loss=1), False),
    ("ccxt:binance", "BTC/USDT", Terms(limit=1.5, take_profit=2, stop_loss=1), True),
    ("ccxt:binance", "BTC/USDT", Terms(limit=2, stop_loss=1, is_pair=True), True),
    ("ccxt:kraken", "BTC/USD", Terms(limit=2, stop_loss=1, is_pair=True), False),
    ("ccxt:okx", "BTC/USDT", Terms(limit=1.5, take_profit=2, stop_loss=1), True),
    ("ccxt:okx", "BTC/USDT", Terms(limit=2, stop_loss=1, is_pair=True), True),
    ("ccxt:bybit", "BTC/USDT", Terms(limit=1.5, take_profit=2, stop_loss=1), False),
    ("ccxt:binance", "BTC/USDT", Terms(time_in_force="opg"), False),
    ("my_broker:MyBroker", "X", MARKET, True),
    ("my_broker:MyBroker", "X", Terms(limit=5), False),
])  # fmt: skip
def test_what_a_venue_cannot_do_is_refused(broker: str, symbol: str, terms: Terms, *, is_taken: bool) -> None:
    """By the one table; a class of the user's own takes market orders unless it says more."""
    assert (abilities.refusal(broker, terms, symbol) == "") is is_taken


@pytest.mark.parametrize("broker, terms, reason", [
    ("ccxt:binance", Terms(take_profit=2, stop_loss=1), "bracket orders (give its entry a limit)"),
    ("ccxt:okx", Terms(stop=1.2, take_profit=2, stop_loss=1), "bracket orders (give its entry a limit)"),
    ("ccxt:kraken", Terms(limit=1.5, take_profit=2, stop_loss=1), "(an order there brings one exit along, not two: when the"),
    ("ccxt:bybit", Terms(limit=1.5, take_profit=2, stop_loss=1), "neither an id of ours nor a link to it"),
    ("ccxt:bybit", Terms(limit=2, stop_loss=1, is_pair=True), "no orders for spot that cancel one another: let a stop rest"),
    ("ccxt:coinbase", Terms(stop=1), "stop orders (give the stop a limit too)"),
    ("ccxt:binance", Terms(trail=1), "trailing stop orders (move a stop in run())"),
    ("my_broker:MyBroker", Terms(limit=1), "limit orders; it takes: market"),
])  # fmt: skip
def test_a_refusal_says_why_and_what_comes_nearest(broker: str, terms: Terms, reason: str) -> None:
    """So that the author of a strategy knows what to write instead."""
    assert reason in abilities.refusal(broker, terms, "BTC/USDT")


def test_a_broker_of_ones_own_says_what_it_can() -> None:
    """In its attribute `abilities`."""
    assert abilities.refusal("my_broker:MyBroker", Terms(limit=5), "X", {"market", "limit"}) == ""
    bracket = Terms(limit=5, take_profit=6, stop_loss=4)
    assert abilities.refusal("my_broker:MyBroker", bracket, "X", {"limit", "bracket"}) == ""
    assert "no limit bracket orders" in abilities.refusal("my_broker:MyBroker", bracket, "X", {"limit"})


def test_the_documentation_has_the_table() -> None:
    """It is the one that checks and runs go by."""
    text = (Path(__file__).parents[4] / "docs" / "orders.md").read_text()
    assert text.partition("<!-- venues -->\n")[2].partition("\n<!-- /venues -->")[0].splitlines() == abilities.table()
