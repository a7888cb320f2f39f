"""The market `sample`: real daily prices of the past, one historical day further at every slot.

It holds no state. The instant that it is asked about says which historical day is "today": for a bot with times of day
every session of its calendar is one historical session; for a bot with an interval every slot is one. At the slot that
day has just opened: its opening price is known, its bar is not, and the bars of all days before it are.

Past the last day the sample begins again, and prices jump (see README.md in the folder prices).
"""

from array import array
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import pytz

from openbell import calendars
from openbell.manifest import Schedule
from openbell.trading.markets import Bars, MarketError, Series
from openbell.trading.markets import series as files
from openbell.trading.markets.history import History, check, common_days, load

TIMEFRAME = "1d"
WARM_UP = 250  # days that a bot never meets as "today", so that it always has bars to look back on
ANCHOR = date(2026, 1, 1)  # historical days are counted from here; moving it moves every bot

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_A_MONDAY = date(2000, 1, 3)


class SampleMarket:
    """The sample as one bot sees it: its days are those on which all its symbols have prices."""

    is_complete = True  # no bar lacks a figure

    def __init__(self, symbols: tuple[str, ...], schedule: Schedule, folder: Path = Path()) -> None:
        check(symbols)
        self._symbols = symbols
        self._folder = folder
        self._schedule = schedule
        self._histories: dict[str, History] = {}

    @cached_property
    def _days(self) -> "array[int]":
        # Read when they are asked for: a loop opens its markets when it starts, and would keep the traces of it for months.
        self._histories = {symbol: load(symbol) for symbol in self._symbols}
        days = common_days(self._symbols)
        return days[min(WARM_UP, len(days) // 3) :]

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return up to `count` adjusted daily bars of the days before the historical day, oldest first."""
        if timeframe != TIMEFRAME:
            msg = f'the sample has no "{timeframe}" bars; it offers: {TIMEFRAME}'
            raise MarketError(msg)
        if count < 1:
            msg = f"the count of bars must be at least 1, not {count}"
            raise MarketError(msg)
        return self._history(symbol).before(self.historical_day(at), count)

    def price(self, symbol: str, at: datetime) -> float:
        """Return the adjusted opening price of the historical day."""
        return self._history(symbol).opening(self.historical_day(at))

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Return values of a series of the strategy's own as they were known on the historical day."""
        day = datetime.fromisoformat(self.historical_day(at)).replace(tzinfo=UTC)
        return files.read(self._folder, name, count, day)

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return the source and the historical day that stands for `at`."""
        return {"source": "sample", "historical_day": self.historical_day(at)}

    def _history(self, symbol: str) -> History:
        if symbol not in self._histories:
            self._histories[symbol] = load(symbol)
        return self._histories[symbol]

    def historical_day(self, at: datetime) -> str:
        """Return the historical day ("2009-03-02") that stands for `at`."""
        return date.fromordinal(self._days[slot_number(self._schedule, at) % len(self._days)]).isoformat()


def slot_number(schedule: Schedule, at: datetime) -> int:
    """Return a number that grows by one with every slot (`every`) or with every session or weekday (`at`).

    The date that counts is the calendar's own, or without a calendar that of the schedule's zone. Raises CalendarExpired
    if the calendar does not know the date, and ValueError for an instant without a zone.
    """
    if at.utcoffset() is None:
        msg = f"an instant needs a zone, and {at.isoformat()} has none"
        raise ValueError(msg)
    if schedule.every is not None:
        return (at - _EPOCH) // schedule.every
    if schedule.calendar is None:
        return _days_since_anchor(schedule.days, _date(at, schedule.timezone))
    calendar = calendars.load(schedule.calendar)
    today = _date(at, calendar.timezone)
    calendar.session(today)  # raises if the calendar does not reach as far, since then its closures do not either
    closed = _closures_until(calendar, today) - _closures_until(calendar, ANCHOR)
    return _days_since_anchor(calendar.weekdays, today) - closed


def _date(at: datetime, timezone: str) -> date:
    return at.astimezone(pytz.timezone(timezone)).date()


def _days_since_anchor(weekdays: frozenset[int], day: date) -> int:
    """Return how many days of the given weekdays (Monday is 0) lie after ANCHOR and not after `day`."""
    firsts = [_A_MONDAY + timedelta(weekday) for weekday in weekdays]
    return sum((day - first).days // 7 - (ANCHOR - first).days // 7 for first in firsts)


def _closures_until(calendar: calendars.Calendar, day: date) -> int:
    return sum(ordinal <= day.toordinal() for ordinal in calendar.closures)
