"""What the watch said: its conditions as spans of time."""

from dataclasses import dataclass
from datetime import datetime

from openbell.supervisor.conditions import Condition
from openbell.supervisor.snapshot import Snapshot
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

    def take(self, snapshot: Snapshot, now: datetime) -> None:
        """Enter what is said at `now`."""
        conditions = tuple(snapshot.conditions)
        if conditions is self._last or conditions == self._last:
            return
        self._last = conditions
        found = {condition.key: condition for condition in conditions}
        for key in self._open.keys() - found.keys():
            self._open.pop(key).end = now
        for key in found.keys() - self._open.keys():
            self._open[key] = Alarm(found[key], now)
            self.alarms.append(self._open[key])
