"""The desk: each judged snapshot becomes flips, incidents and messages, each stored before anything is sent."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from openbell.supervisor.alerts import grouping, messages
from openbell.supervisor.alerts.flips import turn
from openbell.supervisor.alerts.policy import decide
from openbell.supervisor.alerts.records import Flip, Incident, Member, Message
from openbell.supervisor.alerts.settings import AlertSettings
from openbell.supervisor.alerts.store import AlertStore
from openbell.supervisor.health.snapshot import Snapshot
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.records import Fault
from openbell.supervisor.model.times import dated, span

ABSENT = timedelta(seconds=60)  # without a look at a snapshot for so long, the supervisor was away
SETTLE = timedelta(seconds=45)  # after an absence, until all loops have shown whether they live
AT_LEAST = timedelta(seconds=3)  # after an absence, for the loops' own words about it
SEEN_EVERY = timedelta(seconds=20)  # between two notes that the supervisor is there
HOUR = timedelta(hours=1)

log = structlog.get_logger()

Faults = Callable[[int], Sequence[Fault]]


class Incidents:
    """Judges nothing itself: it stores what came and went, and what the policy wants said. One thread calls `see`."""

    def __init__(self, memory: AlertStore, settings: AlertSettings, faults: Faults) -> None:
        self._memory = memory
        self._settings = settings
        self._faults = faults
        self._noted_at: datetime | None = None
        self._pruned_at: datetime | None = None
        self._stale = False  # what is held here may be ahead of what is stored
        self._flips: list[Flip] = []  # of this look
        self._remember()

    def _remember(self) -> None:
        self._incidents = self._memory.incidents()
        self._seen_at = self._memory.instant("seen_at")
        self._fault = self._memory.mark("fault")  # the newest entry of the log of faults that is dealt with
        self._stale = False

    def see(self, snapshot: Snapshot, now: datetime, canaries: Sequence[Condition] = ()) -> float | None:
        """Store what a snapshot brings, and what is to be said now; return the seconds until something is to be said.

        Raises sqlite3.Error if it cannot be stored; then nothing is, and the next call begins from what is.
        """
        if canaries:
            snapshot = replace(snapshot, conditions=(*snapshot.conditions, *canaries))
        if self._stale:
            self._remember()
        self._stale = True
        self._flips.clear()
        wait = self._see(snapshot, now)
        self._stale = False
        return wait

    def say(self, message: Message, now: datetime) -> bool:
        """Store a message that no incident asks for; tell whether it is new."""
        with self._memory.transaction():
            return self._store(message, now)

    def _see(self, snapshot: Snapshot, now: datetime) -> float | None:
        stored = {
            member.condition.key: member for one in self._incidents for member in one.members if not member.closed_at
        }
        settings = self._settings
        difference = turn(stored, snapshot, settings.alert_after, settings.recover_after)
        faults = self._faults(self._fault) if self._fault is not None and snapshot.last_fault > self._fault else ()
        away = self._seen_at if self._seen_at is not None and now - self._seen_at >= ABSENT else None
        if difference.came or difference.gone or difference.changed or faults or away or self._fault is None:
            with self._memory.transaction():
                if away is not None:
                    self._add_absence(away, now)
                for gone in difference.gone:
                    self._memory.close_member(gone.member.id, now, gone.ended, gone.remedy)
                    self._flip(Flip(now, gone.member.condition, wrong=False, ended=gone.ended))
                for member, condition in difference.changed:
                    self._memory.put_evidence(member.id, condition)
                gathering = grouping.IncidentIndex(self._memory.incidents(), now)
                zones = {strategy.name: strategy.timezone for strategy in snapshot.strategies}
                for condition in difference.came:
                    self._open(gathering, Member(0, 0, condition, zones.get(condition.strategy, "UTC"), now))
                seen = {condition.key for condition in snapshot.conditions}
                for fault in faults:
                    condition = fault.condition
                    known = condition.key in seen or condition.key in stored
                    if not known and condition.count >= settings.alert_after.of(condition.kind, condition.bot):
                        zone = zones.get(condition.strategy, "UTC")
                        self._open(gathering, Member(0, 0, condition, zone, now, now, "mended", last=fault.last))
                self._fault = faults[-1].id if faults else max(self._fault or 0, snapshot.last_fault)
                self._memory.put_mark("fault", self._fault)
                self._memory.put_instant("seen_at", now)
            self._incidents = self._memory.incidents()
        self._seen_at = now
        self._note(now)
        self._release(snapshot, now)
        wait = self._speak(now)
        self._tell_flips()
        return wait

    # What came and went

    def _open(self, gathering: grouping.IncidentIndex, member: Member) -> None:
        """Store a condition that came, or that came and went, where it belongs."""
        condition, now = member.condition, member.opened_at
        incident = gathering.place(condition)
        if incident is None:
            cause = grouping.cause_of(condition)
            incident = self._add(Incident(0, cause, now, now))
            gathering.add(incident, cause)
        gathering.join(incident, condition, is_open=member.closed_at is None)
        self._memory.add_member(replace(member, incident=incident))
        self._flip(Flip(now, condition, wrong=True))
        if member.closed_at is not None:
            self._flip(Flip(now, condition, wrong=False, ended=member.ended))

    def _add(self, incident: Incident) -> int:
        number = self._memory.add_incident(incident)
        log.info("incident.opened", incident=number, cause=incident.cause)
        return number

    def _flip(self, flip: Flip) -> None:
        self._memory.add_flip(flip)
        self._flips.append(flip)

    def _tell_flips(self) -> None:
        """Log what is stored by now."""
        flips, self._flips = self._flips, []
        for flip in flips:
            condition = flip.condition
            about = {"kind": condition.kind, "strategy": condition.strategy, "bot": condition.bot}
            if flip.wrong:
                log.warning("flip.stored", wrong=True, reason=condition.reason, **about)
            else:
                log.info("flip.stored", wrong=False, ended=flip.ended, **about)

    # The supervisor's own absence

    def _add_absence(self, since: datetime, now: datetime) -> None:
        zone = self._settings.quiet.timezone if self._settings.quiet else "UTC"
        note = f"The supervisor was away from {dated(since, zone)} to {dated(now, zone)} ({span(now - since)})."
        self._add(Incident(0, grouping.ABSENCE, since, now, hold_until=now + SETTLE, note=note))

    def _release(self, snapshot: Snapshot, now: datetime) -> None:
        """Say what was found after an absence as soon as all loops have shown whether they live."""
        for incident in self._incidents:
            if (
                incident.cause != grouping.ABSENCE
                or incident.told_at
                or not incident.hold_until
                or incident.hold_until <= now
            ):
                continue
            came_back = incident.hold_until - SETTLE
            if now - came_back >= AT_LEAST and all(one.status != "late" for one in snapshot.strategies):
                released = replace(incident, hold_until=now)
                with self._memory.transaction():
                    self._memory.put_incident(released)
                self._incidents = tuple(released if one.id == released.id else one for one in self._incidents)

    def _note(self, now: datetime) -> None:
        if self._noted_at is None or not timedelta(0) <= now - self._noted_at < SEEN_EVERY:
            self._noted_at = now
            with self._memory.transaction():
                self._memory.put_instant("seen_at", now)
                if self._pruned_at is None or not timedelta(0) <= now - self._pruned_at < HOUR:
                    self._pruned_at = now
                    self._memory.prune(now)

    # What is said

    def _speak(self, now: datetime) -> float | None:
        waits: list[float] = []
        for incident in self._incidents:
            verdict = decide(incident, self._settings, now)
            if verdict.sort or verdict.over:
                with self._memory.transaction():
                    self._carry_out(incident, verdict.sort, now, over=verdict.over)
                self._incidents = self._memory.incidents()
                waits.append(0.0)
            elif verdict.until is not None:
                waits.append((verdict.until - now).total_seconds())
        return min(waits, default=None)

    def _carry_out(self, incident: Incident, sort: str, now: datetime, *, over: bool) -> None:
        if sort:
            self._store(messages.message(incident, sort, now), now)
            said = replace(
                incident,
                told_at=incident.told_at or now,
                said_at=now,
                updates=incident.updates + (sort == "update"),
                reminders=incident.reminders + (sort == "reminder"),
            )
            self._memory.put_incident(said)
            self._memory.tell_members(member.id for member in incident.members)
        if over:
            self._memory.close_incident(incident.id, now)
            log.info("incident.closed", incident=incident.id, cause=incident.cause)

    def _store(self, message: Message, now: datetime) -> bool:
        failing = self._memory.failing()
        settings = self._settings
        ordinary = [channel.name for channel in settings.channels if not channel.fallback]
        fallbacks = [channel.name for channel in settings.channels if channel.fallback]
        dead = any(
            name in failing
            and (failing[name][0] >= settings.fallback_failures or now - failing[name][1] >= settings.fallback_time)
            for name in ordinary
        )
        number = self._memory.add_message(message, now, [*ordinary, *(fallbacks if dead else ())])
        if number is not None:
            log.info(
                "message.stored", message=number, sort=message.sort, incident=message.incident, title=message.title
            )
        return number is not None
