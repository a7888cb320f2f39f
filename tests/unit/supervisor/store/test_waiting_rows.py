"""What waits to be written is found as if it were in the file already."""

import random
from contextlib import closing, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.supervisor.model.records import RunRecord, SlotRecord
from openbell.supervisor.store.store import Store

AT = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BEYOND_MILLISECONDS = timedelta(microseconds=7)
OUTCOMES = ("succeeded", "failed", "missed", None)


@pytest.mark.parametrize("seed", range(20))
def test_one_transaction_leaves_what_many_leave(tmp_path: Path, seed: int) -> None:
    """Single slots, ranges, replaced and removed records, instants beyond milliseconds: all that is read on the way, too."""
    found = []
    for name, is_one in (("one", True), ("many", False)):
        with closing(Store(tmp_path / name)) as store:
            with store.transaction() if is_one else nullcontext():
                seen = _history(store, random.Random(seed), is_one=is_one)
            slots = store.slots.in_range("s", "b", AT, AT + 60 * MINUTE)
            days = store.slot_days.days("s", "b", AT.date())
            found.append((seen, slots, store.slots.recent("s", "b", AT + 60 * MINUTE, 99), days))
    assert found[0] == found[1]


def _history(store: Store, chance: random.Random, *, is_one: bool) -> list[object]:
    """Do forty random things as the slot ledger does them; return what was read."""
    seen: list[object] = []
    for number in range(40):
        with nullcontext() if is_one else store.transaction():
            at = (
                AT
                + chance.randrange(6) * 10 * MINUTE
                + chance.choice((timedelta(0), timedelta(0), BEYOND_MILLISECONDS))
            )
            known = store.slots.in_range("s", "b", at, at) if chance.random() < 0.8 else []
            seen.append(known)
            for record in known:
                if record.last != at or chance.random() < 0.2:
                    store.slots.drop("s", "b", record)
            first = at - 5 * MINUTE if chance.random() < 0.2 else at
            run_id = f"r{chance.randrange(8)}"
            outcome = chance.choice(OUTCOMES)
            store.slots.put("s", "b", SlotRecord(first, at, 1 + 4 * (first < at), outcome, f"n{number}", run_id=run_id))
            seen.append(store.runs.get("s", run_id))
            store.runs.put("s", RunRecord(run_id, "b", AT, "loop", number, AT, AT, 1.0, None, outcome))
            if chance.random() < 0.2:
                seen.append(store.slots.in_range("s", "b", at - 20 * MINUTE, at))
                seen.append((store.slots.last_success("s", "b", at), store.slots.count_missed("s", "b", AT)))
                seen.append(store.slots.bad_streaks("s", "b", None, at))
    return seen
