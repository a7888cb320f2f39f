"""A way out is always open, and nothing that is not a number passes: limits, halts, stale and broken bars."""

from math import inf, nan

import pytest

from openbell.manifest import Limits
from openbell.trading.brokers import Account
from openbell.trading.markets import MarketError
from openbell.trading.order_size import SizeRules
from tests.unit.trading.exits.conftest import SLOT, SYMBOL, Desk

LIMITS = [
    pytest.param(Limits(max_order_value=1_000.0), id="max_order_value"),
    pytest.param(Limits(max_position=1_500.0), id="max_position"),
    pytest.param(Limits(max_orders_per_day=1), id="max_orders_per_day"),
    pytest.param(Limits(max_daily_loss=1.0), id="max_daily_loss"),
    pytest.param(Limits(allowed_symbols=("ETH/USDT",)), id="allowed_symbols"),
]


@pytest.mark.parametrize("limits", LIMITS)
def test_an_exit_passes_every_limit(desk: Desk, limits: Limits) -> None:
    """Bought at 50,000, the price more than doubles, or the day is lost: what is held can be sold (T1, T2)."""
    desk.buys(0.02)
    desk.market.dollars = 110_000.0
    desk.ledger.remember(f"equity at the first look after {SLOT:%Y-%m-%d} 00:00", "1e9")
    context = desk.context(limits=limits)
    assert context.order(SYMBOL, "buy", 0.02, reason="up").status == "refused"
    assert context.order(SYMBOL, "sell", context.position(SYMBOL), reason="stop").status == "filled"
    assert float(desk.context().position(SYMBOL)) == 0


def test_an_exit_counts_for_the_day(desk: Desk) -> None:
    """Three orders a day: the stop-loss is sent as the fourth, and after it nothing new is."""
    limits = Limits(max_orders_per_day=3)
    for _ in range(3):
        assert desk.context(limits=limits).order(SYMBOL, "buy", 0.01, reason="up").status == "filled"
    assert desk.context(limits=limits).order(SYMBOL, "sell", 0.03, reason="stop").status == "filled"
    placed = desk.context(limits=limits).order(SYMBOL, "buy", 0.01, reason="up")
    assert placed.reason == "max_orders_per_day: 4 orders were sent today, and 3 are allowed"


def test_an_exit_asks_for_no_price(desk: Desk) -> None:
    """A market that has no price any more does not prevent an exit."""
    desk.broker.rules = SizeRules()
    desk.buys(0.02)
    desk.market.dollars = nan
    assert desk.context(limits=Limits(max_order_value=1.0)).order(SYMBOL, "sell", 0.02, reason="x").status == "filled"


def test_old_bars_keep_no_exit_back(desk: Desk) -> None:
    """A purchase on old bars is refused; the sale is sent, and its line says on what it was decided."""
    desk.buys(0.02)
    desk.market.closes = []
    context = desk.context()
    context.bars(SYMBOL, "15m", 3)
    assert context.order(SYMBOL, "buy", 0.02, reason="up").reason.startswith("stale data: ")
    assert context.order(SYMBOL, "sell", 0.02, reason="stop").status == "filled"
    assert str(desk.lines("decision")[-1]["stale"]).startswith("stale data: ")


def test_a_halt_but_for_exits_lets_exits_pass(desk: Desk) -> None:
    """A halt of everything stops a sale too."""
    desk.buys(0.02)
    desk.halt, desk.exits_pass = "halted: odd fills", True
    assert desk.context().order(SYMBOL, "buy", 0.01, reason="up").status == "refused"
    assert desk.context().order(SYMBOL, "sell", 0.01, reason="stop").status == "filled"
    desk.exits_pass = False
    assert desk.context().order(SYMBOL, "sell", 0.01, reason="stop").status == "refused"


@pytest.mark.parametrize("price", [nan, inf, -inf, 0.0, -1.0])
def test_a_price_that_is_none_passes_nothing(desk: Desk, price: float) -> None:
    """Limits of 1,000 and an order of 900 at an infinite price: refused, and ctx.price raises (T13)."""
    desk.market.dollars = price
    for limits in (Limits(max_order_value=1_000.0), Limits(max_position=1_000.0)):
        placed = desk.context(limits=limits).order(SYMBOL, "buy", 900, reason="up")
        assert placed.reason == f"no usable price: the market says {price} for BTC/USDT"
    with pytest.raises(MarketError, match="no usable price of BTC/USDT"):
        desk.context().price(SYMBOL)
    assert desk.broker.sent == []


@pytest.mark.parametrize("equity", [nan, inf])
def test_a_loss_that_is_not_known_passes_nothing(desk: Desk, equity: float) -> None:
    """The account says no number: the day's loss is not taken for none."""
    limits = Limits(max_daily_loss=100.0)
    desk.context(limits=limits)._progress.record_opening_equity()
    desk.broker.money = Account(1.0, "USDT", equity)
    assert desk.context(limits=limits).order(SYMBOL, "buy", 0.01, reason="up").status == "refused"


@pytest.mark.parametrize("close", [nan, inf, 0.0])
def test_a_bar_without_its_figures_is_left_out_and_said(desk: Desk, close: float) -> None:
    """The newest bar has no figures: the strategy sees those before, and a purchase on them is one on old bars (T8)."""
    desk.market.closes = [50_000.0, 50_001.0, close]
    context = desk.context()
    assert context.bars(SYMBOL, "15m", 3).closes == (50_000.0, 50_001.0)
    (line,) = desk.lines("bars_incomplete")
    assert (line["level"], line["symbol"], line["count"]) == ("warning", SYMBOL, 1)
    assert context.order(SYMBOL, "buy", 0.01, reason="x").reason.startswith("stale data: ")


def test_a_bar_in_the_middle_without_figures_is_left_out(desk: Desk) -> None:
    """The newest bar is there, so the run trades."""
    desk.market.closes = [50_000.0, nan, 50_002.0]
    context = desk.context()
    assert context.bars(SYMBOL, "15m", 3).closes == (50_000.0, 50_002.0)
    assert context.order(SYMBOL, "buy", 0.01, reason="x").status == "filled"
