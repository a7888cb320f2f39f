"""Slots of any schedule of the grammar in any zone, from 2020 to 2035: strictly increasing, unique, complete.

The examples are the same in every run (derandomized); a failure prints the one that failed.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple

import pytz
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell import calendars
from openbell.manifest import EVERY_DAY, Anchor, Schedule
from openbell.manifest.schedules import occurs
from openbell.slots import count_slots, last_slot, next_slot, slots_between
from tests.unit.slots.oracle import DAY, FIRST, LAST, SECOND, TICK, WHOLE, brute_force, changes

LIMIT = settings(derandomize=True, deadline=None, max_examples=400 if WHOLE else 120)
MILLISECOND = timedelta(milliseconds=1)
# A year is left at the end, since the next slot may be that far, and no calendar knows more than 2035.
LATEST = LAST - 400 * DAY
# Every interval that the manifest takes: a second to a day, in milliseconds, dividing a day.
INTERVALS = [timedelta(milliseconds=86_400_000 // times) for times in range(86_400, 0, -1) if 86_400_000 % times == 0]
# Those that know all sixteen years and open in the morning; test_slots_days.py asks about the others.
CALENDARS = ("24/7", "XETR", "XHKG", "XLON", "XNYS", "XTKS")
COARSE = [interval for interval in INTERVALS if interval >= timedelta(hours=1)]


class Asked(NamedTuple):
    """A schedule, and a span to ask about."""

    schedule: Schedule
    after: datetime
    until: datetime


def clocks() -> st.SearchStrategy[time]:
    """Draw local times, often on the hour or half hour, where clocks change."""
    anywhere = st.times().map(lambda clock: clock.replace(microsecond=0, fold=0))
    return anywhere | st.builds(time, st.integers(0, 3) | st.integers(0, 23), st.sampled_from([0, 30, 59]))


def anchors(*, on_calendar: bool) -> st.SearchStrategy[Anchor]:
    """Draw times of day, distances from open and close among them if there is a calendar."""
    clock = st.builds(Anchor, st.just("clock"), clocks())
    if not on_calendar:
        return clock
    shifts = st.integers(-43_199_999, 43_199_999).map(lambda number: number * MILLISECOND)
    return clock | st.builds(Anchor, st.sampled_from(["open", "close"]), st.none(), shifts | st.just(timedelta(0)))


@st.composite
def schedules(draw: st.DrawFn, intervals: Sequence[timedelta] = INTERVALS) -> Schedule:
    """Draw any schedule that the manifest accepts."""
    zone = draw(st.sampled_from(pytz.all_timezones) | st.sampled_from(["America/New_York", "Australia/Lord_Howe"]))
    calendar = draw(st.none() | st.sampled_from(CALENDARS))
    days = draw(st.just(EVERY_DAY) | st.frozensets(st.integers(0, 6), min_size=1))
    if draw(st.booleans()):
        at = draw(st.lists(anchors(on_calendar=calendar is not None), min_size=1, max_size=4, unique=True))
        schedule = Schedule(zone, calendar, days, tuple(at))
    else:
        every = draw(st.sampled_from(intervals))
        offset = draw(st.just(0) | st.integers(0, every // MILLISECOND - 1)) * MILLISECOND
        schedule = Schedule(zone, calendar, days, every=every, offset=offset)
    if calendar is not None and not occurs(schedule, calendars.load(calendar)):
        return Schedule(zone, calendar, EVERY_DAY, (Anchor("open"),))
    return schedule


@st.composite
def instants(draw: st.DrawFn, schedule: Schedule) -> datetime:
    """Draw an instant: any, or one beside a clock change of the schedule's zone or an edge of a session."""
    at = FIRST + draw(st.integers(0, (LATEST - FIRST) // SECOND)) * SECOND
    kind = draw(st.sampled_from(["any", "change", "session"]))
    edges = [change.at for change in changes(schedule.timezone) if change.at < LATEST] if kind == "change" else []
    if kind == "session" and schedule.calendar is not None:
        session = next(calendars.load(schedule.calendar).sessions(at.date(), at.date() + 20 * DAY))
        edges = [edge for edge in (session.open, session.break_start, session.break_end, session.close) if edge]
    if edges:
        beside = st.integers(-7200, 7200).map(lambda number: number * SECOND) | st.sampled_from(
            [timedelta(0), TICK, -TICK]
        )
        at = draw(st.sampled_from(edges)) + draw(beside)
    return max(at, FIRST)


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    """Draw a schedule and a span with at most some hundred grid points or, for daily times, days."""
    schedule = draw(schedules())
    after = draw(instants(schedule))
    step = schedule.every or DAY
    length = draw(st.integers(0, 300 if schedule.every else 60)) * step + draw(st.integers(0, step // SECOND)) * SECOND
    return Asked(schedule, after, after + length)


@given(questions())
@LIMIT
def test_slots_are_strictly_increasing_unique_and_complete(asked: Asked) -> None:
    """The slots of a span are exactly those that looking at every day or grid point finds, in order, in UTC."""
    found = list(slots_between(*asked))

    assert found == brute_force(*asked)
    assert all(earlier < later for earlier, later in pairwise(found))
    assert all(slot.utcoffset() == timedelta(0) for slot in found)


@given(questions(), st.data())
@LIMIT
def test_a_span_in_pieces_has_the_same_slots(asked: Asked, data: st.DataObject) -> None:
    """Asked in one span or in many, cut at any instant or at the slots themselves, the answer is the same."""
    schedule, after, until = asked
    whole = list(slots_between(schedule, after, until))
    between = st.integers(0, (until - after) // MILLISECOND).map(lambda number: after + number * MILLISECOND)
    if whole:
        between |= st.sampled_from(whole) | st.sampled_from(whole).map(lambda slot: max(slot - TICK, after))
    cuts = [after, *sorted(data.draw(st.lists(between, max_size=6))), until]

    pieces = [list(slots_between(schedule, start, end)) for start, end in pairwise(cuts)]

    assert [slot for piece in pieces for slot in piece] == whole
    assert [count_slots(schedule, start, end) for start, end in pairwise(cuts)] == [len(piece) for piece in pieces]
    assert [last_slot(schedule, start, end) for start, end in pairwise(cuts)] == [
        piece[-1] if piece else None for piece in pieces
    ]


@given(questions())
@LIMIT
def test_the_questions_agree(asked: Asked) -> None:
    """Counting counts the slots of a span, the last slot is the last of them, and from slot to slot next finds all."""
    schedule, after, until = asked
    found = list(slots_between(schedule, after, until))

    assert count_slots(schedule, after, until) == len(found)
    assert last_slot(schedule, after, until) == (found[-1] if found else None)
    walk = [after, *found][-40:]
    assert [next_slot(schedule, at) for at in walk[:-1]] == walk[1:]
    beyond = next_slot(schedule, walk[-1])
    assert beyond is None or beyond > until


@given(schedules(), st.data())
@LIMIT
def test_a_schedule_that_the_manifest_accepts_goes_on(schedule: Schedule, data: st.DataObject) -> None:
    """There is a next slot within 400 days of any instant from 2025 on, and there is none before it."""
    # Tokyo's session has been half an hour longer since November 2024: some schedules occur only since then.
    after = max(data.draw(instants(schedule)), FIRST + 1827 * DAY)

    following = next_slot(schedule, after)

    assert following is not None
    assert after < following <= after + 400 * DAY
    assert list(slots_between(schedule, after, following)) == [following]
    assert count_slots(schedule, after, following) == 1
    assert last_slot(schedule, after, following) == following
    assert last_slot(schedule, after, following - TICK) is None


@given(schedules(COARSE), st.data())
@settings(LIMIT, max_examples=8)
def test_counts_over_years_add_up(schedule: Schedule, data: st.DataObject) -> None:
    """The slots of sixteen years are those up to any instant and those after it, however long the spans."""
    middle = data.draw(instants(schedule))
    total = count_slots(schedule, FIRST, LAST)

    assert count_slots(schedule, FIRST, middle) + count_slots(schedule, middle, LAST) == total
    assert sum(1 for _ in slots_between(schedule, FIRST, LAST)) == total


@given(st.sampled_from(pytz.all_timezones), st.sampled_from([one for one in INTERVALS if one < DAY]), st.data())
@LIMIT
def test_intervals_are_elapsed_time(zone: str, every: timedelta, data: st.DataObject) -> None:
    """Whatever the zone, from one slot of an interval below a day to the next passes the interval, on one grid for all days."""
    offset = data.draw(st.integers(0, every // MILLISECOND - 1)) * MILLISECOND
    schedule = Schedule(zone, every=every, offset=offset)
    after = data.draw(instants(schedule))

    found = list(slots_between(schedule, after, after + 50 * every))

    assert len(found) == 50
    assert {later - earlier for earlier, later in pairwise(found)} == {every}
    for slot in found:
        midnight = slot.replace(hour=0, minute=0, second=0, microsecond=0)
        assert (slot - midnight - offset) % every == timedelta(0)


@given(questions(), st.sampled_from(pytz.all_timezones))
@settings(LIMIT, max_examples=100 if WHOLE else 40)
def test_the_zone_of_the_question_changes_nothing(asked: Asked, zone: str) -> None:
    """The same instants written in any zone's time have the same slots between them."""
    schedule, after, until = asked
    written = [at.astimezone(pytz.timezone(zone)) for at in (after, until)]

    assert list(slots_between(schedule, *written)) == list(slots_between(schedule, after, until))
    assert count_slots(schedule, *written) == count_slots(schedule, after, until)
    assert last_slot(schedule, *written) == last_slot(schedule, after, until)


def test_the_intervals_are_all_that_divide_a_day() -> None:
    """The list that the tests draw from has the finest and the coarsest interval, and nothing that does not divide."""
    assert (INTERVALS[0], INTERVALS[-1]) == (timedelta(seconds=1), timedelta(days=1))
    assert {timedelta(minutes=15), timedelta(hours=4), timedelta(seconds=1.5)} <= set(INTERVALS)
    assert all(timedelta(days=1) % interval == timedelta(0) for interval in INTERVALS)
