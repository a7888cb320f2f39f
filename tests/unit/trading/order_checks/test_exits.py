"""Which orders are exits, and how much they may close: what this bot holds and no other order is to close."""

from decimal import Decimal
from math import nan

import pytest

from openbell.order_terms import Terms
from openbell.trading import account_facts
from openbell.trading.account_facts import DIFFERENCES
from openbell.trading.order_size import SizeRules
from tests.unit.trading.order_checks.desk import BRACKET, COIN, NOW, PAIR, SHARE, SHORT, TICKS, Desk, judged


@pytest.mark.parametrize("held, side, quantity, is_exit", [
    (2.0, "sell", 2.0, True),
    (2.0, "sell", 1.0, True),
    (2.0, "buy", 1.0, False),
    (-2.0, "buy", 2.0, True),
    (-2.0, "buy", 2.001, False),
    (-2.0, "sell", 1.0, False),
    (0.0, "sell", 1.0, False),
])  # fmt: skip
def test_an_exit_takes_nothing_but_what_is_held(
    desk: Desk, held: float, side: str, quantity: float, *, is_exit: bool
) -> None:
    """On either side of nothing."""
    if held:
        desk.holds(held)
    found = judged(desk.checks(limits=SHORT), side, quantity)
    assert (found.order.is_exit, found.order.quantity, found.reason) == (is_exit, quantity, "")


@pytest.mark.parametrize("symbol, held, wanted, sent", [
    (COIN, 2.0, 2.01, 2.0),  # half a per cent may have been kept as a fee
    (COIN, 2.0, 2.011, 2.011),
    (COIN, 0.9, 0.904, 0.9),
    (SHARE, 2.0, 2.01, 2.01),  # never of shares
    (COIN, 2.0, 1.96, 2.0),  # what is left would be worth less than the smallest order
    (COIN, 2.0, 1.95, 1.95),
    (COIN, 2.0, 2.0, 2.0),
])  # fmt: skip
def test_what_a_sale_of_nearly_all_sells(desk: Desk, symbol: str, held: float, wanted: float, sent: float) -> None:
    """All of it where a fee was kept in the coin, or its rest could not be sold alone."""
    desk.holds(held, symbol)
    found = judged(desk.checks((symbol,), limits=SHORT), "sell", wanted, symbol)
    assert (found.order.quantity, found.order.is_exit) == (sent, sent <= held)


def test_the_rest_of_a_sale_is_judged_at_the_slots_price(desk: Desk) -> None:
    """Bought dear and cheap now: the rest is worth nothing to the market."""
    desk.holds(2.0)
    desk.market.prices[COIN] = 1.0
    assert judged(desk.checks(), "sell", 1.0).order.quantity == 2.0
    assert desk.market.asked == [NOW]


def test_a_purchase_is_never_made_larger(desk: Desk) -> None:
    """Only sales take a rest with them."""
    desk.holds(-2.0)
    assert judged(desk.checks(limits=SHORT), "buy", 1.99).order.quantity == 1.99


@pytest.mark.parametrize("quantity, price, is_dust", [
    ("0.0009", 1e9, True),  # less than a step
    ("0.04", 100.0, True),  # four dollars of five
    ("0.05", 100.0, False),
    ("0.04", nan, False),  # what it is worth is not known
])  # fmt: skip
def test_what_is_dust(desk: Desk, quantity: str, price: float, *, is_dust: bool) -> None:
    """So little that no order could sell it."""
    desk.market.prices[COIN] = price
    assert desk.checks().is_dust(COIN, Decimal(quantity), TICKS, NOW) is is_dust


def test_without_a_smallest_value_no_price_is_asked_for(desk: Desk) -> None:
    """A market that is down keeps no position from being seen."""
    assert not desk.checks().is_dust("GONE", Decimal("0.1"), SizeRules(), NOW)
    assert desk.market.asked == []


@pytest.mark.parametrize("side, wait, filled, bot, named, can_sell", [
    ("sell", 1.0, 0.0, "b", "w", 1.0),  # it waits to be sold already
    ("sell", 1.5, 0.5, "b", "w", 0.5),
    ("buy", 1.0, 0.0, "b", "w", 2.0),
    ("sell", 1.0, 0.0, "other", "w", 2.0),  # another bot sells its own
    ("sell", 1.0, 0.0, "b", "ob-1", 2.0),  # what an earlier attempt recorded of the same order
    ("sell", 1.0, 0.0, "b", "ob-1-sl", 2.0),  # and of its legs
])  # fmt: skip
def test_what_waits_to_be_sold_cannot_be_sold_again(
    desk: Desk, side: str, wait: float, filled: float, bot: str, named: str, can_sell: float
) -> None:
    """Of two that are held."""
    desk.holds(2.0)
    desk.waits(side, wait, named=named, bot=bot, filled=filled, status="partially_filled")
    found = judged(desk.checks(), "sell", 9.0)
    assert found.reason == (
        f"insufficient position: sells 9 BTC/USDT, and this bot has {can_sell:.1f} to sell; "
        "only [limits] short = true lets it sell what it does not hold"
    )


def test_a_leg_is_judged_as_the_order_that_it_belongs_to(desk: Desk) -> None:
    """Its bracket's other orders do not count beside it."""
    desk.holds(2.0)
    desk.waits("sell", 2.0, named="ob-1")
    assert judged(desk.checks(), "sell", 2.0, client_order_id="ob-1-tp").order.is_exit


@pytest.mark.parametrize("really, uncertain, differs, sent", [
    (1.0, False, False, 2.0),  # the broker is not asked where nothing is in doubt
    (1.0, False, True, 1.0),
    (1.0, True, False, 1.0),
    (None, False, True, 0.0),
    (9.0, False, True, 2.0),  # never more than our own
])  # fmt: skip
def test_where_our_word_is_in_doubt_no_more_is_sold_than_is_there(
    desk: Desk, really: float | None, *, uncertain: bool, differs: bool, sent: float
) -> None:
    """An unexplained difference or an order of unknown fate: the broker's word counts, on either side of nothing."""
    for sign, side in ((1, "sell"), (-1, "buy")):
        symbol = f"{side}/USDT"
        desk.holds(sign * 2.0, symbol)
        desk.broker.held = {} if really is None else {symbol: sign * really}
        if differs:
            desk.ledger.remember(DIFFERENCES, f'{{"{symbol}": [2.0, 1.0]}}')
        if uncertain:
            desk.waits(side, 0.5, symbol, status="uncertain")
        checks = desk.checks((symbol,), limits=SHORT)
        assert [judged(checks, side, quantity, symbol).order.is_exit for quantity in (sent, sent + 0.5)] == [
            sent > 0,
            False,
        ]


@pytest.mark.parametrize("really, others, sent", [(4.0, 3.0, 1.0), (9.0, 3.0, 2.0), (2.0, 3.0, 0.0)])
def test_what_others_hold_of_a_shared_account_is_not_sold(
    desk: Desk, really: float, others: float, sent: float
) -> None:
    """Of two that we have bought one is missing, or it is another strategy's that is there."""
    for sign, side in ((1, "sell"), (-1, "buy")):
        symbol = f"{side}/USDT"
        desk.holds(sign * 2.0, symbol)
        desk.broker.held = {symbol: sign * really}
        account_facts.keep_differences(desk.ledger, {symbol: (sign * 5.0, sign * really)})
        account_facts.keep_others(desk.ledger, {symbol: sign * others})
        checks = desk.checks((symbol,), limits=SHORT)
        found = [judged(checks, side, quantity, symbol).order.is_exit for quantity in (sent, sent + 0.5)]
        assert found == [sent > 0, False]


def test_of_less_than_one_no_more_is_sold_than_is_there(desk: Desk) -> None:
    """Half a coin is held, and a quarter is there."""
    desk.holds(0.5)
    desk.broker.held = {COIN: 0.25}
    account_facts.keep_differences(desk.ledger, {COIN: (0.5, 0.25)})
    assert [judged(desk.checks(limits=SHORT), "sell", quantity).order.is_exit for quantity in (0.25, 0.5)] == [
        True,
        False,
    ]


def test_an_uncertain_purchase_puts_no_sale_in_doubt(desk: Desk) -> None:
    """Only one of the same side may have taken what is to be sold."""
    desk.holds(2.0)
    desk.waits("buy", 1.0, status="uncertain")
    assert judged(desk.checks(), "sell", 2.0).order.is_exit


@pytest.mark.parametrize("side, terms, held, reason", [
    ("sell", PAIR, 2.0, ""),
    ("sell", PAIR, 0.0, "a pair of exits closes what this bot holds and what no other order is to close"),
    ("buy", BRACKET, 0.0, ""),
    ("buy", Terms(take_profit=90.0, stop_loss=110.0), -2.0,
     "a bracket opens a position, and this order closes one: send a pair of exits instead"),
])  # fmt: skip
def test_pairs_close_and_brackets_open(desk: Desk, side: str, terms: Terms, held: float, reason: str) -> None:
    """Neither is sent as the other."""
    if held:
        desk.holds(held)
    found = judged(desk.checks(limits=SHORT), side, 1.0, terms=terms)
    assert (found.reason, found.order.quantity) == (reason, 1.0)


def test_another_bots_position_without_a_bot_is_not_taken_for_a_symbol_of_others(desk: Desk) -> None:
    """What no bot accounts for goes to the bot that trades the symbol, and to no other."""
    desk.ledger.hold({COIN: 2.0})
    assert not judged(desk.checks((SHARE,), limits=SHORT), "sell", 2.0).order.is_exit
    assert judged(desk.checks(), "sell", 2.0).order.is_exit
