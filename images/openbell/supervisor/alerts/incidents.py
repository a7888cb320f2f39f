"""Turns each snapshot into flips, incidents and messages, all stored before anything is sent."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from openbell.supervisor.alerts import grouping, incident_messages
from openbell.supervisor.alerts.flips import condition_changes
from openbell.supervisor.alerts.incident_messages import IncidentMessages, Link
from openbell.supervisor.alerts.model import Flip, Incident, Member
from openbell.supervisor.alerts.settings import AlertSettings
from openbell.supervisor.alerts.store import AlertStore
from openbell.supervisor.health.snapshot import Snapshot
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.formatting import dated, span
from openbell.supervisor.model.records import Fault
from openbell.supervisor.store.retention import aged_to

ABSENT = timedelta(seconds=60)  # without a snapshot for so long, the supervisor was away
LOOPS_KNOWN = timedelta(seconds=45)  # after an absence, until all loops have shown whether they are alive
AT_LEAST = timedelta(seconds=3)  # after an absence, for the journals that were written meanwhile
CORRECTED = timedelta(seconds=5)  # a clock that goes back by more was ahead before
SEEN_EVERY = timedelta(seconds=20)  # between two updates of the time at which the supervisor last ran
HOUR = timedelta(hours=1)
AGED_TO = "aged to"  # a mark: the instant by which old messages were last removed

log = structlog.get_logger()

Faults = Callable[[int], Sequence[Fault]]


def _no_link(_: int, __: datetime) -> str:
    return ""


class Incidents:
    """Stores which conditions came and went, and the messages that the policy asks for. One thread calls `process`."""

    def __init__(
        self,
        store: AlertStore,
        settings: AlertSettings,
        faults: Faults,
        link: Link = _no_link,
    ) -> None:
        self._store = store
        self.messages = IncidentMessages(store, settings, link)
        self._settings = settings
        self._faults = faults
        self._saved_at: datetime | None = None
        self._pruned_at: datetime | None = None
        self._stale = False  # memory may be ahead of the store
        self._flips: list[Flip] = []  # of this snapshot
        self._trouble = ""  # what this snapshot says is wrong, whether or not it is worth an alert yet
        self._load()

    def _load(self) -> None:
        self._version = self._store.data_version()
        self._incidents = self._store.incidents()
        self._seen_at = self._store.instant("seen_at")
        self._fault = self._store.mark("fault")  # the newest entry of the log of faults that has been processed
        self._stale = False

    def process(self, snapshot: Snapshot, now: datetime, canaries: Sequence[Condition] = ()) -> float | None:
        """Store the changes that a snapshot brings and the messages due now; return the seconds until the next message.

        Raises sqlite3.Error if that fails; the next call starts from what is stored.
        """
        if canaries:
            snapshot = replace(snapshot, conditions=(*snapshot.conditions, *canaries))
        if self._stale:
            self._load()
        elif self._version != (version := self._store.data_version()):
            # A person may have answered, through the page.
            self._version, self._incidents = version, self._store.incidents()
        self._stale = True
        self._flips.clear()
        self._trouble = _trouble(snapshot)
        wait = self._process(snapshot, now)
        self._stale = False
        return wait

    def _process(self, snapshot: Snapshot, now: datetime) -> float | None:
        stored = {
            member.condition.key: member for one in self._incidents for member in one.members if not member.closed_at
        }
        settings = self._settings
        if self._seen_at is not None and now < self._seen_at - CORRECTED:
            self._set_back(now)
        changes = condition_changes(stored, snapshot, settings.alert_after, settings.recover_after)
        faults = self._faults(self._fault) if self._fault is not None and snapshot.last_fault > self._fault else ()
        away = self._seen_at if self._seen_at is not None and now - self._seen_at >= ABSENT else None
        if changes.came or changes.gone or changes.changed or faults or away or self._fault is None:
            with self._store.transaction():
                if away is not None:
                    self._add_absence(away, now)
                for gone in changes.gone:
                    self._store.close_member(gone.member.id, now, gone.ended, gone.remedy)
                    self._flip(Flip(now, gone.member.condition, wrong=False, ended=gone.ended))
                for member, condition in changes.changed:
                    self._store.put_evidence(member.id, condition)
                symbols = {(one.name, bot.id): bot.symbols for one in snapshot.strategies for bot in one.bots}
                index = grouping.IncidentIndex(self._store.incidents(), now, symbols)
                zones = {strategy.name: strategy.timezone for strategy in snapshot.strategies}
                for condition in changes.came:
                    self._open(index, Member(0, 0, condition, zones.get(condition.strategy, "UTC"), now))
                seen = {condition.key for condition in snapshot.conditions}
                for fault in faults:
                    condition = fault.condition
                    known = condition.key in seen or condition.key in stored
                    if not known and condition.count >= settings.alert_after.of(condition.kind, condition.bot):
                        zone = zones.get(condition.strategy, "UTC")
                        self._open(index, Member(0, 0, condition, zone, now, now, "mended", last=fault.last))
                self._fault = faults[-1].id if faults else max(self._fault or 0, snapshot.last_fault)
                self._store.put_mark("fault", self._fault)
                self._store.put_instant("seen_at", now)
            self._incidents = self._store.incidents()
            self._log_flips()
        self._seen_at = now
        self._save_last_seen(now)
        self._end_hold(snapshot, now)
        wait = self.messages.store_due(self._incidents, self._trouble, now)
        if wait is not None and wait <= 0:
            self._incidents = self._store.incidents()
        return wait

    # What came and went

    def _open(self, index: grouping.IncidentIndex, member: Member) -> None:
        """Store a condition that came, or that came and went, in the incident to which it belongs."""
        condition, now = member.condition, member.opened_at
        incident = index.find(condition)
        if incident is None:
            cause = index.cause_of(condition)
            incident = self._add(Incident(0, cause, now, now))
            index.add(incident, cause)
        index.join(incident, condition, is_open=member.closed_at is None)
        self._store.add_member(replace(member, incident=incident))
        self._flip(Flip(now, condition, wrong=True))
        if member.closed_at is not None:
            self._flip(Flip(now, condition, wrong=False, ended=member.ended))

    def _add(self, incident: Incident) -> int:
        number = self._store.add_incident(incident)
        log.info("incident.opened", incident=number, cause=incident.cause)
        return number

    def _flip(self, flip: Flip) -> None:
        self._store.add_flip(flip)
        self._flips.append(flip)

    def _log_flips(self) -> None:
        """Log the flips, which are stored by now."""
        flips, self._flips = self._flips, []
        for flip in flips:
            condition = flip.condition
            about = {"kind": condition.kind, "strategy": condition.strategy, "bot": condition.bot}
            if flip.wrong:
                log.warning("flip.stored", wrong=True, reason=condition.reason, **about)
            else:
                log.info("flip.stored", wrong=False, ended=flip.ended, **about)

    def _set_back(self, now: datetime) -> None:
        """Let nothing wait for a time that a clock that was ahead has set."""
        log.warning("clock.corrected", by_s=round((now - self._seen_at).total_seconds()) if self._seen_at else 0)
        with self._store.transaction():
            self._store.set_back(now, now + LOOPS_KNOWN)
            incident_messages.set_back(self._store.database, now)
        self._incidents = self._store.incidents()
        self._seen_at = self._saved_at = now

    # The supervisor's own absence

    def _add_absence(self, since: datetime, now: datetime) -> None:
        zone = self._settings.quiet.timezone if self._settings.quiet else "UTC"
        note = f"The supervisor was away from {dated(since, zone)} to {dated(now, zone)} ({span(now - since)})."
        self._add(Incident(0, grouping.ABSENCE, since, now, hold_until=now + LOOPS_KNOWN, note=note))

    def _end_hold(self, snapshot: Snapshot, now: datetime) -> None:
        """Report what was found after an absence as soon as all loops have shown whether they are alive."""
        for incident in self._incidents:
            if (
                incident.cause != grouping.ABSENCE
                or incident.told_at
                or not incident.hold_until
                or incident.hold_until <= now
            ):
                continue
            came_back = incident.hold_until - LOOPS_KNOWN
            if now - came_back >= AT_LEAST and all(one.status != "late" for one in snapshot.strategies):
                released = replace(incident, hold_until=now)
                with self._store.transaction():
                    self._store.put_incident(released)
                self._incidents = tuple(released if one.id == released.id else one for one in self._incidents)

    def _save_last_seen(self, now: datetime) -> None:
        if self._saved_at is None or not timedelta(0) <= now - self._saved_at < SEEN_EVERY:
            self._saved_at = now
            with self._store.transaction():
                self._store.put_instant("seen_at", now)
                if self._pruned_at is None or not timedelta(0) <= now - self._pruned_at < HOUR:
                    aged = aged_to(now, self._store.instant(AGED_TO), is_first=self._pruned_at is None)
                    self._pruned_at = now
                    self._store.put_instant(AGED_TO, aged)
                    self._store.prune(aged)


def _trouble(snapshot: Snapshot) -> str:
    if snapshot.reading or snapshot.is_blind or not snapshot.ok:
        return f"Not all is well: {snapshot.headline}"
    wrong = [one for one in snapshot.conditions if one.strategy != grouping.CANARY_STRATEGY]
    return f"Not all is well: {wrong[0].bot or wrong[0].strategy or 'this machine'}: {wrong[0].reason}" if wrong else ""
