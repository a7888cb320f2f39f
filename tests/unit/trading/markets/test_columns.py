"""Bars as numpy arrays and pandas frames, by start, and what a strategy asks of sessions and quotes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import load
from openbell.strategy import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run, StrategyError
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.markets import Bar, Bars, MarketError
from openbell.trading.markets.synthetic import SyntheticMarket
from tests.unit.strategy_file import write

FIRST = datetime(2026, 3, 2, 14, 45, tzinfo=UTC)
BARS = Bars(Bar(FIRST + timedelta(minutes=15 * n), 1.0 + n, 2.0 + n, 0.5 + n, 1.5 + n, 100.0) for n in range(3))


def context(folder: Path, slot: datetime, more: str = "", symbol: str = "AAPL") -> Context:
    """Return the context of a bot on made-up prices."""
    head = f'timezone = "America/New_York"\nmarket = "synthetic"\n{more}[[bot]]\nid = "b"\nat = "09:35"\n'
    write(folder, f'{head}symbols = ["{symbol}"]\n')
    manifest, market = load(folder / "demo"), SyntheticMarket()
    broker, ledger = PaperBroker(folder, market, slot), Ledger(folder / "ledger.sqlite")
    journal = Journal(folder / "journal", "demo", "boot", echo=False)
    return Context(
        RunProgress(
            ContextServices(manifest, market, broker, ledger, journal, lambda: slot),
            Run(manifest.bots[0], slot, "r", 1),
        )
    )


def test_bars_are_arrays() -> None:
    """Floats, and instants in UTC."""
    found = BARS.arrays()
    assert found.closes.tolist() == [1.5, 2.5, 3.5]
    assert [str(at) for at in found.times[:1]] == ["2026-03-02T14:45:00.000000"]
    assert found.highs.dtype == float


def test_bars_are_a_frame() -> None:
    """Its index knows its time zone; a mean over it is one of pandas'."""
    found = BARS.frame()
    assert list(found.columns) == ["open", "high", "low", "close", "volume"]
    assert str(found.index.tz) == "UTC"
    assert found.index[0].to_pydatetime() == FIRST
    assert found["close"].rolling(2).mean().iloc[-1] == 3.0
    assert found.index.tz_convert("America/New_York")[0].hour == 9


def test_no_bars_are_an_empty_frame() -> None:
    """With the same columns."""
    assert Bars().frame().shape == (0, 5)
    assert Bars().arrays().closes.size == 0


def test_an_image_without_the_library_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that adds it."""
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MarketError, match="PACKAGE=pandas"):
        BARS.frame()


def test_bars_since_an_instant(tmp_path: Path) -> None:
    """Those that have closed after it, up to the slot."""
    ctx = context(tmp_path, FIRST)
    found = ctx.bars("AAPL", "15m", start=FIRST - timedelta(hours=1))
    assert [bar.timestamp for bar in found] == [FIRST - timedelta(minutes=15 * n) for n in (3, 2, 1, 0)]
    with pytest.raises(StrategyError, match="time zone"):
        ctx.bars("AAPL", "15m", start=datetime(2026, 3, 2))  # noqa: DTZ001 - what is refused
    with pytest.raises(StrategyError, match="by a count or by their start"):
        ctx.bars("AAPL", "15m")
    with pytest.raises(StrategyError, match="raw prices"):
        ctx.bars("AAPL", "15m", 5, adjusted=False)


def test_bars_of_a_pair_are_all_of_them_as_they_were_paid(tmp_path: Path) -> None:
    """A coin has no sessions and no splits: neither option takes or adds anything, at any market."""
    ctx = context(tmp_path, FIRST, symbol="BTC/USD")
    found = ctx.bars("BTC/USD", "15m", 5)
    assert ctx.bars("BTC/USD", "15m", 5, adjusted=False) == found
    assert ctx.bars("BTC/USD", "15m", 5, extended=True) == found
    assert ctx.bars("BTC/USD", "15m", start=FIRST - timedelta(minutes=75), extended=True, adjusted=False) == found


@pytest.mark.parametrize("slot, is_open, opens", [
    ("2026-11-27T14:29", False, "2026-11-27T14:30"),
    ("2026-11-27T15:00", True, "2026-11-27T14:30"),
    ("2026-11-27T18:30", False, "2026-11-30T14:30"),  # the half day after Thanksgiving is over
    ("2026-11-28T15:00", False, "2026-11-30T14:30"),
])  # fmt: skip
def test_the_session_is_the_one_that_goes_on_or_comes_next(
    tmp_path: Path, slot: str, opens: str, *, is_open: bool
) -> None:
    """By the bot's calendar."""
    ctx = context(tmp_path, datetime.fromisoformat(f"{slot}+00:00"), 'calendar = "XNYS"\n')
    assert ctx.is_open("AAPL") is is_open
    assert ctx.session.open == datetime.fromisoformat(f"{opens}+00:00")
    assert ctx.session.early_close is (opens == "2026-11-27T14:30")


def test_a_pair_is_traded_always(tmp_path: Path) -> None:
    """And has no session, without a calendar."""
    ctx = context(tmp_path, datetime(2026, 11, 28, 3, tzinfo=UTC), symbol="BTC/USD")
    assert ctx.is_open("BTC/USD")
    with pytest.raises(StrategyError, match="no calendar"):
        _ = ctx.session


def test_a_market_without_quotes_has_its_price(tmp_path: Path) -> None:
    """Neither bid nor ask."""
    ctx = context(tmp_path, FIRST)
    quote = ctx.quote("AAPL")
    assert (quote.bid, quote.ask, quote.last, quote.at) == (None, None, ctx.price("AAPL"), FIRST)
