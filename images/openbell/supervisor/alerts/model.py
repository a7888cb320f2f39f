"""The values that the alerts store. Every instant is aware UTC."""

from dataclasses import dataclass
from datetime import datetime

from openbell.supervisor.model.conditions import KINDS, Condition


@dataclass(frozen=True)
class Member:
    """A condition as part of an incident: open, or closed at `closed_at`.

    timezone: the bot's, used in messages. ended: "mended", "paused" with the pause in `remedy`,
    "unwatched" or "replaced"; see EndedCondition.
    told: whether a message has named it. last: the last slot that went this way, of one that came and went.
    """

    id: int
    incident: int
    condition: Condition
    timezone: str
    opened_at: datetime
    closed_at: datetime | None = None
    ended: str = ""
    remedy: str = ""
    last: datetime | None = None
    told: bool = False

    @property
    def critical(self) -> bool:
        """Whether it is reported in quiet hours too; an unknown kind is."""
        kind = KINDS.get(self.condition.kind)
        return kind is None or kind.critical


@dataclass(frozen=True)
class Incident:
    """Conditions with one cause. It is over when all its members are closed and that has been reported.

    joined_at: when its newest member came. told_at: its first message; said_at: its newest. hold_until: no message before.
    acknowledged_at: when a person answered; snoozed_until: until when he wants no message about it (None: until it is over).
    escalations: how many more channels were told because no person answered.
    """

    id: int
    cause: str
    opened_at: datetime
    joined_at: datetime
    told_at: datetime | None = None
    said_at: datetime | None = None
    updates: int = 0
    reminders: int = 0
    hold_until: datetime | None = None
    note: str = ""  # the first sentence of its message: about the supervisor's own absence
    closed_at: datetime | None = None
    acknowledged_at: datetime | None = None
    snoozed_until: datetime | None = None
    handled_by: str = ""
    escalations: int = 0
    members: tuple[Member, ...] = ()

    def unanswered_since(self, now: datetime) -> datetime | None:
        """Return since when it waits for a person, who may have snoozed it; None if it does not, or was not reported yet."""
        if self.acknowledged_at is None:
            return self.told_at
        return self.snoozed_until if self.snoozed_until is not None and self.snoozed_until <= now else None


@dataclass(frozen=True)
class Flip:
    """A condition that came (`wrong`) or went, as it is stored."""

    at: datetime
    condition: Condition
    wrong: bool
    ended: str = ""


@dataclass(frozen=True)
class Message:
    """A message to a person. sort: alert, update, reminder, escalation, recovery, summary, digest or canary."""

    sort: str
    severity: str  # critical, warning, good or info
    title: str
    body: str
    incident: int | None = None
    key: str = ""  # a second message with the same key is not stored


@dataclass(frozen=True)
class Delivery:
    """A message on its way to one channel."""

    id: int
    message: Message
    channel: str
    stored_at: datetime
    attempts: int
    incident_open: bool
