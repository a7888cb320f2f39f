"""What is sold is what is held, in the steps that the venue takes."""

import pytest

from openbell.manifest import Limits
from tests.unit.trading.exits.conftest import SYMBOL, Desk

# Quantities


@pytest.mark.parametrize("wanted, sent", [(33.33333333333333, 33.33333), (0.1 + 0.2, 0.3), (0.014605, 0.0146)])
def test_a_quantity_is_sent_in_whole_steps(desk: Desk, wanted: float, sent: float) -> None:
    """The journal says what was wanted and what was sent (T25)."""
    placed = desk.context().order(SYMBOL, "buy", wanted, reason="up")
    assert (placed.quantity, desk.broker.sent[0].quantity) == (sent, sent)
    (line,) = desk.lines("decision")
    assert (line["qty"], line.get("wanted_qty")) == (sent, wanted if wanted != sent else None)


def test_less_than_a_step_is_refused(desk: Desk) -> None:
    """Nothing reaches the venue."""
    placed = desk.context().order(SYMBOL, "buy", 0.000001, reason="up")
    assert placed.reason == "1e-06 BTC/USDT is less than the market's smallest step of 0.00001"
    assert desk.broker.sent == []


def test_dust_is_no_position_and_goes_with_the_next_sale(desk: Desk) -> None:
    """Fees of 0.1 % in the coin: bought, sold, bought and sold again, and the books keep every billionth (T3)."""
    desk.broker.fee = 0.001
    desk.buys(0.0146)
    context = desk.context()
    assert float(context.position(SYMBOL)) == pytest.approx(0.0145854)
    assert context.order(SYMBOL, "sell", context.position(SYMBOL), reason="down").quantity == 0.01458
    flat = desk.context().position(SYMBOL)
    assert [float(flat), flat.rest] == pytest.approx([0.0, 5.4e-6])
    desk.buys(0.0146)
    context = desk.context()
    assert context.order(SYMBOL, "sell", context.position(SYMBOL), reason="down").quantity == 0.01459
    assert desk.context().position(SYMBOL).rest == pytest.approx(8e-7)


def test_what_a_fee_was_taken_from_is_sold_whole(desk: Desk) -> None:
    """A strategy that sells the quantity that it bought sells all that there is of it."""
    desk.broker.fee = 0.001
    desk.buys(0.0146)
    placed = desk.context().order(SYMBOL, "sell", 0.0146, reason="down")
    assert (placed.status, placed.quantity) == ("filled", 0.01458)
    assert desk.lines("decision")[-1]["wanted_qty"] == 0.0146


def test_a_sale_takes_the_rest_that_could_not_be_sold_alone(desk: Desk) -> None:
    """What would be left is worth less than the smallest order of five dollars."""
    desk.buys(0.02)
    placed = desk.context().order(SYMBOL, "sell", 0.01995, reason="down")
    assert (placed.status, placed.quantity) == ("filled", 0.02)


# Whose it is


def test_what_others_have_bought_is_not_sold(desk: Desk) -> None:
    """A hundred were bought by hand: the bot has none and sells none; the account shows them (T9)."""
    desk.broker.held[SYMBOL] = 100.0
    context = desk.context()
    assert (context.position(SYMBOL), context.account.positions[SYMBOL].quantity) == (0.0, 100.0)
    placed = context.order(SYMBOL, "sell", 100, reason="down")
    assert placed.reason == (
        "insufficient position: sells 100 BTC/USDT, and this bot has 0 to sell; "
        "only [limits] short = true lets it sell what it does not hold"
    )
    assert desk.broker.sent == []


def test_more_than_is_held_is_sold_only_where_short_is_allowed(desk: Desk) -> None:
    """Refused before it is sent, also with a limit on positions; with short = true it is new exposure (T10, T33)."""
    desk.buys(0.02)
    limits = Limits(max_position=1e9)
    assert desk.context(limits=limits).order(SYMBOL, "sell", 999, reason="down").status == "refused"
    short = Limits(max_position=10_000.0, short=True)
    assert desk.context(limits=short).order(SYMBOL, "sell", 999, reason="down").reason.startswith("max_position: ")
    assert desk.context(limits=short).order(SYMBOL, "sell", 0.1, reason="down").status == "filled"
    context = desk.context(limits=Limits(max_order_value=1.0, short=True))
    assert context.position(SYMBOL) == -0.08
    assert context.order(SYMBOL, "buy", 0.08, reason="cover").status == "filled"


def test_what_waits_to_be_sold_is_not_sold_twice(desk: Desk) -> None:
    """The market is closed and the first sale waits: a second one at the next slot would open a short."""
    desk.buys(0.02)
    desk.broker.fills = False
    assert desk.context().order(SYMBOL, "sell", 0.02, reason="down").status == "accepted"
    assert desk.context().order(SYMBOL, "sell", 0.02, reason="down").status == "refused"
