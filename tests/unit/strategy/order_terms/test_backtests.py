"""Orders with terms in a backtest."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from openbell.backtest import engine
from openbell.backtest.engine import Outcome, Setup
from openbell.strategy import Context
from tests.unit.strategy_file import write


def backtested(
    folder: Path, rows: Iterable[tuple[float, float, float, float]], run: Callable[[Context], object]
) -> Outcome:
    """Run a strategy at the open of each day of a file of days."""
    days = [date(2011, 3, 7) + timedelta(number) for number in range(14)]
    weekdays = [day for day in days if day.weekday() < 5]
    lines = [f"{day},{o},{h},{low},{c},1000\n" for day, (o, h, low, c) in zip(weekdays, rows, strict=False)]
    (folder / "prices").mkdir()
    (folder / "prices" / "X.csv").write_text("Date,Open,High,Low,Close,Volume\n" + "".join(lines))
    schedule = 'timezone = "America/New_York"\ncalendar = "XNYS"\n[[bot]]\nid = "demo"\nat = "09:35"\nsymbols = ["X"]\n'
    write(folder, schedule)
    until = datetime(2011, 3, 19, tzinfo=UTC)
    return engine.run(Setup(folder / "demo", datetime(2011, 3, 7, tzinfo=UTC), until, prices=folder / "prices"), run)


def test_a_bracket_in_a_backtest_exits_within_a_days_bar(tmp_path: Path) -> None:
    """The entry at the first day's open, the stop in the second day's range, nothing left over."""

    def run(ctx: Context) -> None:
        if not ctx.state.get("done"):
            ctx.state["done"] = True
            ctx.bracket("X", "buy", 10, take_profit=120, stop_loss=95, time_in_force="gtc", reason="once")
        else:
            ctx.state["open"] = len(ctx.open_orders())
            ctx.state["held"] = float(ctx.position("X"))

    outcome = backtested(tmp_path, [(100, 105, 99, 104), (104, 106, 90, 100), (100, 101, 99, 100)], run)
    assert outcome.failures == ()
    assert [(one.quantity, one.price) for one in outcome.fills] == [(10, 100), (-10, 95)]


def test_a_days_limit_expires_with_its_session_in_a_backtest(tmp_path: Path) -> None:
    """The second day passes the limit, but the order was for the first."""

    def run(ctx: Context) -> None:
        if not ctx.state.get("done"):
            ctx.state["done"] = True
            ctx.order("X", "buy", 10, limit=95, reason="once")

    outcome = backtested(tmp_path, [(100, 105, 99, 104), (104, 106, 90, 100)], run)
    assert (outcome.failures, outcome.fills) == ((), ())
