"""The policy: what is to be said of an incident, and when. Pure: `now` is handed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from openbell.supervisor.alerts.grouping import ABSENCE, CANARY
from openbell.supervisor.alerts.records import Incident, Member
from openbell.supervisor.alerts.settings import AlertSettings

# How long a new incident is gathered before it is told: until nothing has joined for so long, at most for so long.
# What is known by a deadline is told at once; the beats of loops that die together differ by five seconds.
QUICK = (timedelta(milliseconds=150), timedelta(milliseconds=400))
SLOW = (timedelta(seconds=5.5), timedelta(seconds=12))
DEADLINES = frozenset({"missed", "timed_out", "hung", "stale_data", "volume_full", "store_failed", "not_written"})

# After a message, before the next one that only adds bots; twice as long each time: what joins early is told soon, and an
# outage that grows for hours is no storm of messages.
FIRST_UPDATE = timedelta(seconds=15)
LONGEST_UPDATE = timedelta(hours=1)
WORTH_TELLING = timedelta(minutes=5)  # an absence of the supervisor in which nothing went wrong


@dataclass(frozen=True)
class AlertDecision:
    """What is to be said now (nothing if `sort` is empty), whether the incident is over then, and when to ask again."""

    sort: str = ""
    over: bool = False
    until: datetime | None = None


def decide(incident: Incident, settings: AlertSettings, now: datetime) -> AlertDecision:
    """Return what is to be said of an incident now."""
    still = [member for member in incident.members if member.closed_at is None]
    if incident.told_at is None:
        return _first(incident, still, settings, now)
    if not still:
        if incident.cause == CANARY:
            return AlertDecision(over=True)
        return _unless_quiet("recovery", (), settings, now, over=True)
    news = [member for member in incident.members if not member.told]
    verdicts = []
    if news:
        at = (incident.said_at or now) + min(FIRST_UPDATE * 2 ** min(incident.updates, 9), LONGEST_UPDATE)
        verdicts.append(_unless_quiet("update", news, settings, now) if now >= at else AlertDecision(until=at))
    if settings.remind and incident.cause != CANARY:
        at = (incident.said_at or now) + settings.remind[min(incident.reminders, len(settings.remind) - 1)]
        verdicts.append(_unless_quiet("reminder", still, settings, now) if now >= at else AlertDecision(until=at))
    return _earliest(verdicts)


def _first(incident: Incident, still: list[Member], settings: AlertSettings, now: datetime) -> AlertDecision:
    if incident.hold_until is not None and now < incident.hold_until:
        return AlertDecision(until=incident.hold_until)
    if incident.cause == ABSENCE:
        away = (incident.hold_until or now) - incident.opened_at
        if not incident.members and away < WORTH_TELLING:
            return AlertDecision(over=True)
        return _unless_quiet("summary", incident.members, settings, now, over=not still)
    if not incident.members:
        return AlertDecision(over=True)
    kinds = {member.condition.kind for member in incident.members}
    pause, longest = QUICK if kinds & DEADLINES else SLOW
    at = min(incident.joined_at + pause, incident.opened_at + longest)
    if now < at:
        return AlertDecision(until=at)
    if incident.cause == CANARY:
        return AlertDecision("canary", over=not still)
    return _unless_quiet("alert", incident.members, settings, now, over=not still)


def _unless_quiet(
    sort: str, about: Sequence[Member], settings: AlertSettings, now: datetime, *, over: bool = False
) -> AlertDecision:
    quiet = settings.quiet
    if quiet is not None and quiet.covers(now) and not any(member.critical for member in about):
        return AlertDecision(until=quiet.end_after(now))
    return AlertDecision(sort, over)


def _earliest(verdicts: list[AlertDecision]) -> AlertDecision:
    for verdict in verdicts:
        if verdict.sort:
            return verdict
    return AlertDecision(until=min((verdict.until for verdict in verdicts if verdict.until), default=None))
