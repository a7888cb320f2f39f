"""Presence: since when the supervisor watches without a gap, and what it had seen before."""

from datetime import datetime, timedelta

from openbell.supervisor.health.strategy_monitor import Watched
from openbell.supervisor.store.store import Store

GAP = timedelta(seconds=15)  # a step so long after the last one means that the supervisor itself was away
MARK_EVERY = timedelta(minutes=1)

_JUDGED = "judged"


class WatchGaps:
    """Keeps, across restarts, when the supervisor judged last."""

    def __init__(self) -> None:
        self._stepped_at: datetime | None = None
        self._judged_at: datetime | None = None
        self._marked_at: datetime | None = None
        self._watched: Watched | None = None
        self._has_judged = False

    def at(self, now: datetime, store: Store, *, reading: bool) -> Watched:
        """Note that the supervisor is there. reading: it reads the journals of the time before, and does not watch yet."""
        if self._watched is None:
            self._judged_at = self._marked_at = store.marked(_JUDGED)
        was_there = self._stepped_at is not None and timedelta(0) <= now - self._stepped_at < GAP
        if self._watched is None or reading or not was_there:
            self._watched = Watched(now, self._judged_at)
        self._stepped_at = now
        return self._watched

    def judged(self, now: datetime) -> bool:
        """Note that everything was judged and published; tell whether it was for the first time."""
        self._judged_at, is_first = now, not self._has_judged
        self._has_judged = True
        return is_first

    def keep(self, store: Store, *, news: bool) -> None:
        """Store when the last judgement was, if it had news; if not, once in a while."""
        judged, marked = self._judged_at, self._marked_at
        if judged is None or judged == marked:
            return
        if news or marked is None or not timedelta(0) <= judged - marked < MARK_EVERY:
            store.mark(_JUDGED, judged)
            self._marked_at = judged
