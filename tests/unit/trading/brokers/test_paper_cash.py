"""Dividends, splits of a file beside the strategy, and borrowing on the paper account; the strategy's own cash agrees with it."""

from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.costs import Costs
from openbell.journal import Journal, since
from openbell.ledger import Ledger, OrderRecord
from openbell.manifest import Capital
from openbell.trading import reconciliation
from openbell.trading.actions_file import NAME
from openbell.trading.brokers import BrokerError, Order, PlacedOrder
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.capital import Share
from openbell.trading.corporate_actions import CorporateAction
from tests.unit.trading.brokers.test_paper_sessions import _Always

FRIDAY, MONDAY, TUESDAY = (datetime(2026, 11, day, 16, tzinfo=UTC) for day in (20, 23, 24))
DIVIDEND = CorporateAction("AAPL", MONDAY.date(), cash=Decimal("0.26"))


class _Paying(_Always):
    """A market whose share pays a dividend."""

    def corporate_actions(self, symbols: Iterable[str], since: date, at: datetime) -> list[CorporateAction]:
        """Tell of it from its day on."""
        return [DIVIDEND] if since <= DIVIDEND.day <= at.date() and "AAPL" in symbols else []


def paper(folder: Path, at: datetime, *, market: _Always | None = None, borrow: str = "0") -> PaperBroker:
    """Return the account at an instant; its strategy's folder is the same."""
    costs = Costs(borrow=Decimal(borrow))
    return PaperBroker(folder, market or _Paying(100.0), at, costs, short=True, strategy=folder)


def trade(broker: PaperBroker, ledger: Ledger, name: str, side: str, quantity: float, at: datetime) -> PlacedOrder:
    """Send an order and record it, as a run does."""
    ledger.intend(OrderRecord(name, "bot", at, "AAPL", side, "", quantity), at)
    placed = broker.submit(Order(name, "AAPL", side, quantity))
    ledger.settle(name, placed.status, placed.order_id, placed.filled_quantity, placed.filled_price, now=at)
    return placed


def look(folder: Path, broker: PaperBroker, ledger: Ledger, at: datetime) -> list[object]:
    """Reconcile; return what the journal says of cash."""
    journal = Journal(folder, "demo", "boot", echo=False)
    assert reconciliation.reconcile("paper", broker, ledger, ["AAPL"], journal, at, "boot") == []
    told = [line.get("cash") for line in since(journal.folder, FRIDAY.date())]
    return [one for cash in told if isinstance(cash, list) for one in cash]


@pytest.mark.parametrize("side, amount", [("buy", 2.6), ("sell", -2.6)])
def test_a_dividend_is_paid_once_for_what_was_held_before_its_day(tmp_path: Path, side: str, amount: float) -> None:
    """A short position pays it. Account, ledger and journal agree, however often they look."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        look(tmp_path, paper(tmp_path, FRIDAY), ledger, FRIDAY)
        trade(paper(tmp_path, FRIDAY), ledger, "o", side, 10, FRIDAY)
        before = paper(tmp_path, FRIDAY).account().cash
        for at in (MONDAY, MONDAY + timedelta(hours=1), TUESDAY):
            told = look(tmp_path, paper(tmp_path, at), ledger, at)
            account = paper(tmp_path, at).account()
            assert account.cash == pytest.approx(before + amount)
            share = Share(Capital(amount=100_000), ("AAPL",), ledger)
            assert share.cash(account, "") == pytest.approx(account.cash)
            assert told == [{"kind": "dividend", "symbol": "AAPL", "amount": amount}]


def test_what_is_bought_on_the_day_of_a_dividend_gets_none(tmp_path: Path) -> None:
    """It was bought at the price without it."""
    paper(tmp_path, MONDAY).submit(Order("o", "AAPL", "buy", 10))
    assert paper(tmp_path, TUESDAY).account().cash == 99_000.0


def test_borrowing_is_in_the_strategys_own_cash(tmp_path: Path) -> None:
    """Charged each hour, told as it grows, and the share of the account is what the account says."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        broker = paper(tmp_path, FRIDAY, market=_Always(100.0), borrow="3.65")
        look(tmp_path, broker, ledger, FRIDAY)
        trade(broker, ledger, "s", "sell", 10, FRIDAY)
        for hours in (24, 48):
            at = FRIDAY + timedelta(hours=hours)
            broker = paper(tmp_path, at, market=_Always(100.0), borrow="3.65")
            told = look(tmp_path, broker, ledger, at)
            cash = broker.account().cash
            assert cash == pytest.approx(101_000 - 0.1 * hours / 24)
            share = Share(Capital(amount=100_000), ("AAPL",), ledger)
            assert share.cash(broker.account(), "") == pytest.approx(cash)
            assert share.equity(broker.account(), lambda _: 100.0) == pytest.approx(cash - 1_000)
            assert told[-1] == {"kind": "borrowing", "symbol": "AAPL", "amount": -0.1}


def test_a_file_beside_the_strategy_tells_of_splits_and_dividends(tmp_path: Path) -> None:
    """Ten shares at 100 become a hundred at 10, and 0.26 is paid for each of them; written later, it counts then, once."""
    market = _Always(100.0)
    paper(tmp_path, FRIDAY, market=market).submit(Order("o", "AAPL", "buy", 10))
    assert paper(tmp_path, TUESDAY, market=market).positions()["AAPL"].quantity == 10.0
    (tmp_path / NAME).write_text(
        "symbol,day,ratio,cash\nAAPL,2026-11-23,10,\nAAPL,2026-11-24,,0.26\nIBM,2026-11-24,2,\n"
    )
    for hours in (1, 2, 30):
        broker = paper(tmp_path, TUESDAY + timedelta(hours=hours), market=market)
        (position,) = broker.positions().values()
        assert (position.quantity, position.average_price) == (100.0, 10.0)
        assert broker.account().cash == 99_000.0 + 26.0
    told = broker.corporate_actions(["AAPL"], FRIDAY.date())
    assert [(one.symbol, one.ratio) for one in told] == [("AAPL", Decimal(10))]


def test_what_the_file_tells_of_a_later_day_waits_for_it(tmp_path: Path) -> None:
    """A split that is announced is none yet."""
    (tmp_path / NAME).write_text("symbol,day,ratio,cash\nAAPL,2026-11-24,10,\n")
    market = _Always(100.0)
    paper(tmp_path, FRIDAY, market=market).submit(Order("o", "AAPL", "buy", 10))
    held = [paper(tmp_path, at, market=market).positions()["AAPL"].quantity for at in (MONDAY, TUESDAY)]
    assert held == [10.0, 100.0]


def test_an_account_is_not_used_on_half_of_what_is_known(tmp_path: Path) -> None:
    """A file that cannot be understood is the broker's error, with the line."""
    (tmp_path / NAME).write_text("symbol,day,ratio,cash\nAAPL,2026-11-24,,\n")
    with pytest.raises(BrokerError, match=r"corporate-actions\.csv, line 2"):
        paper(tmp_path, FRIDAY).account()
