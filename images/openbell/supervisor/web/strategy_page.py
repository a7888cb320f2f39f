"""A strategy's page: a bounded part of its records in the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TypeVar

from openbell.supervisor.health.snapshot import BotView, Snapshot, StrategyView
from openbell.supervisor.model.records import (
    AccountRecord,
    DecisionRecord,
    ErrorRecord,
    NoteRecord,
    RunRecord,
    ServiceEvent,
    SignalRecord,
)
from openbell.supervisor.store.store import Store
from openbell.supervisor.web.bot_list import Row
from openbell.supervisor.web.charts import Chart, Point, duration_chart, line_chart, trend_chart
from openbell.supervisor.web.labels import order_state
from openbell.supervisor.web.overview_page import ConditionGroup, condition_groups, down_first

ROWS = 20  # of each table on a page
MOST_PAGES = 50
MOST_BOTS = 25  # in the list of bots
MOST_SYMBOLS = 6  # charts of signals
_HISTORY = 400  # signals, accounts and durations that become charts
_DAYS = 3  # below which a trend from day to day says nothing

Record = TypeVar("Record")


@dataclass(frozen=True)
class SignalChart:
    """One symbol's signals over time."""

    symbol: str
    chart: Chart
    newest: SignalRecord


@dataclass(frozen=True)
class BotDetail:
    """All of one bot."""

    bot: BotView
    decisions: Sequence[DecisionRecord]
    more_decisions: bool
    runs: Sequence[RunRecord]
    more_runs: bool
    durations: Chart | None
    days: Chart | None  # the medians day by day, with the line of their creep
    signals: Sequence[SignalChart]
    more_symbols: int


@dataclass(frozen=True)
class Account:
    """The newest account, and its equity over time."""

    newest: AccountRecord
    equity: Chart | None


@dataclass(frozen=True)
class StrategyPage:
    """What the page of a strategy shows."""

    view: StrategyView
    bots: Sequence[Row]  # of the list's page
    page: int
    pages: int
    rows: int  # the page of the tables
    detail: BotDetail | None
    account: Account | None
    errors: Sequence[ErrorRecord]
    more_errors: bool
    notes: Sequence[NoteRecord]
    more_notes: bool
    events: Sequence[ServiceEvent]
    condition_groups: Sequence[ConditionGroup]


def strategy_page(
    snapshot: Snapshot, view: StrategyView, store: Store, chosen: str = "", page: int = 1, rows: int = 1
) -> StrategyPage:
    """Return a strategy's page. chosen: the bot whose details are shown; page: of the list of bots; rows: of the tables."""
    ordered = down_first(view.bots) if len(view.bots) > MOST_BOTS else list(view.bots)
    pages = max(1, -(-len(ordered) // MOST_BOTS))
    page = min(page, pages)
    bot = next((one for one in view.bots if one.id == chosen), None) or next(iter(down_first(ordered)), None)
    errors, notes = store.errors(view.name, rows * ROWS + 1), store.notes(view.name, rows * ROWS + 1)
    return StrategyPage(
        view=view,
        bots=[Row(view, one) for one in ordered[(page - 1) * MOST_BOTS : page * MOST_BOTS]],
        page=page,
        pages=pages,
        rows=rows,
        detail=None if bot is None else _detail(view.name, bot, store, rows),
        account=_account(store.accounts(view.name, _HISTORY)),
        errors=_part(errors, rows),
        more_errors=len(errors) > rows * ROWS,
        notes=_part(notes, rows),
        more_notes=len(notes) > rows * ROWS,
        events=store.services(view.name, ROWS),
        condition_groups=condition_groups(snapshot, view.name),
    )


def _detail(strategy: str, bot: BotView, store: Store, rows: int) -> BotDetail:
    decisions = store.decisions(strategy, bot.id, max(rows * ROWS + 1, _HISTORY))
    runs = store.runs.recent(strategy, bot.id, rows * ROWS + 1)
    signals = _signals(store.signals(strategy, bot.id, _HISTORY), decisions)
    measured = bot.durations
    durations = duration_chart(
        store.runs.durations_by_slot(strategy, bot.id, _HISTORY)[::-1],
        measured.median_ms if measured else None,
        measured.p95_ms if measured else None,
    )
    return BotDetail(
        bot=bot,
        decisions=_part(decisions, rows),
        more_decisions=len(decisions) > rows * ROWS,
        runs=_part(runs, rows),
        more_runs=len(runs) > rows * ROWS,
        durations=durations,
        days=_days(store, strategy, bot),
        signals=signals[:MOST_SYMBOLS],
        more_symbols=max(0, len(signals) - MOST_SYMBOLS),
    )


def _days(store: Store, strategy: str, bot: BotView) -> Chart | None:
    days = [(datetime.combine(day.day, time(12), UTC), day.median_ms) for day in store.days(strategy, bot.id)]
    return trend_chart(days, bot.durations.creep if bot.durations else None) if len(days) >= _DAYS else None


def _signals(records: Sequence[SignalRecord], decisions: Sequence[DecisionRecord]) -> list[SignalChart]:
    points: dict[str, list[Point]] = {}
    newest: dict[str, SignalRecord] = {}
    for record in records:
        newest.setdefault(record.symbol, record)
        value = number(record.signal)
        if value is not None:
            points.setdefault(record.symbol, []).append((record.at, value))
    charts = []
    for symbol, found in points.items():
        found.reverse()
        chart = line_chart(found, _orders(symbol, found, decisions))
        if chart is not None:
            charts.append(SignalChart(symbol, chart, newest[symbol]))
    return sorted(charts, key=lambda one: one.symbol)


def _orders(symbol: str, points: Sequence[Point], decisions: Sequence[DecisionRecord]) -> list[tuple[str, Point]]:
    """Return where on the line of its signals something was ordered: at the signal that was there just before.

    The mark of an order that is not filled is hollow.
    """
    marks, index = [], 0
    for decision in sorted((one for one in decisions if one.symbol == symbol), key=lambda one: one.at):
        side = decision.action if decision.action in {"buy", "sell"} else decision.about.get("side")
        if side not in ("buy", "sell") or decision.at < points[0][0] - timedelta(seconds=1):
            continue
        while index + 1 < len(points) and points[index + 1][0] <= decision.at:
            index += 1
        marks.append((f"{side} hollow" if order_state(decision) else str(side), points[index]))
    return marks


def _account(records: Sequence[AccountRecord]) -> Account | None:
    if not records:
        return None
    points = [(one.at, one.equity) for one in reversed(records) if one.equity is not None]
    return Account(records[0], line_chart(points))


def held(account: AccountRecord) -> list[tuple[str, Mapping[str, float]]]:
    """Return the positions that are not empty, the largest first."""
    positions = [(symbol, position) for symbol, position in account.positions.items() if position.get("qty")]
    return sorted(positions, key=lambda one: -abs(one[1].get("value") or 0.0))


def number(text: str) -> float | None:
    """Return the finite number that a signal's text is, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e300 else None  # not a number and infinite are no points of a chart


def _part(found: Sequence[Record], rows: int) -> Sequence[Record]:
    return found[(rows - 1) * ROWS : rows * ROWS]
