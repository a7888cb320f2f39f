"""A bot's newest slots: one by one, and those that went wrong since the last success. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice

from openbell.instants import MILLISECOND
from openbell.manifest import Schedule
from openbell.slots import slots_between
from openbell.supervisor.model.records import SlotRecord, Streak

SHOWN_SLOTS = 20  # the newest slots of a bot that are shown
BAD = ("missed", "failed", "timed_out", "interrupted")


def single_slots(records: Iterable[SlotRecord], schedule: Schedule, limit: int) -> tuple[SlotRecord, ...]:
    """Return the newest slots one by one, ranges expanded. `records` are newest first."""
    singles: list[SlotRecord] = []
    for record in records:
        if record.count == 1:
            singles.append(record)
        else:
            singles.extend(_expand(record, schedule, limit - len(singles)))
        if len(singles) >= limit:
            break
    return tuple(singles[:limit])


def _expand(record: SlotRecord, schedule: Schedule, limit: int) -> list[SlotRecord]:
    # A range may span months, and only its newest slots are needed: search back from its end, further each time.
    reach = timedelta(hours=1)
    while True:
        after = max(record.last - reach, record.first - MILLISECOND)
        slots = list(islice(slots_between(schedule, after, record.last), 100_000))
        if len(slots) >= limit or after < record.first:
            return [_single(record, slot) for slot in reversed(slots)]
        reach *= 8


def _single(record: SlotRecord, slot: datetime) -> SlotRecord:
    return SlotRecord(slot, slot, 1, record.outcome, record.reason, judged=record.judged)


def bad_streaks(slots: Iterable[SlotRecord]) -> tuple[Streak, ...] | None:
    """Return the bad slots since the last success, by outcome; None if the last success is not among `slots` (newest first).

    A slot whose run began after its grace counts as missed until that run has succeeded.
    """
    streaks: dict[str, Streak] = {}
    seen = 0
    for slot in slots:
        seen += 1
        outcome = slot.outcome or ("missed" if slot.late else None)
        if outcome == "succeeded":
            return tuple(streaks.values())
        if outcome in BAD:
            streak = streaks.get(outcome, Streak(outcome, 0, slot.first, slot.last))
            streaks[outcome] = streak._replace(count=streak.count + 1, first=slot.first)
    return tuple(streaks.values()) if seen < SHOWN_SLOTS else None
