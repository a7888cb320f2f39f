"""The timeline: what each bot did in a day or a week, with sessions, half days, closures and blackouts. Pure but for the store."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from openbell import calendars
from openbell.calendars import CalendarExpired
from openbell.manifest import Bot, windows
from openbell.slots import local_instant
from openbell.supervisor.model.formatting import midnight
from openbell.supervisor.model.records import SlotRecord
from openbell.supervisor.store.store import Store
from openbell.supervisor.web.bot_list import Row

WIDTH = 960  # of the drawing; one unit is a minute and a half of a day
STROKE, WIDE_STROKE = (
    1.5,
    4.0,
)  # units of one slot: what must be seen is wider, for a phone draws a unit as a third of a pixel
LENGTHS = {"day": 1, "week": 7}
MOST_SLOTS = 12_000  # of one bot that are read
# From what must be seen to what may be covered.
OUTCOMES = ("missed", "failed", "timed_out", "interrupted", "open", "succeeded", "skipped")
BAD = frozenset(OUTCOMES[:4])


@dataclass(frozen=True)
class Band:
    """A stretch of a bot's time behind its slots: `kind` is session, early (a half day), closed or blackout."""

    kind: str
    start: datetime
    end: datetime
    title: str
    x: float
    width: float


@dataclass(frozen=True)
class Stretch:
    """Slots of one outcome that are drawn as one stroke, from x to end_x. An outcome "open" is a run in progress."""

    outcome: str
    first: datetime
    last: datetime
    count: int
    x: float
    end_x: float

    @property
    def ended(self) -> str | None:
        """The outcome, None while its run is in progress."""
        return None if self.outcome == "open" else self.outcome


@dataclass(frozen=True)
class Lane:
    """One bot: bands, and its slots from what may be covered to what must be seen."""

    row: Row
    bands: tuple[Band, ...]
    stretches: tuple[Stretch, ...]
    said: str

    @property
    def strokes(self) -> Sequence[tuple[str, str]]:
        """The path of each outcome."""
        outcomes = dict.fromkeys(one.outcome for one in self.stretches)
        return [
            (
                outcome,
                "".join(f"M{one.x:g} 8h{one.end_x - one.x:.1f}" for one in self.stretches if one.outcome == outcome),
            )
            for outcome in outcomes
        ]


@dataclass(frozen=True)
class Timeline:
    """A page of the timeline."""

    span: str
    day: date  # the first
    timezone: str  # of the days
    start: datetime
    end: datetime
    now_x: float | None
    ticks: Sequence[tuple[float, datetime]]
    lanes: Sequence[Lane]

    def other_day(self, step: int) -> date:
        """Return the day on which the page before or after this one begins."""
        return self.day + step * timedelta(days=LENGTHS[self.span])


class Axis:
    """From instants to the drawing's units."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.start, self.end = start, end

    def x(self, at: datetime) -> float:
        """Return where an instant lies; what is outside lies on the edge."""
        part = (min(max(at, self.start), self.end) - self.start) / (self.end - self.start)
        return round(part * WIDTH, 1)


def timeline(
    rows: Iterable[Row], bots: dict[str, Bot], store: Store, span: str, day: date, timezone: str, now: datetime
) -> Timeline:
    """Return what the bots of a list did in the day or the week that begins with `day` in a zone."""
    noon = timedelta(hours=12)
    start = midnight(_noon(day, timezone), timezone)
    end = midnight(start + LENGTHS[span] * timedelta(days=1) + noon, timezone)
    axis = Axis(start, end)
    step = timedelta(hours=3) if span == "day" else timedelta(days=1)
    ticks = [(axis.x(start + n * step), start + n * step) for n in range(1, int((end - start) / step))]
    lanes = [_lane(row, bots.get(row.name), store, axis) for row in rows if row.bot is not None]
    return Timeline(span, day, timezone, start, end, axis.x(now) if start <= now < end else None, ticks, lanes)


def _noon(day: date, timezone: str) -> datetime:
    return local_instant(datetime(day.year, day.month, day.day, 12), timezone)  # noqa: DTZ001 - a wall clock


def _lane(row: Row, bot: Bot | None, store: Store, axis: Axis) -> Lane:
    slots = store.slots.in_range(row.strategy.name, row.name, axis.start, axis.end)[-MOST_SLOTS:]
    counted: Counter[str] = Counter()
    for slot in slots:
        counted[slot.outcome or "open"] += slot.count
    summary = ", ".join(f"{counted[one]} {_word(one)}" for one in OUTCOMES if counted[one])
    bands = [] if bot is None else [*_sessions(bot, axis), *_blackouts(bot, axis)]
    return Lane(row, tuple(bands), tuple(_stretches(slots, axis)), f"{row.name}: {summary or 'no slots'}")


def _word(outcome: str) -> str:
    return "running" if outcome == "open" else outcome.replace("_", " ")


def _stretches(slots: Iterable[SlotRecord], axis: Axis) -> Iterator[Stretch]:
    """Yield the stretches of each outcome, what may be covered first. Slots that would touch are one."""
    found: dict[str, list[Stretch]] = {}
    for slot in slots:
        outcome = slot.outcome or "open"
        x, end_x = axis.x(slot.first), axis.x(slot.last) + (WIDE_STROKE if outcome in BAD else STROKE)
        alike = found.setdefault(outcome, [])
        before = (
            alike.pop() if alike and x <= alike[-1].end_x + 0.5 else Stretch(outcome, slot.first, slot.last, 0, x, 0)
        )
        last, count = max(before.last, slot.last), before.count + slot.count
        alike.append(Stretch(outcome, before.first, last, count, before.x, max(before.end_x, end_x)))
    for outcome in reversed(OUTCOMES):
        yield from found.get(outcome, ())


def _sessions(bot: Bot, axis: Axis) -> Iterator[Band]:
    if bot.schedule.calendar is None:
        return
    calendar = calendars.load(bot.schedule.calendar)
    day, last = calendar.session_date(axis.start), calendar.session_date(axis.end)
    while day <= last:
        try:
            session = calendar.session(day)
        except CalendarExpired:
            return
        if session is not None:
            kind = "early" if session.early_close else "session"
            yield from _band(
                axis,
                kind,
                session.open,
                session.close,
                f"{calendar.name} {day}{' closes early' if session.early_close else ''}",
            )
        elif day.weekday() in calendar.weekdays:
            start = _noon(day, calendar.timezone) - timedelta(hours=12)
            yield from _band(axis, "closed", start, start + timedelta(days=1), f"{calendar.name} is closed on {day}")
        day += timedelta(days=1)


def _blackouts(bot: Bot, axis: Axis) -> Iterator[Band]:
    for start, end in windows.spans(bot.schedule.blackout, axis.start, axis.end):
        yield from _band(axis, "blackout", start, end, "blackout")


def _band(axis: Axis, kind: str, start: datetime, end: datetime, title: str) -> Iterator[Band]:
    x, width = axis.x(start), axis.x(end) - axis.x(start)
    if width > 0:
        yield Band(kind, start, end, title, x, round(width, 1))
