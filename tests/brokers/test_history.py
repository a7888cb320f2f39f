"""`openbell history` through the real libraries: it goes on where it ended, and what is adjusted since is fetched anew."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from openbell.backtest import fetch
from openbell.backtest.kept_history import Columns, KeptHistory
from tests.brokers.conftest import KINDS, Bench, Kind, bench_of, environment
from tests.brokers.server import Answer, Fault

WITH_BARS = [kind for kind in KINDS if kind.venue is not None]
ALPACA = next(kind for kind in KINDS if kind.name == "alpaca")
COINBASE = next(kind for kind in KINDS if kind.name == "ccxt:coinbase")


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PIECE", 400)


def opened(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Serve a market and lead the command to it."""
    with bench_of(kind, tmp_path) as bench:
        for name, value in environment(kind, bench.wire.address).items():
            monkeypatch.setenv(name, value)
        yield bench


@pytest.fixture(params=WITH_BARS, ids=lambda kind: kind.name)
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Give a market of every kind."""
    yield from opened(request.param, tmp_path, monkeypatch)


@pytest.fixture
def alpaca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Give Alpaca."""
    yield from opened(ALPACA, tmp_path, monkeypatch)


@pytest.fixture
def coinbase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Give Coinbase."""
    yield from opened(COINBASE, tmp_path, monkeypatch)


def day(ago: int) -> date:
    """Return a day of the past."""
    return (datetime.now(UTC) - timedelta(days=ago)).date()


def words(bench: Bench, tmp_path: Path, *more: str) -> list[str]:
    """Return a command's arguments."""
    return [*more, f"--out={tmp_path / 'history'}", "--", bench.kind.market, bench.kind.symbol]


def kept(bench: Bench, tmp_path: Path, timeframe: str) -> Columns:
    """Return what is kept."""
    folder = tmp_path / "history" / bench.kind.market.replace(":", "-")
    return KeptHistory(folder).columns(bench.kind.symbol, timeframe)


def test_a_history_is_whole_and_goes_on(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every bar of the span once; a second call asks for what came since and for the oldest bar, and no more."""
    given = ("--timeframe=1h", f"--from={day(60)}")
    assert fetch.main(words(bench, tmp_path, *given, f"--to={day(20)}")) == 0
    first = list(kept(bench, tmp_path, "1h").closed)
    hours = [later - earlier for earlier, later in itertools.pairwise(first)]
    assert set(hours) == {3_600_000}
    # Kraken has its newest 720 bars and no older ones.
    assert len(first) >= (10 if bench.kind.name == "ccxt:kraken" else 40) * 24 - 2
    asked = len(bench.wire.seen)
    assert fetch.main(words(bench, tmp_path, *given)) == 0
    both = list(kept(bench, tmp_path, "1h").closed)
    assert both[: len(first)] == first
    assert {later - earlier for earlier, later in itertools.pairwise(both)} == {3_600_000}
    assert timedelta(0) < datetime.now(UTC) - datetime.fromtimestamp(both[-1] / 1000, UTC) < timedelta(hours=2)
    assert len(bench.wire.seen) - asked <= asked
    assert f"{len(both) - len(first):,} bars added, {len(both):,} kept" in capsys.readouterr().out


def test_prices_that_are_adjusted_since_are_fetched_anew(
    alpaca: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A split halves the old prices, too: what is kept and what is new must not stand side by side."""
    given = ("--timeframe=1d", f"--from={day(100)}")
    assert fetch.main(words(alpaca, tmp_path, *given, f"--to={day(50)}")) == 0
    before = kept(alpaca, tmp_path, "1d")
    oldest = before.close[0]
    alpaca.book.prices["AAPL"] /= 2
    assert fetch.main(words(alpaca, tmp_path, *given)) == 0
    after = kept(alpaca, tmp_path, "1d")
    assert after.closed[: len(before.closed)] == before.closed
    assert after.close[0] == pytest.approx(oldest / 2)
    assert max(after.close) / min(after.close) < 1.2
    assert "AAPL: fetched anew: the market has adjusted its prices since" in capsys.readouterr().out


def test_an_earlier_beginning_is_fetched_anew(coinbase: Bench, tmp_path: Path) -> None:
    """What is kept stays one series without a hole."""
    for ago in (10, 30, 20):
        assert fetch.main(words(coinbase, tmp_path, "--timeframe=1h", f"--from={day(ago)}")) == 0
    closed = kept(coinbase, tmp_path, "1h").closed
    assert datetime.fromtimestamp(closed[0] / 1000, UTC).date() == day(30)
    assert len(closed) == (closed[-1] - closed[0]) // 3_600_000 + 1


def test_a_market_that_fails_in_the_middle_loses_nothing(
    alpaca: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, no traceback; the next call goes on."""
    given = ("--timeframe=1h", f"--from={day(60)}")
    refused = Answer(403, {"message": "subscription does not permit querying recent SIP data"})
    calls = 0
    venue = alpaca.wire.venue

    def failing(request: object) -> Answer:
        nonlocal calls
        calls += 1
        return refused if calls == 2 else venue(request)  # type: ignore[arg-type]

    alpaca.wire.venue = failing
    assert fetch.main(words(alpaca, tmp_path, *given)) == 1
    told = capsys.readouterr().err
    assert 'set feed = "iex"' in told
    assert "what was fetched is kept, and the next call goes on" in told
    assert len(told.splitlines()) == 1
    assert len(kept(alpaca, tmp_path, "1h").closed) == 400
    assert fetch.main(words(alpaca, tmp_path, *given)) == 0
    closed = kept(alpaca, tmp_path, "1h").closed
    assert len(closed) == (closed[-1] - closed[0]) // 3_600_000 + 1


def test_a_fetch_that_is_killed_goes_on(alpaca: Bench, tmp_path: Path) -> None:
    """In a process of its own, with SIGKILL at its second question."""
    given = words(alpaca, tmp_path, "--timeframe=1m", f"--from={day(4)}")
    command = [sys.executable, "-m", "openbell", "history", *given]
    victim: list[int] = []
    first = alpaca.wire.venue

    def counting(request: object) -> Answer:
        alpaca.wire.venue = first
        alpaca.wire.faults.append(Fault("GET", "/v2/stocks/bars", "kill before", victim=lambda: victim[0]))
        return first(request)  # type: ignore[arg-type]

    alpaca.wire.venue = counting
    process = subprocess.Popen(command, env=os.environ)
    victim.append(process.pid)
    assert process.wait(60) == -9
    some = len(kept(alpaca, tmp_path, "1m").closed)
    assert some == 5000
    assert fetch.main(given) == 0
    closed = kept(alpaca, tmp_path, "1m").closed
    assert len(closed) > some
    assert len(closed) == (closed[-1] - closed[0]) // 60_000 + 1


@pytest.mark.parametrize("symbol, allowed", [("BTCUSD", '"BTC/USD"'), ("BTC/USDT:USDT", "a spot pair")])
def test_a_misspelt_symbol_is_named(
    symbol: str, allowed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is asked."""
    market = "alpaca" if symbol == "BTCUSD" else "ccxt:bybit"
    code = fetch.main(["--timeframe=1d", "--from=2025-01-01", f"--out={tmp_path}", "--", market, symbol])
    assert code == 2
    assert allowed in capsys.readouterr().err
