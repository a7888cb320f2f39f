"""The memory of a backtest does not grow with its slots."""

import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell import manifest as manifests
from openbell.backtest import engine, record
from openbell.backtest.engine import Setup
from openbell.strategy.context import Context
from tests.unit.strategy_file import write

OFTEN = 'timezone = "America/New_York"\ncalendar = "XNYS"\n[[bot]]\nsymbols = ["AAPL"]\nevery = "5m"\n'
BEGIN = datetime(2012, 1, 3, tzinfo=UTC)
COLUMN = 16  # bytes for each slot: its instant is eight, in a row that grows by parts


def test_ten_times_the_slots_take_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the instant of each slot, with positions, signals and a state, at bounds that both have reached."""
    monkeypatch.setattr(record, "MOST_POINTS", 300)
    monkeypatch.setattr(record, "MOST_SIGNALS", 200)
    folder = write(tmp_path, OFTEN)

    def run(ctx: Context) -> None:
        ctx.state["runs"] = int(str(ctx.state.get("runs", 0))) + 1
        ctx.signal("AAPL", ctx.bars("AAPL", "1d", 5).closes[-1])
        if not ctx.position("AAPL"):
            ctx.order("AAPL", "buy", 1, reason="once")

    def peak(days: int) -> tuple[int, int]:
        setup = Setup(folder, BEGIN, BEGIN + timedelta(days=days))
        market = engine.market_of(manifests.load(folder), setup)
        tracemalloc.start()
        try:
            outcome = engine.run(setup, run, market=market)
            return outcome.slots, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)  # what is loaded once
    few, before = peak(9)
    many, after = peak(102)
    assert many >= 10 * few > 5_000
    assert after - before < many * COLUMN + 50_000, f"{before:,} bytes for {few:,} slots, {after:,} for {many:,}"
