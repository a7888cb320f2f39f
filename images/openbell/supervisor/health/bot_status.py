"""The status of a bot, with the evidence. Pure: it depends only on the facts and on `now`.

Each judgement says until when it holds without news, so that a bot is not judged again before.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from openbell.control import Pause
from openbell.manifest import windows
from openbell.supervisor.health.bot_conditions import bot_conditions, hung_runs, last_error, limits, stream_condition
from openbell.supervisor.health.facts import BotFacts, Verdict
from openbell.supervisor.model.formatting import dated, local, milliseconds, span
from openbell.supervisor.model.records import RunRecord, SlotRecord, why_not

GOOD = frozenset({"new", "up", "running", "late", "paused"})  # all but down

LATE_AFTER = timedelta(seconds=2)  # a slot that has not started by then is late


def judge_bot(facts: BotFacts, loop: Verdict, now: datetime) -> Verdict:
    """Judge a bot; `loop` is the judgement of its strategy's loop."""
    judgement = _judge(facts, loop, now)
    found = tuple(bot_conditions(facts, loop, now, paused=judgement.status == "paused"))
    ends = [judgement.until, *(until for _, until in found)]
    if loop.status != "down":
        ends += [limit for limit in limits(facts) if now < limit]
    until = min((at for at in ends if at is not None), default=None)
    return replace(judgement, until=until, conditions=tuple(condition for condition, _ in found))


def manual_failure(runs: Iterable[RunRecord], zone: str) -> str:
    """Return how the newest run ended if a person asked for it and it did not succeed; empty otherwise.

    A manual run is no slot: it does not take a bot down, and the next run of a slot that ends supersedes it.
    """
    failed: list[RunRecord] = []
    for run in (run for run in runs if run.outcome is not None):
        if run.trigger != "manual" or run.outcome == "succeeded":
            break
        failed.append(run)
    if not failed:
        return ""
    newest = failed[0]
    times = f" ({len(failed)} in a row)" if len(failed) > 1 else ""
    outcome = (newest.outcome or "").replace("_", " ")
    return f"the manual run of {dated(newest.slot, zone)} {outcome}{times}" + (
        f": {newest.error}" if newest.error else ""
    )


def _judge(facts: BotFacts, loop: Verdict, now: datetime) -> Verdict:
    bot, zone = facts.bot, facts.bot.schedule.timezone
    if facts.pause is not None and (facts.pause.until is None or now < facts.pause.until):
        return _paused(facts.pause, zone, now)
    if loop.status == "down":
        return Verdict("down", loop.reason, loop.until, loop.condition)
    if facts.calendar_error:
        return Verdict("down", facts.calendar_error, condition="calendar_expired")
    if bot.is_stream:
        return _stream(facts, loop, now)
    if hung := hung_runs(facts, now):
        since, slot = local(hung[0].attempt_at or hung[0].slot, zone, now), local(hung[0].slot, zone, now)
        reason = f"hangs: the run of {slot} is running since {since}, its timeout is {span(bot.timeout)}"
        return Verdict("down", reason, condition="hung")
    if facts.open_runs:
        run = facts.open_runs[-1]
        since = local(run.attempt_at or run.slot, zone, now)
        return Verdict("running", f"running since {since} (attempt {run.attempt})")
    return _by_slots(facts, now)


def _stream(facts: BotFacts, loop: Verdict, now: datetime) -> Verdict:
    zone = facts.bot.schedule.timezone
    if loop.status != "up":
        return Verdict(loop.status, loop.reason, loop.until)
    if blackout := windows.covering(facts.bot.schedule.blackout, now):
        window, end = blackout
        return Verdict("up", f"stopped until {local(end, zone, now)}: blackout {window.text}", end)
    if condition := stream_condition(facts, now):
        return Verdict("down", condition.reason, condition=condition.kind)
    if not facts.open_runs:
        return Verdict("late", f"its stream is about to start{last_error(facts)}")
    run = facts.open_runs[-1]
    return Verdict("up", f"streaming since {local(run.attempt_at or run.slot, zone, now)}")


def _paused(pause: Pause, zone: str, now: datetime) -> Verdict:
    until = f", until {local(pause.until, zone, now)}" if pause.until else ""
    reason = f": {pause.reason}" if pause.reason else ""
    since = f" since {local(pause.since, zone, now)}" if pause.since.year > 1970 else ""
    return Verdict("paused", f"paused by {pause.by}{since}{until}{reason}", pause.until)


def _by_slots(facts: BotFacts, now: datetime) -> Verdict:
    bot, zone, awaited = facts.bot, facts.bot.schedule.timezone, facts.awaited
    late_at = None if awaited is None else awaited + bot.shift + LATE_AFTER
    until = late_at if late_at is not None and now < late_at else None
    last = next((slot for slot in facts.slots if slot.outcome not in {"skipped", None}), None)
    if last is not None and last.outcome != "succeeded":
        return Verdict("down", _bad_slot(facts.slots, last, zone, now), until, last.outcome or "")
    if late_at is not None and awaited is not None and now >= late_at:
        if facts.deployment is not None and facts.deployment.since <= now < facts.deployment.until:
            reason = f"due {local(awaited, zone, now)}; release {facts.deployment.release} is being deployed"
            return Verdict("new", reason, facts.deployment.until)
        limit = bot.start_by(awaited)
        reason = f"due {local(awaited, zone, now)}, not started yet; must start by {local(limit, zone, now)}"
        return Verdict("late", reason)
    if last is not None:
        lateness = f", {milliseconds(last.lateness_ms)} after its slot" if last.late else ""
        return Verdict("up", f"ran {local(last.last, zone, now)} in {milliseconds(last.duration_ms)}{lateness}", until)
    if facts.slots:
        return Verdict("up", f"the newest slot was skipped ({facts.slots[0].reason})", until)
    first = "no slot within 400 days" if awaited is None else f"first slot {local(awaited, zone, now)}"
    return Verdict("new", first, until)


def _bad_slot(slots: Iterable[SlotRecord], last: SlotRecord, zone: str, now: datetime) -> str:
    """Return what is wrong with the newest slot that counts, and how many slots in a row have the same outcome."""
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
