"""When a bot is due, as its table in a strategy.toml says it."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta

import pytz

from openbell import calendars
from openbell.calendars import Calendar, CalendarExpired, Session
from openbell.calendars.local_time import local_instant
from openbell.manifest import grammar
from openbell.manifest.model import DAY, EVERY_DAY, Anchor, DayRule, Schedule
from openbell.manifest.problems import TableReader, toml_text
from openbell.records import replace

TIMES = ("at", "every", "from", "offset", "days", "early_close")
CALENDAR = "one of " + ", ".join(calendars.names())
DAYS = '"mon-fri", "mon,wed,fri", "daily", "month-end", "week-start", "1st fri", "last mon" or "session -2 of month"'


def read_schedule(reader: TableReader, table: dict[str, object], key: str, base: Schedule) -> Schedule:
    """Return the schedule of a bot's table; `base` has what the whole strategy shares."""
    calendar = base.calendar
    every_day: tuple[frozenset[int], tuple[DayRule, ...]] = (EVERY_DAY, ())
    days, rules = reader.read(table, "days", every_day, grammar.days, DAYS, key)
    at: tuple[Anchor, ...] = reader.read(
        table, "at", (), grammar.anchors, '"09:35", "open+5m", "close-10m" (less than 12h) or a list of them', key
    )
    every = reader.read(
        table, "every", None, grammar.interval, 'an interval that divides a day, such as "15m", "1h" or "4h"', key
    )
    start = reader.read(table, "from", None, grammar.count_from, '"open" or "open+15m" (less than 12h)', key)
    offset = reader.read(table, "offset", timedelta(0), grammar.parse_duration, 'a duration such as "5s"', key)
    early_close = reader.read(table, "early_close", "skip", grammar.OneOf(("skip", "run")), "one of skip, run", key)
    schedule = replace(
        base, days=days, rules=rules, at=at, every=every, offset=offset, count_from=start, early_close=early_close
    )
    if any(reader.has_problem(key + name) for name in TIMES):
        return schedule
    if (every is None) == (not at):
        reader.wrong(key + "at", "both at and every" if at else "neither at nor every", "exactly one of at and every")
        return schedule
    wrong = _beside_each_other(table, schedule)
    if wrong is not None:
        name, allowed = wrong
        if not (name == "at" and reader.has_problem("calendar")):
            reader.wrong(key + name, toml_text(table[name]), allowed)
        return schedule
    if calendar is not None and not occurs(schedule, calendars.load(calendar)):
        name = "at" if at else "every"
        reader.wrong(key + name, "a schedule that never occurs", _hint(schedule, calendar))
    return schedule


def _beside_each_other(table: dict[str, object], schedule: Schedule) -> tuple[str, str] | None:
    """Return the key that does not fit the others, and what is allowed; None if all fit."""
    every = schedule.every
    if every is None and "offset" in table:
        return "offset", "offset only beside every"
    if every is None and schedule.count_from is not None:
        return "from", "from only beside every"
    if schedule.count_from is not None and schedule.calendar is None:
        return "from", 'from only with a calendar, such as calendar = "XNYS"'
    if schedule.count_from is not None and "offset" in table:
        return "offset", "either offset or from"
    # Only an interval that divides a day keeps one grid for ever: no hole and no double at midnight.
    if every is not None and schedule.count_from is None and DAY % every:
        return "every", 'an interval that divides a day, such as "15m", "1h" or "4h"; any other with from = "open"'
    if every is not None and schedule.offset >= every:
        return "offset", "an offset shorter than every"
    if schedule.calendar is None and any(anchor.kind != "clock" for anchor in schedule.at):
        return "at", 'open and close only with a calendar, such as calendar = "XNYS"'
    if schedule.early_close == "run" and not any(anchor.kind in {"clock", "open"} for anchor in schedule.at):
        return "early_close", "early_close only beside a clock time in at: an interval ends with the session"
    return None


def _hint(schedule: Schedule, calendar: str) -> str:
    if schedule.every is not None:
        return (
            f"times that fall into sessions of {calendar}: its hours hold no point of the interval on these days; "
            'count from the open with from = "open", or write at = "open+5m"'
        )
    return f"times that fall into sessions of {calendar}: it has none on these days"


def occurs(schedule: Schedule, calendar: Calendar) -> bool:
    """Tell whether a schedule on a calendar ever has a slot, judged by the calendar's last year."""
    last = calendar.valid_through
    return any(_occurs_in(schedule, session, calendar) for session in calendar.sessions(last - 365 * DAY, last))


def _occurs_in(schedule: Schedule, session: Session, calendar: Calendar) -> bool:
    try:
        is_ruled = any(rule.matches(session.date, calendar) for rule in schedule.rules)
    except CalendarExpired:
        return False
    zone = pytz.timezone(schedule.timezone)

    def allows(at: datetime) -> bool:
        return is_ruled or at.astimezone(zone).weekday() in schedule.days

    if not schedule.daily:
        return any(allows(slot) for slot in _grid(schedule, session))
    # The session's date is the clock's; of one that begins on an evening, it may be the day before.
    dates = {session.date, session.open.astimezone(zone).date()}
    for anchor in schedule.daily:
        if anchor.kind == "clock":
            occurs = is_ruled or any(day.weekday() in schedule.days for day in dates)
        elif anchor.kind == "grid":
            walls = (datetime.combine(session.date + n * DAY, anchor.clock or time.min) for n in (-1, 0, 1))
            instants = [local_instant(wall, schedule.timezone) for wall in walls]
            occurs = any(session.open <= at < session.close and calendar.is_open(at) and allows(at) for at in instants)
        else:
            occurs = allows(session.open if anchor.kind == "open" else session.close)
        if occurs:
            return True
    return False


def _grid(schedule: Schedule, session: Session) -> Iterator[datetime]:
    """Yield the first point of the interval in each part of a session, and the first of each of its local days."""
    every = schedule.every or DAY
    if schedule.count_from is None:
        origin = session.open.replace(hour=0, minute=0, second=0, microsecond=0) + schedule.offset
        start = session.open
    else:
        origin = start = session.open + schedule.count_from.shift
    lunch, after_lunch = session.break_start or session.close, session.break_end or session.close
    for part, closes in ((session.open, lunch), (after_lunch, session.close)):
        opens = max(part, start)
        at = opens + (origin - opens) % every
        # Weekdays differ at most from one end of the hours to the other.
        newest = closes - timedelta(microseconds=1) - (closes - timedelta(microseconds=1) - origin) % every
        if opens <= at < closes:
            yield at
            yield newest
