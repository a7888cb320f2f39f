"""Pauses whose end was counted by a clock far behind: they last as long as they were meant to."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from openbell.control import Control, Pause
from openbell.records import replace

# A smaller step ahead may be a machine that slept: then the end was meant as an instant.
FAR_BEHIND = timedelta(days=1)


class MovedPauses:
    """The pauses of one loop's bots that a clock set ahead would end, each with a later end that is to be written."""

    def __init__(self, bots: Iterable[str], control: Control) -> None:
        self._bots = bots
        self._control = control
        self._unwritten: dict[str, Pause] = {}

    def set_ahead(self, now: datetime, step: float) -> None:
        """Move the pauses after the clock was set ahead by so many seconds; OSError if that cannot be written now."""
        by = timedelta(seconds=step)
        if by < FAR_BEHIND:
            return
        for bot in self._bots:
            pause = self._control.paused(bot)
            if pause is not None and pause.until is not None and pause.holds(now - by):
                self._unwritten[bot] = replace(pause, until=pause.until + by)
        self.write()

    def write(self) -> None:
        """Write what is not written yet; OSError if that cannot be done."""
        for bot, pause in list(self._unwritten.items()):
            self._control.pause(bot, pause)
            del self._unwritten[bot]
