"""The policy: which message an incident needs, and when. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from openbell.supervisor.alerts.grouping import ABSENCE, CANARY
from openbell.supervisor.alerts.model import Incident, Member
from openbell.supervisor.alerts.settings import AlertSettings

# How long a new incident collects members before its first message: until none has joined for the first time span, at
# most for the second. The heartbeats of loops that die together differ by five seconds. Missed slots need no time at all:
# the watch finds all of one deadline in one step, however many bots they are of.
QUICK = (timedelta(milliseconds=100), timedelta(milliseconds=400))
SLOW = (timedelta(seconds=5.5), timedelta(seconds=12))
AT_ONCE = frozenset({"missed"})
DEADLINES = AT_ONCE | frozenset({"timed_out", "hung", "stale_data", "volume_full", "store_failed", "not_written"})

# The pause before a message that only adds bots; it doubles each time, so that an outage that grows for hours does not
# become a storm of messages.
FIRST_UPDATE = timedelta(seconds=15)
LONGEST_UPDATE = timedelta(hours=1)
WORTH_TELLING = timedelta(minutes=5)  # a shorter absence of the supervisor is not reported if nothing went wrong


@dataclass(frozen=True)
class AlertDecision:
    """The message to send now (none if `sort` is empty), whether the incident is over then, and when to decide again."""

    sort: str = ""
    over: bool = False
    until: datetime | None = None


def decide(incident: Incident, settings: AlertSettings, now: datetime) -> AlertDecision:
    """Return which message an incident needs now."""
    still = [member for member in incident.members if member.closed_at is None]
    if incident.told_at is None:
        return _first(incident, still, settings, now)
    if not still:
        if incident.cause == CANARY:
            return AlertDecision(over=True)
        return _unless_quiet("recovery", (), settings, now, over=True)
    if incident.snoozed_until is not None and now < incident.snoozed_until:
        return AlertDecision(until=incident.snoozed_until)
    # What came and went meanwhile is named when all is over.
    news = [member for member in still if not member.told]
    decisions = []
    if news:
        at = (incident.said_at or now) + min(FIRST_UPDATE * 2 ** min(incident.updates, 9), LONGEST_UPDATE)
        decisions.append(_unless_quiet("update", news, settings, now) if now >= at else AlertDecision(until=at))
    for sort, at in (
        ("escalation", _escalation(incident, settings, now)),
        ("reminder", _reminder(incident, settings, now)),
    ):
        if at is not None and incident.cause != CANARY:
            decisions.append(_unless_quiet(sort, still, settings, now) if now >= at else AlertDecision(until=at))
    return _earliest(decisions)


def _escalation(incident: Incident, settings: AlertSettings, now: datetime) -> datetime | None:
    """Return when the next channel is informed, unless a person answers until then; None if there is none."""
    since = incident.unanswered_since(now)
    if since is None or incident.escalations >= len(settings.escalations):
        return None
    return since + settings.escalations[incident.escalations].after


def _reminder(incident: Incident, settings: AlertSettings, now: datetime) -> datetime | None:
    """Return when a person is reminded; None for one who has acknowledged the incident."""
    since, said = incident.unanswered_since(now), incident.said_at or now
    if incident.snoozed_until is not None and said < incident.snoozed_until:
        return incident.snoozed_until
    if since is None or not settings.remind:
        return None
    return said + settings.remind[min(incident.reminders, len(settings.remind) - 1)]


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
    if now < at and not kinds <= AT_ONCE:
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


def _earliest(decisions: list[AlertDecision]) -> AlertDecision:
    for decision in decisions:
        if decision.sort:
            return decision
    return AlertDecision(until=min((decision.until for decision in decisions if decision.until), default=None))
