"""The policy as a table: of an incident, what is said when."""

from datetime import UTC, datetime, time, timedelta

import pytest

from openbell.supervisor.alerts.grouping import ABSENCE, CANARY
from openbell.supervisor.alerts.model import Incident
from openbell.supervisor.alerts.policy import AlertDecision, decide
from openbell.supervisor.alerts.quiet_hours import QuietHours
from openbell.supervisor.alerts.settings import AlertSettings, Escalation
from tests.unit.supervisor.alerts.scenes import HOUR, MINUTE, NOW, SECOND, incident, member

MILLISECOND = timedelta(milliseconds=1)
PLAIN = AlertSettings()
NIGHT = AlertSettings(quiet=QuietHours(time(22), time(7), "Europe/Berlin"))
MISSED, HUNG, STALLED = member(), member(kind="hung"), member(bot="", kind="stalled")
SLOWER = member(kind="slower")  # not critical
TOLD = {"told_at": NOW, "said_at": NOW}
ABSENT = incident(cause=ABSENCE, opened_at=NOW - 4 * MINUTE, hold_until=NOW)


def known(*members: object, **more: object) -> Incident:
    """Return an incident that was told at NOW, with members that were named."""
    return incident(*members, **(TOLD | more))  # type: ignore[arg-type]


NAMED = member(told=True)
OVER = member(told=True, closed=MINUTE)


@pytest.mark.parametrize(
    "about,after,expected",
    [
        # The first message: at once of slots with one deadline, otherwise after a moment in which others may join.
        (incident(MISSED, MISSED), timedelta(0), AlertDecision("alert")),
        (incident(HUNG), timedelta(0), AlertDecision(until=NOW + 100 * MILLISECOND)),
        (incident(HUNG, MISSED), 100 * MILLISECOND, AlertDecision("alert")),
        (incident(HUNG, joined_at=NOW + 300 * MILLISECOND), 350 * MILLISECOND, AlertDecision(until=NOW + 400 * MILLISECOND)),
        (incident(HUNG, joined_at=NOW + 300 * MILLISECOND), 400 * MILLISECOND, AlertDecision("alert")),
        (incident(STALLED), 5 * SECOND, AlertDecision(until=NOW + 5.5 * SECOND)),
        (incident(STALLED), 6 * SECOND, AlertDecision("alert")),
        (incident(STALLED, joined_at=NOW + 11 * SECOND), 11.5 * SECOND, AlertDecision(until=NOW + 12 * SECOND)),
        (incident(STALLED, MISSED), 100 * MILLISECOND, AlertDecision("alert")),
        (incident(member(closed=SECOND)), 2 * SECOND, AlertDecision("alert", over=True)),
        # Then: silence, reminders at growing distances, the last one again and again.
        (known(NAMED), 59 * MINUTE, AlertDecision(until=NOW + HOUR)),
        (known(NAMED), HOUR, AlertDecision("reminder")),
        (known(NAMED, reminders=1), HOUR, AlertDecision(until=NOW + 4 * HOUR)),
        (known(NAMED, reminders=1), 4 * HOUR, AlertDecision("reminder")),
        (known(NAMED, reminders=9), 23 * HOUR, AlertDecision(until=NOW + 24 * HOUR)),
        (known(NAMED, reminders=9), 24 * HOUR, AlertDecision("reminder")),
        # More of the same: together, and less and less often.
        (known(NAMED, MISSED), 14 * SECOND, AlertDecision(until=NOW + 15 * SECOND)),
        (known(NAMED, MISSED), 15 * SECOND, AlertDecision("update")),
        (known(NAMED, MISSED, updates=2), 59 * SECOND, AlertDecision(until=NOW + MINUTE)),
        (known(NAMED, MISSED, updates=2), MINUTE, AlertDecision("update")),
        (known(NAMED, MISSED, updates=30), HOUR, AlertDecision("update")),
        # The end: when all of it is over, at once.
        (known(NAMED, OVER), MINUTE, AlertDecision(until=NOW + HOUR)),
        (known(OVER), MINUTE, AlertDecision("recovery", over=True)),
        # The supervisor's own absence: one summary, when the loops have shown themselves; of a short one without harm nothing.
        (incident(cause=ABSENCE, hold_until=NOW + MINUTE), SECOND, AlertDecision(until=NOW + MINUTE)),
        (ABSENT, SECOND, AlertDecision(over=True)),
        (incident(cause=ABSENCE, opened_at=NOW - 5 * MINUTE, hold_until=NOW), SECOND, AlertDecision("summary", over=True)),
        (incident(MISSED, cause=ABSENCE, opened_at=NOW - MINUTE, hold_until=NOW), SECOND, AlertDecision("summary")),
        (incident(OVER, cause=ABSENCE, opened_at=NOW - MINUTE, hold_until=NOW), SECOND, AlertDecision("summary", over=True)),
        # The canary: said once, never again.
        (incident(MISSED, cause=CANARY), SECOND, AlertDecision("canary")),
        (known(NAMED, cause=CANARY), 24 * HOUR, AlertDecision()),
        (known(OVER, cause=CANARY), SECOND, AlertDecision(over=True)),
    ],
)  # fmt: skip
def test_what_is_said_when(about: Incident, after: timedelta, expected: AlertDecision) -> None:
    """Of this incident, so long after it began, the policy says this."""
    assert decide(about, PLAIN, NOW + after) == expected


EVENING = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)  # 23:30 in Berlin
MORNING = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)  # 07:00 in Berlin


@pytest.mark.parametrize(
    "about,expected",
    [
        (incident(MISSED), AlertDecision("alert")),
        (known(NAMED), AlertDecision("reminder")),
        (known(NAMED, SLOWER, reminders=3, said_at=EVENING - HOUR), AlertDecision(until=MORNING)),
        (incident(SLOWER), AlertDecision(until=MORNING)),
        (known(member(kind="slower", told=True)), AlertDecision(until=MORNING)),
        (known(OVER), AlertDecision(until=MORNING)),
        (incident(cause=ABSENCE, opened_at=NOW - HOUR, hold_until=NOW), AlertDecision(until=MORNING)),
        (incident(MISSED, cause=ABSENCE, hold_until=NOW), AlertDecision("summary")),
        (incident(MISSED, cause=CANARY), AlertDecision("canary")),
    ],
)
def test_quiet_hours_delay_nothing_critical(about: Incident, expected: AlertDecision) -> None:
    """At night only what is critical is told, with its reminders; the rest waits for the morning in the zone that was named."""
    assert decide(about, NIGHT, EVENING) == expected


def test_what_waited_is_said_when_the_quiet_hours_end() -> None:
    """A recovery of the night is told at seven, not a moment later."""
    assert decide(known(OVER), NIGHT, MORNING - MILLISECOND) == AlertDecision(until=MORNING)
    assert decide(known(OVER), NIGHT, MORNING) == AlertDecision("recovery", over=True)


def test_reminders_can_be_switched_off() -> None:
    """Who wants none gets none, however long it lasts."""
    assert decide(known(NAMED), AlertSettings(remind=()), NOW + 9000 * HOUR) == AlertDecision()


ESCALATING = AlertSettings(
    remind=(HOUR,), escalations=(Escalation(15 * MINUTE, "sms"), Escalation(30 * MINUTE, "boss")), quiet=None
)
ACKNOWLEDGED = {"acknowledged_at": NOW + MINUTE}
SNOOZED = ACKNOWLEDGED | {"snoozed_until": NOW + 2 * HOUR}


@pytest.mark.parametrize(
    "about,after,expected",
    [
        # No person has answered: the next channel, then the one after it, beside the reminders.
        (known(NAMED), 14 * MINUTE, AlertDecision(until=NOW + 15 * MINUTE)),
        (known(NAMED), 15 * MINUTE, AlertDecision("escalation")),
        (known(NAMED, escalations=1), 29 * MINUTE, AlertDecision(until=NOW + 30 * MINUTE)),
        (known(NAMED, escalations=1), 30 * MINUTE, AlertDecision("escalation")),
        (known(NAMED, escalations=2), 31 * MINUTE, AlertDecision(until=NOW + HOUR)),
        (known(NAMED, cause=CANARY), 15 * MINUTE, AlertDecision()),
        # Acknowledged: no reminder and no escalation; what is new and the end are told.
        (known(NAMED, **ACKNOWLEDGED), 100 * HOUR, AlertDecision()),
        (known(NAMED, MISSED, **ACKNOWLEDGED), MINUTE, AlertDecision("update")),
        (known(OVER, **ACKNOWLEDGED), 2 * MINUTE, AlertDecision("recovery", over=True)),
        # Snoozed: nothing but the end until then; afterwards as if it were new.
        (known(NAMED, MISSED, **SNOOZED), HOUR, AlertDecision(until=NOW + 2 * HOUR)),
        (known(OVER, **SNOOZED), HOUR, AlertDecision("recovery", over=True)),
        (known(NAMED, **SNOOZED), 2 * HOUR, AlertDecision("reminder")),
        (known(NAMED, **SNOOZED | {"said_at": NOW + 2 * HOUR}), 2 * HOUR, AlertDecision(until=NOW + 2.25 * HOUR)),
        (known(NAMED, **SNOOZED | {"said_at": NOW + 2 * HOUR}), 2.25 * HOUR, AlertDecision("escalation")),
    ],
)  # fmt: skip
def test_what_an_answer_changes(about: Incident, after: timedelta, expected: AlertDecision) -> None:
    """Of an incident that a person has acknowledged, snoozed or not answered, so long after it began, the policy says this."""
    assert decide(about, ESCALATING, NOW + after) == expected
