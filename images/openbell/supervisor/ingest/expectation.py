"""What is expected of one bot: its slots from a time on, how far they have records, and when the next one is missed.

It also tells whether the machine's clock, by which slots are missed, can be trusted: for some minutes after a start or a jump it cannot.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from openbell import slots
from openbell.calendars import CalendarExpired
from openbell.manifest import Bot
from openbell.supervisor.model.records import Expected

# For the first line of a run that started at the last permitted instant to be written.
WRITE_MARGIN = timedelta(seconds=1)
JUMP = timedelta(seconds=60)  # two readings of the clock that are further apart mean a jump, or an absence
TRUSTED = timedelta(seconds=300)  # a clock that goes on for so long is trusted


@dataclass
class Expectation:
    """The slots that are expected of one bot: the stored row, how far it has got since, and the next slot."""

    bot: Bot
    stored: Expected
    recorded_until: datetime
    awaited: datetime | None = None  # the first slot without a record
    calendar_error: str = ""  # why its slots cannot be computed (its calendar has expired)
    _asked: tuple[datetime, bool] | None = None  # the newest answer of `is_slot`: a run asks several times

    @property
    def since(self) -> datetime:
        """The time from which slots are expected."""
        return self.stored.since

    def is_slot(self, at: datetime) -> bool:
        """Return whether the bot is due at an instant; True if its calendar cannot say."""
        if self._asked is None or self._asked[0] != at:
            try:
                self._asked = at, slots.is_slot(self.bot.schedule, at)
            except CalendarExpired:
                self._asked = at, True
        return self._asked[1]

    @property
    def deadline(self) -> datetime | None:
        """When the awaited slot counts as missed."""
        return None if self.awaited is None else self.bot.start_by(self.awaited) + WRITE_MARGIN


def expectation_of(bot: Bot, now: datetime) -> Expectation:
    """Return what is expected of a bot whose slots count from now on."""
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return Expectation(bot, Expected(bot.strategy, bot.id, repr(bot.schedule), now, now), now)


class ClockTrust:
    """Follows the clock from one reading to the next."""

    def __init__(self, now: datetime) -> None:
        self._now = self.since = now  # since: when it has jumped last
        self._is_trusted = False

    def check(self, now: datetime) -> str:
        """Return "ahead" or "back" if the clock has jumped since the last check, "trusted" once it is, and otherwise nothing."""
        before, self._now = self._now, now
        if abs(now - before) > JUMP:
            self.since, self._is_trusted = now, False
            return "ahead" if now > before else "back"
        if self._is_trusted or now < self.since + TRUSTED:
            return ""
        self._is_trusted = True
        return "trusted"
