"""Bars that are older than they should be: said, and no ground for new exposure."""

from datetime import UTC, datetime, timedelta

import pytest

from openbell.trading.markets import Bar, Bars
from tests.unit.trading.order_checks.desk import COIN, NOW, SHARE, Desk, judged

OLD = Bars([Bar(NOW - timedelta(minutes=15), 1.0, 1.0, 1.0, 1.0, 1.0)])
NEW = Bars([Bar(NOW, 1.0, 1.0, 1.0, 1.0, 1.0)])


@pytest.mark.parametrize("bars, timeframe, told, is_stale", [
    (OLD, "15m", {}, True),
    (NEW, "15m", {}, False),
    (Bars([OLD[0], NEW[0]]), "15m", {}, False),  # the newest bar counts
    (Bars(), "15m", {}, True),
    (OLD, "1w", {}, False),  # a grid that is not known
    (OLD, "15m", {"historical_day": "2009-03-02"}, False),
])  # fmt: skip
def test_which_bars_are_stale(desk: Desk, bars: Bars, timeframe: str, told: dict[str, str], *, is_stale: bool) -> None:
    """Those that end before the newest that must be there; nothing is stale in a market that shows the past."""
    desk.market.told = told
    checks = desk.checks()
    found = checks.stale(COIN, timeframe, bars, NOW)
    assert (found is not None) is is_stale
    assert bool(judged(checks, "buy", 1.0).reason) is is_stale
    checks.begin()
    assert judged(checks, "buy", 1.0).reason == ""


def test_stale_bars_are_told_and_stop_new_exposure(desk: Desk) -> None:
    """What is held can be sold, and the order says on what it was decided."""
    desk.holds(1.0)
    checks = desk.checks()
    assert checks.stale(COIN, "15m", OLD, NOW) == {
        "symbol": COIN, "timeframe": "15m", "newest_bar": OLD[0].timestamp, "expected": NOW, "action": "refused",
    }  # fmt: skip
    reason = "stale data: the newest 15m bar of BTC/USDT is 2026-11-20 14:45 UTC, expected 2026-11-20 15:00 UTC"
    bought, sold = judged(checks, "buy", 1.0), judged(checks, "sell", 1.0)
    assert (bought.reason, bought.told) == (reason, {})
    assert (sold.reason, sold.told) == ("", {"stale": reason})


def test_bars_of_a_share_are_not_stale_at_the_weekend(desk: Desk) -> None:
    """The newest is that of Friday's close; a coin's would be."""
    saturday, close = datetime(2026, 11, 21, 15, 0, tzinfo=UTC), datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
    bars = Bars([Bar(close, 1.0, 1.0, 1.0, 1.0, 1.0)])
    checks = desk.checks((SHARE, COIN), market="alpaca")
    assert checks.stale(SHARE, "15m", bars, saturday) is None
    assert checks.stale(COIN, "15m", bars, saturday) is not None


def test_newer_bars_end_it(desk: Desk) -> None:
    """A stream asks again: bars of another symbol or of another length prove nothing, and newer ones of the same do."""
    checks = desk.checks((COIN, "ETH/USDT"))
    for symbol, timeframe, bars, stops in (
        (COIN, "15m", OLD, True),
        ("ETH/USDT", "15m", NEW, True),
        (COIN, "5m", NEW, True),
        (COIN, "5m", OLD, True),
        (COIN, "15m", NEW, True),
        (COIN, "5m", NEW, False),
    ):
        checks.stale(symbol, timeframe, bars, NOW)
        assert bool(judged(checks, "buy", 1.0).reason) is stops


def test_no_bars_are_stale_bars(desk: Desk) -> None:
    """There is no instant to tell."""
    checks = desk.checks()
    found = checks.stale(COIN, "15m", Bars(), NOW)
    assert found is not None
    assert found["newest_bar"] is None
    assert judged(checks, "buy", 1.0).reason == (
        "stale data: the newest 15m bar of BTC/USDT is none at all, expected 2026-11-20 15:00 UTC"
    )


def test_a_strategy_may_trade_on_stale_bars(desk: Desk) -> None:
    """They are told all the same."""
    checks = desk.checks(stale="trade")
    found = checks.stale(COIN, "15m", OLD, NOW)
    assert found is not None
    assert found["action"] == "traded"
    assert judged(checks, "buy", 1.0).reason == ""


@pytest.mark.parametrize("symbol, market, calendar, expected", [
    (SHARE, "alpaca", None, "XNYS"),
    (SHARE, "own", None, None),
    ("BTC/USD", "alpaca", None, None),
    (SHARE, "alpaca", "XLON", "XLON"),
    ("BTC/USD", "alpaca", "XLON", "XLON"),
])  # fmt: skip
def test_whose_sessions_bars_are_of(
    desk: Desk, symbol: str, market: str, calendar: str | None, expected: str | None
) -> None:
    """The schedule's calendar, else that of the market's shares; coins are traded always."""
    assert desk.checks((symbol,), calendar, market=market).calendar_of(symbol) == expected
