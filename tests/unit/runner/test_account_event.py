"""What the account holds is told at the end of a run, and never at the run's expense."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.journal import Event, Journal, since
from openbell.runner import account_event
from openbell.runner.account_event import tell_account
from openbell.trading.brokers import Account, BrokerError, Order, PlacedOrder, Position
from openbell.trading.markets import MarketError, Series
from tests.fake_trading import FakeBroker, FakeMarket

NOW = datetime(2026, 3, 2, 9, 5, 1, tzinfo=UTC)
RUN: Mapping[str, object] = {"bot": "b", "slot": NOW, "run_id": "r", "attempt": 1}


@dataclass
class PricedMarket(FakeMarket):
    """Knows the prices that it was given."""

    prices: dict[str, float] = field(default_factory=lambda: {"AAPL": 10.5})
    hangs: float = 0.0

    def price(self, symbol: str, at: datetime) -> float:
        """The price, after a while if it hangs."""
        time.sleep(self.hangs)
        if symbol not in self.prices:
            raise MarketError(symbol)
        return self.prices[symbol]

    def series(self, name: str, count: int, at: datetime) -> Series:
        """No series."""
        return Series()


@dataclass
class HoldingBroker(FakeBroker):
    """An account with 1,000 dollars and some positions."""

    held: dict[str, float] = field(default_factory=lambda: {"AAPL": 2.0})
    broken: bool = False

    def account(self) -> Account:
        """The account."""
        if self.broken:
            msg = "503"
            raise BrokerError(msg)
        return Account(1000.0, "USD")

    def positions(self) -> dict[str, Position]:
        """The positions, each bought at 10."""
        return {symbol: Position(symbol, quantity, 10.0) for symbol, quantity in self.held.items()}

    def submit(self, order: Order) -> PlacedOrder:
        """Takes none."""
        raise NotImplementedError


def tell(root: Path, broker: HoldingBroker, market: PricedMarket, *, ordered: bool = False) -> list[Event]:
    """Tell the account; return all that the journal has of it."""
    journal = Journal(root, "s", "boot", echo=False)
    tell_account("paper", broker, market, NOW, root, journal, NOW, RUN, ordered=ordered)
    return [line for line in since(root / "s", NOW.date()) if line["event"] == "account"]


def test_the_account_is_a_line_of_the_journal(tmp_path: Path) -> None:
    """Cash, equity at the market's prices, and each position, bound to the run."""
    (line,) = tell(tmp_path, HoldingBroker(), PricedMarket())
    assert (line["broker"], line["cash"], line["equity"], line["currency"]) == ("paper", 1000.0, 1021.0, "USD")
    assert line["positions"] == {"AAPL": {"qty": 2.0, "average_price": 10.0, "price": 10.5, "value": 21.0}}
    assert (line["bot"], line["run_id"]) == ("b", "r")


def test_a_position_without_a_price_makes_no_wrong_equity(tmp_path: Path) -> None:
    """What is held but not priced leaves the equity unknown instead of too low."""
    (line,) = tell(tmp_path, HoldingBroker({"AAPL": 2.0, "PRIVATE": 5.0}), PricedMarket())
    assert line["equity"] is None
    assert line["positions"] == {
        "AAPL": {"qty": 2.0, "average_price": 10.0, "price": 10.5, "value": 21.0},
        "PRIVATE": {"qty": 5.0, "average_price": 10.0},
    }


def test_many_bots_ask_the_broker_once(tmp_path: Path) -> None:
    """Forty-five bots due in one instant make one line; a run that has ordered always makes its own."""
    for _ in range(45):
        lines = tell(tmp_path, HoldingBroker(), PricedMarket())
    assert len(lines) == 1
    assert len(tell(tmp_path, HoldingBroker(), PricedMarket(), ordered=True)) == 2
    long_ago = time.time() - account_event.SELDOM - 1
    os.utime(tmp_path / "account.told", (long_ago, long_ago))
    assert len(tell(tmp_path, HoldingBroker(), PricedMarket())) == 3


def test_a_broker_that_does_not_answer_costs_nothing(tmp_path: Path) -> None:
    """No line, no error."""
    assert tell(tmp_path, HoldingBroker(broken=True), PricedMarket()) == []


def test_a_broker_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its patience, and the alarm of a strategy's own is as before."""
    monkeypatch.setattr(account_event, "PATIENCE", 0.05)
    before = signal.getsignal(signal.SIGALRM)
    assert tell(tmp_path, HoldingBroker(), PricedMarket(hangs=30.0)) == []
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_journal_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    """The run has succeeded all the same."""
    (tmp_path / "s").write_text("not a folder")
    journal = Journal(tmp_path, "s", "boot", echo=False)
    tell_account("paper", HoldingBroker(), PricedMarket(), NOW, tmp_path, journal, NOW, RUN, ordered=True)
    assert (tmp_path / "s").read_text() == "not a folder"
