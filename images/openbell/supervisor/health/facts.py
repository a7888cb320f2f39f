"""Facts: what is known of a loop and of a bot when it is judged, and the form of a judgement."""

from dataclasses import dataclass
from datetime import date, datetime

from openbell.control import Deployment, Pause
from openbell.heartbeat import Heartbeat
from openbell.manifest import Bot
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.durations import Durations
from openbell.supervisor.model.records import Finding, Row, RunRecord, ServiceEvent, SlotRecord


@dataclass(frozen=True)
class Verdict:
    """A status, the reason in one sentence, and until when both hold without news (None: for ever).

    `condition` names the reason for machines, see conditions.py; empty if nothing is wrong. `conditions` are all that is
    wrong, what the reason tells and what it does not; a bot's do not repeat those of its loop.
    """

    status: str
    reason: str
    until: datetime | None = None
    condition: str = ""
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class LoopFacts:
    """What is known of a strategy's loop."""

    strategy: str
    timezone: str
    since: datetime  # the supervisor knows of the strategy since
    watched_since: datetime  # the supervisor watches without a gap since; silence from before proves nothing
    events: tuple[ServiceEvent, ...] = ()  # newest first
    beat: Heartbeat | None = None
    problems: tuple[str, ...] = ()  # of the manifest
    trouble: str = ""  # why the journal cannot be read
    trouble_since: datetime | None = None
    judged_before: datetime | None = None  # the last judgement before the last gap: what was wrong then was told
    deployment: Deployment | None = None  # that concerns this strategy
    calendar: str = ""
    calendar_ends: date | None = None  # the last day that the calendar knows
    reconciled: tuple[Finding, ...] = ()  # the account compared with the ledger, newest first
    unwritten: datetime | None = None  # a slot that a loop which was alive wrote nothing about
    heard: datetime | None = None  # the newest line of its journal


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
    rows: tuple[Row, ...] = ()  # the slots that went wrong since the last good one, a row for each outcome
    last_good: datetime | None = None  # the newest slot that succeeded
    trouble_since: datetime | None = None
    beat_at: datetime | None = None  # when its loop beat last
    runs_on: bool = False  # and whether that beat named a run of the bot
    stream_ends: tuple[datetime, ...] = ()  # of a stream, when its last runs ended, newest first
    loop_started: datetime | None = None
    findings: tuple[Finding, ...] = ()  # what its runs found wrong lately, newest first
    durations: Durations | None = None
    deployment: Deployment | None = None  # that concerns its strategy
