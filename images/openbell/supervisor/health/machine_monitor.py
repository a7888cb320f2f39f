"""What is wrong with the machine or with the supervisor itself, as opposed to one strategy."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from openbell.supervisor.health import disk_space
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.store import damage
from openbell.supervisor.store.damage import DamagedDatabase

CHECK_EVERY = timedelta(seconds=30)
_DATABASES = {"supervisor.sqlite": "the supervisor's store", "alerts.sqlite": "the alerts' store"}
_REBUILT = {
    "supervisor.sqlite": "rebuilt from the journals",
    "alerts.sqlite": "begun anew: what is still wrong is reported again",
}
SKEW = 2.0  # seconds of difference to the other machine's clock that are tolerated, for its answer takes time


class MachineMonitor:
    """Keeps the conditions of the machine, each since it began."""

    def __init__(self, folders: Mapping[str, Path], records: Path | None = None) -> None:
        """folders: where openbell writes, by names for people. records: the folder of the supervisor's own databases."""
        self.conditions: tuple[Condition, ...] = ()
        self._folders = folders
        self._records = records
        self._rebuilt: list[DamagedDatabase] = []
        self._checked_at: datetime | None = None
        self._shortage = ""
        self._since: dict[str, datetime] = {}

    def check(self, now: datetime, skew: float | None, *, journal_error: str = "", store_error: str = "") -> None:
        """Update the conditions.

        skew: seconds that our clock is ahead of another machine's. The errors say why the journals cannot be read, and why
        the store cannot be written.
        """
        if self._checked_at is None or not timedelta(0) <= now - self._checked_at < CHECK_EVERY:
            self._checked_at = now
            self._shortage = disk_space.shortage(disk_space.measure(self._folders), was_short=bool(self._shortage))
            self._rebuilt = damage.reported(self._records, tuple(_DATABASES), now) if self._records else []
        self.conditions = tuple(self._conditions(now, skew, journal_error, store_error))
        wrong = {condition.kind for condition in self.conditions}
        self._since = {kind: since for kind, since in self._since.items() if kind in wrong}

    def _conditions(
        self, now: datetime, skew: float | None, journal_error: str, store_error: str
    ) -> Iterator[Condition]:
        if store_error:
            yield self._condition("store_failed", now, store_error, "records that can be written")
        if self._rebuilt:
            reason = "; ".join(_rebuilt(one) for one in self._rebuilt)
            since = min(one.at for one in self._rebuilt)
            yield Condition("store_rebuilt", "", "", since, reason, "records that stay as they were written")
        if journal_error:
            yield self._condition("journal_unreadable", now, journal_error, "journals that can be read")
        if self._shortage:
            yield self._condition("volume_full", now, self._shortage, "room for the days to come")
        if skew is not None and abs(skew) >= SKEW:
            reason = (
                f"its clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the clock of another machine"
            )
            yield self._condition("clock_wrong", now, reason, "a clock that is never off by a second")

    def _condition(self, kind: str, now: datetime, reason: str, expected: str) -> Condition:
        return Condition(kind, "", "", self._since.setdefault(kind, now), reason, expected)


def _rebuilt(one: DamagedDatabase) -> str:
    name, what = _DATABASES[one.database], _REBUILT[one.database]
    if one.is_deleted:
        return f"{name} was deleted while it was in use, and {what}"
    return f"{name} was damaged and {what}; put aside as {one.file.name}"
