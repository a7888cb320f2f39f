"""Why an order must not be sent: halts, doubts, limits, a share that is used up, and the day's loss."""

from datetime import UTC, datetime
from math import nan

import pytest

from openbell.ledger.records import NOT_COMPARED
from openbell.manifest import Capital, Limits
from openbell.order_terms import Terms
from openbell.trading.account_facts import DIFFERENCES
from openbell.trading.brokers import Account, BrokerError, Order
from tests.unit.trading.order_checks.desk import COIN, DAY, NOW, SHARE, SHORT, Desk, judged


def test_a_halt_comes_first(desk: Desk) -> None:
    """It is told whether the order is an exit, and stale bars are no matter beside it."""
    desk.holds(2.0)
    desk.halts = ["halted: one", "halted: two"]
    checks = desk.checks()
    assert [judged(checks, "sell", 2.0).reason, judged(checks, "buy", 2.0).reason] == ["halted: one", "halted: two"]
    assert desk.asked_for_exit == [True, False]


def test_a_halt_while_the_limits_are_judged_holds(desk: Desk) -> None:
    """It is asked for again after a price that may have come from far away; without limits nothing takes time."""
    desk.halts = ["", "halted: meanwhile"]
    assert judged(desk.checks(limits=Limits(max_order_value=1e9)), "buy", 1.0).reason == "halted: meanwhile"
    desk.halts = ["", "halted: meanwhile"]
    assert judged(desk.checks(capital=Capital(amount=1e9)), "buy", 1.0).reason == "halted: meanwhile"
    desk.halts = ["", "halted: meanwhile"]
    assert judged(desk.checks(), "buy", 1.0).reason == ""


def test_no_order_leaves_before_the_account_was_compared(desk: Desk) -> None:
    """A database that has lost commits does not say what is held, so no exit is known to be one; then all goes on."""
    desk.holds(2.0)
    desk.ledger.remember(NOT_COMPARED, "yes")
    checks = desk.checks()
    told = "the database has lost commits: no order leaves before the account was compared with what is left"
    assert [judged(checks, side, 2.0).reason for side in ("sell", "buy")] == [told, told]
    desk.ledger.remember(NOT_COMPARED, "")
    assert [judged(checks, side, 2.0).reason for side in ("sell", "buy")] == ["", ""]


def test_an_uncertain_order_stops_new_exposure_in_its_symbol(desk: Desk) -> None:
    """It may have arrived; a person looks, and is told with which command it is settled."""
    desk.waits("buy", 1.5, status="uncertain", bot="other")
    checks = desk.checks((COIN, SHARE))
    assert judged(checks, "buy", 1.0).reason == (
        "uncertain order: an order to buy 1.5 BTC/USDT may have arrived; look at the broker, then make reconcile "
        "STRATEGY=demo ADOPT=1"
    )
    assert judged(checks, "buy", 1.0, SHARE).reason == ""


def test_a_difference_stops_new_exposure_in_its_symbol(desk: Desk) -> None:
    """Until a person adopts it or it is explained."""
    desk.ledger.remember(DIFFERENCES, f'{{"{COIN}": [2.5, 1.0]}}')
    checks = desk.checks((COIN, SHARE))
    assert judged(checks, "buy", 1.0).reason == (
        "unexplained difference: our orders say 2.5 BTC/USDT, and the broker holds 1; see make reconcile STRATEGY=demo"
    )
    assert judged(checks, "buy", 1.0, SHARE).reason == ""


@pytest.mark.parametrize("limits, reason", [
    (Limits(max_order_value=99.0), "max_order_value: the order is worth 100.00, and 99.00 is allowed"),
    (Limits(max_order_value=100.0), ""),
    (Limits(max_position=399.0), "max_position: BTC/USDT would be worth 400.00, and 399.00 is allowed"),
    (Limits(max_position=400.0), ""),
    (Limits(max_orders_per_day=4), "max_orders_per_day: 4 orders were sent today, and 4 are allowed"),
    (Limits(max_orders_per_day=5), ""),
])  # fmt: skip
def test_limits_count_all_bots_and_what_waits(desk: Desk, limits: Limits, reason: str) -> None:
    """One held here and one by another bot, one waits to be bought, and one to be sold, which counts for no purchase."""
    desk.holds(1.0)
    desk.holds(1.0, bot="other")
    desk.waits("buy", 1.0, bot="other")
    desk.waits("sell", 0.5)
    desk.waits("sell", 1.0, SHARE, at=NOW - DAY)
    assert judged(desk.checks(limits=limits), "buy", 1.0).reason == reason


def test_a_short_positions_worth_counts_too(desk: Desk) -> None:
    """Two are sold short and one more waits to be sold."""
    desk.holds(-2.0)
    desk.waits("sell", 1.0)
    desk.waits("buy", 2.0)
    checks = desk.checks(limits=Limits(max_position=399.0, short=True))
    assert judged(checks, "sell", 1.0).reason == "max_position: BTC/USDT would be worth 400.00, and 399.00 is allowed"


@pytest.mark.parametrize("sent_at, counts", [
    (datetime(2026, 11, 20, 5, 0, tzinfo=UTC), True),  # midnight in New York
    (datetime(2026, 11, 20, 4, 59, tzinfo=UTC), False),
])  # fmt: skip
def test_orders_of_the_strategys_day_count(desk: Desk, sent_at: datetime, *, counts: bool) -> None:
    """The day is that of its own timezone."""
    desk.waits("buy", 1.0, at=sent_at)
    assert bool(judged(desk.checks(limits=Limits(max_orders_per_day=1)), "buy", 1.0).reason) is counts


def test_orders_of_the_hour_that_comes_twice_count(desk: Desk) -> None:
    """In the Azores midnight of 2026-10-25 comes again at 01:00: what was sent after the first one is of today (T31)."""
    first, again = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    desk.waits("buy", 1.0, at=first)
    checks = desk.checks(limits=Limits(max_orders_per_day=1), timezone="Atlantic/Azores")
    assert checks.judge(Order("o", COIN, "buy", 1.0), again, again).reason.startswith("max_orders_per_day: 1 orders")
    assert checks.judge(Order("o", COIN, "buy", 1.0), again, again + DAY).reason == ""


@pytest.mark.parametrize("named", ["ob-1", "ob-1-tp", "ob-1-sl"])
def test_an_order_that_is_tried_again_is_not_two(desk: Desk, named: str) -> None:
    """An attempt that was killed had recorded it and its legs; whether they were sent is looked up, not counted."""
    desk.waits("buy", 1.0, named=named, status="intended")
    checks = desk.checks(limits=Limits(max_orders_per_day=1))
    assert judged(checks, "buy", 1.0).reason == ""
    assert judged(checks, "buy", 1.0, client_order_id="ob-2").reason.startswith("max_orders_per_day: 1 orders")


@pytest.mark.parametrize("capital, symbol, quantity, left", [
    (Capital(amount=500.0), COIN, 1.0, None),
    (Capital(amount=500.0), COIN, 2.0, 150.0),  # 250 and 100 may still be taken by what waits
    (Capital(), COIN, 9.0, None),
])  # fmt: skip
def test_what_waits_keeps_its_cash(
    desk: Desk, capital: Capital, symbol: str, quantity: float, left: float | None
) -> None:
    """At its limit, without what is filled; a sale, a market order, a leg and an order in another currency keep nothing back."""
    desk.waits("buy", 5.0, terms=Terms(limit=50.0), filled=0.0)
    desk.waits("buy", 1.0, bot="other", terms=Terms(limit=100.0))
    desk.waits("sell", 5.0, terms=Terms(limit=50.0))
    desk.waits("buy", 5.0)
    desk.waits("buy", 5.0, named="w2-tp", terms=Terms(limit=50.0))
    desk.waits("buy", 5.0, "ETH/EUR", terms=Terms(limit=50.0))
    desk.waits("buy", 5.0, named="ob-1", terms=Terms(limit=50.0))
    found = judged(desk.checks(capital=capital), "buy", quantity, symbol)
    worth = f"{quantity * 100:,.2f}"
    told = (
        "" if left is None else f"capital: the order is worth {worth}, and {left:,.2f} of the strategy's share is left"
    )
    assert found.reason == told


def test_cash_in_another_currency_than_the_accounts(desk: Desk) -> None:
    """The share's amount is in the currency of the bot's symbols."""
    desk.market.prices["ETH/EUR"] = 100.0
    desk.waits("buy", 1.0, "ETH/EUR", terms=Terms(limit=40.0))
    found = judged(desk.checks(("ETH/EUR",), capital=Capital(amount=100.0)), "buy", 1.0, "ETH/EUR")
    assert found.reason == "capital: the order is worth 100.00, and 60.00 of the strategy's share is left"
    desk.holds(1.0, "ETH/EUR")
    assert desk.checks(("ETH/EUR",), capital=Capital(amount=300.0)).equity(NOW) == 300.0


def test_limits_that_need_no_price_ask_for_none(desk: Desk) -> None:
    """A market that is down stops no order that is not judged by its value."""
    assert judged(desk.checks((SHARE,), limits=Limits(max_orders_per_day=1)), "buy", 1.0, "GONE").reason == ""
    assert desk.market.asked == []


def test_a_sale_needs_no_cash(desk: Desk) -> None:
    """The account is not even asked."""
    desk.broker.is_down = True
    assert judged(desk.checks(capital=Capital(amount=1.0), limits=SHORT), "sell", 5.0).reason == ""


def test_a_share_needs_a_price(desk: Desk) -> None:
    """What the order is worth is not known."""
    desk.market.prices[COIN] = nan
    found = judged(desk.checks(capital=Capital(amount=500.0)), "buy", 1.0)
    assert found.reason == "no usable price: the market says nan for BTC/USDT"


@pytest.mark.parametrize("equity, reason", [
    (900.0, ""),
    (899.0, "max_daily_loss: 101.00 was lost today, and 100.00 is allowed"),
    (2_000.0, ""),
])  # fmt: skip
def test_a_loss_counts_from_the_days_first_look(desk: Desk, equity: float, reason: str) -> None:
    """Which may be long before the order; the next day begins anew."""
    limits = Limits(max_daily_loss=100.0)
    desk.broker.money = Account(1.0, "USDT", 1_000.0)
    desk.checks(limits=limits).record_opening_equity(NOW, NOW)
    desk.broker.money = Account(1.0, "USDT", equity)
    checks = desk.checks(limits=limits)
    checks.record_opening_equity(NOW, NOW)
    assert judged(checks, "buy", 0.001).reason == reason
    assert checks.judge(Order("o", COIN, "buy", 0.001), NOW, NOW + DAY).reason == ""


def test_the_days_first_look_sees_no_loss(desk: Desk) -> None:
    """Also where an order is what looks first."""
    assert judged(desk.checks(limits=Limits(max_daily_loss=0.5)), "buy", 1.0).reason == ""


def test_a_shares_loss_is_that_of_its_positions(desk: Desk) -> None:
    """At the prices of the slot, whatever others do on the account."""
    limits, capital = Limits(max_daily_loss=10.0), Capital(amount=500.0)
    desk.holds(1.0)
    assert judged(desk.checks(limits=limits, capital=capital), "buy", 0.1).reason == ""
    desk.market.prices[COIN] = 89.0
    found = judged(desk.checks(limits=limits, capital=capital), "buy", 0.1)
    assert found.reason == "max_daily_loss: 11.00 was lost today, and 10.00 is allowed"
    assert set(desk.market.asked) == {NOW}


def test_a_market_that_is_down_is_asked_again(desk: Desk) -> None:
    """What is held cannot be valued now: the day's first look is taken by the next run."""
    desk.holds(1.0, "GONE/USDT")
    desk.checks(limits=Limits(max_daily_loss=1.0), capital=Capital(amount=500.0)).record_opening_equity(NOW, NOW)
    assert desk.market.asked == [NOW]


def test_an_account_that_cannot_be_looked_at_is_asked_again(desk: Desk) -> None:
    """No exit waits for it, and new exposure asks for it; without the limit it is not asked at all."""
    desk.broker.is_down = True
    desk.checks().record_opening_equity(NOW, NOW)
    checks = desk.checks(limits=Limits(max_daily_loss=1.0))
    checks.record_opening_equity(NOW, NOW)
    with pytest.raises(BrokerError):
        judged(checks, "buy", 1.0)


@pytest.mark.parametrize("account, capital, worth", [
    (Account(1_000.0, "USDT", 1_234.0), Capital(), 1_234.0),
    (Account(1_000.0, "USDT"), Capital(), 1_000.0 + 3 * 100.0 - 2 * 7.0),  # by what the broker holds
    (Account(1_000.0, "USDT", 1_234.0), Capital(amount=500.0), 500.0 - 100.0 + 100.0),  # by our own orders
])  # fmt: skip
def test_what_a_strategy_is_worth(desk: Desk, account: Account, capital: Capital, worth: float) -> None:
    """Its share, or all of the account: as the broker says, or else its cash and positions at the slot's prices."""
    desk.holds(1.0)
    desk.broker.money, desk.broker.held = account, {COIN: 3.0, SHARE: -2.0}
    desk.market.prices[SHARE] = 7.0
    assert desk.checks(capital=capital).equity(NOW) == worth
    assert set(desk.market.asked) <= {NOW}


@pytest.mark.parametrize("side, changes, locks", [
    ("sell", {}, True),
    ("buy", {}, False),
    ("buy", {"limits": Limits(max_orders_per_day=1)}, True),
    ("buy", {"capital": Capital(part=0.5)}, True),
    ("buy", {"limits": Limits(max_orders_per_day=1), "capital": Capital(part=0.5)}, True),
])  # fmt: skip
def test_which_orders_are_decided_on_one_after_the_other(
    desk: Desk, side: str, changes: dict[str, object], *, locks: bool
) -> None:
    """Those of which one counts for the next."""
    assert desk.checks(**changes).needs_lock(side) is locks  # type: ignore[arg-type]
