"""A backtest's ledger decides as the live one does, without a database."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import manifest as manifests
from openbell.backtest import engine
from openbell.backtest.engine import Outcome, Setup
from openbell.backtest.ledger import BacktestLedger
from openbell.ledger import Ledger
from openbell.strategy.context import Context
from tests.unit.strategy_file import write

AFTER, UNTIL = datetime(2012, 1, 2, tzinfo=UTC), datetime(2012, 5, 1, tzinfo=UTC)
TWO_BOTS = """timezone = "America/New_York"
calendar = "XNYS"
[limits]
max_position = 40000
max_orders_per_day = 3
[[bot]]
id = "early"
symbols = ["AAPL", "MSFT"]
at = "09:35"
[[bot]]
id = "late"
symbols = ["AAPL"]
at = "12:00"
"""


def trade(ctx: Context, symbol: str, chance: random.Random) -> None:
    """Order, aim at a position, close, cancel or do nothing, by chance."""
    move = chance.random()
    if move < 0.3:
        ctx.order(symbol, "buy", chance.randint(1, 200), reason="chance")
    elif move < 0.5:
        ctx.order(symbol, "sell", ctx.position(symbol) or 7, reason="chance")
    elif move < 0.6:
        ctx.order(symbol, "buy", 5, limit=ctx.price(symbol) * 0.99, time_in_force="gtc", reason="chance")
    elif move < 0.7:
        ctx.target(symbol, quantity=chance.randint(0, 150), reason="chance")
    elif move < 0.75:
        ctx.close(symbol, reason="chance")
    elif move < 0.85 and ctx.open_orders(symbol):
        ctx.cancel(ctx.open_orders(symbol)[0], reason="chance")


def random_strategy(seed: int) -> Callable[[Context], None]:
    """Return a strategy that trades, waits, remembers, forgets and fails by chance, and tells all that it sees."""
    chance = random.Random(seed)

    def run(ctx: Context) -> None:
        seen = dict(ctx.state)
        ctx.log("seen", state=seen, cash=ctx.cash, waiting=len(ctx.open_orders()))
        for symbol in ctx.symbols:
            held = ctx.position(symbol)
            ctx.log("held", symbol_=symbol, held=held, average=held.average_price, since=held.since)
            trade(ctx, symbol, chance)
            ctx.log("after", symbol_=symbol, held=ctx.position(symbol))
        if chance.random() < 0.1:
            ctx.rebalance({symbol: chance.random() / 2 for symbol in ctx.symbols}, reason="chance")
        move = chance.random()
        if move < 0.2:
            ctx.state["list"] = [*seen.get("list", []), len(seen)]  # type: ignore[misc]
        elif move < 0.3:
            ctx.state.clear()
        elif move < 0.4 and isinstance(kept := ctx.state.get("list"), list):
            kept.append("lost with the run")
            msg = "by chance"
            raise ValueError(msg)

    return run


@pytest.mark.parametrize("seed", range(3))
def test_the_journal_is_the_same_line_for_line(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders, limits, positions and states of random strategies are those of the live ledger's own reads."""
    folder = write(tmp_path, TWO_BOTS)
    found: list[tuple[list[bytes], Outcome]] = []
    market = engine.market_of(manifests.load(folder), Setup(folder, AFTER, UNTIL))
    for number, ledger in enumerate((BacktestLedger, lambda: Ledger(tmp_path / "ledger.sqlite"))):
        monkeypatch.setattr(engine, "BacktestLedger", ledger)
        root = tmp_path / f"journal-{number}"
        outcome = engine.run(Setup(folder, AFTER, UNTIL, journal=root), random_strategy(seed), market=market)
        found.append(([path.read_bytes() for path in sorted(root.rglob("*.jsonl"))], outcome))
    assert found[0] == found[1]
    assert len(found[0][1].fills) > 10, found[0][1].failures[:2]


def test_a_position_begins_at_the_backtest_s_time(tmp_path: Path) -> None:
    """Also one whose order has waited: nothing in a backtest is of today."""
    folder = write(tmp_path, TWO_BOTS)
    seen: set[datetime | None] = set()

    def run(ctx: Context) -> None:
        held = ctx.position("AAPL")
        seen.add(held.since)
        if not held and not ctx.open_orders():
            ctx.order("AAPL", "buy", 5, reason="to hold it")

    engine.run(Setup(folder, AFTER, UNTIL), run)
    begun = seen - {None}
    assert begun
    assert all(AFTER < since < UNTIL for since in begun if since)
