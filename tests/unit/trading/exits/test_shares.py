"""Each bot has its own part of an account: positions, costs, cash, differences."""

from dataclasses import replace

import pytest

from openbell.manifest import Capital
from openbell.trading.brokers import Account
from tests.unit.trading.exits.conftest import BOT, SLOT, SYMBOL, Desk


def test_bots_of_one_strategy_have_their_own(desk: Desk) -> None:
    """Both trade one symbol, and neither sells what the other has bought."""
    other = replace(BOT, id="c")
    desk.buys(0.02)
    assert float(desk.context(other).position(SYMBOL)) == 0
    assert desk.context(other).order(SYMBOL, "sell", 0.02, reason="x").status == "refused"


def test_a_position_knows_what_it_cost_and_earned(desk: Desk) -> None:
    """Average price, since when, unrealised and realised profit; it stays a number that code may use as one."""
    desk.buys(0.02)
    desk.market.dollars = 60_000.0
    desk.buys(0.02)
    position = desk.context().position(SYMBOL)
    assert (position, position.average_price, position.since) == (0.04, 55_000.0, SLOT)
    assert position.unrealised_profit == pytest.approx(200.0)
    assert desk.context().order(SYMBOL, "sell", 0.01, reason="part").status == "filled"
    left = desk.context().position(SYMBOL)
    assert (left.quantity, left.average_price, left.realised_profit) == (0.03, 55_000.0, 50.0)
    assert min(1.0, left) * 2 == 0.06


def test_a_share_of_the_account_has_its_own_cash(desk: Desk) -> None:
    """Ten thousand of the account's hundred: its own orders move it, and it buys no more than it has."""
    share = Capital(amount=10_000.0)
    context = desk.context(capital=share)
    assert context.cash == 10_000.0
    assert context.order(SYMBOL, "buy", 0.1, reason="up").status == "filled"
    context = desk.context(capital=share)
    assert context.cash == 5_000.0
    assert context.order(SYMBOL, "buy", 0.11, reason="up").reason == (
        "capital: the order is worth 5,500.00, and 5,000.00 of the strategy's share is left"
    )


def test_a_part_of_the_account_is_fixed_at_the_first_look(desk: Desk) -> None:
    """What other strategies earn later is not this one's."""
    share = Capital(part=0.25)
    assert desk.context(capital=share).cash == 25_000.0
    desk.broker.money = Account(200_000.0, "USDT")
    assert desk.context(capital=share).cash == 25_000.0


def test_cash_is_in_the_currency_of_the_bots_symbol(desk: Desk) -> None:
    """An account with dollars and euros: a bot in ETH/EUR is told its euros (T12)."""
    desk.broker.money = Account(100_000.0, "USDT", None, {"USDT": 100_000.0, "EUR": 250.0})
    assert desk.context().cash == 100_000.0
    context = desk.context(replace(BOT, id="e", symbols=("ETH/EUR",)))
    assert (context.cash, dict(context.account.cash)) == (250.0, {"USDT": 100_000.0, "EUR": 250.0})


def test_an_unexplained_difference_stops_what_adds_to_it(desk: Desk) -> None:
    """The broker holds less than our orders say: nothing is bought, and no more is sold than is really there."""
    desk.buys(0.02)
    desk.ledger.remember("differences", '{"BTC/USDT": [0.02, 0.01]}')
    desk.broker.held[SYMBOL] = 0.01
    placed = desk.context().order(SYMBOL, "buy", 0.01, reason="up")
    assert placed.reason.startswith("unexplained difference: our orders say 0.02 BTC/USDT, and the broker holds 0.01")
    assert desk.context().order(SYMBOL, "sell", 0.02, reason="down").status == "refused"
    assert desk.context().order(SYMBOL, "sell", 0.01, reason="down").status == "filled"
