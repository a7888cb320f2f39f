"""The facts by which a loop or a bot is judged, the result of a judgement, and since when the watch has no gap."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from openbell.control import Deployment, Pause
from openbell.heartbeat import Heartbeat
from openbell.manifest import Bot
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.durations import Durations
from openbell.supervisor.model.records import Finding, RunRecord, ServiceEvent, SlotRecord, Streak
from openbell.supervisor.store.store import Store

FUTURE = timedelta(seconds=5)  # what is so much newer than now was written while the clock was ahead
GAP = timedelta(seconds=15)  # a step so long after the last one means that the supervisor did not run in between
MARK_EVERY = timedelta(minutes=1)

_JUDGED = "judged"


def corrected(at: datetime, now: datetime, watched_since: datetime) -> datetime:
    """Return an instant; one of a clock that was ahead counts as the correction, since which the watch has no gap."""
    return at if at <= now + FUTURE else min(watched_since, now)


@dataclass(frozen=True)
class Verdict:
    """A status, the reason in one sentence, and until when both hold without news (None: for ever).

    `condition` is the kind of condition that the reason describes, empty if nothing is wrong. `conditions` are all that is
    wrong; those of a bot do not repeat those of its loop.
    """

    status: str
    reason: str
    until: datetime | None = None
    condition: str = ""
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class WatchPeriod:
    """Since when the supervisor watches without a gap, and when it judged for the last time before that gap."""

    since: datetime
    judged_before: datetime | None


@dataclass(frozen=True)
class LoopFacts:
    """What is known of a strategy's loop."""

    strategy: str
    timezone: str
    since: datetime  # the supervisor knows of the strategy since
    watched_since: datetime  # the supervisor watches without a gap since then; earlier silence proves nothing
    events: tuple[ServiceEvent, ...] = ()  # newest first
    heartbeat: Heartbeat | None = None
    problems: tuple[str, ...] = ()  # of the manifest
    journal_error: str = ""  # why the journal cannot be read
    journal_error_since: datetime | None = None
    judged_before: datetime | None = (
        None  # the last judgement before the last gap: what was wrong then has been reported
    )
    deployment: Deployment | None = None  # that concerns this strategy
    calendar: str = ""
    calendar_ends: date | None = None  # the last day that the calendar knows
    holidays_end: date | None = None  # the last day of which it knows every holiday; None: of all
    reconciled: tuple[Finding, ...] = ()  # the account compared with the ledger, newest first
    unwritten: datetime | None = None  # a missed slot that is not in the journal although the loop was alive
    last_line_at: datetime | None = None  # of its journal


@dataclass(frozen=True)
class BotFacts:
    """What is known of a bot. `slots` are the newest records, newest first."""

    bot: Bot
    slots: tuple[SlotRecord, ...] = ()
    open_runs: tuple[RunRecord, ...] = ()
    awaited: datetime | None = None  # the first slot without a record
    pause: Pause | None = None
    calendar_error: str = ""  # why its slots cannot be computed
    stream_heartbeat: datetime | None = None  # of a stream, the newest
    streaks: tuple[Streak, ...] = ()  # the bad slots since the last success, one for each outcome
    last_success: datetime | None = None  # the newest slot that succeeded
    calendar_error_since: datetime | None = None
    heartbeat_at: datetime | None = None  # of its loop, the newest
    is_running: bool = False  # whether that heartbeat names a run of the bot
    stream_ends: tuple[datetime, ...] = ()  # of a stream, when its last runs ended, newest first
    loop_started: datetime | None = None
    findings: tuple[Finding, ...] = ()  # what its newest runs found wrong outside, newest first
    durations: Durations | None = None
    runs: tuple[RunRecord, ...] = ()  # the newest, of all triggers, newest first; see `needed_runs`
    deployment: Deployment | None = None  # that concerns its strategy

    def corrected(self, now: datetime, watched_since: datetime) -> "BotFacts":
        """Return these facts with the instants of a clock that was ahead replaced; its findings are about no slot to come."""
        written = [self.loop_started, self.stream_heartbeat, self.heartbeat_at, *self.stream_ends]
        written += [run.attempt_at or run.slot for run in self.open_runs]
        written += [finding.slot or finding.at for finding in self.findings]
        if not any(at > now + FUTURE for at in written if at is not None):
            return self

        def known(at: datetime) -> datetime:
            return corrected(at, now, watched_since)

        return replace(
            self,
            loop_started=self.loop_started and known(self.loop_started),
            stream_heartbeat=self.stream_heartbeat and known(self.stream_heartbeat),
            heartbeat_at=self.heartbeat_at and known(self.heartbeat_at),
            stream_ends=tuple(at for at in self.stream_ends if at <= now + FUTURE),
            open_runs=tuple(run._replace(attempt_at=known(run.attempt_at or run.slot)) for run in self.open_runs),
            findings=tuple(one._replace(at=known(one.at), slot=one.slot and known(one.slot)) for one in self.findings),
        )


class WatchGaps:
    """Remembers across restarts when the supervisor judged last."""

    def __init__(self) -> None:
        self._stepped_at: datetime | None = None
        self._judged_at: datetime | None = None
        self._marked_at: datetime | None = None
        self._period: WatchPeriod | None = None
        self._has_judged = False

    def begin_step(self, now: datetime, store: Store, *, reading: bool) -> WatchPeriod:
        """Return the period watched without a gap. reading: the journals are still being read, so it begins only now."""
        if self._period is None:
            self._judged_at = self._marked_at = store.get_mark(_JUDGED)
        is_next = self._stepped_at is not None and timedelta(0) <= now - self._stepped_at < GAP
        if self._period is None or reading or not is_next:
            # A judgement of the future was made with a clock that was ahead.
            judged = self._judged_at if self._judged_at is not None and self._judged_at <= now else None
            self._period = WatchPeriod(now, judged)
        self._stepped_at = now
        return self._period

    def record_judgement(self, now: datetime) -> bool:
        """Remember that everything was judged and published; return whether it was for the first time."""
        self._judged_at, is_first = now, not self._has_judged
        self._has_judged = True
        return is_first

    def save(self, store: Store, *, news: bool) -> None:
        """Store when the last judgement was: always if it had news, otherwise every minute."""
        judged, marked = self._judged_at, self._marked_at
        if judged is None or judged == marked:
            return
        if news or marked is None or not timedelta(0) <= judged - marked < MARK_EVERY:
            store.set_mark(_JUDGED, judged)
            self._marked_at = judged
