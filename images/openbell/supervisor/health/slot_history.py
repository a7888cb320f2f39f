"""A bot's newest slots: one by one, and those that went wrong since the last success. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

from openbell.manifest import Schedule
from openbell.slots import slots_between
from openbell.supervisor.model.instants import TICK
from openbell.supervisor.model.records import Row, SlotRecord

SHOWN_SLOTS = 20  # the newest slots of a bot that are shown
BAD = ("missed", "failed", "timed_out", "interrupted")


def single_slots(records: Iterable[SlotRecord], schedule: Schedule, limit: int) -> tuple[SlotRecord, ...]:
    """Return the newest slots one by one: ranges are taken apart. `records` come newest first."""
    singles: list[SlotRecord] = []
    for record in records:
        if record.count == 1:
            singles.append(record)
        else:
            singles.extend(_apart(record, schedule, limit - len(singles)))
        if len(singles) >= limit:
            break
    return tuple(singles[:limit])


def _apart(record: SlotRecord, schedule: Schedule, limit: int) -> list[SlotRecord]:
    # The newest slots of a range that may span months: look back from its end, further each time.
    reach = timedelta(hours=1)
    while True:
        after = max(record.last - reach, record.first - TICK)
        slots = list(islice(slots_between(schedule, after, record.last), 100_000))
        if len(slots) >= limit or after < record.first:
            return [_single(record, slot) for slot in reversed(slots)]
        reach *= 8


def _single(record: SlotRecord, slot: datetime) -> SlotRecord:
    return SlotRecord(slot, slot, 1, record.outcome, record.reason, judged=record.judged)


def rows_gone_wrong(slots: Iterable[SlotRecord]) -> tuple[Row, ...] | None:
    """Return the slots (newest first) that went wrong since the last good one; None if that lies further back.

    A slot whose run began after its grace stays missed until that has succeeded.
    """
    rows: dict[str, Row] = {}
    seen = 0
    for slot in slots:
        seen += 1
        outcome = slot.outcome or ("missed" if slot.late else None)
        if outcome == "succeeded":
            return tuple(rows.values())
        if outcome in BAD:
            row = rows.get(outcome, Row(outcome, 0, slot.first, slot.last))
            rows[outcome] = replace(row, count=row.count + 1, first=slot.first)
    return tuple(rows.values()) if seen < SHOWN_SLOTS else None
