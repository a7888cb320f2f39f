"""A backtest beside what really ran: where they differ, by how much, and why."""

import csv
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.backtest.comparison import Runs, compare, runs_of, summary
from openbell.journal import Event

ROOT = Path(__file__).parents[3]
SLOT = datetime(2026, 3, 2, 14, 35, tzinfo=UTC)
ORDER: Event = {"action": "buy", "qty": 10, "filled_qty": 10, "filled_price": 100.0, "reason": "rose", "signal": 1.5}


def lines(*decisions: Event, slot: datetime = SLOT, outcome: str = "succeeded", error: str = "") -> list[Event]:
    """Return the lines of one run."""
    run: Event = {"bot": "b", "slot": slot.isoformat(), "timestamp": slot.isoformat()}
    found: list[Event] = [{**run, "event": "run_start", "lateness_ms": 1500.0}]
    found += [{**run, "event": "decision", "symbol": "X", "client_order_id": "ob-1", **one} for one in decisions]
    if error:
        found.append({**run, "event": "error", "error": error})
    return [*found, {**run, "event": "run_end", "outcome": outcome}]


def runs(*decisions: Event, outcome: str = "succeeded", error: str = "") -> Runs:
    """Return one run."""
    return runs_of(lines(*decisions, outcome=outcome, error=error))


@pytest.mark.parametrize(
    "live, past, why",
    [
        (runs(ORDER), runs(ORDER), ""),
        (runs({**ORDER, "filled_price": 100.1}), runs(ORDER), "filled at another price, 1.5 s after its slot"),
        (
            runs({**ORDER, "qty": 9, "filled_qty": 9}),
            runs(ORDER),
            "another quantity: position, cash or price were others",
        ),
        (runs({**ORDER, "filled_qty": 4}), runs(ORDER), "filled another part of it"),
        (
            runs({**ORDER, "action": "sell", "signal": -1}),
            runs(ORDER),
            "signal -1 live, 1.5 in the backtest: it saw other bars",
        ),
        (runs({**ORDER, "signal": 1.4}), runs(ORDER), "the same, on another signal 1.4 live, 1.5 in the backtest"),
        (
            runs({"action": "hold", "qty": 0, "signal": 1.5}),
            runs(ORDER),
            "another decision on the same signal: position, cash or state were others",
        ),
        (
            runs({"action": "refused", "qty": 0, "reason": "max_order_value: too much"}),
            runs(ORDER),
            "refused live: max_order_value: too much",
        ),
        (
            runs({**ORDER, "status": "rejected", "broker_reason": "no money"}),
            runs(ORDER),
            "rejected live: no money",
        ),
        (runs(ORDER), runs({"action": "refused", "reason": "stale data"}), "refused in the backtest: stale data"),
        (runs(outcome="failed", error="ValueError: x"), runs(ORDER), "the run failed live: ValueError: x"),
        (runs(ORDER), runs(outcome="failed", error="KeyError: y"), "the run failed in the backtest: KeyError: y"),
        ({}, runs(ORDER), "did not run live: no line tells of that slot"),
        (runs(ORDER), {}, "a run that no schedule asks for: the backtest has no such slot"),
        (runs(), runs(ORDER), "decided in the backtest only"),
    ],
)
def test_a_difference_says_why(live: Runs, past: Runs, why: str) -> None:
    """One row for the decision, with the reason that explains it best."""
    (row,) = compare(live, past)
    assert row.why.startswith(why)
    assert bool(row.why) == bool(why)


def test_a_slot_that_was_passed_over_says_why() -> None:
    """The outcome and the reason of the loop."""
    skipped: Event = {
        "event": "slot_skipped",
        "bot": "b",
        "slot": SLOT.isoformat(),
        "outcome": "missed",
        "reason": "late",
    }
    (row,) = compare(runs_of([skipped]), runs(ORDER))
    assert row.why == "did not run live: missed (late)"


def test_slippage_is_what_live_paid_more() -> None:
    """Bought at 100.1 instead of 100, ten times; a sale at less is worse too, and at more is better."""
    later = SLOT + timedelta(days=1)
    sale: Event = {**ORDER, "action": "sell", "filled_price": 99.9}
    live = runs_of([*lines({**ORDER, "filled_price": 100.1}), *lines({**sale, "filled_price": 100.2}, slot=later)])
    past = runs_of([*lines(ORDER), *lines(sale, slot=later)])
    rows = compare(live, past)
    assert [row.slippage for row in rows] == pytest.approx([10.0, -30.03], abs=0.01)
    found = summary(rows, live, past)
    assert (found.slots, found.ran, found.same, found.different) == (2, 2, 2, 0)
    assert found.cost == pytest.approx(10 * 0.1 - 10 * 0.3)
    assert found.worst == pytest.approx(10.0)


def test_what_fills_after_its_run_counts() -> None:
    """A line of the order's own, written between two slots."""
    waits: Event = {**ORDER, "filled_qty": 0, "filled_price": None}
    filled: Event = {"event": "order", "client_order_id": "ob-1", "filled_qty": 10, "filled_price": 100.0}
    assert compare(runs_of([*lines(waits), filled]), runs(ORDER))[0].why == ""


def test_a_strategy_on_made_up_prices_is_compared_with_itself(tmp_path: Path) -> None:
    """The whole command: what a backtest decides is what the live loop's journal says, but for what is changed there."""
    folder = tmp_path / "strategies" / "mine"
    folder.mkdir(parents=True)
    (folder / "strategy.toml").write_text(
        'timezone = "UTC"\nmarket = "synthetic"\n[[bot]]\nid = "b"\nsymbols = ["BTC/USD"]\nevery = "1h"\n'
    )
    (folder / "strategy.py").write_text(
        "def run(ctx):\n"
        "    one, two = ctx.bars('BTC/USD', '1h', 2).closes\n"
        "    ctx.signal('BTC/USD', two / one)\n"
        "    held = ctx.position('BTC/USD')\n"
        "    if two > one and not held:\n"
        "        ctx.order('BTC/USD', 'buy', 0.5, reason='up')\n"
        "    elif two < one and held:\n"
        "        ctx.order('BTC/USD', 'sell', held, reason='down')\n"
    )
    span = ("--from", "2026-03-02", "--to", "2026-03-03", "--out", str(tmp_path / "out"))
    where = ("--strategies", str(tmp_path / "strategies"))
    command = (sys.executable, "-m", "openbell")
    subprocess.run((*command, "backtest", "mine", *where, *span), check=True, capture_output=True, timeout=120)
    (journal,) = (tmp_path / "out" / "journal" / "mine").iterdir()
    live = [json.loads(line) for line in journal.read_text().splitlines()]
    bought = next(line for line in live if line.get("action") == "buy")
    bought["filled_price"] *= 1.001
    journal.write_text("".join(json.dumps(line) + "\n" for line in live))
    done = subprocess.run(
        (*command, "compare", "mine", *where, "--journal", str(journal), "--out", str(tmp_path / "out")),
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "FORCE_COLOR": "1"},  # as on a terminal
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "where live and backtest differ" in done.stdout
    assert "x1b" not in done.stdout, "escapes are shown as text"
    assert "49 slots, 49 of them ran live" in done.stdout
    assert "49 decisions were the same, 0 were not" in done.stdout
    with (tmp_path / "out" / "compare.csv").open() as file:
        different = [row for row in csv.DictReader(file) if row["why"]]
    assert [(row["slippage_bp"], row["why"]) for row in different] == [
        ("10.00", "filled at another price, 0.0 s after its slot")
    ]


@pytest.mark.parametrize(
    "text, code, said",
    [
        ("", 2, "the journal tells of no run since then: give an earlier start, such as SINCE=30d"),
        (None, 1, "No such file"),
    ],
)
def test_what_cannot_be_compared_is_one_line(tmp_path: Path, text: str | None, code: int, said: str) -> None:
    """No lines, or no such file."""
    path = tmp_path / "lines.jsonl"
    if text is not None:
        path.write_text(text)
    done = subprocess.run(
        (sys.executable, "-m", "openbell", "compare", "ma_crossover", "--journal", str(path), "--out", str(tmp_path)),
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_market_of_today_needs_its_prices(tmp_path: Path) -> None:
    """The message has the command that fetches them."""
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines(ORDER)))
    done = subprocess.run(
        (
            sys.executable,
            "-m",
            "openbell",
            "compare",
            "alpaca_trend",
            "--journal",
            str(path),
            "--out",
            str(tmp_path),
            "--strategies",
            str(ROOT / "strategies"),
        ),
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 2
    assert 'make history MARKET=alpaca SYMBOLS="SPY" TIMEFRAME=15m FROM=' in done.stderr
