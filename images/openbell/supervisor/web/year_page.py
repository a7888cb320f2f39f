"""The calendar of one bot's year: how its slots ended on each day, with closures and half days of its exchange."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from openbell import calendars
from openbell.calendars import Calendar, CalendarExpired
from openbell.manifest import Bot
from openbell.supervisor.store.store import Store
from openbell.supervisor.web.labels import MARKS

# What a day is called by, from the most urgent to the least.
_WORST = ("missed", "failed", "timed_out", "interrupted", "succeeded", "skipped")


@dataclass(frozen=True)
class YearDay:
    """One day: the worst outcome of its slots (empty if it had none), how many had which, its mark, and what is said of it."""

    day: date
    outcome: str
    slots: Mapping[str, int]
    mark: str
    title: str
    exchange: str = ""  # closed or early


@dataclass(frozen=True)
class Year:
    """A year of a bot: twelve rows of days."""

    year: int
    months: Sequence[Sequence[YearDay]]
    slots: Mapping[str, int]  # outcome → slots of the whole year


def year_of(strategy: str, bot_id: str, bot: Bot | None, store: Store, year: int) -> Year:
    """Return a bot's year."""
    known = store.slot_days.days(strategy, bot_id, date(year, 1, 1))
    exchange = calendars.load(bot.schedule.calendar) if bot and bot.schedule.calendar else None
    months = [[_cell(day, known.get(day, {}), exchange) for day in _days(year, month)] for month in range(1, 13)]
    totals = {one: sum(counts.get(one, 0) for day, counts in known.items() if day.year == year) for one in _WORST}
    return Year(year, months, {one: count for one, count in totals.items() if count})


def _days(year: int, month: int) -> list[date]:
    return [date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1)]


def _cell(day: date, counts: Mapping[str, int], exchange: Calendar | None) -> YearDay:
    about = _exchange(day, exchange)
    outcome = next((one for one in _WORST if counts.get(one)), "")
    told = ", ".join(f"{counts[one]} {one.replace('_', ' ')}" for one in _WORST if counts.get(one))
    said = {"closed": "closed", "early": "early close"}.get(about, "")
    parts = [part for part in (told or "no slots", said) if part]
    return YearDay(day, outcome, counts, MARKS[outcome] if outcome else "", f"{day}: {', '.join(parts)}", about)


def _exchange(day: date, exchange: Calendar | None) -> str:
    if exchange is None:
        return ""
    try:
        session = exchange.session(day)
    except CalendarExpired:
        return ""
    if session is None:
        return "closed"
    return "early" if session.early_close else ""
