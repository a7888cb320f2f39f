"""The backtest: the same run(ctx) at every slot, with nothing of the future, and to the cent what a second way of counting says."""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import floor
from pathlib import Path
from typing import Any, cast

import pytest

from openbell.backtest import engine
from openbell.backtest.engine import Outcome, Setup
from openbell.costs import Costs
from openbell.journal import since
from openbell.ledger import Ledger
from openbell.strategy import loader
from openbell.strategy.context import Context
from openbell.trading.markets.history import load
from tests.unit.strategy_file import write

ROOT = Path(__file__).parents[3]
FROM, TO = datetime(2010, 1, 4, tzinfo=UTC), datetime(2013, 3, 1, 23, tzinfo=UTC)
DAILY = (
    'timezone = "America/New_York"\ncalendar = "XNYS"\n[[bot]]\nid = "{id}"\nsymbols = ["AAPL", "MSFT"]\nat = "09:35"\n'
)
NewBacktest = Callable[..., Outcome]


@pytest.fixture
def backtest(tmp_path: Path) -> NewBacktest:
    """Give a function that backtests a function as the strategy `demo`."""

    def run(function: Callable[[Context], object], text: str = DAILY.format(id="demo"), **changes: Any) -> Outcome:
        folder = tmp_path / "demo"
        if not folder.exists():
            write(tmp_path, text)
        return engine.run(Setup(folder, changes.pop("after", FROM), changes.pop("until", TO), **changes), function)

    return run


def average_cross(fast: int, slow: int, share: float) -> Decimal:
    """Return the equity of ma_crossover's rule at the last opening, computed on whole columns and without openbell's runs.

    Each session's decision uses the closes before it and trades at its opening, one symbol after the other.
    """
    tables = {symbol: load(symbol).before("9999", 10**6) for symbol in ("AAPL", "MSFT")}
    days = [bar.timestamp.date().isoformat() for bar in tables["AAPL"]]
    cash, held = Decimal(100_000), dict.fromkeys(tables, 0)
    for index, day in enumerate(days):
        if not "2010-01-04" <= day <= "2013-03-01":
            continue
        for symbol, bars in tables.items():
            closes = [bar.close for bar in bars[index - slow : index]]
            short, long = sum(closes[-fast:]) / fast, sum(closes) / slow
            price = Decimal(repr(bars[index].open))
            affordable = floor(float(cash) * share / bars[index].open)
            if short > long and not held[symbol] and affordable:
                cash -= (affordable * price).quantize(Decimal("0.000001"))
                held[symbol] = affordable
            elif short < long and held[symbol]:
                cash += (held[symbol] * price).quantize(Decimal("0.000001"))
                held[symbol] = 0
    last = days.index("2013-03-01")
    return cash + sum(held[symbol] * Decimal(repr(bars[last].open)) for symbol, bars in tables.items())


@pytest.mark.parametrize("params", [{}, {"fast": 5, "slow": 30, "share": 0.3}])
def test_the_result_is_that_of_an_independent_computation(params: Mapping[str, Any]) -> None:
    """To the cent, over three years of the shipped real prices: ma_crossover as it is shipped, and with other parameters."""
    folder = ROOT / "strategies" / "ma_crossover"
    function = loader.load(folder, ("run",))["run"]
    outcome = engine.run(Setup(folder, FROM, TO, params=params), function)
    expected = average_cross(**{"fast": 20, "slow": 50, "share": 0.45, **params})
    assert outcome.slots == 795
    assert len(outcome.fills) > 20
    assert not outcome.failures
    assert Decimal(repr(outcome.curve[-1].equity)).quantize(Decimal("0.01")) == expected.quantize(Decimal("0.01"))


def test_a_strategy_that_tries_to_peek_sees_nothing(backtest: NewBacktest) -> None:
    """More bars than there are, a longer count, every symbol: all of it has closed before the slot."""
    seen: list[tuple[datetime, datetime]] = []

    def run(ctx: Context) -> None:
        for symbol in ctx.symbols:
            for count in (1, 500, 10**6):
                seen.extend((bar.timestamp, ctx.slot) for bar in ctx.bars(symbol, "1d", count)[-2:])

    outcome = backtest(run, until=datetime(2010, 3, 1, tzinfo=UTC))
    assert outcome.slots == 38
    assert len(seen) == 38 * 2 * 5
    assert all(closed < slot for closed, slot in seen)


def test_a_strategys_own_cash_knows_what_borrowing_costs(backtest: NewBacktest) -> None:
    """Its share is the whole account, sold short for a month: both have the same cash at every slot."""
    seen: list[tuple[float, float]] = []

    def run(ctx: Context) -> None:
        seen.append((ctx.cash, ctx.account.cash["USD"]))
        if not ctx.position("AAPL"):
            ctx.order("AAPL", "sell", 100, reason="first")

    tables = "[capital]\namount = 100000\n[limits]\nshort = true\n[[bot]]"
    text = DAILY.format(id="demo").replace("[[bot]]", tables)
    costs = Costs(borrow=Decimal(5))
    outcome = backtest(run, text, until=datetime(2010, 2, 5, tzinfo=UTC), costs=costs)
    assert not outcome.failures
    assert outcome.borrowed > 1
    assert [own for own, _ in seen] == [pytest.approx(account) for _, account in seen]


def test_fills_are_at_the_opening_of_their_own_day(backtest: NewBacktest) -> None:
    """An order at 09:35 fills at that day's opening price, which is the newest price then."""

    def run(ctx: Context) -> None:
        if not ctx.position("AAPL"):
            ctx.order("AAPL", "buy", 10, reason="first")

    outcome = backtest(run)
    (fill,) = outcome.fills
    assert fill.price == load("AAPL").opening("2010-01-04")
    assert outcome.curve[0].equity == pytest.approx(100_000)


def test_commission_and_slippage_are_paid_both_ways(backtest: NewBacktest) -> None:
    """Ten basis points of commission and twenty of slippage: bought dearer, sold cheaper, and each trade costs."""

    def run(ctx: Context) -> None:
        ctx.order("AAPL", "sell" if ctx.position("AAPL") else "buy", 100, reason="in and out")

    until = datetime(2010, 1, 5, 23, tzinfo=UTC)
    outcome = backtest(run, until=until, costs=Costs(Decimal(10), Decimal(20)))
    buy, sell = outcome.fills
    opens = [load("AAPL").opening(day) for day in ("2010-01-04", "2010-01-05")]
    assert buy.price == pytest.approx(opens[0] * 1.002)
    assert sell.price == pytest.approx(opens[1] * 0.998)
    assert buy.commission == pytest.approx(100 * buy.price * 0.001, abs=1e-5)
    paid = 100 * (sell.price - buy.price) - buy.commission - sell.commission
    assert outcome.curve[-1].equity == pytest.approx(100_000 + paid, abs=1e-5)


def test_state_is_kept_from_run_to_run_and_a_failure_keeps_nothing(backtest: NewBacktest) -> None:
    """As in the live loop: what a run that fails has changed is gone, and the next run happens."""
    counts: list[object] = []

    def run(ctx: Context) -> None:
        ctx.state["count"] = int(str(ctx.state.get("count", 0))) + 1
        counts.append(ctx.state["count"])
        if ctx.state["count"] == 3 and len(counts) == 3:
            msg = "no"
            raise ValueError(msg)

    outcome = backtest(run, until=datetime(2010, 1, 8, 23, tzinfo=UTC))
    assert counts == [1, 2, 3, 3, 4]
    assert [(error, bot) for _, bot, error in outcome.failures] == [("ValueError: no", "demo")]


def test_bots_share_the_account_and_run_in_the_order_of_their_slots(backtest: NewBacktest) -> None:
    """Two bots of one strategy trade with one purse, the earlier slot first."""
    order: list[str] = []

    def run(ctx: Context) -> None:
        order.append(ctx.bot)
        if ctx.bot == "late":
            ctx.order("AAPL", "buy", 10**6, reason="all of it")

    text = DAILY.format(id="late").replace("09:35", "11:00") + DAILY.format(id="early").partition("[[bot]]")[2].join(
        ["[[bot]]", ""]
    )
    outcome = backtest(run, text, until=datetime(2010, 1, 5, 23, tzinfo=UTC))
    assert order == ["early", "late", "early", "late"]
    assert outcome.fills == ()
    assert not outcome.failures


def test_the_journal_is_in_the_live_format(backtest: NewBacktest, tmp_path: Path) -> None:
    """Run by run: heartbeat, signals, decisions, output, end; on the day of the slot, and marked as a backtest."""

    def run(ctx: Context) -> None:
        print("hello")
        ctx.signal("AAPL", 1.5, fast=2.0)
        ctx.order("AAPL", "buy", 1, reason="why not")

    backtest(run, until=datetime(2010, 1, 4, 23, tzinfo=UTC), journal=tmp_path / "journal")
    lines = list(since(tmp_path / "journal" / "demo", FROM.date()))
    assert [line["event"] for line in lines] == ["run_start", "signal", "decision", "output", "decision", "run_end"]
    assert {line["slot"] for line in lines} == {"2010-01-04T14:35:00.000Z"}
    assert {line["boot_id"] for line in lines} == {"backtest"}
    assert lines[-1]["outcome"] == "succeeded"
    assert lines[-1]["orders"] == 1
    assert (tmp_path / "journal" / "demo" / "2010-01-04.jsonl").is_file()


@pytest.mark.parametrize("seed", range(3))
def test_a_journal_changes_nothing(backtest: NewBacktest, tmp_path: Path, seed: int) -> None:
    """With and without lines, and on a ledger in a file, runs see and do the same: positions, cash, state, orders, errors."""

    def runs(seen: list[object]) -> Callable[[Context], None]:
        rng = random.Random(seed)

        def run(ctx: Context) -> None:
            ctx.state["runs"] = [*cast("list[int]", ctx.state.get("runs", [])), 1][-5:]
            seen.append((ctx.slot, dict(ctx.state), ctx.cash, [ctx.position(symbol) for symbol in ctx.symbols]))
            symbol = rng.choice(ctx.symbols)
            kind = rng.random()
            if kind < 0.1:
                ctx.log("no", source="mine")  # a name of the journal's
            elif kind < 0.5:
                ctx.order(symbol, "buy", rng.randint(1, 300), reason="dice")
            elif kind < 0.8 and ctx.position(symbol):
                ctx.order(symbol, "sell", ctx.position(symbol) // 2 or 1, reason="dice")
            elif kind < 0.9:
                ctx.close(symbol, reason="dice")

        return run

    until = datetime(2010, 3, 1, 23, tzinfo=UTC)
    without, kept, filed = [], [], []  # type: ignore[var-annotated]
    outcome = backtest(runs(without), until=until)
    assert outcome == backtest(runs(kept), until=until, journal=tmp_path / "journal")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "BacktestLedger", lambda: Ledger(tmp_path / "state" / "ledger.sqlite"))
        assert outcome == backtest(runs(filed), until=until)
    assert without == kept == filed
    assert outcome.fills
    assert any("the name source belongs to the journal" in error for _, _, error in outcome.failures)


def test_a_second_backtest_takes_the_place_of_the_first(backtest: NewBacktest, tmp_path: Path) -> None:
    """In the same folder: no day of the first is left, and no line is there twice."""

    def run(ctx: Context) -> None:
        ctx.hold("AAPL", reason="fine")

    journal = tmp_path / "journal"
    backtest(run, until=datetime(2010, 1, 6, 23, tzinfo=UTC), journal=journal)
    assert [line["event"] for line in since(journal / "demo", FROM.date())].count("run_start") == 3
    backtest(run, until=datetime(2010, 1, 4, 23, tzinfo=UTC), journal=journal)
    assert [line["event"] for line in since(journal / "demo", FROM.date())].count("run_start") == 1
    assert [path.name for path in (journal / "demo").glob("*.jsonl")] == ["2010-01-04.jsonl"]


def test_limits_of_the_manifest_hold_in_a_backtest(backtest: NewBacktest) -> None:
    """An order beyond a limit is refused, as it would be live."""

    def run(ctx: Context) -> None:
        ctx.order("AAPL", "buy", 1000, reason="too much")

    text = DAILY.format(id="demo").replace("[[bot]]", "[limits]\nmax_order_value = 1000\n[[bot]]")
    outcome = backtest(run, text, until=datetime(2010, 1, 4, 23, tzinfo=UTC))
    assert (outcome.fills, outcome.failures) == ((), ())
