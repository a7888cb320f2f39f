"""The timetable: the slot arithmetic with a short memory, since many bots with one schedule ask for the same few instants."""

from datetime import datetime
from functools import lru_cache

from openbell import slots
from openbell.manifest import Schedule

_REMEMBERED = 1024  # answers, each of some hundred bytes


@lru_cache(_REMEMBERED)
def next_slot(schedule: Schedule, after: datetime) -> datetime | None:
    """As slots.next_slot."""
    return slots.next_slot(schedule, after)


@lru_cache(_REMEMBERED)
def last_slot(schedule: Schedule, after: datetime, until: datetime) -> datetime | None:
    """As slots.last_slot."""
    return slots.last_slot(schedule, after, until)


@lru_cache(_REMEMBERED)
def count_slots(schedule: Schedule, after: datetime, until: datetime) -> int:
    """As slots.count_slots."""
    return slots.count_slots(schedule, after, until)
