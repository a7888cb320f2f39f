"""The API's answers: views and records as JSON. What each field means stands in openapi.py."""

import json
from collections.abc import Mapping
from datetime import datetime

from openbell.control import Deployment
from openbell.journal import stamp
from openbell.supervisor.health.snapshot import BotView, Snapshot, StrategyView
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
)
from openbell.supervisor.web.labels import advice, kind_of

Answer = dict[str, object]


def status(snapshot: Snapshot, now: datetime, *, read_only: bool) -> bytes:
    """Return everything that is known now, as JSON.

    It is put together a strategy at a time: of a thousand bots the whole, as objects, would take megabytes that stay ours.
    """
    about = {
        "now": stamp(now),
        "judged_at": stamp(snapshot.judged_at),
        "ok": snapshot.ok,
        "headline": snapshot.headline,
        "read_only": read_only,
        "deployment": None if snapshot.deployment is None else deployment(snapshot.deployment),
        "conditions": [condition(one) for one in snapshot.conditions],
    }
    strategies = (
        _as_json(strategy(view) | {"bots": [bot(view, one) for one in view.bots]}) for view in snapshot.strategies
    )
    return _as_json(about)[:-1] + b',"strategies":[' + b",".join(strategies) + b"]}"


def strategy(view: StrategyView) -> Answer:
    """Return a strategy, without its bots."""
    return {
        "name": view.name,
        "description": view.description,
        "timezone": view.timezone,
        "broker": view.broker,
        "money": view.money,
        "status": view.status,
        "reason": view.reason,
        "condition": view.condition,
        "release": view.release,
        "problems": list(view.problems),
    }


def bot(view: StrategyView, one: BotView) -> Answer:
    """Return one bot."""
    last, measured = one.last, one.durations
    return {
        "id": one.id,
        "strategy": view.name,
        "symbols": list(one.symbols),
        "timezone": one.timezone,
        "status": one.status,
        "reason": one.reason,
        "condition": one.condition,
        "last_slot": None if last is None else stamp(last.last),
        "last_outcome": None if last is None else last.outcome,
        "last_lateness_ms": None if last is None else last.lateness_ms,
        "last_duration_ms": None if last is None else last.duration_ms,
        "median_duration_ms": measured.median_ms if measured else None,
        "p95_duration_ms": measured.p95_ms if measured else None,
        "creep_ms_per_week": measured.creep if measured else None,
        "next_slot": _maybe(one.next_slot),
        "missed_today": one.missed_today,
        "last_decision": None if one.last_decision is None else decision(one.last_decision),
    }


def condition(one: Condition) -> Answer:
    """Return something that is wrong."""
    return {
        "kind": one.kind,
        "strategy": one.strategy,
        "bot": one.bot,
        "since": stamp(one.since),
        "title": kind_of(one).title,
        "reason": one.reason,
        "expected": one.expected,
        "count": one.count,
        "critical": kind_of(one).critical,
        "advice": advice(one),
    }


def deployment(one: Deployment) -> Answer:
    """Return a deployment."""
    return {
        "release": one.release,
        "strategies": list(one.strategies),
        "since": stamp(one.since),
        "until": stamp(one.until),
        "by": one.by,
    }


def slot(one: SlotRecord) -> Answer:
    """Return a slot, or a range of slots with one fate."""
    return {
        "slot": stamp(one.last),
        "first": stamp(one.first),
        "count": one.count,
        "outcome": one.outcome,
        "reason": one.reason,
        "late": one.late,
        "run_id": one.run_id,
        "lateness_ms": one.lateness_ms,
        "duration_ms": one.duration_ms,
        "error": one.error,
    }


def run(one: RunRecord) -> Answer:
    """Return a run."""
    return {
        "run_id": one.run_id,
        "slot": stamp(one.slot),
        "trigger": one.trigger,
        "attempt": one.attempt,
        "started_at": _maybe(one.started_at),
        "ended_at": _maybe(one.ended_at),
        "outcome": one.outcome,
        "lateness_ms": one.lateness_ms,
        "duration_ms": one.duration_ms,
        "orders": one.orders,
        "error": one.error,
    }


def decision(one: DecisionRecord) -> Answer:
    """Return what a run decided about a symbol."""
    return {
        "timestamp": stamp(one.at),
        "slot": _maybe(one.slot),
        "symbol": one.symbol,
        "action": one.action,
        "quantity": one.quantity,
        "reason": one.reason,
        "about": dict(one.about),
    }


def signal(one: SignalRecord) -> Answer:
    """Return what a run computed for a symbol."""
    return {
        "timestamp": stamp(one.at),
        "slot": _maybe(one.slot),
        "symbol": one.symbol,
        "signal": one.signal,
        "values": dict(one.values),
    }


def error(one: ErrorRecord) -> Answer:
    """Return an error of a run or a start."""
    return {
        "timestamp": stamp(one.at),
        "bot": one.bot,
        "slot": _maybe(one.slot),
        "error": one.error,
        "traceback": one.traceback,
        "will_retry": one.will_retry,
    }


def note(one: NoteRecord) -> Answer:
    """Return what a run printed or noted."""
    return {
        "timestamp": stamp(one.at),
        "bot": one.bot,
        "kind": one.kind,
        "level": one.level,
        "text": one.text,
        "values": dict(one.values),
    }


def account(one: AccountRecord) -> Answer:
    """Return what an account held at the end of a run."""
    positions: Mapping[str, Mapping[str, float]] = one.positions
    return {
        "timestamp": stamp(one.at),
        "broker": one.broker,
        "cash": one.cash,
        "equity": one.equity,
        "currency": one.currency,
        "day_profit_loss": one.day_profit_loss,
        "positions": {symbol: dict(position) for symbol, position in positions.items()},
    }


def event(one: ServiceEvent) -> Answer:
    """Return something that happened to a strategy's loop."""
    return {"timestamp": stamp(one.at), "event": one.event, "detail": one.detail, "unclean": one.unclean}


def _maybe(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def _as_json(answer: Answer) -> bytes:
    return json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
