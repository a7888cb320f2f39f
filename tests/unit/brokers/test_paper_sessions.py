"""The paper account where the market has sessions and small prices."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.costs import Costs
from openbell.ledger import Ledger, OrderRecord
from openbell.order_terms import Terms
from openbell.trading.brokers import Order
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.markets import Bar, Bars, MarketError, Series
from openbell.trading.markets.alpaca import AlpacaMarket, _is_in_session
from openbell.trading.reconciliation import apply_corporate_actions, differences
from openbell.trading.run_services import RunServices


class _Market(AlpacaMarket):
    """Alpaca's sessions with a price set by hand."""

    def __init__(self, price: float) -> None:
        super().__init__(RunServices())
        self._price = price

    def set_price(self, price: float) -> None:
        """Change the price."""
        self._price = price

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return none."""
        return Bars()

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price."""
        return self._price


class _Always:
    """A market that says nothing of sessions."""

    def __init__(self, price: float = 1e-8) -> None:
        self._price = price

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return none."""
        return Bars()

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price."""
        return self._price

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Have none."""
        raise MarketError(name)

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return nothing."""
        return {}


@pytest.mark.parametrize("at, opens", [
    ("2026-11-21T08:00+00:00", "2026-11-23 14:30"),  # Saturday 03:00 in New York
    ("2026-11-20T21:00+00:00", "2026-11-23 14:30"),  # at the close
    ("2026-11-20T14:29:59+00:00", "2026-11-20 14:30"),
    ("2026-11-26T15:00+00:00", "2026-11-27 14:30"),  # Thanksgiving
])  # fmt: skip
def test_a_share_is_not_bought_while_its_market_is_closed(tmp_path: Path, at: str, opens: str) -> None:
    """The newest trade is of another day, and its price cannot be had any more (T17): the order waits for the next one."""
    market = _Market(100.0)
    placed = PaperBroker(tmp_path, market, datetime.fromisoformat(at)).submit(Order("ob-1", "AAPL", "buy", 1.0))
    assert (placed.status, placed.filled_quantity) == ("accepted", 0.0)
    assert placed.reason == f"the market is closed: the order waits until it opens at {opens} UTC"
    opening = datetime.fromisoformat(f"{opens}+00:00")
    market.set_price(105.0)
    still = PaperBroker(tmp_path, market, opening - timedelta(seconds=1)).find("ob-1")
    assert still is not None
    assert still.status == "accepted"
    later = PaperBroker(tmp_path, market, opening + timedelta(minutes=1))
    filled = later.find("ob-1")
    assert filled is not None
    assert (filled.status, filled.filled_price) == ("filled", 105.0)
    assert later.account().cash == 100_000 - 105


EXTENDED = Terms(limit=100.0, extended_hours=True)


class _Extended(_Market):
    """The same with bars outside of sessions, each at the price of its moment."""

    def extended_bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return one bar that ends now."""
        price = self._price
        return Bars([Bar(at, price, price, price, price, 100.0)])


def test_an_order_for_extended_hours_fills_before_the_open_and_others_do_not(tmp_path: Path) -> None:
    """At 08:00 in New York the price passes both limits: only the order that asked for it is filled."""
    market, early = _Extended(105.0), datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
    broker = PaperBroker(tmp_path, market, early)
    assert broker.submit(Order("x", "AAPL", "buy", 1.0, terms=EXTENDED)).reason == ""
    assert broker.submit(Order("r", "AAPL", "buy", 1.0, terms=Terms(limit=100.0))).status == "accepted"
    market.set_price(99.0)
    later = PaperBroker(tmp_path, market, early + timedelta(minutes=15))
    extended, regular = later.find("x"), later.find("r")
    assert extended is not None
    assert regular is not None
    assert (extended.status, extended.filled_price, regular.status) == ("filled", 99.0, "accepted")
    assert later.submit(Order("y", "AAPL", "buy", 1.0, terms=EXTENDED)).filled_price == 99.0
    still = later.find("r")
    assert still is not None
    assert still.status == "accepted"


@pytest.mark.parametrize("at, alive, over", [
    ("2026-11-20T13:00+00:00", "2026-11-21T00:59+00:00", "2026-11-21T01:00+00:00"),  # until 20:00 in New York
    ("2026-11-27T15:00+00:00", "2026-11-27T21:59+00:00", "2026-11-27T22:00+00:00"),  # a half day: until 17:00
    ("2026-11-21T08:00+00:00", "2026-11-23T20:59+00:00", "2026-11-23T21:00+00:00"),  # a Saturday: until Monday's close
])  # fmt: skip
def test_an_order_for_extended_hours_expires_with_them(tmp_path: Path, at: str, alive: str, over: str) -> None:
    """It is for the day."""
    market = _Extended(105.0)
    PaperBroker(tmp_path, market, datetime.fromisoformat(at)).submit(Order("x", "AAPL", "buy", 1.0, terms=EXTENDED))
    found = [PaperBroker(tmp_path, market, datetime.fromisoformat(one)).find("x") for one in (alive, over)]
    assert [one.status for one in found if one is not None] == ["accepted", "expired"]


def test_a_short_position_costs_its_borrowing(tmp_path: Path) -> None:
    """3.65 per cent a year of a thousand are ten cents a day, however often the account is looked at; none once it is closed."""
    costs, begin = Costs(borrow=Decimal("3.65")), datetime(2026, 11, 18, 15, 0, tzinfo=UTC)

    def broker(hours: float) -> PaperBroker:
        return PaperBroker(tmp_path, _Always(100.0), begin + timedelta(hours=hours), costs, short=True)

    broker(0).submit(Order("s", "AAPL", "sell", 10.0))
    for hours in (0, 0.2, 5, 5.1, 24):
        cash = broker(hours).account().cash
    assert cash == pytest.approx(101_000 - 0.10)
    assert broker(48).account().cash == pytest.approx(101_000 - 0.20)
    broker(48).submit(Order("b", "AAPL", "buy", 10.0))
    assert broker(96).account().cash == pytest.approx(100_000 - 0.20)


def test_a_coin_is_bought_always(tmp_path: Path) -> None:
    """Also on a Saturday."""
    broker = PaperBroker(tmp_path, _Market(100.0), datetime(2026, 11, 21, 8, 0, tzinfo=UTC))
    assert broker.submit(Order("ob-2", "BTC/USD", "buy", 1.0)).status == "filled"


def test_a_share_is_bought_in_the_session(tmp_path: Path) -> None:
    """On a Friday at ten."""
    broker = PaperBroker(tmp_path, _Market(100.0), datetime(2026, 11, 20, 15, 0, tzinfo=UTC))
    assert broker.submit(Order("ob-1", "AAPL", "buy", 1.0)).status == "filled"


def test_small_prices_cost_what_they_cost(tmp_path: Path) -> None:
    """A hundred and twenty coins at a hundred-millionth are 1.2 millionths, not none (T26)."""
    broker = PaperBroker(tmp_path, _Always(), datetime(2026, 11, 20, 15, 0, tzinfo=UTC))
    broker.submit(Order("ob-1", "DUST/USD", "buy", 120.0))
    assert 100_000 - broker.account().cash == pytest.approx(1.2e-6, rel=1e-3)


@pytest.mark.parametrize("opened, closed, is_in", [
    ("2026-11-20T13:15+00:00", "2026-11-20T13:30+00:00", False),  # 08:15 in New York
    ("2026-11-20T14:15+00:00", "2026-11-20T14:30+00:00", False),
    ("2026-11-20T14:30+00:00", "2026-11-20T14:45+00:00", True),
    ("2026-11-20T20:45+00:00", "2026-11-20T21:00+00:00", True),
    ("2026-11-20T21:00+00:00", "2026-11-20T21:15+00:00", False),
    ("2026-11-27T18:00+00:00", "2026-11-27T18:15+00:00", False),  # the day after Thanksgiving closes at 13:00
])  # fmt: skip
def test_bars_of_a_share_are_those_of_its_sessions(opened: str, closed: str, is_in: bool) -> None:
    """Extended hours are another market, and belong to a strategy only if it asks (T27)."""
    assert _is_in_session(datetime.fromisoformat(opened), datetime.fromisoformat(closed)) is is_in


class _Splitting(_Always):
    """A market whose share was split ten to one on 2026-11-23; the price of the day is set by hand."""

    current = 1000.0
    asked = 0

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price."""
        return self.current

    def corporate_actions(self, symbols: Iterable[str], since: date, at: datetime) -> list[CorporateAction]:
        """Tell of the split from its day on."""
        self.asked += 1
        action = CorporateAction("AAPL", date(2026, 11, 23), Decimal(10))
        return [action] if since <= action.day <= at.date() and "AAPL" in symbols else []


def test_a_split_makes_more_shares_of_the_same_cost(tmp_path: Path) -> None:
    """Ten shares at 1000 are a hundred at 100, once, and the account is worth what it was (T16)."""
    market = _Splitting()
    friday, monday = (datetime(2026, 11, day, 16, tzinfo=UTC) for day in (20, 23))
    PaperBroker(tmp_path, market, friday).submit(Order("b", "AAPL", "buy", 10))
    market.current = 100.0
    for at in (monday, monday, monday + timedelta(days=1)):
        broker = PaperBroker(tmp_path, market, at)
        (position,) = broker.positions().values()
        assert (position.quantity, position.average_price) == (100.0, 100.0)
        assert broker.account().cash + position.quantity * market.current == 100_000.0
    told = broker.corporate_actions(["AAPL"], monday.date())
    assert [(one.day, one.ratio) for one in told] == [(monday.date(), Decimal(10))]
    assert market.asked == 2  # once a day


def test_what_was_bought_after_a_split_is_not_split(tmp_path: Path) -> None:
    """The first share is bought on the day itself, at the new price."""
    market = _Splitting()
    monday = datetime(2026, 11, 23, 16, tzinfo=UTC)
    PaperBroker(tmp_path, market, monday).submit(Order("b", "AAPL", "buy", 10))
    for at in (monday, monday + timedelta(days=1)):
        assert PaperBroker(tmp_path, market, at).positions()["AAPL"].quantity == 10.0


def test_an_order_that_waits_for_a_price_from_before_a_split_ends(tmp_path: Path) -> None:
    """A stop at 900 would sell at once at 100."""
    market = _Splitting()
    friday, monday = (datetime(2026, 11, day, 16, tzinfo=UTC) for day in (20, 23))
    broker = PaperBroker(tmp_path, market, friday)
    broker.submit(Order("b", "AAPL", "buy", 10))
    broker.submit(Order("s", "AAPL", "sell", 10, terms=Terms(stop=900.0, time_in_force="gtc")))
    market.current = 100.0
    ended = PaperBroker(tmp_path, market, monday).find("s")
    assert ended is not None
    assert (ended.status, ended.filled_quantity) == ("cancelled", 0.0)
    assert "split" in ended.reason


def test_the_books_follow_the_paper_accounts_split(tmp_path: Path) -> None:
    """Reconciliation takes it up as that of a broker: nothing differs, and the cost stays."""
    market = _Splitting()
    friday, monday = (datetime(2026, 11, day, 16, tzinfo=UTC) for day in (20, 23))
    PaperBroker(tmp_path, market, friday).submit(Order("b", "AAPL", "buy", 10))
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.intend(OrderRecord("b", "bot", friday, "AAPL", "buy", "", 10), friday)
    ledger.settle("b", "filled", "1", 10, 1000.0, now=friday)
    market.current = 100.0
    found = differences(PaperBroker(tmp_path, market, monday), ledger, ["AAPL"], monday)
    assert [(one.ours, one.theirs) for one in found] == [(10.0, 100.0)]
    assert [
        one.ratio for one in apply_corporate_actions(PaperBroker(tmp_path, market, monday), ledger, found, monday)
    ] == [Decimal(10)]
    position = ledger.position("bot", "AAPL")
    assert (position.quantity, position.cost) == (Decimal(100), Decimal(10_000))
    ledger.close()
