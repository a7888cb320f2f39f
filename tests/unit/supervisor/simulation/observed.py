"""What the watch said: its conditions as spans of time."""

from dataclasses import dataclass
from datetime import datetime

from openbell.supervisor.health.snapshot import Snapshot
from openbell.supervisor.model.conditions import Condition
from tests.unit.supervisor.simulation.truth import Key


@dataclass
class Alarm:
    """A condition that came at `begin` and went at `end`."""

    condition: Condition
    begin: datetime
    end: datetime | None = None

    @property
    def key(self) -> Key:
        """What makes it the same alarm as before."""
        return self.condition.key


class Record:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.alarms: list[Alarm] = []
        self._open: dict[Key, Alarm] = {}
        self._last: tuple[Condition, ...] = ()
        self._left_at: datetime | None = None

    def leave(self, now: datetime) -> None:
        """Record that the supervisor is down from now on: what is wrong after that may be the same as before, or new."""
        self._left_at = now

    def take(self, snapshot: Snapshot, now: datetime) -> None:
        """Enter what is said at `now`."""
        conditions = tuple(snapshot.conditions)
        left_at, self._left_at = self._left_at, None
        if left_at is None and conditions == self._last:
            return
        self._last = conditions
        found = {condition.key: condition for condition in conditions}
        for key in list(self._open):
            is_new = key in found and left_at is not None and left_at < found[key].since < now
            is_new = is_new and found[key].since != self._open[key].condition.since  # known before it began
            if key not in found or is_new:
                self._open.pop(key).end = now
        for key in found.keys() - self._open.keys():
            self._open[key] = Alarm(found[key], now)
            self.alarms.append(self._open[key])
