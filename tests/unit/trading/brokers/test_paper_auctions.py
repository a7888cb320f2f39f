"""Orders for the opening and the close of a session on the paper account."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.order_terms import Terms
from openbell.trading.brokers import Order
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.markets import Bar, Bars, MarketError
from tests.unit.trading.brokers.test_paper_sessions import _Always, _Market


class _Minutes(_Market):
    """The same with a bar for each minute of its sessions that has a price here; it trades at the newest one."""

    def __init__(self, prices: dict[str, tuple[float, float]]) -> None:
        super().__init__(1.0)
        self._minutes = [
            Bar(datetime.fromisoformat(f"2026-{at}+00:00"), first, max(first, last), min(first, last), last, 100.0)
            for at, (first, last) in prices.items()
        ]

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return those of minutes, also where so many are asked for that it is for quarters of an hour."""
        if timeframe not in {"1m", "15m"}:
            raise MarketError(timeframe)
        return Bars([bar for bar in self._minutes if bar.timestamp <= at][-count:])

    def price(self, symbol: str, at: datetime) -> float:
        """Return the newest close."""
        return next((bar.close for bar in reversed(self._minutes) if bar.timestamp <= at), 1.0)


# Friday 20 November and Monday 23: open at 14:30, close at 21:00 in UTC. The last bar of Monday is not at its close.
TWO_DAYS = {
    "11-20T14:31": (100.0, 101.0),
    "11-20T18:00": (102.0, 103.0),
    "11-20T21:00": (104.0, 105.0),
    "11-23T14:33": (110.0, 111.0),
    "11-23T20:57": (112.0, 113.0),
}


@pytest.mark.parametrize("waits, limit, placed_at, looks_at, status, price", [
    ("opg", None, "11-20T14:25", "11-20T14:29", "accepted", None),
    ("opg", None, "11-20T14:25", "11-20T14:32", "filled", 100.0),
    ("opg", 99.0, "11-20T14:25", "11-20T14:32", "expired", None),
    ("opg", None, "11-20T15:00", "11-20T21:05", "accepted", None),
    ("opg", None, "11-20T15:00", "11-23T14:34", "filled", 110.0),
    ("opg", None, "11-20T21:30", "11-23T14:34", "filled", 110.0),
    ("cls", None, "11-20T15:00", "11-20T18:30", "accepted", None),
    ("cls", None, "11-20T15:00", "11-20T21:01", "filled", 105.0),
    ("cls", 104.0, "11-20T15:00", "11-20T21:01", "expired", None),
    ("cls", None, "11-23T15:00", "11-23T21:01", "accepted", None),
    ("cls", None, "11-23T15:00", "11-23T21:31", "filled", 113.0),
    ("cls", None, "11-20T21:30", "11-23T21:31", "filled", 113.0),
    ("opg", None, "11-23T15:00", "11-24T21:31", "expired", None),
])  # fmt: skip
def test_an_order_for_an_auction_fills_there_and_nowhere_else(
    tmp_path: Path, waits: str, limit: float | None, placed_at: str, looks_at: str, status: str, price: float | None
) -> None:
    """At the first price of a session that was not over when it was sent, or at the last one; without one it expires."""
    market, terms = _Minutes(TWO_DAYS), Terms(limit=limit, time_in_force=waits)
    early = PaperBroker(tmp_path, market, datetime.fromisoformat(f"2026-{placed_at}+00:00"))
    assert early.submit(Order("ob-1", "AAPL", "buy", 1.0, terms=terms)).status == "accepted"
    later = PaperBroker(tmp_path, market, datetime.fromisoformat(f"2026-{looks_at}+00:00")).find("ob-1")
    assert later is not None
    assert (later.status, later.filled_price) == (status, price)


@pytest.mark.parametrize("waits, price", [("opg", 11.0), ("cls", 14.0)])
def test_a_market_of_the_past_has_auctions_too(tmp_path: Path, waits: str, price: float) -> None:
    """Each of its bars is a session: an order meets the next one."""

    class OfThePast(_Always):
        def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
            days = [
                Bar(datetime(2020, 3, day, 21, tzinfo=UTC), day + 8.0, 20.0, 5.0, day + 11.0, 1.0) for day in (2, 3)
            ]
            return Bars(days[: 1 + (at.day > 20)])

        def provenance(self, at: datetime) -> dict[str, str]:
            return {"historical_day": "2020-03-02"}

    order = Order("ob-1", "AAPL", "buy", 1.0, terms=Terms(time_in_force=waits))
    market = OfThePast(10.0)
    assert PaperBroker(tmp_path, market, datetime(2026, 11, 20, 15, tzinfo=UTC)).submit(order).status == "accepted"
    later = PaperBroker(tmp_path, market, datetime(2026, 11, 23, 15, tzinfo=UTC)).find("ob-1")
    assert later is not None
    assert (later.status, later.filled_price) == ("filled", price)
