"""The API's answers: the fields of each are listed once, and both its JSON and its OpenAPI schema are made from the list.

A field is named after the attribute of the record that it shows, or written as `name=path.of.attributes`; where an
attribute on the path is None, so is the field. The types come from the records' annotations.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from openbell.control import Deployment
from openbell.journal import stamp
from openbell.supervisor.health.snapshot import Blackout, BotView, Snapshot, StrategyView, StreamView
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.records import (
    AccountRecord,
    DecisionRecord,
    ErrorRecord,
    NoteRecord,
    RunRecord,
    ServiceEvent,
    SignalRecord,
    SlotRecord,
    Uptime,
    Worth,
)
from openbell.supervisor.web.audit import AuditEntry
from openbell.supervisor.web.labels import advice, kind_of
from openbell.supervisor.web.schemas import INSTANT, STATUS, TEXT, Schema, list_of, or_null, reference, schema_object
from openbell.supervisor.web.trades import Trade

Record = TypeVar("Record")
Json = dict[str, object]

_OUTCOME: Schema = {
    "enum": ["succeeded", "failed", "timed_out", "interrupted", "skipped", "missed", None],
    "description": "null while its run is in progress",
}
# Fields of which the type does not say all.
_KNOWN: Mapping[str, Schema] = {
    "outcome": _OUTCOME,
    "last_outcome": _OUTCOME,
    "status": STATUS,
    "money": {**TEXT, "description": "live or paper"},
}
_SCALARS = frozenset({bool, int, float, str})
_TYPES: Mapping[type, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number"},
    str: TEXT,
    datetime: INSTANT,
}


@dataclass(frozen=True)
class Answer(Generic[Record]):
    """An answer about one record. `computed` are fields that a function returns, `lists` are lists of other answers."""

    name: str
    record: type[Record]
    fields: str
    computed: Mapping[str, Callable[[Record], object]] = field(default_factory=dict)
    lists: Mapping[str, "Answer[Any]"] = field(default_factory=dict)
    description: str = ""

    def json(self, record: Record, **lists: Sequence[object]) -> Json:
        """Return the answer as a JSON object."""
        found: Json = {name: read(record) for name, read in self._readers}
        found |= {name: function(record) for name, function in self.computed.items()}
        return found | {name: [answer.json(one) for one in lists[name]] for name, answer in self.lists.items()}

    def schema(self) -> Schema:
        """Return the OpenAPI schema of the answer."""
        found = {name: _KNOWN.get(name) or _schema(_type_at(self.record, path)) for name, path in _paths(self.fields)}
        found |= {name: _schema(get_type_hints(function)["return"]) for name, function in self.computed.items()}
        found |= {name: list_of(reference(answer.name)) for name, answer in self.lists.items()}
        return schema_object(found, **({"description": self.description} if self.description else {}))

    @cached_property
    def _readers(self) -> list[tuple[str, Callable[[object], object]]]:
        return [(name, _reader(self.record, path)) for name, path in _paths(self.fields)]

    def extended(self, name: str, **lists: "Answer[Any]") -> "Answer[Record]":
        """Return the answer with lists of others."""
        return replace(self, name=name, lists=lists)


def _paths(fields: str) -> list[tuple[str, tuple[str, ...]]]:
    pairs = [(name, path or name) for name, _, path in (one.partition("=") for one in fields.split())]
    return [(name, tuple(path.split("."))) for name, path in pairs]


def _reader(record: type, path: tuple[str, ...]) -> Callable[[object], object]:
    """Return a function that reads a field of a record as JSON; quick, for a thousand bots have 17 fields each."""
    if not _without_none(_type_at(record, path[:-1]))[1]:
        get = attrgetter(".".join(path))
        return get if _without_none(_type_at(record, path))[0] in _SCALARS else lambda one: _value(get(one))
    outer, inner = attrgetter(".".join(path[:-1])), attrgetter(path[-1])
    return lambda one: None if (found := outer(one)) is None else _value(inner(found))


def _value(value: object) -> object:
    if value is None or type(value) in _SCALARS:
        return value
    match value:
        case datetime():
            return stamp(value)
        case Mapping():
            return {key: _value(one) for key, one in value.items()}
        case tuple() | list():
            return [_value(one) for one in value]
        case _:
            answer = _BY_RECORD.get(type(value))
            return value if answer is None else answer.json(value)


def _type_at(record: object, path: tuple[str, ...]) -> object:
    """Return the type at the end of a path of attributes, with None if one on the way may be None."""
    found, may_be_none = record, False
    for name in path:
        found, none_here = _without_none(found)
        may_be_none = may_be_none or none_here
        member = getattr(found, name, None)
        found = get_type_hints(member.fget)["return"] if isinstance(member, property) else get_type_hints(found)[name]
    return found | None if may_be_none else found  # type: ignore[operator]


def _without_none(found: object) -> tuple[object, bool]:
    options = [one for one in get_args(found) if one is not NoneType] if NoneType in get_args(found) else [found]
    return options[0], NoneType in get_args(found)


def _schema(found: object) -> Schema:
    found, may_be_none = _without_none(found)
    if may_be_none:
        return or_null(_schema(found))
    if get_origin(found) is tuple:
        return list_of(_schema(get_args(found)[0]))
    if isinstance(found, type) and found in _BY_RECORD:
        return reference(_BY_RECORD[found].name)
    return _TYPES.get(found, {"type": "object"})  # type: ignore[call-overload, no-any-return]


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
UPTIME = Answer(
    "Uptime",
    Uptime,
    "days_7=week days_30=month days_90=quarter",
    description="The part of its slots that succeeded, from 0 to 1; null if it had none. Slots skipped on purpose do not count",
)
EQUITY_POINT = Answer("EquityPoint", EquityPoint, "timestamp=at equity drawdown")
TRADE = Answer(
    "Trade",
    Trade,
    "strategy bot symbol side quantity entry_at entry_price entry_reason exit_at exit_price exit_reason costs result",
    description="A part of a position that was closed; costs are taken off the result",
)
AUDIT_ENTRY = Answer(
    "AuditEntry",
    AuditEntry,
    "timestamp=at action strategy bot by address details",
    description="A change through the page or the API; by is token or session, address the machine that asked",
)
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
ERROR = Answer("RunError", ErrorRecord, "timestamp=at bot slot error traceback will_retry")
NOTE = Answer("Note", NoteRecord, "timestamp=at bot kind level text values")
EVENT = Answer("Event", ServiceEvent, "timestamp=at event detail unclean")
BOT = Answer(
    "Bot",
    BotOfStrategy,
    "id=bot.id strategy=strategy.name symbols=bot.symbols timezone=bot.timezone status=bot.status reason=bot.reason "
    "condition=bot.condition last_slot=bot.last.last last_outcome=bot.last.outcome last_lateness_ms=bot.last.lateness_ms "
    "last_duration_ms=bot.last.duration_ms median_duration_ms=bot.durations.median_ms "
    "p95_duration_ms=bot.durations.p95_ms creep_ms_per_week=bot.durations.creep next_slot=bot.next_slot "
    "blackout=bot.blackout stream=bot.stream "
    "missed_today=bot.missed_today manual_failure=bot.manual_failure open_orders=bot.open_orders "
    "uptime=bot.uptime worth=strategy.worth last_decision=bot.last_decision",
)
BOT_DETAIL = BOT.extended("BotDetail", conditions=CONDITION, runs=RUN, decisions=DECISION, signals=SIGNAL)
_STRATEGY = Answer(
    "Strategy",
    StrategyView,
    "name description tags timezone broker money status reason condition release worth problems",
)
STRATEGY = _STRATEGY.extended("Strategy", bots=BOT)
STRATEGY_DETAIL = _STRATEGY.extended(
    "StrategyDetail", conditions=CONDITION, bots=BOT, accounts=ACCOUNT, errors=ERROR, notes=NOTE, events=EVENT
)
ANSWERS: Sequence[Answer[Any]] = (
    *(
        CONDITION,
        BLACKOUT,
        STREAM,
        WORTH,
        UPTIME,
        EQUITY_POINT,
        TRADE,
        AUDIT_ENTRY,
        DEPLOYMENT,
        DECISION,
        SIGNAL,
        RUN,
        SLOT,
        ACCOUNT,
        ERROR,
        NOTE,
        EVENT,
    ),
    *(BOT, BOT_DETAIL, STRATEGY, STRATEGY_DETAIL),
)
_BY_RECORD: Mapping[type, Answer[Any]] = {one.record: one for one in ANSWERS if not one.lists}


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
        "deployment": _value(snapshot.deployment),
        "conditions": [CONDITION.json(one) for one in snapshot.conditions],
    }
    strategies = (_encoded(STRATEGY.json(view, bots=bots_of(view))) for view in snapshot.strategies)
    return _encoded(about)[:-1] + b',"strategies":[' + b",".join(strategies) + b"]}"


def bots_of(view: StrategyView) -> list[BotOfStrategy]:
    """Return the bots of a strategy."""
    return [BotOfStrategy(view, bot) for bot in view.bots]


def _encoded(answer: Json) -> bytes:
    return json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
