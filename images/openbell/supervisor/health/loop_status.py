"""The status of a strategy's loop, with the evidence. Pure: it depends only on the facts and on `now`."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise, takewhile

from openbell import heartbeat
from openbell.calendars.ending import NOTICE
from openbell.control import Deployment
from openbell.supervisor.health.facts import LoopFacts, Verdict, corrected
from openbell.supervisor.ingest.parse import one_line
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.formatting import local, span
from openbell.supervisor.model.records import CRASH_WINDOW, CRASHES, Finding, ServiceEvent, crashes

SILENT = timedelta(seconds=heartbeat.OLD)  # without a heartbeat for so long, a loop is stalled
FIRST_START = timedelta(seconds=60)  # a container that has not started by then will not start by itself
CLOCK_WINDOW = timedelta(hours=1)  # for so long a step of the clock is reported
CLOCK_STEP = 1.0  # seconds; smaller steps are what time synchronisation is for

_DEPLOYING = frozenset({"never_started", "stopped", "stalled"})  # what a deployment may cause


def judge_loop(facts: LoopFacts, now: datetime) -> Verdict:
    """Judge a strategy's loop."""
    judgement = _judge(facts, now)
    others = tuple(_further_conditions(facts, now))
    ends = [judgement.until, *(until for _, until in others)]
    conditions = (*judgement.conditions, *(condition for condition, _ in others))
    return replace(judgement, conditions=conditions, until=min((at for at in ends if at is not None), default=None))


def _judge(facts: LoopFacts, now: datetime) -> Verdict:
    if facts.problems:
        return _down(
            facts, "bad_manifest", facts.since, f"cannot start: {facts.problems[0]}", expected="a valid strategy.toml"
        )
    if facts.journal_error:
        since = facts.journal_error_since or facts.watched_since
        return _down(facts, "journal_unreadable", since, f"nothing is known of it: {facts.journal_error}")
    judgement = _crash_loop(facts, now) if _has_not_ended(facts) else None
    judgement = judgement or _life(facts, now)
    deployed = facts.deployment
    expected = judgement.status == "late" or judgement.condition in _DEPLOYING
    if expected and deployed is not None and deployed.since <= now < deployed.until:
        return _in_deployment(deployed, facts.timezone, now)
    return judgement


def _newest(facts: LoopFacts) -> ServiceEvent | None:
    return _newest_of(facts.events, "service_start", "start_failed", "service_stop")


def _has_not_ended(facts: LoopFacts) -> bool:
    """Return whether the newest event of the loop is not its stop, or a heartbeat came after that."""
    newest, sign = _newest(facts), facts.heartbeat
    if newest is None or newest.event == "service_start":
        return True
    return sign is not None and sign.boot_id != newest.boot_id and sign.timestamp > newest.at


def _life(facts: LoopFacts, now: datetime) -> Verdict:
    newest = _newest(facts)
    if newest is None and facts.heartbeat is None:
        until = facts.since + FIRST_START
        if now < until:
            return Verdict("new", "waiting for its container's first start", until)
        asked = local(facts.since, facts.timezone, now)
        reason = f"its container has never started (expected since {asked})"
        return _down(facts, "never_started", facts.since, reason, expected=f"its first start soon after {asked}")
    if newest is None or _has_not_ended(facts):
        return _alive(facts, newest, now)
    return _cannot_start(facts, newest, now) if _failed(newest) else _stopped(facts, newest, now)


def _down(
    facts: LoopFacts,
    kind: str,
    since: datetime,
    reason: str,
    *,
    until: datetime | None = None,
    expected: str = "",
    count: int = 1,
) -> Verdict:
    return Verdict("down", reason, until, kind, (Condition(kind, facts.strategy, "", since, reason, expected, count),))


def _in_deployment(deployed: Deployment, zone: str, now: datetime) -> Verdict:
    until = local(deployed.until, zone, now)
    return Verdict(
        "new", f"release {deployed.release} is being deployed by {deployed.by}, until {until}", deployed.until
    )


def _failed(event: ServiceEvent) -> bool:
    return event.event == "start_failed" or event.detail.startswith("cannot start")


def _cannot_start(facts: LoopFacts, newest: ServiceEvent, now: datetime) -> Verdict:
    reason = newest.detail.removeprefix("cannot start: ")
    for event in facts.events:
        if event.boot_id != newest.boot_id:
            break
        if event.event == "start_failed" and event.detail:
            reason = event.detail
            break
    tries = [event for event in facts.events if event.event in {"service_start", "start_failed", "service_stop"}]
    failed = list(takewhile(_failed, tries))
    shown = local(newest.at, facts.timezone, now)
    text = f"cannot start: {one_line(reason)} (last tried {shown})"
    count = len({event.boot_id for event in failed})
    return _down(facts, "cannot_start", failed[-1].at, text, expected="a start", count=count)


def _stopped(facts: LoopFacts, stop: ServiceEvent, now: datetime) -> Verdict:
    if stop.detail == heartbeat.UNTIL_NEXT:
        # If cron does not start it in time, its slots are missed.
        return Verdict("up", f"run by cron, last at {local(stop.at, facts.timezone, now)}")
    stopped_at = corrected(stop.at, now, facts.watched_since)
    shown = f"stopped {local(stopped_at, facts.timezone, now)} ({stop.detail})"
    until = max(stopped_at, facts.watched_since) + SILENT
    if now < until and not _was_reported(facts, stopped_at):
        return Verdict("late", f"{shown}; may be about to start again", until)
    return _down(
        facts, "stopped", stopped_at, f"{shown} and was not started again", expected="a start within half a minute"
    )


def _was_reported(facts: LoopFacts, silent_since: datetime) -> bool:
    """Return whether the loop had already been silent for too long before the gap in the watch."""
    return facts.judged_before is not None and silent_since + SILENT <= facts.judged_before


def _crash_loop(facts: LoopFacts, now: datetime) -> Verdict | None:
    all_of_them = [at for at in crashes(facts.events) if at <= now]
    recent = [at for at in all_of_them if now - CRASH_WINDOW < at]
    if len(recent) < CRASHES:
        return None
    reason = f"crash loop: {len(recent)} starts after a crash within {span(CRASH_WINDOW)}, the last one {local(recent[0], facts.timezone, now)}"
    row = [recent[0], *(at for _, at in takewhile(lambda two: two[0] - two[1] < CRASH_WINDOW, pairwise(all_of_them)))]
    until = recent[CRASHES - 1] + CRASH_WINDOW
    return _down(facts, "crash_loop", row[-1], reason, until=until, expected="a loop that stays up", count=len(row))


def _alive(facts: LoopFacts, newest: ServiceEvent | None, now: datetime) -> Verdict:
    last = max(
        corrected(sign, now, facts.watched_since)
        for sign in (newest and newest.at, facts.heartbeat and facts.heartbeat.timestamp)
        if isinstance(sign, datetime)
    )
    shown = local(last, facts.timezone, now)
    if now >= last + SILENT:
        until = facts.watched_since + SILENT
        if now < until and not _was_reported(facts, last):
            return Verdict("late", f"no sign of life since {shown}; waiting for one", until)
        reason = f"no sign of life since {shown}: its loop is dead or hangs, or the machine was asleep"
        return _down(facts, "stalled", last, reason, expected=f"a sign of life every {heartbeat.INTERVAL:.0f} s")
    start = _newest_of(facts.events, "service_start")
    reason = "its loop is alive" if start is None else f"up since {local(start.at, facts.timezone, now)}"
    return Verdict("up", reason, last + SILENT)


def _calendar(facts: LoopFacts, now: datetime) -> Iterator[tuple[Condition, None]]:
    """Yield that the calendar's knowledge ends soon; what has ended altogether is reported for each bot."""
    table, holidays = facts.calendar_ends, facts.holidays_end
    expected = f"a calendar that reaches further than {NOTICE.days} days"
    if table is not None and table - NOTICE <= now.date() <= table:
        end, reason = table, f"its calendar {facts.calendar} ends with {table}: from then on it has no slots"
    elif holidays is not None and holidays - NOTICE <= now.date():
        end, reason = (
            holidays,
            f"its calendar {facts.calendar} knows holidays that follow no rule only through {holidays}",
        )
    else:
        return
    since = datetime.combine(end - NOTICE, datetime.min.time(), now.tzinfo)
    yield Condition("calendar_ending", facts.strategy, "", since, reason, expected), None


def _further_conditions(facts: LoopFacts, now: datetime) -> Iterator[tuple[Condition, datetime | None]]:
    """Yield what else is wrong with the strategy, each with the time until which it holds."""
    yield from _clock(facts, now)
    yield from _calendar(facts, now)
    differing = list(takewhile(_differs, facts.reconciled))
    if differing:
        reason = _differences(differing[0])
        expected = "an account that holds what its ledger says"
        yield (
            Condition("broker_differs", facts.strategy, "", differing[-1].at, reason, expected, len(differing)),
            None,
        )
    if facts.unwritten is not None:
        slot, since = local(facts.unwritten, facts.timezone, now), facts.last_line_at or facts.unwritten
        reason = f"its loop beats, but its journal says nothing of the slot {slot}, nor anything since {local(since, facts.timezone, now)}"
        yield Condition("not_written", facts.strategy, "", since, reason, "a line for each slot"), None


def _clock(facts: LoopFacts, now: datetime) -> Iterator[tuple[Condition, datetime | None]]:
    steps = [
        event
        for event in facts.events
        if event.event in {"clock_stepped", "line_from_future"}
        and abs(_seconds(event)) >= CLOCK_STEP
        and event.at <= now < event.at + CLOCK_WINDOW
    ]
    if not steps:
        return
    newest, shown = steps[0], local(steps[0].at, facts.timezone, now)
    if newest.event == "clock_stepped":
        reason = f"its clock was set by {_seconds(newest):+.1f} s at {shown}"
    else:
        reason = f"a line of its journal of about {shown} is {_seconds(newest):.0f} s in the future"
    expected = "a clock that is never off by a second"
    condition = Condition("clock_wrong", facts.strategy, "", steps[-1].at, reason, expected, len(steps))
    yield condition, newest.at + CLOCK_WINDOW


def _seconds(event: ServiceEvent) -> float:
    try:
        return float(event.detail)
    except ValueError:
        return 0.0


def _differs(finding: Finding) -> bool:
    return bool(finding.detail.get("differences"))


def _differences(finding: Finding) -> str:
    listed = finding.detail.get("differences")
    texts = []
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict):
            kind = str(one.get("kind", "")).replace("_", " ")
            texts.append(f"{one.get('symbol')}: {kind}, ours {one.get('ours')}, theirs {one.get('theirs')}")
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    broker = finding.detail.get("broker", "its broker")
    return f"{broker} differs: " + ("; ".join(texts[:3]) + more if texts else str(listed)[:200])


def _newest_of(events: Iterable[ServiceEvent], *kinds: str) -> ServiceEvent | None:
    return next((event for event in events if event.event in kinds), None)
