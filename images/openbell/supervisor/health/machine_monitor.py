"""The machine: what is wrong with it, or with the supervisor itself, and not with one strategy."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from openbell.supervisor.health import disk_space
from openbell.supervisor.model.conditions import Condition

LOOK_EVERY = timedelta(seconds=30)
SKEW = 2.0  # seconds that the clock may be off by another machine's, whose answer has been on its way


class MachineMonitor:
    """Keeps the conditions of the machine: since when, and why."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        """folders: where openbell writes, by names for people."""
        self.conditions: tuple[Condition, ...] = ()
        self._folders = folders
        self._looked_at: datetime | None = None
        self._shortage = ""
        self._since: dict[str, datetime] = {}

    def look(self, now: datetime, skew: float | None, *, journal_trouble: str = "", store_trouble: str = "") -> None:
        """See how things are.

        skew: seconds that our clock is ahead of another machine's. The troubles say why the journals cannot be read, and
        why the store cannot be written.
        """
        if self._looked_at is None or not timedelta(0) <= now - self._looked_at < LOOK_EVERY:
            self._looked_at = now
            self._shortage = disk_space.shortage(disk_space.look(self._folders), was_short=bool(self._shortage))
        self.conditions = tuple(self._conditions(now, skew, journal_trouble, store_trouble))
        wrong = {condition.kind for condition in self.conditions}
        self._since = {kind: since for kind, since in self._since.items() if kind in wrong}

    def _conditions(
        self, now: datetime, skew: float | None, journal_trouble: str, store_trouble: str
    ) -> Iterator[Condition]:
        if store_trouble:
            yield self._condition("store_failed", now, store_trouble, "records that can be written")
        if journal_trouble:
            yield self._condition("journal_unreadable", now, journal_trouble, "journals that can be read")
        if self._shortage:
            yield self._condition("volume_full", now, self._shortage, "room for the days to come")
        if skew is not None and abs(skew) >= SKEW:
            reason = (
                f"its clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the clock of another machine"
            )
            yield self._condition("clock_wrong", now, reason, "a clock that is never off by a second")

    def _condition(self, kind: str, now: datetime, reason: str, expected: str) -> Condition:
        return Condition(kind, "", "", self._since.setdefault(kind, now), reason, expected)
