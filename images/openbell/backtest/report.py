"""The report of a backtest: one HTML file with its pictures and their script, and nothing from outside."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template
from types import NoneType

from openbell import uplot
from openbell.backtest import charts
from openbell.backtest import report_page as page
from openbell.backtest.engine import Outcome, Setup
from openbell.backtest.figures import YEAR, Returns, against, by_month, drawdown_periods, figures, returns_of, sharpe
from openbell.backtest.record import Point
from openbell.backtest.report_page import Swept, number, percent
from openbell.backtest.trades import Trade, trade_figures, trades
from openbell.backtest.walk_forward import WalkForward
from openbell.trading.markets import Market, MarketError

MOST_DRAWDOWNS = 10
TEMPLATES = Path(__file__).parent / "templates"
DIGITS = "%.6g"  # of a number in a picture


def write(
    path: Path,
    setup: Setup,
    outcome: Outcome,
    market: Market,
    sweep: Swept = (),
    luck: Sequence[str] = (),
    walked: WalkForward | None = None,
) -> list[tuple[str, str]]:
    """Write the report, and return its tiles; OSError if that cannot be done. luck: what is to be said of the best of a sweep."""
    done = trades(outcome.fills)
    benchmark = buy_and_hold(outcome.curve, market, outcome.symbols, setup.cash)
    own = returns_of(outcome.curve, setup.cash)
    told = tiles(setup, outcome, own, benchmark, done)
    shown = charts.pictures(setup, outcome, own, benchmark, market, done) if outcome.curve else {}
    if walked:
        shown["walk"] = charts.equity(walked.curve)
    deepest = drawdown_periods(outcome.curve, setup.cash)[:MOST_DRAWDOWNS]
    text = Template((TEMPLATES / "report.html").read_text()).substitute(
        title=escape(f"Backtest of {setup.folder.name}"),
        strategy=escape(setup.folder.name),
        subtitle=escape(_subtitle(setup, outcome)),
        problems=page.problems(outcome, warnings(outcome)),
        tiles=page.tiles(told),
        drawdowns=page.drawdowns(deepest, outcome.curve[-1].at if outcome.curve else None),
        months=page.months(by_month(outcome.curve, setup.cash)),
        heat_map=page.heat_map(
            charts.heat([(values, one.sharpe) for values, one, _ in sweep]),
            max((abs(one.sharpe or 0.0) for _, one, _ in sweep), default=0.0),
        ),
        sweep=page.sweep(sweep, luck),
        walk_forward=page.walk_forward(walked, out_of_sample(walked) if walked else ""),
        prices=page.prices(charts.most_traded(outcome.fills)),
        trades=page.trades(done),
        data=_inline(shown),
        styles=uplot.STYLES.read_text() + (TEMPLATES / "report.css").read_text(),
        uplot=uplot.SCRIPT.read_text(),
        script=(TEMPLATES / "report.js").read_text(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return told


def _inline(data: Mapping[str, object]) -> str:
    """Return JSON that a page can hold: no text in it can end its element."""
    return _json(data).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _json(value: object) -> str:
    """Return a value as JSON. Columns of prices and money, which are most of it, have the digits that a picture can show."""
    if isinstance(value, dict):
        return "{" + ",".join([f"{json.dumps(name)}:{_json(one)}" for name, one in value.items()]) + "}"
    if isinstance(value, list) and set(map(type, value)) <= {float, NoneType}:
        text = ",".join(["null" if one is None else DIGITS % one for one in value])
        if "n" in text.replace("null", ""):
            msg = "a picture has a value that is not a number"
            raise ValueError(msg)
        return f"[{text}]"
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _subtitle(setup: Setup, outcome: Outcome) -> str:
    curve = outcome.curve
    days = f"{curve[0].at:%Y-%m-%d} to {curve[-1].at:%Y-%m-%d}" if curve else "a span without slots"
    source = setup.prices.name if setup.prices is not None else f"market {outcome.market}"
    return (
        f"{days}, {outcome.slots:,} slots on prices of {source}; begins with {setup.cash:,.0f}; "
        f"commission {setup.costs.commission} and slippage {setup.costs.slippage} basis points"
    )


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


def luck_of(setups: Sequence[Setup], outcomes: Sequence[Outcome], best: int) -> list[str]:
    """Return what is to be said of the best of a sweep: how much of it luck may be."""
    from openbell.backtest import overfitting  # noqa: PLC0415 - only a sweep needs it

    columns = [returns_of(one.curve, setup.cash).values for setup, one in zip(setups, outcomes, strict=True)]
    sharpes = [sharpe(one, 1.0) or 0.0 for one in columns]
    skill, fitted = overfitting.deflated_sharpe(columns[best], sharpes), overfitting.overfitting(columns)
    if skill is None or fitted is None:
        return ["too few returns to say how much of the best of them is luck"]
    return [
        (
            f"deflated Sharpe ratio: with a probability of {skill:.0%} the best is better than luck alone would make the best of "
            f"{len(columns)}"
        ),
        f"probability of backtest overfitting: {fitted:.0%} of the best of one half of the time are below the median in the other",
    ]


def out_of_sample(walked: WalkForward) -> str:
    """Return what a walk-forward came to, in one line."""
    one = walked.figures
    inside = [step.inside.sharpe for step in walked.steps if step.inside.sharpe is not None]
    return (
        f"walk-forward, out of sample: {len(walked.steps)} windows, return {percent(one.total_return)}, Sharpe ratio "
        f"{number(one.sharpe)}, deepest drawdown {percent(one.drawdown)}; where the parameters were chosen, the Sharpe ratio "
        f"was {number(sum(inside) / len(inside) if inside else None)} on average"
    )


def tiles(
    setup: Setup, outcome: Outcome, own: Returns, benchmark: Sequence[Point], done: Sequence[Trade]
) -> list[tuple[str, str]]:
    """Return the figures with their names, as people read them. own: the returns of the outcome's curve."""
    curve, other = outcome.curve, returns_of(benchmark, setup.cash)
    one, held = figures(curve, setup.cash, own), figures(benchmark, setup.cash, other)
    traded, together = trade_figures(done), against(own, other)
    return [
        ("Equity at the end", f"{curve[-1].equity:,.2f}" if curve else "-"),
        ("Return", percent(one.total_return)),
        ("Return, held", percent(held.total_return)),
        ("Return a year", percent(one.annual_return)),
        ("Volatility a year", percent(one.volatility)),
        ("Sharpe ratio", number(one.sharpe)),
        ("Sharpe ratio, held", number(held.sharpe)),
        ("Sortino ratio", number(one.sortino)),
        ("Calmar ratio", number(one.calmar)),
        ("Deepest drawdown", percent(one.drawdown)),
        ("Longest drawdown", f"{one.drawdown_days:,.0f} days"),
        ("Value at risk, 5 %", percent(one.value_at_risk)),
        ("Expected shortfall", percent(one.expected_shortfall)),
        ("Beta", number(together.beta if together else None)),
        ("Alpha a year", percent(together.alpha if together else None)),
        ("Correlation", number(together.correlation if together else None)),
        ("Exposure", percent(_exposure(curve))),
        ("Turnover a year", percent(_turnover(outcome))),
        ("Trades", f"{traded.count:,}"),
        ("Trades won", percent(traded.won)),
        ("Average trade", "-" if traded.average is None else f"{traded.average:,.2f}"),
        ("Profit factor", number(traded.profit_factor)),
        ("Commissions", f"{sum(fill.commission for fill in outcome.fills):,.2f}"),
        ("Slippage", f"{sum(charts.slippage_paid(setup, outcome.fills)):,.2f}"),
        ("Borrowing", f"{outcome.borrowed:,.2f}"),
    ]


def _exposure(curve: Sequence[Point]) -> float | None:
    """Return what the positions were worth on average, as a part of the equity."""
    parts = [point.exposure / point.equity for point in curve if point.equity > 0]
    return sum(parts) / len(parts) if parts else None


def _turnover(outcome: Outcome) -> float | None:
    """Return how much of the average equity is bought, or sold, in a year; None for a span of less than a month."""
    curve = outcome.curve
    years = (curve[-1].at - curve[0].at) / YEAR if curve else 0.0
    average = sum(point.equity for point in curve) / len(curve) if curve else 0.0
    if years < 1 / 12 or average <= 0:
        return None
    return sum(abs(one.quantity) * one.price for one in outcome.fills) / 2 / average / years


def buy_and_hold(curve: Sequence[Point], market: Market, symbols: Sequence[str], cash: float) -> list[Point]:
    """Return what the money would have been worth at the instants of a curve, had it bought each symbol at its first price.

    Each symbol gets an equal part of the money.
    """
    part = cash / len(symbols) if symbols else 0.0
    shares: dict[str, float] = {}

    def worth(symbol: str, at: datetime) -> float:
        try:
            price = market.price(symbol, at)
        except MarketError:  # not listed yet
            return part
        return shares.setdefault(symbol, part / price) * price

    return [Point(point.at, sum([worth(symbol, point.at) for symbol in symbols])) for point in curve]
