"""Slots on calendars, compared with exchange_calendars over ten years of three exchanges.

The years go from 2021 to 2030: known closures and early closes of the past, and the rules for those to come.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import NamedTuple

import exchange_calendars
import pytest

from openbell.manifest import Anchor, Schedule
from openbell.slots import count_slots, last_slot, next_slot, slots_between
from tests.unit.slots.oracle import TICK, parsed, zone

EXCHANGES = ("XLON", "XNYS", "XTKS")
# All three are closed on New Year's Day: noon is farther than eleven hours from every session.
START, END = datetime(2021, 1, 1, 12, tzinfo=UTC), datetime(2031, 1, 1, 12, tzinfo=UTC)
ZONES = {"XLON": "Europe/London", "XNYS": "America/New_York", "XTKS": "Asia/Tokyo"}
EVERY_SIXTH_HOUR = ("00:00", "06:00", "12:00", "18:00")


class Sessions(NamedTuple):
    """The sessions of ten years as exchange_calendars has them, and each minute of them: the close has none."""

    days: tuple[date, ...]
    opens: tuple[datetime, ...]
    closes: tuple[datetime, ...]
    early_closes: int
    minutes: Sequence[int]  # since 1970


@cache
def library(exchange: str) -> Sessions:
    """Return what exchange_calendars knows about an exchange."""
    one = exchange_calendars.get_calendar(exchange, start="2021-01-01", end="2030-12-31", side="left")
    return Sessions(
        tuple(day.date() for day in one.schedule.index),
        tuple(one.opens.dt.to_pydatetime()),
        tuple(one.closes.dt.to_pydatetime()),
        len(one.early_closes),
        one.minutes.astype("datetime64[s, UTC]").asi8 // 60,
    )


def minutes(slots: Sequence[datetime]) -> list[int]:
    """Return instants as minutes since 1970; none may have seconds."""
    seconds = [slot.timestamp() for slot in slots]
    assert not any(one % 60 for one in seconds)
    return [int(one) // 60 for one in seconds]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_there_are_ten_years_to_compare(exchange: str) -> None:
    """The library has sessions for every year, and early closes for the two exchanges that have any."""
    sessions = library(exchange)

    assert {day.year for day in sessions.days} == set(range(2021, 2031))
    assert len(sessions.days) > 2400
    assert sessions.early_closes > 15 or exchange == "XTKS"


@pytest.mark.parametrize("kind", ["open", "close"])
@pytest.mark.parametrize("shift", ["", "+5m", "-10m", "+90s", "-1500ms", "+11h", "-11h"])
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_anchors_are_at_the_librarys_opens_and_closes(exchange: str, shift: str, kind: str) -> None:
    """A slot at the open or the close, or a distance from it, is that far from the session's own, early closes included."""
    sessions = library(exchange)
    schedule = parsed("UTC", exchange, at=kind + shift)
    distance = schedule.at[0].shift

    found = list(slots_between(schedule, START, END))

    assert found == [at + distance for at in (sessions.opens if kind == "open" else sessions.closes)]
    assert count_slots(schedule, START, END) == len(found)
    assert last_slot(schedule, START, END) == found[-1]


@pytest.mark.parametrize("day", range(7))
@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("name", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_anchors_on_one_weekday(exchange: str, name: str, day: int) -> None:
    """A day of the week is the strategy's own, on which the session opens there, also where the slot is the day before."""
    sessions = library(exchange)
    schedule = Schedule(name, exchange, frozenset({day}), (Anchor("open", None, timedelta(hours=-11)),))
    opens = [at for at in sessions.opens if at.astimezone(zone(name)).weekday() == day]

    assert list(slots_between(schedule, START, END)) == [at - timedelta(hours=11) for at in opens]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_clock_times_are_on_the_librarys_sessions(exchange: str) -> None:
    """A clock time in the exchange's zone, in the session or out of it, occurs on each session's date and on no other."""
    schedule = parsed(ZONES[exchange], exchange, at=list(EVERY_SIXTH_HOUR), early_close="run")

    local = [slot.astimezone(zone(ZONES[exchange])) for slot in slots_between(schedule, START, END)]

    assert [(at.date(), f"{at:%H:%M}") for at in local] == [
        (day, clock) for day in library(exchange).days for clock in EVERY_SIXTH_HOUR
    ]


@pytest.mark.parametrize("every", ["5m", "15m", "45m", "1h", "4h", "6h"])
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_intervals_are_at_the_librarys_minutes(exchange: str, every: str) -> None:
    """An interval has its slots at the trading minutes on its grid: not in the break, not at the close."""
    schedule = parsed("UTC", exchange, every=every)
    assert schedule.every is not None
    step = schedule.every // timedelta(minutes=1)

    found = minutes(list(slots_between(schedule, START, END)))

    assert found == [minute for minute in library(exchange).minutes if minute % step == 0]
    assert count_slots(schedule, START, END) == len(found)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_minute_of_ten_years_is_counted(exchange: str) -> None:
    """As many minutes as the library has, as many thirds of them, and with an offset of a minute the same number."""
    total = len(library(exchange).minutes)

    assert count_slots(parsed("UTC", exchange, every="1m"), START, END) == total
    assert count_slots(parsed("UTC", exchange, every="20s"), START, END) == 3 * total
    assert count_slots(parsed("UTC", exchange, every="1m", offset="59s"), START, END) == total


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_the_next_slot_of_each_session_is_the_next_sessions(exchange: str) -> None:
    """From each open the next slot is the next open, over weekends, holidays and the longest closures of ten years."""
    opens = library(exchange).opens
    schedule = parsed("UTC", exchange, at="open")

    assert [next_slot(schedule, at) for at in opens[:-1]] == list(opens[1:])
    assert [last_slot(schedule, START, at - TICK) for at in opens[1:]] == list(opens[:-1])
