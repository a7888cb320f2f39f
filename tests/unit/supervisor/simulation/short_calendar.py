"""A calendar whose table runs out in the middle of the history, until it is updated."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

from openbell import calendars
from openbell.calendars.ending import NOTICE
from openbell.slots import slots_between
from tests.unit.supervisor.simulation.fleet import SHORT
from tests.unit.supervisor.simulation.history import MONTH, START, History
from tests.unit.supervisor.simulation.loops import SECOND
from tests.unit.supervisor.simulation.truth import CALENDAR_RAN_OUT

LATEST = date(2035, 12, 31)


class ShortCalendar:
    """The calendar, and the strategy that has it."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._through = START.replace(hour=0, minute=0) + timedelta(days=100 if history.size.length > MONTH else 2)
        write_calendar(self._through.date())

    def begin(self) -> None:
        """Say in the truth what has to be said of the short calendar, until it is updated."""
        ends = self._through + timedelta(days=1)
        loop = self._history.loops["short_calendar"]
        self._history.truth.begin(
            max(START, self._through - NOTICE), "calendar_ending", loop.name, "", "a short calendar"
        )
        self._history.agenda.at(ends, lambda at: self._history.truth.end(at, "calendar_ending", loop.name, ""))
        for one in loop.bots.values():
            newest = max(self._history.slots_of(one, START))
            begin = partial(
                self._history.truth.begin, kind="calendar_expired", strategy=loop.name, bot=one.bot.id, cause="as well"
            )
            self._history.agenda.at(newest + 2 * SECOND, begin)
        self._history.agenda.at(ends + timedelta(days=3), self._update_calendar)

    def _update_calendar(self, at: datetime) -> None:
        """Give supervisor and loop a calendar that reaches further: the slots of the time between have been missed."""
        if not self._history.supervisor.is_up:
            self._history.agenda.at(at + timedelta(hours=1), self._update_calendar)
            return
        now = self._history.agenda.now
        self._history.supervisor.kill(now)
        write_calendar(LATEST)
        self._history.supervisor.start(now)
        loop = self._history.loops["short_calendar"]
        for one in loop.bots.values():
            self._history.truth.end(now, "calendar_expired", loop.name, one.bot.id)
            for slot in slots_between(one.bot.schedule, self._through, now - timedelta(hours=1)):
                if slot not in self._history.truth.outcomes[loop.name, one.bot.id]:
                    self._history.slots += 1
                    self._history.truth.expect(loop.name, one.bot.id, slot)
                    self._history.truth.outcome(now, loop.name, one.bot.id, slot, "missed", CALENDAR_RAN_OUT)
            self._history.feed(loop, [one], self._history.slots_of(one, now - timedelta(hours=1)))
        self._history.truth.begin(now, "not_written", loop.name, "", CALENDAR_RAN_OUT)


@contextmanager
def own_calendars(folder: Path) -> Iterator[None]:
    """Read calendars from a folder of this history's own, so that one can be there that ends early."""
    before = calendars._FOLDER
    shutil.copytree(before, folder)
    calendars._FOLDER = folder
    try:
        yield
    finally:
        calendars._FOLDER = before
        _forget_calendars()


def write_calendar(through: date) -> None:
    """Let the short calendar be New York's through a day."""
    table = json.loads((calendars._FOLDER / "XNYS.json").read_text())
    text = json.dumps({**table, "name": SHORT, "valid_through": through.isoformat()})
    (calendars._FOLDER / f"{SHORT}.json").write_text(text)
    _forget_calendars()


def _forget_calendars() -> None:
    calendars._names.cache_clear()
    calendars._load.cache_clear()
