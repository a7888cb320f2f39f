"""Backtests on the kept history: the same as on a file of the same bars, without reading it whole."""

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from openbell.backtest import price_files
from openbell.backtest.kept_history import KeptHistory
from openbell.backtest.kept_prices import KeptBars
from openbell.backtest.past import PastMarket, SymbolPrices, load
from openbell.backtest.session_hours import SessionHours
from openbell.trading.markets import Bar, MarketError

QUARTER = timedelta(minutes=15)
HOURS = SessionHours("XNYS")


def quarters(days: int) -> list[Bar]:
    """Return quarters of an hour of some days, before, in and after the sessions, with holes."""
    found = []
    for number in range(days):
        day = date(2012, 3, 5) + timedelta(number)
        opening, closing = HOURS.of(day)
        at = opening - timedelta(hours=1)
        while at < closing + timedelta(hours=1):
            at += QUARTER
            if day.weekday() < 5 and (number + at.hour + at.minute) % 17:
                price = 100 + number + at.hour / 10
                found.append(Bar(at, price, price + 1, price - 1, price + 0.5, 10.0))
    return found


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The same bars as a CSV file, and as kept history."""
    bars = quarters(20)
    KeptHistory(tmp_path / "kept").append("X", "15m", bars)
    (tmp_path / "files").mkdir()
    with (tmp_path / "files" / "X.csv").open("w") as file:
        lines = csv.writer(file)
        lines.writerow(["Date", "Open", "High", "Low", "Close", "Volume"])
        lines.writerows([(bar.timestamp - QUARTER).isoformat(), *bar[1:]] for bar in bars)
    return tmp_path / "files", tmp_path / "kept"


@pytest.mark.parametrize("extended", [False, True])
def test_a_run_sees_what_it_would_see_of_a_file(folders: tuple[Path, Path], extended: bool) -> None:
    """Bars of every length and the newest price, at every few minutes."""
    markets = [PastMarket(load({"X": "XNYS"}, one, extended_hours=extended), "x") for one in folders]
    assert markets[0].span() == markets[1].span()
    begin, end = markets[0].span()
    at = begin
    while at < end + timedelta(hours=2):
        for frame, count in (("15m", 7), ("1h", 5), ("1d", 3)):
            seen, kept = (one.bars("X", frame, count, at) for one in markets)
            assert seen == kept
            assert seen.closes == kept.closes
        assert len({one.price("X", at) for one in markets}) == 1
        assert len({one.stale_since("X", at) for one in markets}) == 1
        at += timedelta(minutes=7)


def test_days_open_with_their_session(tmp_path: Path) -> None:
    """A day's kept bar has its close; its opening price is known from the open on."""
    days = [Bar(HOURS.of(date(2012, 3, day))[1], 10 + day, 20 + day, 9, 11 + day, 1) for day in (5, 6, 7)]
    KeptHistory(tmp_path).append("X", "1d", days)
    market = PastMarket(load({"X": "XNYS"}, tmp_path), "x")
    opening, closing = HOURS.of(date(2012, 3, 6))
    assert [market.price("X", at) for at in (opening - QUARTER, opening, closing)] == [16, 16, 17]
    assert market.bars("X", "1d", 5, closing) == tuple(days[:2])


def test_what_is_within_the_sessions_stays_in_its_files(tmp_path: Path) -> None:
    """Millions of bars are mapped into memory, and not copied, unless some of them do not count."""
    outside = quarters(3)
    inside = [bar for bar in outside if HOURS.is_within(bar.timestamp - QUARTER)]
    for symbol, bars in (("X", inside), ("Y", outside)):
        KeptHistory(tmp_path).append(symbol, "15m", bars)
    kept, copied = (load({symbol: "XNYS"}, tmp_path)[symbol].all_bars for symbol in ("X", "Y"))
    assert isinstance(kept, KeptBars)
    assert isinstance(copied, KeptBars)
    assert isinstance(kept.columns.closed, memoryview)
    assert not isinstance(copied.columns.closed, memoryview)
    assert tuple(kept) == tuple(copied)


def test_the_shortest_timeframe_is_taken(tmp_path: Path) -> None:
    """Longer bars are made of it."""
    history = KeptHistory(tmp_path)
    history.append("BTC/USD", "1d", [Bar(datetime(2012, 3, 6, tzinfo=UTC), 1, 1, 1, 1, 1)])
    hours = [Bar(datetime(2012, 3, 5, tzinfo=UTC) + timedelta(hours=n + 1), 2, 60, 2, 2 + n, 1) for n in range(48)]
    history.append("BTC/USD", "1h", hours)
    prices = load({"BTC/USD": "24/7"}, tmp_path)["BTC/USD"]
    assert prices.length == timedelta(hours=1)
    assert prices.bars("1d", 9, hours[-1].timestamp) == (
        Bar(datetime(2012, 3, 6, tzinfo=UTC), 2, 60, 2, 25, 24),
        Bar(datetime(2012, 3, 7, tzinfo=UTC), 2, 60, 2, 49, 24),
    )


def test_what_is_not_kept_is_named(tmp_path: Path) -> None:
    """As a missing file is; and bars outside the sessions alone are no prices."""
    with pytest.raises(MarketError, match="and no history of it that make history has kept"):
        load({"X": "XNYS"}, tmp_path)
    night = Bar(datetime(2012, 3, 5, 3, tzinfo=UTC), 1, 1, 1, 1, 1)
    KeptHistory(tmp_path).append("X", "15m", [night])
    with pytest.raises(MarketError, match="no 15m bar of X lies within the sessions of XNYS"):
        load({"X": "XNYS"}, tmp_path)


def test_prices_are_the_newest_that_were_known(folders: tuple[Path, Path]) -> None:
    """Compared with a list of all prices by when they were known."""
    file = price_files.read(folders[0] / "X.csv", HOURS)
    prices = SymbolPrices(file)
    known = [
        (at, price)
        for opened, bar in zip(file.opened_at, file.bars, strict=True)
        for at, price in ((opened, bar.open), (bar.timestamp, bar.close))
    ]
    at = known[0][0] - QUARTER
    while at < known[-1][0] + QUARTER:
        wanted = [price for since, price in known if since <= at]
        assert prices.price(at) == (wanted[-1] if wanted else None)
        at += timedelta(minutes=5)
