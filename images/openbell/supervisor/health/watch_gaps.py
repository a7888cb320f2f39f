"""Gaps in the watch: since when the supervisor watches without one, and when it judged last before that."""

from datetime import datetime, timedelta

from openbell.supervisor.health.facts import WatchPeriod
from openbell.supervisor.store.store import Store

GAP = timedelta(seconds=15)  # a step so long after the last one means that the supervisor did not run in between
MARK_EVERY = timedelta(minutes=1)

_JUDGED = "judged"


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
