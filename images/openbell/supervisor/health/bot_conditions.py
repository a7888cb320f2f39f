"""Troubles: all that is wrong with one bot at the same time, each as a condition with its evidence. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from openbell.supervisor.health.facts import BotFacts, Verdict
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.durations import AHEAD
from openbell.supervisor.model.records import Finding, Row, RunRecord, SlotRecord, why_not
from openbell.supervisor.model.times import dated, local, milliseconds, span

HUNG_AFTER = timedelta(seconds=10)  # past its timeout; its loop should have ended it long before
NAMED_AFTER = timedelta(seconds=10)  # a beat so much later names a run that goes on
UNEXPECTED_WINDOW = timedelta(hours=24)  # for so long a run where no slot was is told, unless a good slot follows
STREAM_GRACE = timedelta(seconds=10)  # for a loop to start a stream, or start it again
STREAM_WINDOW = timedelta(minutes=5)
STREAM_ENDS = 3  # ends of a stream within the window that are too many
STALE_WINDOW = timedelta(hours=1)  # for so long old bars of a stream are told

Trouble = tuple[Condition, datetime | None]  # until when it holds without news


def troubles(facts: BotFacts, loop: Verdict, now: datetime, *, paused: bool) -> Iterator[Trouble]:
    """Yield what is wrong with a bot. `loop` is the judgement of its strategy's loop; paused: somebody knows of its slots."""
    about = _About(facts, now)
    if facts.trouble:
        yield about.condition("calendar_expired", facts.trouble_since or now, facts.trouble), None
    if facts.bot.is_stream:
        if loop.status == "up" and not paused and (reason := stream_trouble(facts, now)):
            yield reason, None
    else:
        yield from _hung(about, loop)
    if not paused:
        for row in facts.rows:
            yield _gone_wrong(about, row), None
    yield from _stale(about)
    yield from _unexpected(about)
    yield from _slower(about)


def limits(facts: BotFacts) -> list[datetime]:
    """Return when each of the bot's open runs has lasted too long; of a stream, when what is wrong with it may change."""
    bot = facts.bot
    if not bot.is_stream:
        return [(run.attempt_at or run.slot) + bot.timeout + HUNG_AFTER for run in facts.open_runs]
    forgotten = [at + STREAM_WINDOW for at in facts.stream_ends]
    if heard := _heard(facts):
        return [heard + bot.timeout + HUNG_AFTER, *forgotten]
    return [*(at + STREAM_GRACE for at in _stream_owed(facts)), *forgotten]


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


def _hung(about: _About, loop: Verdict) -> Iterator[Trouble]:
    # The runs of a loop that has died have died with it; what hung before it died is not mended by that.
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
    """Return the runs that last too long. One that its loop does not have any more has only lost its end."""
    return [
        run
        for run, limit in zip(facts.open_runs, limits(facts), strict=True)
        if now >= limit and (facts.runs_on or facts.beat_at is None or facts.beat_at < _begun(run) + NAMED_AFTER)
    ]


def _begun(run: RunRecord) -> datetime:
    return run.attempt_at or run.slot


def stream_trouble(facts: BotFacts, now: datetime) -> Condition | None:
    """Return what is wrong with a stream whose loop is up: it is to run always, and to beat within its timeout."""
    about = _About(facts, now)
    ends = [at for at in facts.stream_ends if now - STREAM_WINDOW < at]
    if len(ends) >= STREAM_ENDS:
        reason = f"its stream ends again and again, {len(ends)} times since {about.local(ends[-1])}"
        return about.condition("stream_ended", ends[-1], reason, "a stream that is always running", len(ends))
    heard = _heard(facts)
    if heard is None:
        owed = max(_stream_owed(facts), default=now)
        if now < owed + STREAM_GRACE:
            return None
        reason = f"its stream has ended {about.local(owed)} and was not started again"
        return about.condition("stream_ended", owed, reason, "a stream that is always running")
    if now < heard + facts.bot.timeout + HUNG_AFTER:
        return None
    reason = f"its stream is silent since {about.local(heard)}, its timeout is {span(facts.bot.timeout)}"
    return about.condition("stream_silent", heard, reason, f"a sign of life every {span(facts.bot.timeout)}")


def _heard(facts: BotFacts) -> datetime | None:
    if not facts.open_runs:
        return None
    started = facts.open_runs[-1].attempt_at or facts.open_runs[-1].slot
    return max(started, facts.stream_beat or started)


def _stream_owed(facts: BotFacts) -> list[datetime]:
    return [at for at in (facts.loop_started, *facts.stream_ends[:1]) if at is not None]


def _gone_wrong(about: _About, row: Row) -> Condition:
    bot = about.facts.bot
    newest = next((slot for slot in about.facts.slots if slot.outcome == row.outcome and slot.last <= row.last), None)
    why = "" if newest is None else newest.error or why_not(newest)
    what = f"slot {about.local(row.last)} {row.outcome.replace('_', ' ')}"
    times = f" ({row.count} since {about.local(row.first)})" if row.count > 1 else ""
    if row.outcome == "missed":
        expected = f"a start between {about.local(row.last)} and {about.local(bot.start_by(row.last))}"
    else:
        expected = f"a run that succeeds within {span(bot.timeout)}"
    return about.condition(row.outcome, row.first, what + times + (f": {why}" if why else ""), expected, row.count)


def _stale(about: _About) -> Iterator[Trouble]:
    stale = [finding for finding in about.facts.findings if finding.kind == "stale_data"]
    if about.facts.bot.is_stream:
        stale = [finding for finding in stale if about.now < finding.at + STALE_WINDOW]
    if not stale:
        return
    newest = stale[0]
    runs = {finding.run_id for finding in stale}
    if _is_over(about.facts, newest):
        return
    row = [newest]
    good = [slot for slot in about.facts.slots if slot.outcome == "succeeded" and slot.run_id not in runs]
    row += [finding for finding in stale[1:] if not any(_between(slot, finding, newest) for slot in good)]
    symbols = sorted({str(finding.detail.get("symbol")) for finding in row if finding.run_id == newest.run_id})
    named = ", ".join(symbols[:3]) + (f" and {len(symbols) - 3} more" if len(symbols) > 3 else "")
    reason = f"its newest bar of {named} is of {newest.detail.get('newest_bar')}"
    if action := newest.detail.get("action"):
        reason += f"; its orders were {'held back' if action == 'refused' else 'sent all the same'}"
    expected = f"a bar of {newest.detail.get('expected')}"
    until = newest.at + STALE_WINDOW if about.facts.bot.is_stream else None
    count = len({finding.run_id for finding in row})
    yield about.condition("stale_data", row[-1].at, reason, expected, count), until


def _unexpected(about: _About) -> Iterator[Trouble]:
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


def _slower(about: _About) -> Iterator[Trouble]:
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
    """Tell whether a slot after that of the finding has succeeded."""
    return facts.last_good is not None and facts.last_good > (finding.slot or finding.at)


def _between(slot: SlotRecord, older: Finding, newer: Finding) -> bool:
    return (older.slot or older.at) < slot.last < (newer.slot or newer.at)
