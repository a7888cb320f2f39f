"""Turns a journal line into records. A value that is missing or of the wrong type counts as absent."""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from openbell.journal import Event, instant
from openbell.supervisor.model.records import (
    AccountRecord,
    DecisionRecord,
    ErrorRecord,
    Finding,
    NoteRecord,
    OrderRecord,
    ServiceEvent,
    SignalRecord,
)

LONGEST_NAME = 200  # characters of an id; a longer one counts as absent
LONGEST_TEXT = 8_000  # characters of one text that are kept; our own writers never write more
LONGEST_VALUES = 4_000  # characters of a line's other values that are kept
MOST_POSITIONS = 500
_YEARS = (1971, 2500)
_HEAD = {"timestamp", "event", "level", "strategy", "boot_id", "bot", "slot", "run_id", "attempt"}
_DECISION = {"symbol", "action", "qty", "reason"}
_SIGNAL = {"symbol", "signal"}
_NOTE = {"output": "text", "note": "message"}
_POSITION = ("qty", "average_price", "price", "value")
_SERVICE = {
    "service_start": "release",
    "service_stop": "reason",
    "error": "error",
    "clock_stepped": "by_s",
    "bot_paused": "reason",
    "request_refused": "reason",
}


def text(line: Event, name: str) -> str:
    """Return a field's text, or an empty one."""
    value = line.get(name)
    if type(value) is str:  # nearly all are, and that costs least
        return value if len(value) <= LONGEST_TEXT else value[:LONGEST_TEXT]
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value)[:LONGEST_TEXT]


def name(line: Event, field: str) -> str:
    """Return a field's text if it can be an id, else an empty text."""
    value = line.get(field)
    return value if type(value) is str and len(value) <= LONGEST_NAME else ""


def number(line: Event, name: str) -> float | None:
    """Return a field's number, or None."""
    value = line.get(name)
    if type(value) is not float and type(value) is not int:
        return None
    return float(value) if abs(value) < 2**53 and math.isfinite(value) else None


def integer(line: Event, name: str, default: int) -> int:
    """Return a field's number as an integer."""
    value = number(line, name)
    return default if value is None else int(value)


ORDER_PROBLEMS = frozenset({"rejected", "expired", "lost", "uncertain"})


def at(line: Event, name: str = "timestamp") -> datetime | None:
    """Return a field's instant, or None; one outside _YEARS counts as absent, so that arithmetic with it cannot overflow."""
    value = line.get(name)
    return _instant(value) if type(value) is str and len(value) <= LONGEST_NAME else None


# The lines of a run have few instants, and runs that are due together share theirs.
@lru_cache(maxsize=64)
def _instant(value: str) -> datetime | None:
    found = instant(value)
    return found if found is not None and _YEARS[0] <= found.year <= _YEARS[1] else None


def decision(line: Event) -> DecisionRecord | None:
    """Return the decision that a line records."""
    when = at(line)
    if when is None:
        return None
    # An order that came to nothing is shown as that in every list of decisions, and not as a purchase or a sale.
    action, status = text(line, "action"), text(line, "status")
    came_to_nothing = status in ORDER_PROBLEMS
    about = _values(line, _DECISION)
    return DecisionRecord(
        at=when,
        bot=name(line, "bot"),
        slot=at(line, "slot"),
        run_id=name(line, "run_id"),
        symbol=text(line, "symbol"),
        action=status if came_to_nothing else action,
        quantity=number(line, "qty"),
        reason=text(line, "reason"),
        about={"side": action, **about} if came_to_nothing else about,
    )


def order(line: Event) -> OrderRecord | None:
    """Return how far an order has come, from a line; None if the line is about no order that was sent."""
    order_id = name(line, "client_order_id")
    if not order_id or (when := at(line)) is None or not (status := text(line, "status")):
        return None
    is_decision = line["event"] == "decision"
    return OrderRecord(
        client_order_id=order_id,
        bot=name(line, "bot"),
        run_id=name(line, "run_id") if is_decision else "",
        symbol=text(line, "symbol"),
        side=text(line, "action" if is_decision else "side"),
        quantity=number(line, "qty"),
        status=status,
        filled=number(line, "filled_qty"),
        price=number(line, "filled_price"),
        fee=number(line, "fee"),
        at=when,
        changed_at=when,
        reason=text(line, "broker_reason"),
        why=text(line, "reason") if is_decision else "",
    )


def signal(line: Event) -> SignalRecord | None:
    """Return the signal that a line records."""
    when = at(line)
    if when is None:
        return None
    return SignalRecord(
        at=when,
        bot=name(line, "bot"),
        slot=at(line, "slot"),
        run_id=name(line, "run_id"),
        symbol=text(line, "symbol"),
        signal=text(line, "signal"),
        values=_values(line, _SIGNAL),
    )


def note(line: Event) -> NoteRecord | None:
    """Return what the strategy printed, or wrote with ctx.log, from a line."""
    when = at(line)
    if when is None:
        return None
    kind = str(line["event"])
    return NoteRecord(
        at=when,
        bot=name(line, "bot"),
        slot=at(line, "slot"),
        run_id=name(line, "run_id"),
        kind=kind,
        level=text(line, "level"),
        text=text(line, _NOTE[kind]),
        values=_values(line, {_NOTE[kind]}),
    )


def account(line: Event) -> AccountRecord | None:
    """Return the account that a line records."""
    when, positions = at(line), line.get("positions")
    if when is None or not isinstance(positions, dict):
        return None
    held = {symbol[:LONGEST_TEXT]: _figures(position) for symbol, position in list(positions.items())[:MOST_POSITIONS]}
    return AccountRecord(
        at=when,
        bot=name(line, "bot"),
        broker=text(line, "broker"),
        cash=number(line, "cash"),
        equity=number(line, "equity"),
        currency=text(line, "currency"),
        positions=held,
        day_profit_loss=number(line, "day_profit_loss"),
    )


def finding(line: Event) -> Finding | None:
    """Return what a run or a loop found wrong outside (stale bars, a broker that differs), from a line."""
    when = at(line)
    if when is None:
        return None
    return Finding(
        at=when,
        kind=str(line["event"]),
        bot=name(line, "bot"),
        slot=at(line, "slot"),
        run_id=name(line, "run_id"),
        detail=_values(line, frozenset()),
    )


def order_problem(line: Event) -> Finding | None:
    """Return what is wrong with an order that a line tells of, or None: rejected, expired, lost, or of unknown fate."""
    status = text(line, "status")
    found = finding(line) if status in ORDER_PROBLEMS else None
    if found is None:
        return None
    return found._replace(kind="order_uncertain" if status == "uncertain" else "order_rejected")


def _figures(position: object) -> dict[str, float]:
    if not isinstance(position, dict):
        return {}
    return {key: value for key in _POSITION if (value := number(position, key)) is not None}


def _values(line: Event, known: frozenset[str] | set[str]) -> Mapping[str, object]:
    """Return the other fields of a line, up to LONGEST_VALUES characters."""
    kept: dict[str, object] = {}
    room = LONGEST_VALUES
    for key, value in line.items():
        if key in _HEAD or key in known or value is None:
            continue
        kind = type(value)
        if kind is str:
            room -= len(key) + len(value)  # type: ignore[arg-type]
        elif kind is float or kind is int:
            room -= len(key) + 24  # no number is longer
        else:
            room -= len(json.dumps({key: value}, ensure_ascii=False))
        if room >= 0:
            kept[key] = value
    return kept


def error(line: Event) -> ErrorRecord | None:
    """Return the error that a line records."""
    when = at(line)
    if when is None:
        return None
    return ErrorRecord(
        at=when,
        bot=name(line, "bot"),
        slot=at(line, "slot"),
        run_id=name(line, "run_id"),
        error=text(line, "error"),
        traceback=text(line, "traceback"),
        will_retry=line.get("will_retry") is True,
    )


def service(line: Event) -> ServiceEvent | None:
    """Return what happened to a strategy's loop, from a line."""
    when, event = at(line), str(line["event"])
    if when is None or event not in _SERVICE:
        return None
    detail = text(line, _SERVICE[event])
    if bot := name(line, "bot"):
        detail = f"{bot}: {detail}"
    kind = "start_failed" if event == "error" else event
    return ServiceEvent(when, kind, name(line, "boot_id"), detail, unclean=line.get("previous_stop") == "unclean")


def one_line(error_text: str) -> str:
    """Return an error as one line: all of its lines, or of a traceback the last, which names the exception."""
    lines = [one.strip() for one in error_text.splitlines() if one.strip()]
    return (
        (lines[-1] if lines[0].startswith("Traceback (") else " | ".join(lines).replace(": | ", ": ")) if lines else ""
    )
