"""Causes: which conditions belong together, so that one outage is one message. Pure."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from openbell.supervisor.alerts.records import Incident
from openbell.supervisor.conditions import Condition

ABSENCE = "absence"  # of the supervisor itself
CANARY = "canary"
CANARY_STRATEGY = "openbell canary"  # no folder can have this name
JOIN = timedelta(minutes=2)  # an outage whose newest member is older than this is another one

# What an outage of the machine, the engine or a container looks like from here, whichever of it is seen first.
OUTAGE = frozenset(
    {
        "never_started",
        "stalled",
        "stopped",
        "crash_loop",
        "missed",
        "interrupted",
        "hung",
        "stream_ended",
        "stream_silent",
    }
)
# These say why in one line of an error: bots that say the same have one cause.
BY_ERROR = frozenset({"cannot_start", "bad_manifest", "failed", "timed_out"})

_PLACE = re.compile(r"^slots? .*?(failed|timed out)( \(\d+ in a row\))?:? *|\(last tried .*\)$")
_DETAIL = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


def cause_of(condition: Condition) -> str:
    """Return the cause that a condition points to."""
    if condition.strategy == CANARY_STRATEGY:
        return CANARY
    if not condition.strategy:
        return f"machine: {condition.kind}"
    if condition.kind in OUTAGE:
        return "outage"
    if condition.kind in BY_ERROR:
        return f"{condition.kind}: {_alike(condition.reason)}"
    return condition.kind


def _alike(reason: str) -> str:
    # Numbers, addresses and ids differ from bot to bot where the error is the same.
    return _DETAIL.sub("#", _PLACE.sub("", reason).strip())[:200]


def incident_for(condition: Condition, incidents: Iterable[Incident], now: datetime) -> Incident | None:
    """Return the open incident that a new condition belongs to, or None if it is a cause of its own."""
    incidents = tuple(incidents)
    cause = cause_of(condition)
    if cause == CANARY:
        return None
    for incident in incidents:
        if incident.cause == ABSENCE and incident.hold_until is not None and now < incident.hold_until:
            return incident
        if any(member.condition.key == condition.key for member in incident.members):
            return incident  # it went for a moment and came back
    if condition.bot:
        for incident in incidents:
            if any(
                _is_loop_of(member.condition, condition.strategy) for member in incident.members if not member.closed_at
            ):
                return incident  # what is wrong with its strategy's loop explains it
    found = [incident for incident in incidents if incident.cause == cause]
    if cause == "outage" or condition.kind not in BY_ERROR:
        found = [incident for incident in found if now - incident.joined_at <= JOIN]
    return found[-1] if found else None


def _is_loop_of(condition: Condition, strategy: str) -> bool:
    return condition.strategy == strategy and not condition.bot
