"""A strategy's share of an account: its own cash, and what its cash and positions are worth."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.ledger import Ledger, OrderRecord
from openbell.manifest import Capital
from openbell.trading.brokers import Account
from openbell.trading.capital import Share, quote_of

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
DOLLARS = Account(50_000.0, "USD", 80_000.0)
COINS = Account(1_000.0, "USDT", None, {"USDT": 1_000.0, "EUR": 250.0})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as one:
        yield one


def trade(ledger: Ledger, symbol: str, side: str, quantity: float, price: float) -> None:
    """Let an order of the strategy fill."""
    named = f"{symbol} {side} {quantity}"
    ledger.intend(OrderRecord(named, "b", NOW, symbol, side, "", quantity), NOW)
    ledger.settle(named, "filled", "o", quantity, price, now=NOW)


@pytest.mark.parametrize("symbol, quote", [("AAPL", ""), ("BTC/USDT", "USDT"), ("ETH/EUR", "EUR")])
def test_what_a_symbol_is_paid_in(symbol: str, quote: str) -> None:
    """A coin in the currency that its name ends with, a share in the account's."""
    assert quote_of(symbol) == quote


@pytest.mark.parametrize("capital, account, symbols, currency, cash", [
    (Capital(), DOLLARS, ("AAPL",), "", 50_000.0),  # the whole account is the strategy's
    (Capital(), COINS, ("ETH/EUR",), "EUR", 250.0),
    (Capital(amount=10_000.0), DOLLARS, ("AAPL",), "", 10_000.0),
    (Capital(amount=10_000.0), DOLLARS, ("AAPL",), "USD", 10_000.0),
    (Capital(amount=100.0), COINS, ("ETH/EUR",), "EUR", 100.0),  # an amount is in the currency of the first symbol
    (Capital(amount=100.0), COINS, ("ETH/EUR", "BTC/USDT"), "USDT", 100.0),  # or of the account
    (Capital(amount=100.0), COINS, ("BTC/USDT",), "EUR", 0.0),
    (Capital(amount=100.0), DOLLARS, (), "", 100.0),
    (Capital(part=0.25), DOLLARS, ("AAPL",), "", 20_000.0),  # a part is of what the account is worth
    (Capital(part=0.25), DOLLARS, ("AAPL",), "USD", 20_000.0),
    (Capital(part=0.25), DOLLARS, ("ETH/EUR",), "EUR", 0.0),
    (Capital(part=0.5), COINS, ("BTC/USDT",), "USDT", 500.0),  # of its cash where that is not told
    (Capital(part=0.5), Account(1_000.0, "USDT", 9_000.0, {"EUR": 250.0}), ("ETH/EUR",), "EUR", 125.0),
    (Capital(part=0.5), Account(1_000.0, "USDT", 9_000.0), ("AAPL",), "", 4_500.0),
])  # fmt: skip
def test_a_strategys_cash_before_its_first_order(
    ledger: Ledger, capital: Capital, account: Account, symbols: tuple[str, ...], currency: str, cash: float
) -> None:
    """All of the account's, an amount, or a part of what the account is worth."""
    assert Share(capital, symbols, ledger).cash(account, currency) == cash


def test_a_strategys_own_orders_move_its_cash(ledger: Ledger) -> None:
    """Each in its currency, and what others do on the account moves nothing."""
    share = Share(Capital(amount=100.0), ("ETH/EUR",), ledger)
    trade(ledger, "ETH/EUR", "buy", 2.0, 30.0)
    trade(ledger, "BTC/USDT", "sell", 1.0, 7.0)
    assert [share.cash(COINS, currency) for currency in ("EUR", "USDT", "GBP")] == [40.0, 107.0, 0.0]


@pytest.mark.parametrize("capital", [Capital(part=0.25), Capital(part=0.25000000001)])
def test_a_part_is_taken_once(ledger: Ledger, capital: Capital) -> None:
    """The first look counts, also after a restart; another part is another first look, for each currency."""
    Share(Capital(part=0.25), ("AAPL",), ledger).cash(DOLLARS, "")
    richer = Account(90_000.0, "USD", 160_000.0, {"EUR": 8.0})
    share = Share(capital, ("AAPL",), ledger)
    assert share.cash(richer, "") == 20_000.0
    assert share.cash(richer, "EUR") == pytest.approx(2.0)
    assert Share(Capital(part=0.5), ("AAPL",), ledger).cash(richer, "") == 80_000.0


def test_what_a_share_is_worth(ledger: Ledger) -> None:
    """Its cash and its positions at their prices, also short ones; those in another currency do not count."""
    share = Share(Capital(amount=1_000.0), ("BTC/USDT", "ETH/USDT"), ledger)
    assert share.equity(COINS, pytest.fail) == 1_000.0
    trade(ledger, "BTC/USDT", "buy", 2.0, 100.0)
    trade(ledger, "ETH/USDT", "sell", 4.0, 10.0)
    trade(ledger, "ETH/EUR", "buy", 1.0, 50.0)
    trade(ledger, "OLD/USDT", "buy", 1.0, 20.0)
    trade(ledger, "OLD/USDT", "sell", 1.0, 20.0)  # it is held no more, so its price is not asked for
    assert share.equity(COINS, {"BTC/USDT": 150.0, "ETH/USDT": 8.0}.__getitem__) == 1_000 - 200 + 40 + 300 - 32


def test_shares_and_coins_are_paid_from_one_cash(ledger: Ledger) -> None:
    """At Alpaca both cost dollars: what a bot has spent on a share another cannot spend on a coin."""
    trade(ledger, "AAPL", "buy", 3.0, 10.0)
    trade(ledger, "BTC/USD", "buy", 1.0, 50.0)
    for symbols, currency in ((("AAPL",), ""), (("BTC/USD",), "USD")):
        share = Share(Capital(amount=100.0), symbols, ledger)
        assert share.cash(DOLLARS, currency) == 20.0
        assert share.equity(DOLLARS, {"AAPL": 10.0, "BTC/USD": 50.0}.__getitem__) == 100.0


@pytest.mark.parametrize("first, then", [("", "USD"), ("USD", "")])
def test_a_part_of_one_cash_is_taken_once(ledger: Ledger, first: str, then: str) -> None:
    """Whether a bot in shares or one in coins has looked at the account first."""
    share = Share(Capital(part=0.25), ("AAPL",), ledger)
    share.cash(DOLLARS, first)
    assert share.cash(Account(90_000.0, "USD", 160_000.0), then) == 20_000.0


def test_a_bot_without_symbols_counts_in_the_accounts_currency(ledger: Ledger) -> None:
    """It may trade shares that it finds itself."""
    trade(ledger, "AAPL", "buy", 3.0, 10.0)
    assert Share(Capital(amount=100.0), (), ledger).equity(DOLLARS, {"AAPL": 11.0}.__getitem__) == 103.0


def test_without_a_share_the_accounts_worth_counts(ledger: Ledger) -> None:
    """The strategy says nothing of its own."""
    ledger.hold({"AAPL": 1.0})
    assert Share(Capital(), ("AAPL",), ledger).equity(DOLLARS, lambda _: 1.0) is None


def test_cash_is_exact(ledger: Ledger) -> None:
    """A hundred purchases of a tenth cost ten."""
    share = Share(Capital(amount=100.0), ("AAPL",), ledger)
    for number in range(100):
        ledger.intend(OrderRecord(str(number), "b", NOW, "AAPL", "buy", "", 1.0), NOW)
        ledger.settle(str(number), "filled", "o", 1.0, 0.1, now=NOW)
    assert (share.cash(DOLLARS, ""), ledger.flows()) == (90.0, {"": Decimal(-10)})
