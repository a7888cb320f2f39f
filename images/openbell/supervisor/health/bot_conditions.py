"""Everything that is wrong with one bot at the same time, each as a condition with its evidence. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from openbell.manifest import windows
from openbell.supervisor.health.facts import BotFacts, Verdict
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.durations import AHEAD
from openbell.supervisor.model.formatting import dated, local, milliseconds, span
from openbell.supervisor.model.records import Finding, RunRecord, SlotRecord, Streak, why_not

HUNG_AFTER = timedelta(seconds=10)  # past its timeout; its loop should have ended it long before
NAMED_AFTER = timedelta(
    seconds=10
)  # a heartbeat so much later than the start of a run names the run, if it is still in progress
UNEXPECTED_WINDOW = timedelta(hours=24)  # for so long a run without a slot is reported, unless a slot succeeds after it
ORDER_WINDOW = timedelta(hours=24)  # for so long a rejected order is reported, unless a slot after it has none
STREAM_GRACE = timedelta(seconds=10)  # for a loop to start a stream, or start it again
STREAM_WINDOW = timedelta(minutes=5)
STREAM_ENDS = 3  # ends of a stream within the window that are too many
STALE_WINDOW = timedelta(hours=1)  # for so long old bars of a stream are reported
OVERLAPS = 3  # slots without a run of their own that are too many, if they belong to more than one run
LONG_OVERLAP = 10  # slots without a run of their own that are too many while one run goes on
NO_LONGER_OVERLAPS = 5  # slots in a row with a run of their own after which earlier overlaps are over

TimedCondition = tuple[Condition, datetime | None]  # with the time until which it holds without news


def bot_conditions(facts: BotFacts, loop: Verdict, now: datetime, *, paused: bool) -> Iterator[TimedCondition]:
    """Yield what is wrong with a bot. `loop` is the judgement of its strategy's loop; paused: bad slots are not reported."""
    about = _About(facts, now)
    if facts.calendar_error:
        yield about.condition("calendar_expired", facts.calendar_error_since or now, facts.calendar_error), None
    if facts.bot.is_stream:
        if loop.status == "up" and not paused and (reason := stream_condition(facts, now)):
            yield reason, None
    else:
        yield from _hung(about, loop)
    if not paused:
        for streak in facts.streaks:
            yield _bad_slots(about, streak), None
    yield from _stale(about)
    yield from _unexpected(about)
    yield from _orders(about)
    yield from _symbols(about)
    if not paused and not facts.bot.is_stream and not hung_runs(facts, now):
        yield from _overlaps(about)
    yield from _slower(about)


def limits(facts: BotFacts) -> list[datetime]:
    """Return when each open run of the bot has lasted too long; for a stream, when its conditions may change."""
    bot = facts.bot
    if not bot.is_stream:
        return [(run.attempt_at or run.slot) + bot.timeout + HUNG_AFTER for run in facts.open_runs]
    expiries = [at + STREAM_WINDOW for at in facts.stream_ends]
    if last := last_sign(facts):
        return [last + bot.timeout + HUNG_AFTER, *expiries]
    return [*(at + STREAM_GRACE for at in _stream_due(facts)), *expiries]


@dataclass(frozen=True)
class _About:
    facts: BotFacts
    now: datetime

    @property
    def zone(self) -> str:
        return self.facts.bot.schedule.timezone

    def local(self, at: datetime) -> str:
        return local(at, self.zone, self.now)

    def condition(self, kind: str, since: datetime, reason: str, expected: str = "", count: int = 1) -> Condition:
        bot = self.facts.bot
        return Condition(kind, bot.strategy, bot.id, since, reason, expected, count)


def _hung(about: _About, loop: Verdict) -> Iterator[TimedCondition]:
    # A loop that dies takes its runs with it; a run that hung before that is still reported.
    died = loop.conditions[0].since if loop.status == "down" and loop.conditions else about.now
    hung = hung_runs(about.facts, died)
    if not hung:
        return
    begun = _begun(hung[0])
    reason = f"the run of {about.local(hung[0].slot)} is running since {about.local(begun)}"
    more = f", and {len(hung) - 1} more" if len(hung) > 1 else ""
    expected = f"an end within its timeout of {span(about.facts.bot.timeout)}"
    yield about.condition("hung", begun, reason + more, expected, len(hung)), None


def hung_runs(facts: BotFacts, now: datetime) -> list[RunRecord]:
    """Return the runs that last too long, without those that the loop's heartbeat no longer names."""
    return [
        run
        for run, limit in zip(facts.open_runs, limits(facts), strict=True)
        if now >= limit
        and (facts.is_running or facts.heartbeat_at is None or facts.heartbeat_at < _begun(run) + NAMED_AFTER)
    ]


def _begun(run: RunRecord) -> datetime:
    return run.attempt_at or run.slot


def stream_condition(facts: BotFacts, now: datetime) -> Condition | None:
    """Return what is wrong with a stream whose loop is up: it must run, and show a sign of life within its timeout.

    In a blackout it does not run, and nothing is wrong with it.
    """
    about, blackout = _About(facts, now), facts.bot.schedule.blackout
    if windows.covering(blackout, now):
        return None
    ends = [at for at in facts.stream_ends if now - STREAM_WINDOW < at and not windows.covering(blackout, at)]
    if len(ends) >= STREAM_ENDS:
        reason = f"its stream ends again and again, {len(ends)} times since {about.local(ends[-1])}{last_error(facts)}"
        return about.condition("stream_ended", ends[-1], reason, "a stream that is always running", len(ends))
    last = last_sign(facts)
    if last is None:
        due = max(_stream_due(facts), default=now)
        if now < due + STREAM_GRACE:
            return None
        reason = f"its stream has ended {about.local(due)} and was not started again{last_error(facts)}"
        return about.condition("stream_ended", due, reason, "a stream that is always running")
    if now < last + facts.bot.timeout + HUNG_AFTER:
        return None
    reason = f"its stream is silent since {about.local(last)}, its timeout is {span(facts.bot.timeout)}"
    return about.condition("stream_silent", last, reason, f"a sign of life every {span(facts.bot.timeout)}")


def last_sign(facts: BotFacts) -> datetime | None:
    """Return when a stream that runs has given its newest sign of life; None if it does not run."""
    if not facts.open_runs:
        return None
    started = facts.open_runs[-1].attempt_at or facts.open_runs[-1].slot
    return max(started, facts.stream_heartbeat or started)


def last_error(facts: BotFacts) -> str:
    """Return the error with which a stream's newest run has ended, to stand behind a reason."""
    error = next((run.error for run in facts.runs if run.ended_at is not None), "")
    return f": {error}" if error else ""


def _stream_due(facts: BotFacts) -> list[datetime]:
    due = [at for at in (facts.loop_started, *facts.stream_ends[:1]) if at is not None]
    # What ends or starts in a blackout is started when that is over.
    covered = ((at, windows.covering(facts.bot.schedule.blackout, at)) for at in due)
    return [at if blackout is None else blackout[1] for at, blackout in covered]


def _bad_slots(about: _About, streak: Streak) -> Condition:
    bot = about.facts.bot
    newest = next(
        (slot for slot in about.facts.slots if slot.outcome == streak.outcome and slot.last <= streak.last), None
    )
    why = "" if newest is None else newest.error or why_not(newest)
    what = f"slot {about.local(streak.last)} {streak.outcome.replace('_', ' ')}"
    times = f" ({streak.count} since {about.local(streak.first)})" if streak.count > 1 else ""
    if streak.outcome == "missed":
        expected = f"a start between {about.local(streak.last)} and {about.local(bot.start_by(streak.last))}"
    else:
        expected = f"a run that succeeds within {span(bot.timeout)}"
    return about.condition(
        streak.outcome, streak.first, what + times + (f": {why}" if why else ""), expected, streak.count
    )


def _stale(about: _About) -> Iterator[TimedCondition]:
    stale = [finding for finding in about.facts.findings if finding.kind == "stale_data"]
    if about.facts.bot.is_stream:
        stale = [finding for finding in stale if about.now < finding.at + STALE_WINDOW]
    if not stale:
        return
    newest = stale[0]
    runs = {finding.run_id for finding in stale}
    if _is_over(about.facts, newest):
        return
    since_success = [newest]
    good = [slot for slot in about.facts.slots if slot.outcome == "succeeded" and slot.run_id not in runs]
    since_success += [finding for finding in stale[1:] if not any(_between(slot, finding, newest) for slot in good)]
    symbols = sorted(
        {str(finding.detail.get("symbol")) for finding in since_success if finding.run_id == newest.run_id}
    )
    named = ", ".join(symbols[:3]) + (f" and {len(symbols) - 3} more" if len(symbols) > 3 else "")
    reason = f"its newest bar of {named} is of {newest.detail.get('newest_bar')}"
    if action := newest.detail.get("action"):
        reason += f"; its orders were {'held back' if action == 'refused' else 'sent all the same'}"
    expected = f"a bar of {newest.detail.get('expected')}"
    until = newest.at + STALE_WINDOW if about.facts.bot.is_stream else None
    count = len({finding.run_id for finding in since_success})
    yield about.condition("stale_data", since_success[-1].at, reason, expected, count), until


def _unexpected(about: _About) -> Iterator[TimedCondition]:
    found = [finding for finding in about.facts.findings if finding.kind == "unexpected_run"]
    found = [finding for finding in found if about.now < finding.at + UNEXPECTED_WINDOW]
    if not found:
        return
    newest = found[0]
    if _is_over(about.facts, newest):
        return
    slot = dated(newest.slot or newest.at, about.zone)
    condition = about.condition(
        "unexpected_run", found[-1].at, f"it ran for {slot}, which is none of its slots", "no run", len(found)
    )
    yield condition, newest.at + UNEXPECTED_WINDOW


def _orders(about: _About) -> Iterator[TimedCondition]:
    """Yield orders that were turned away, until a later slot goes well without one, and those of unknown fate, for a day."""
    for kind, what in (("order_rejected", "the broker's answer"), ("order_uncertain", "its fate is not known")):
        found = [finding for finding in about.facts.findings if finding.kind == kind]
        found = [finding for finding in found if about.now < finding.at + ORDER_WINDOW]
        if not found or (kind == "order_rejected" and _is_over(about.facts, found[0])):
            continue
        detail = found[0].detail
        side = detail.get("side") or detail.get("action")
        quantity, symbol = detail.get("qty", detail.get("quantity")), detail.get("symbol")
        reason = f"{side} {quantity} {symbol}: {detail.get('broker_reason') or detail.get('reason') or what}"
        condition = about.condition(kind, found[-1].at, reason, "orders that the broker takes", len(found))
        yield condition, found[0].at + ORDER_WINDOW


def _symbols(about: _About) -> Iterator[TimedCondition]:
    found = [finding for finding in about.facts.findings if finding.kind == "symbol_unavailable"]
    if not found or _is_over(about.facts, found[0]):
        return
    newest = [finding for finding in found if finding.run_id == found[0].run_id]
    named = ", ".join(sorted({str(finding.detail.get("symbol")) for finding in newest}))
    reason = f"{named} was left out: {found[0].detail.get('reason')}"
    yield about.condition("symbol_unavailable", found[-1].at, reason, "symbols that the market knows", len(found)), None


def _overlaps(about: _About) -> Iterator[TimedCondition]:
    """Yield that runs go on to last longer than the time between slots: it is normal that one run is slow."""
    overlaps: list[SlotRecord] = []
    runs = in_a_row = 0  # runs that kept slots from running; slots in a row that had a run of their own
    newest_ran = False
    for slot in about.facts.slots:
        if (slot.outcome, slot.reason) == ("skipped", "overlap"):
            runs += in_a_row > 0 or not overlaps
            overlaps.append(slot)
            in_a_row = 0
        elif slot.outcome not in {"skipped", "missed", None}:  # those prove nothing
            newest_ran = newest_ran or not overlaps
            in_a_row += 1
            if in_a_row == NO_LONGER_OVERLAPS:
                break
    count = len(overlaps)
    # What a run did that failed or ran out of its timeout is reported as that.
    long_run = count >= LONG_OVERLAP and not newest_ran and not about.facts.streaks
    if long_run or (count >= OVERLAPS and runs > 1):
        reason = f"{count} of its newest slots had no run, as the run before had not ended; the newest is {about.local(overlaps[0].last)}"
        yield (
            about.condition("overlapping", overlaps[-1].first, reason, "runs that end before the next slot", count),
            None,
        )


def _slower(about: _About) -> Iterator[TimedCondition]:
    durations = about.facts.durations
    if durations is None or durations.creep is None or durations.limit_at is None:
        return
    if durations.limit_at > about.now + AHEAD:
        return
    week, limit = milliseconds(durations.creep), f"{durations.limit_at:%-d %B %Y}"
    reason = (
        f"its runs take {week} longer each week; about {limit} they meet the timeout of {span(about.facts.bot.timeout)}"
    )
    usual = f"runs of about {milliseconds(durations.median_ms)}"
    yield about.condition("slower", durations.creeps_since or about.now, reason, usual), None


def _is_over(facts: BotFacts, finding: Finding) -> bool:
    """Return whether a slot after that of the finding has succeeded."""
    return facts.last_success is not None and facts.last_success > (finding.slot or finding.at)


def _between(slot: SlotRecord, older: Finding, newer: Finding) -> bool:
    return (older.slot or older.at) < slot.last < (newer.slot or newer.at)
