"""`openbell calendar`: the coming sessions, half days and closures of the calendars that strategies name."""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytz

from openbell import calendars
from openbell.calendars import Calendar, Session
from openbell.calendars.ending import endings
from openbell.command_parser import command_parser
from openbell.manifest import grammar, load_all, suggestion

SESSIONS = 5
AHEAD = timedelta(days=90)


def main(arguments: Sequence[str]) -> int:
    """Print each calendar; return 1 for one that there is not."""
    parser = command_parser("calendar")
    parser.add_argument("--strategies", type=Path, default=Path("strategies"), help="the folder of the strategies")
    parser.add_argument("--calendar", default="", help="this one; default: those that strategies name")
    options = parser.parse_args(arguments)
    manifests, errors = load_all(options.strategies)
    for error in errors:
        print(error, file=sys.stderr)
    name = grammar.calendar(options.calendar)
    if options.calendar and name is None:
        print(
            f'CALENDAR: found "{options.calendar}"; {suggestion(options.calendar, calendars.names())}', file=sys.stderr
        )
        return 2
    used = {manifest.calendar for manifest in manifests if manifest.calendar}
    now = datetime.now(UTC)
    for one in [name] if name else sorted(used):
        for line in lines(calendars.load(one), now):
            print(line)
    if not name and not used:
        print("no strategy names a calendar; CALENDAR=XNYS shows one")
    return 1 if errors else 0


def lines(calendar: Calendar, now: datetime) -> Iterator[str]:
    """Yield what a person wants to know of a calendar at `now`."""
    zone = pytz.timezone(calendar.timezone)
    today = now.astimezone(zone).date()
    yield f"{calendar.name} ({calendar.timezone}), known through {calendar.valid_through}"
    for line in endings(calendar, today):
        yield f"  {line}"
    last = min(today + AHEAD, calendar.valid_through)
    if today > last:
        return
    sessions = list(calendar.sessions(today, last))
    for coming in islice((one for one in sessions if one.close > now), SESSIONS):
        yield f"  {_session(coming, calendar)}"
    own = calendars.added_to(calendar.name)
    for number in range((last - today).days + 1):
        day = today + timedelta(days=number)
        session = calendar.session(day)
        if session is not None and session.early_close:
            mine = ", by calendar.toml" if day in own.early_closes else ""
            yield f"  {day:%a %Y-%m-%d} half day: closes at {_local(session.close, calendar)}{mine}"
        elif session is None and _would_trade(calendar, day):
            mine = ", by calendar.toml" if day in own.closures else ""
            yield f"  {day:%a %Y-%m-%d} closed{mine}"


def _would_trade(calendar: Calendar, day: date) -> bool:
    return day.weekday() in calendar.weekdays or day.toordinal() in calendar.extra_sessions


def _session(session: Session, calendar: Calendar) -> str:
    opens, closes = _local(session.open, calendar), _local(session.close, calendar)
    before = (
        " on the day before" if session.open.astimezone(pytz.timezone(calendar.timezone)).date() < session.date else ""
    )
    rest = ""
    if session.break_start is not None and session.break_end is not None:
        rest = f", break {_local(session.break_start, calendar)} to {_local(session.break_end, calendar)}"
    return f"{session.date:%a %Y-%m-%d} {opens}{before} to {closes}{rest}"


def _local(at: datetime, calendar: Calendar) -> str:
    return f"{at.astimezone(pytz.timezone(calendar.timezone)):%H:%M}"
