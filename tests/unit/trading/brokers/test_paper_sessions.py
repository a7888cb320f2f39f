"""The paper account where the market has sessions and small prices."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.costs import Costs
from openbell.order_terms import Terms
from openbell.trading.brokers import Order
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.markets import Bar, Bars
from openbell.trading.markets.alpaca import AlpacaMarket, _is_in_session
from openbell.trading.run_services import RunServices
from tests.fake_trading import FakeMarket


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


class _Always(FakeMarket):
    """A market that says nothing of sessions."""

    def __init__(self, price: float = 1e-8) -> None:
        self._price = price

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price."""
        return self._price


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


def test_bars_of_the_morning_are_those_of_the_day_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 09:35 in New York no bar of the session has closed: the newest closed at 16:00, unless extended hours are asked for."""
    at, quarter = datetime(2026, 11, 20, 14, 35, tzinfo=UTC), timedelta(minutes=15)
    opened = [datetime(2026, 11, 19, 9, 0, tzinfo=UTC) + number * quarter for number in range(118)]
    figures = dict.fromkeys("ohlcv", 1.0)
    market = AlpacaMarket(RunServices())
    monkeypatch.setattr(market, "_rows", lambda *_, **__: [{"t": one.isoformat(), **figures} for one in opened])
    closed = [bar.timestamp for bar in market.bars("AAPL", "15m", 5, at)]
    assert closed == [datetime(2026, 11, 19, 21, 0, tzinfo=UTC) - number * quarter for number in range(4, -1, -1)]
    extended = [bar.timestamp for bar in market.extended_bars("AAPL", "15m", 2, at)]
    assert extended == [datetime(2026, 11, 20, 14, 15, tzinfo=UTC), datetime(2026, 11, 20, 14, 30, tzinfo=UTC)]
