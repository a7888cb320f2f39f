"""What a supervisor knows of the hosts that share a database: whose the alerts are, and which hosts are gone. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from openbell.supervisor.model.conditions import Condition

LOST_AFTER = timedelta(seconds=10)  # without an answer: a failover of a managed database may take as long
# An owner of the alerts that lost the database tells it. Another supervisor cannot know whether that one lives.
OTHERS_TELL_AFTER = timedelta(minutes=2)
REMEMBERED = timedelta(minutes=1)  # that a strategy has moved, before its old host counts as gone
MOVED_WITHIN = timedelta(seconds=30)  # in which the strategies of a host that is gone run elsewhere


@dataclass(frozen=True)
class Move:
    """A strategy that another host has taken over."""

    strategy: str
    before: str
    now: str
    away: timedelta
    at: datetime


@dataclass(frozen=True)
class SharedHosts:
    """What is known of the database and of hosts at one moment."""

    host: str  # this one
    sends: bool = False  # this supervisor owns the alerts
    lost_since: datetime | None = None  # the last answer of the database, if it does not answer
    error: str = ""
    settles_until: datetime | None = None
    gone: Mapping[str, datetime] = field(default_factory=dict)  # hosts that were there, with when that was noticed
    moves: tuple[Move, ...] = ()
    homeless: tuple[str, ...] = ()  # strategies that no host runs
    runs_on: Mapping[str, str] = field(default_factory=dict)  # strategy → the host that runs it, or did last

    def is_lost(self, now: datetime) -> bool:
        """Tell whether the database is gone, and not just slow."""
        return self.lost_since is not None and now - self.lost_since >= LOST_AFTER

    def is_blind(self, now: datetime) -> bool:
        """Tell whether this host does not know what strategies do: they may run elsewhere."""
        return self.lost_since is not None or (self.settles_until is not None and now < self.settles_until)

    def may_send(self, now: datetime) -> bool:
        """Tell whether alerts are for this supervisor to send."""
        return self.sends or (self.lost_since is not None and now - self.lost_since >= OTHERS_TELL_AFTER)

    def conditions(self, now: datetime) -> tuple[Condition, ...]:
        """Return what is wrong with the database and with hosts."""
        found = []
        if self.lost_since is not None and self.is_lost(now):
            reason = f"{self.host} has no answer from the database ({self.error}): it runs nothing"
            found.append(Condition("database_lost", "", "", self.lost_since, reason, "a database that answers"))
        reported = {one: at for one, at in self.gone.items() if now - at >= MOVED_WITHIN or self._have_moved(one)}
        if reported and not found:
            text = "; ".join(self._gone_text(one) for one in sorted(reported))
            found.append(Condition("host_gone", "", "", min(reported.values()), text, "hosts that are there"))
        return tuple(found)

    def _have_moved(self, host: str) -> bool:
        return not self.homeless and any(one.before == host for one in self.moves)

    def _gone_text(self, host: str) -> str:
        moved = [one for one in self.moves if one.before == host]
        text = ", ".join(f"{one.strategy} runs on {one.now} after {one.away.total_seconds():.0f} s" for one in moved)
        waits = f"; no host runs {', '.join(self.homeless)}" if self.homeless else ""
        return f"{host} gives no sign of life: {text or 'it ran nothing'}{waits}"
