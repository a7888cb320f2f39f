"""The loop's timetable: the `schedule` library, with every next run taken from the slot arithmetic."""

from collections.abc import Callable
from datetime import datetime

import schedule

from openbell.manifest import Bot
from openbell.runner.clock import Clock
from openbell.slots import closed_slots, next_slot


class SlotJob(schedule.Job):
    """A bot's job. `next_run` is aware UTC: its next slot, plus its share of the stagger.

    The library's own arithmetic is naive local time counted from the end of the job: it drifts, and has holes at clock
    changes. Only its registry and its order of due jobs are used.
    """

    def __init__(
        self, bot: Bot, decided_until: Callable[[], datetime], clock: Clock, scheduler: schedule.Scheduler
    ) -> None:
        super().__init__(1, scheduler)
        self.bot = bot
        self._decided_until = decided_until
        self._clock = clock
        self.slot: datetime | None = (
            None  # the slot at which the bot is due; None if that is a time the market is closed at
        )

    def due(self) -> datetime:
        """Return `next_run`, which a job of the timetable always has."""
        if self.next_run is None:
            msg = f"the job of bot {self.bot.id} is not in the timetable"
            raise RuntimeError(msg)
        return self.next_run

    @property
    def should_run(self) -> bool:
        """Tell whether the bot is due."""
        return self.next_run is not None and self._clock.now() >= self.next_run

    def reschedule(self) -> None:
        """Take the next run from the slots anew, after the clock or the bot's account has moved."""
        self._schedule_next_run()

    def _schedule_next_run(self) -> None:
        after = self._decided_until()
        slot = next_slot(self.bot.schedule, after)
        if slot is None:
            msg = f"bot {self.bot.id} has no slot within 400 days: change its schedule"
            raise RuntimeError(msg)
        # A time that an early close has cut off is no slot, but the journal says of it that it was passed over.
        closed = closed_slots(self.bot.schedule, after, slot)
        self.slot = None if closed else slot
        self.next_run = (closed[0] if closed else slot) + self.bot.shift
