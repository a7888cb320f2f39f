"""Status: how a strategy's loop and a bot are now, with the evidence. Pure: the same facts at the same instant say the same.

Each judgement says until when it holds if nothing new is heard, so that nobody has to ask again and again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from openbell import beat as beats
from openbell.beat import Beat
from openbell.control import Pause
from openbell.manifest import Bot
from openbell.supervisor.lines import last_line
from openbell.supervisor.records import RunRecord, ServiceEvent, SlotRecord
from openbell.supervisor.times import local, milliseconds, span

GOOD = frozenset({"new", "up", "running", "late", "paused"})  # all but down: nothing has gone wrong (yet)

SILENT = timedelta(seconds=beats.OLD)  # without a beat for so long, a loop is stalled
FIRST_START = timedelta(seconds=60)  # a container that has not started by then will not start by itself
LATE_AFTER = timedelta(seconds=2)  # a slot that has not started by then is late
HUNG_AFTER = timedelta(seconds=10)  # past its timeout; its loop should have ended it long before
CRASH_WINDOW = timedelta(minutes=5)
CRASHES = 3  # unclean starts within the window that make a crash loop


@dataclass(frozen=True)
class Judgement:
    """A status, the reason in one sentence, and until when both hold without news (None: for ever).

    `condition` names the reason for machines: never_started, cannot_start, crash_loop, stalled, stopped,
    bad_manifest, journal_unreadable for a loop; missed, failed, hung, … for a bot; empty if nothing is wrong.
    """

    status: str
    reason: str
    until: datetime | None = None
    condition: str = ""


@dataclass(frozen=True)
class LoopFacts:
    """What is known of a strategy's loop."""

    timezone: str
    since: datetime  # the supervisor knows of the strategy since
    watched_since: datetime  # the supervisor watches without a gap since; silence from before proves nothing
    events: tuple[ServiceEvent, ...] = ()  # newest first
    beat: Beat | None = None
    problems: tuple[str, ...] = ()  # of the manifest
    trouble: str = ""  # why the journal cannot be read


@dataclass(frozen=True)
class BotFacts:
    """What is known of a bot. `slots` are the newest records, newest first."""

    bot: Bot
    slots: tuple[SlotRecord, ...] = ()
    open_runs: tuple[RunRecord, ...] = ()
    awaited: datetime | None = None  # the first slot without a record
    pause: Pause | None = None
    trouble: str = ""  # why its slots cannot be known
    stream_beat: datetime | None = None  # of a stream, the newest


def judge_loop(facts: LoopFacts, now: datetime) -> Judgement:
    """Tell how a strategy's loop is."""
    if facts.problems:
        return Judgement("down", f"cannot start: {facts.problems[0]}", condition="bad_manifest")
    if facts.trouble:
        return Judgement("down", f"nothing is known of it: {facts.trouble}", condition="journal_unreadable")
    newest = _newest_of(facts.events, "service_start", "start_failed", "service_stop")
    beat = facts.beat
    if newest is None and beat is None:
        until = facts.since + FIRST_START
        if now < until:
            return Judgement("new", "waiting for its container's first start", until)
        asked = local(facts.since, facts.timezone, now)
        return Judgement("down", f"its container has never started (expected since {asked})", condition="never_started")
    if newest is not None and (beat is None or beat.boot_id == newest.boot_id or beat.timestamp <= newest.at):
        failed = newest.event == "start_failed" or newest.detail.startswith("cannot start")
        if failed:
            return _cannot_start(facts, newest, now)
        if newest.event == "service_stop":
            return _stopped(facts, newest, now)
    return _crash_loop(facts, now) or _alive(facts, newest, now)


def _cannot_start(facts: LoopFacts, newest: ServiceEvent, now: datetime) -> Judgement:
    reason = newest.detail.removeprefix("cannot start: ")
    for event in facts.events:
        if event.boot_id != newest.boot_id:
            break
        if event.event == "start_failed" and event.detail:
            reason = event.detail
            break
    shown = local(newest.at, facts.timezone, now)
    return Judgement("down", f"cannot start: {last_line(reason)} (last tried {shown})", condition="cannot_start")


def _stopped(facts: LoopFacts, stop: ServiceEvent, now: datetime) -> Judgement:
    shown = f"stopped {local(stop.at, facts.timezone, now)} ({stop.detail})"
    until = max(stop.at, facts.watched_since) + SILENT
    if now < until:
        return Judgement("late", f"{shown}; may be about to start again", until)
    return Judgement("down", f"{shown} and was not started again", condition="stopped")


def _crash_loop(facts: LoopFacts, now: datetime) -> Judgement | None:
    crashes = [event.at for event in facts.events if event.event == "service_start" and event.unclean]
    recent = [at for at in crashes if now - CRASH_WINDOW < at <= now]
    if len(recent) < CRASHES:
        return None
    reason = f"crash loop: {len(recent)} starts after a crash within {span(CRASH_WINDOW)}, the last one {local(recent[0], facts.timezone, now)}"
    return Judgement("down", reason, recent[CRASHES - 1] + CRASH_WINDOW, "crash_loop")


def _alive(facts: LoopFacts, newest: ServiceEvent | None, now: datetime) -> Judgement:
    last = max(
        sign for sign in (newest and newest.at, facts.beat and facts.beat.timestamp) if isinstance(sign, datetime)
    )
    shown = local(last, facts.timezone, now)
    if now >= last + SILENT:
        until = facts.watched_since + SILENT
        if now < until:
            return Judgement("late", f"no sign of life since {shown}; waiting for one", until)
        reason = f"no sign of life since {shown}: its loop is dead or hangs, or the machine was asleep"
        return Judgement("down", reason, condition="stalled")
    start = _newest_of(facts.events, "service_start")
    reason = "its loop is alive" if start is None else f"up since {local(start.at, facts.timezone, now)}"
    return Judgement("up", reason, last + SILENT)


def judge_bot(facts: BotFacts, loop: Judgement, now: datetime) -> Judgement:
    """Tell how a bot is; `loop` is the judgement of its strategy's loop."""
    bot, zone = facts.bot, facts.bot.schedule.timezone
    if facts.pause is not None and (facts.pause.until is None or now < facts.pause.until):
        return _paused(facts.pause, zone, now)
    if loop.status == "down":
        return Judgement("down", loop.reason, loop.until, loop.condition)
    if facts.trouble:
        return Judgement("down", facts.trouble, condition="calendar_expired")
    if bot.is_stream:
        return _stream(facts, now)
    limits = [(run, (run.attempt_at or run.slot) + bot.timeout + HUNG_AFTER) for run in facts.open_runs]
    for run, limit in limits:
        if now >= limit:
            since, slot = local(run.attempt_at or run.slot, zone, now), local(run.slot, zone, now)
            reason = f"hangs: the run of {slot} is running since {since}, its timeout is {span(bot.timeout)}"
            return Judgement("down", reason, condition="hung")
    until = _earliest(limit for _, limit in limits)
    if facts.open_runs:
        run = facts.open_runs[-1]
        return Judgement(
            "running", f"running since {local(run.attempt_at or run.slot, zone, now)} (attempt {run.attempt})", until
        )
    return _by_slots(facts, now)


def _stream(facts: BotFacts, now: datetime) -> Judgement:
    """Tell how a stream is: it is to run always, and to beat within its timeout."""
    bot, zone = facts.bot, facts.bot.schedule.timezone
    if not facts.open_runs:
        return Judgement("down", "its stream has ended; the loop starts it again", condition="stream_ended")
    started = facts.open_runs[-1].attempt_at or facts.open_runs[-1].slot
    heard = max(started, facts.stream_beat or started)
    limit = heard + bot.timeout + HUNG_AFTER
    if now >= limit:
        reason = f"its stream is silent since {local(heard, zone, now)}, its timeout is {span(bot.timeout)}"
        return Judgement("down", reason, condition="stream_silent")
    return Judgement("up", f"streaming since {local(started, zone, now)}", limit)


def _paused(pause: Pause, zone: str, now: datetime) -> Judgement:
    until = f", until {local(pause.until, zone, now)}" if pause.until else ""
    reason = f": {pause.reason}" if pause.reason else ""
    since = f" since {local(pause.since, zone, now)}" if pause.since.year > 1970 else ""
    return Judgement("paused", f"paused by {pause.by}{since}{until}{reason}", pause.until)


def _by_slots(facts: BotFacts, now: datetime) -> Judgement:
    bot, zone, awaited = facts.bot, facts.bot.schedule.timezone, facts.awaited
    late_at = None if awaited is None else awaited + bot.shift + LATE_AFTER
    until = late_at if late_at is not None and now < late_at else None
    last = next((slot for slot in facts.slots if slot.outcome not in {"skipped", None}), None)
    if last is not None and last.outcome != "succeeded":
        return Judgement("down", _gone_wrong(facts.slots, last, zone, now), until, last.outcome or "")
    if late_at is not None and awaited is not None and now >= late_at:
        limit = bot.start_by(awaited)
        reason = f"due {local(awaited, zone, now)}, not started yet; must start by {local(limit, zone, now)}"
        return Judgement("late", reason, until)
    if last is not None:
        lateness = f", {milliseconds(last.lateness_ms)} after its slot" if last.late else ""
        return Judgement(
            "up", f"ran {local(last.last, zone, now)} in {milliseconds(last.duration_ms)}{lateness}", until
        )
    if facts.slots:
        return Judgement("up", f"the newest slot was skipped ({facts.slots[0].reason})", until)
    first = "no slot within 400 days" if awaited is None else f"first slot {local(awaited, zone, now)}"
    return Judgement("new", first, until)


def _gone_wrong(slots: Iterable[SlotRecord], last: SlotRecord, zone: str, now: datetime) -> str:
    """Return what is wrong with the newest slot that counts, and how many before it went the same way."""
    alike = 0
    for slot in slots:
        if slot.outcome == last.outcome:
            alike += slot.count
        elif slot.outcome not in {"skipped", None}:
            break
    times = f" ({alike} in a row)" if alike > 1 else ""
    shown = local(last.last, zone, now)
    why = last.error or why_not(last)
    outcome = (last.outcome or "").replace("_", " ")
    return f"slot {shown} {outcome}{times}" + (f": {why}" if why else "")


def why_not(slot: SlotRecord) -> str:
    """Return in words why a slot has no run; the journal's own word for "past its grace" is late."""
    return "not started within its grace" if (slot.outcome, slot.reason) == ("missed", "late") else slot.reason


def _newest_of(events: Iterable[ServiceEvent], *kinds: str) -> ServiceEvent | None:
    return next((event for event in events if event.event in kinds), None)


def _earliest(instants: Iterable[datetime]) -> datetime | None:
    return min(instants, default=None)
