"""The agenda: what happens when, in order, on a clock that only the simulation moves."""

import heapq
from collections.abc import Callable
from datetime import datetime


class Agenda:
    """Things to be done at instants. What is entered for an instant that has passed is done next."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._entries: list[tuple[datetime, int, Callable[[datetime], object]]] = []
        self._count = 0

    def at(self, instant: datetime, act: Callable[[datetime], object]) -> None:
        """Enter something; it is handed its instant."""
        self._count += 1
        heapq.heappush(self._entries, (instant, self._count, act))

    @property
    def next(self) -> datetime | None:
        """The instant of the next entry."""
        return self._entries[0][0] if self._entries else None

    def run(self, until: datetime) -> None:
        """Do all that is entered for instants before `until`, and move the clock there."""
        while self._entries and self._entries[0][0] < until:
            instant, _, act = heapq.heappop(self._entries)
            self.now = max(self.now, instant)
            act(instant)
        self.now = until
