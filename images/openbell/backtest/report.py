"""The report of a backtest: one HTML file without scripts and without anything from outside."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from openbell.backtest import plot
from openbell.backtest.engine import Outcome, Point, Setup
from openbell.backtest.figures import Figures, Trade, drawdowns, figures, trade_figures, trades

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
Swept = Sequence[tuple[Mapping[str, object], Figures, int]]


def write(path: Path, setup: Setup, outcome: Outcome, sweep: Swept = ()) -> None:
    """Write the report; OSError if that cannot be done."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    done = trades(outcome.fills)
    days = (
        f"{outcome.curve[0].at:%Y-%m-%d} to {outcome.curve[-1].at:%Y-%m-%d}"
        if outcome.curve
        else "a span without slots"
    )
    source = setup.prices.name if setup.prices is not None else f"market {outcome.market}"
    subtitle = (
        f"{days}, {outcome.slots:,} slots on prices of {source}; begins with {setup.cash:,.0f}; "
        f"commission {setup.costs.commission} and slippage {setup.costs.slippage} basis points"
    )
    text = environment.get_template("report.html").render(
        title=f"Backtest of {setup.folder.name}",
        strategy=setup.folder.name,
        subtitle=subtitle,
        slots=outcome.slots,
        failures=outcome.failures,
        warnings=warnings(outcome),
        tiles=tiles(setup, outcome, done),
        # The plots escape what they show.
        equity=Markup(plot.lines("Equity over time", [("strategy", outcome.curve), ("held", outcome.held)])),  # noqa: S704
        drawdown=Markup(  # noqa: S704
            plot.lines("Drawdown over time", [("strategy", drawdowns(outcome.curve, setup.cash))], percent=True)
        ),
        months=MONTHS,
        by_month=by_month(outcome.curve, setup.cash),
        sweep=sweep,
        trades=done,
        percent=percent,
        number=number,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def warnings(outcome: Outcome) -> list[str]:
    """Return what a reader must know before the figures: orders that were not taken, and shares that ended."""
    found: list[str] = []
    if outcome.interrupted:
        found.append(f"interrupted: it ends at {outcome.curve[-1].at:%Y-%m-%d %H:%M} UTC, and later slots were not run")
    if outcome.rejections:
        reasons = Counter(one.reason.partition(":")[0] for one in outcome.rejections)
        most = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
        first = outcome.rejections[0]
        found.append(
            f"{len(outcome.rejections)} orders were not taken ({most}); the first: {first.at:%Y-%m-%d %H:%M} UTC, "
            f"{first.bot}, {first.symbol}: {first.reason}"
        )
    found += [
        f"the prices of {one.symbol} end on {one.at:%Y-%m-%d}: what was held was sold at the last, {one.price:,.2f}"
        for one in outcome.ended
    ]
    return found


def tiles(setup: Setup, outcome: Outcome, done: Sequence[Trade]) -> list[tuple[str, str]]:
    """Return the figures with their names, as people read them."""
    one, held, traded = figures(outcome.curve, setup.cash), figures(outcome.held, setup.cash), trade_figures(done)
    return [
        ("Equity at the end", f"{outcome.curve[-1].equity:,.2f}" if outcome.curve else "-"),
        ("Return", percent(one.total_return)),
        ("Return, held", percent(held.total_return)),
        ("Return a year", percent(one.annual_return)),
        ("Volatility a year", percent(one.volatility)),
        ("Sharpe ratio", number(one.sharpe)),
        ("Sortino ratio", number(one.sortino)),
        ("Deepest drawdown", percent(one.drawdown)),
        ("Longest drawdown", f"{one.drawdown_days:,.0f} days"),
        ("Trades", f"{traded.count:,}"),
        ("Trades won", percent(traded.won)),
        ("Profit factor", number(traded.profit_factor)),
        ("Commissions", f"{sum(fill.commission for fill in outcome.fills):,.2f}"),
    ]


def by_month(curve: Sequence[Point], start: float) -> list[tuple[int, list[float | None]]]:
    """Return for each year the twelve months' returns and the year's; None where the curve has no point."""
    ends: dict[tuple[int, int], float] = {}
    for point in curve:
        ends[point.at.year, point.at.month] = point.equity
    rows: dict[int, list[float | None]] = {}
    before = start
    for (year, month), end in ends.items():
        row = rows.setdefault(year, [None] * 12)
        row[month - 1] = end / before - 1
        before = end
    found: list[tuple[int, list[float | None]]] = []
    for year, row in rows.items():
        whole = 1.0
        for value in row:
            whole *= 1 + (value or 0.0)
        found.append((year, [*row, whole - 1]))
    return found


def percent(value: float | None) -> str:
    """Return a share as a percentage, or a dash."""
    return "-" if value is None else f"{round(value, 3) + 0.0:.1%}"  # never -0.0%


def number(value: float | None) -> str:
    """Return a figure with two decimals, or a dash."""
    return "-" if value is None else f"{value:.2f}"
