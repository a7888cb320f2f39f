"""The API's answers: the fields of each are listed once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openbell.control import Deployment
from openbell.journal import stamp
from openbell.supervisor.alerts.view import (
    ChannelView,
    DeadmanView,
    DeliveryView,
    IncidentView,
    MemberView,
    MessageView,
)
from openbell.supervisor.health.snapshot import Blackout, BotView, Snapshot, StrategyView, StreamView
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.records import (
    AccountRecord,
    DecisionRecord,
    ErrorRecord,
    Finding,
    NoteRecord,
    OrderRecord,
    RunRecord,
    ServiceEvent,
    SignalRecord,
    SlotRecord,
    Uptime,
    Worth,
)
from openbell.supervisor.web.answer import Answer, Json, json_value
from openbell.supervisor.web.audit import AuditEntry
from openbell.supervisor.web.comparisons import ComparedDecision
from openbell.supervisor.web.labels import advice, kind_of
from openbell.supervisor.web.money_page import Exposure, Position
from openbell.supervisor.web.overview_page import Total, totals
from openbell.supervisor.web.run_page import RunPage
from openbell.supervisor.web.timeline_page import Band, Lane, Stretch
from openbell.supervisor.web.trades import Trade
from openbell.supervisor.web.year_page import YearDay


@dataclass(frozen=True)
class BotOfStrategy:
    """A bot together with its strategy."""

    strategy: StrategyView
    bot: BotView


def _title(condition: Condition) -> str:
    return kind_of(condition).title


def _critical(condition: Condition) -> bool:
    return kind_of(condition).critical


@dataclass(frozen=True)
class StrategySettings:
    """A strategy's settings: the manifest's text, locked packages, secrets by name, and the diff to the settings before."""

    strategy: str
    release: str
    since: datetime | None
    manifest: str
    packages: tuple[str, ...]
    secrets: tuple[str, ...]
    difference: tuple[str, ...]


@dataclass(frozen=True)
class OpenOrder:
    """An order that waits, with its strategy."""

    strategy: str
    order: OrderRecord


@dataclass(frozen=True)
class EquityPoint:
    """What accounts were worth at an instant, and how many per cent that lay below the highest value so far."""

    at: datetime
    equity: float
    drawdown: float


CONDITION = Answer(
    "Condition",
    Condition,
    "kind strategy bot since reason expected count",
    {"title": _title, "critical": _critical, "advice": advice},
    description="Something that is wrong now. bot is empty if it concerns the strategy's loop, both if the machine",
)
BLACKOUT = Answer(
    "Blackout", Blackout, "window start end", description="A window without runs: it goes on, or it is the next"
)
STREAM = Answer("Stream", StreamView, "since beat orders_today", description="What a stream does, which has no slots")
WORTH = Answer(
    "Worth",
    Worth,
    "timestamp=at currency equity today week start started_at",
    description="An account, and its gain since the day began, the week began, and since its first record",
)
TOTAL = Answer(
    "Total",
    Total,
    "currency equity today week start",
    description="What all accounts of one currency are worth, and have gained",
)
UPTIME = Answer(
    "Uptime",
    Uptime,
    "days_7=week days_30=month days_90=quarter",
    description="The part of its slots that succeeded, from 0 to 1; null if it had none. Slots skipped on purpose do not count",
)
EQUITY_POINT = Answer("EquityPoint", EquityPoint, "timestamp=at equity drawdown")
POSITION = Answer(
    "Position",
    Position,
    "strategy symbol quantity average_price price value profit",
    description="What one strategy holds of one symbol",
)
EXPOSURE = Answer(
    "Exposure",
    Exposure,
    "symbol long short net strategies",
    description="What all strategies hold of one symbol, by its value",
)
BAND = Answer(
    "Band",
    Band,
    "kind start end title",
    description="A part of a timeline: session, early (a half day), closed, blackout",
)
STRETCH = Answer(
    "Stretch",
    Stretch,
    "outcome=ended first last count",
    description="Slots of one outcome that lie so close together that the page draws one stroke",
)
LANE = Answer("Lane", Lane, "bot=row.name strategy=row.strategy.name status=row.status bands slots=stretches")
YEAR_DAY = Answer(
    "YearDay",
    YearDay,
    "day worst=outcome exchange slots",
    description="worst: the worst outcome of the day's slots, empty if there were none; exchange: closed, early or empty",
)
TRADE = Answer(
    "Trade",
    Trade,
    "strategy bot symbol side quantity entry_at entry_price entry_reason exit_at exit_price exit_reason costs result",
    description="A part of a position that was closed; costs are taken off the result",
)
OPEN_ORDER = Answer(
    "OpenOrder",
    OpenOrder,
    "strategy bot=order.bot symbol=order.symbol side=order.side quantity=order.quantity status=order.status "
    "filled=order.filled price=order.price timestamp=order.at changed_at=order.changed_at reason=order.why "
    "client_order_id=order.client_order_id",
    description="An order that waits or whose fate is unknown; price is the average of what was filled",
)
STRATEGY_SETTINGS = Answer(
    "StrategySettings",
    StrategySettings,
    "strategy release since manifest packages secrets difference",
    description="since: when they were first seen; difference: the lines of a unified diff to the settings before",
)
AUDIT_ENTRY = Answer(
    "AuditEntry",
    AuditEntry,
    "timestamp=at action strategy bot by address details",
    description="A change through the page or the API; by is token or session, address the machine that asked",
)
INCIDENT_PART = Answer(
    "IncidentPart", MemberView, "kind strategy bot since reason count", description="Something wrong in an incident"
)
INCIDENT = Answer(
    "Incident",
    IncidentView,
    "id title critical opened_at told_at closed_at acknowledged_at snoozed_until handled_by reminders escalations members",
    description="Conditions with one cause: acknowledged until it is over, or snoozed until an instant",
)
DELIVERY = Answer(
    "Delivery",
    DeliveryView,
    "channel state attempts error",
    description="What became of a message at a channel: waiting, sent, superseded or given_up",
)
ALERT_MESSAGE = Answer("AlertMessage", MessageView, "timestamp=at sort severity title body deliveries")
CHANNEL = Answer(
    "Channel",
    ChannelView,
    "name kind=scheme fallback waiting last_sent_at last_failed_at error failures sent failed",
    description="Where alerts go. waiting: messages that are not sent yet; failures: in a row",
)
DEADMAN = Answer("Deadman", DeadmanView, "last_pinged_at last_failed_at error clock_skew_s")
INCIDENT_DETAIL = INCIDENT.extended("IncidentDetail", messages=ALERT_MESSAGE)
DEPLOYMENT = Answer("Deployment", Deployment, "release strategies since until by")
DECISION = Answer("Decision", DecisionRecord, "timestamp=at slot symbol action quantity reason about")
SIGNAL = Answer("Signal", SignalRecord, "timestamp=at slot symbol signal values")
RUN = Answer(
    "Run",
    RunRecord,
    "run_id slot trigger attempt started_at ended_at outcome lateness_ms duration_ms orders error",
)
SLOT = Answer(
    "Slot",
    SlotRecord,
    "slot=last first count outcome reason late run_id lateness_ms duration_ms error",
    description="A slot, or a range of slots with one fate: first is the range's first then, slot its last",
)
ACCOUNT = Answer("Account", AccountRecord, "timestamp=at broker cash equity currency day_profit_loss positions")
FINDING = Answer(
    "Finding", Finding, "timestamp=at kind detail", description="What a run found wrong outside, such as old data"
)
ERROR = Answer("RunError", ErrorRecord, "timestamp=at bot slot error traceback will_retry")
NOTE = Answer("Note", NoteRecord, "timestamp=at bot kind level text values")
EVENT = Answer("Event", ServiceEvent, "timestamp=at event detail unclean")
COMPARED = Answer(
    "ComparedDecision",
    ComparedDecision,
    "symbol live backtest slippage_bp cost why",
    description="One decision of a run and of the same run in a backtest, as `make compare` tells them",
)
RUN_DETAIL = Answer(
    "RunDetail",
    RunPage,
    "strategy=view.name bot=run.bot run_id=run.run_id slot=run.slot trigger=run.trigger attempt=run.attempt "
    "started_at=run.started_at ended_at=run.ended_at outcome=run.outcome lateness_ms=run.lateness_ms "
    "duration_ms=run.duration_ms orders=run.orders error=run.error compared_at",
    lists={
        "signals": SIGNAL,
        "decisions": DECISION,
        "findings": FINDING,
        "errors": ERROR,
        "notes": NOTE,
        "backtest": COMPARED,
    },
    description="compared_at: when `make compare` was run last, whose decisions of the same run are in backtest",
)
BOT = Answer(
    "Bot",
    BotOfStrategy,
    "id=bot.id strategy=strategy.name symbols=bot.symbols timezone=bot.timezone status=bot.status reason=bot.reason "
    "condition=bot.condition last_slot=bot.last.last last_outcome=bot.last.outcome last_lateness_ms=bot.last.lateness_ms "
    "last_duration_ms=bot.last.duration_ms median_duration_ms=bot.durations.median_ms "
    "p95_duration_ms=bot.durations.p95_ms creep_ms_per_week=bot.durations.creep next_slot=bot.next_slot "
    "blackout=bot.blackout stream=bot.stream "
    "missed_today=bot.missed_today manual_failure=bot.manual_failure open_orders=bot.open_orders "
    "uptime=bot.uptime worth=strategy.worth host=strategy.host last_decision=bot.last_decision",
)
BOT_DETAIL = BOT.extended("BotDetail", conditions=CONDITION, runs=RUN, decisions=DECISION, signals=SIGNAL)
_STRATEGY = Answer(
    "Strategy",
    StrategyView,
    "name description tags host timezone broker money status reason condition release worth problems",
)
STRATEGY = _STRATEGY.extended("Strategy", bots=BOT)
STRATEGY_DETAIL = _STRATEGY.extended(
    "StrategyDetail", conditions=CONDITION, bots=BOT, accounts=ACCOUNT, errors=ERROR, notes=NOTE, events=EVENT
)
# Every answer above. Of two with one name the later one is described, which has more.
ANSWERS: Sequence[Answer[Any]] = [one for one in tuple(globals().values()) if isinstance(one, Answer)]


def status(snapshot: Snapshot, headline: str, now: datetime, *, read_only: bool) -> bytes:
    """Return everything that is known now, as JSON.

    It is encoded a strategy at a time: the objects for a thousand bots at once would take megabytes that are never freed.
    """
    about = {
        "now": stamp(now),
        "judged_at": stamp(snapshot.judged_at),
        "ok": snapshot.ok,
        "headline": headline,
        "read_only": read_only,
        "deployment": json_value(snapshot.deployment),
        "totals": [TOTAL.json(one) for one in totals(snapshot.strategies)],
        "conditions": [CONDITION.json(one) for one in snapshot.conditions],
    }
    strategies = (_encoded(STRATEGY.json(view, bots=bots_of(view))) for view in snapshot.strategies)
    return _encoded(about)[:-1] + b',"strategies":[' + b",".join(strategies) + b"]}"


def bots_of(view: StrategyView) -> list[BotOfStrategy]:
    """Return the bots of a strategy."""
    return [BotOfStrategy(view, bot) for bot in view.bots]


def _encoded(answer: Json) -> bytes:
    return json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
