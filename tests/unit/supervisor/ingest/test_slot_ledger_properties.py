"""Properties of the slot ledger: random histories, random lines, and the same history read in different portions."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.manifest import Bot, Schedule
from openbell.slots import slots_between
from openbell.supervisor.ingest.recorder import LineRecorder
from openbell.supervisor.ingest.slot_ledger import SlotLedger
from openbell.supervisor.store.store import Store
from tests.unit.supervisor.world import World

SCHEDULE = Schedule("UTC", every=timedelta(minutes=1))


BOT = Bot("pulse", "pulse", ("AAPL",), SCHEDULE, grace=timedelta(seconds=20))


BEGIN = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)


END = datetime(2026, 11, 20, 12, 40, 30, tzinfo=UTC)


def _story(seed: int) -> list[dict[str, object]]:
    """Return what a loop might write within half an hour: runs, skips, ranges, silence; in the order of time."""
    chance = random.Random(seed)
    lines: list[dict[str, object]] = []
    minute = 1
    while minute <= 30:
        slot = BEGIN.replace(minute=minute, second=0)
        head = {"strategy": "pulse", "bot": "pulse", "slot": slot.isoformat()}
        kind = chance.choice(["run", "run", "run", "open", "skip", "range", "nothing"])
        if kind in {"run", "open"}:
            late = timedelta(seconds=chance.choice([0, 0, 0, 300]))
            run = {**head, "run_id": f"run-{minute}", "attempt": 1, "trigger": "loop"}
            lines.append({"event": "run_start", "timestamp": (slot + late).isoformat(), **run})
            if kind == "run":
                outcome = chance.choice(["succeeded", "failed", "timed_out", "interrupted"])
                lines.append(
                    {
                        "event": "run_end",
                        "timestamp": (slot + late + timedelta(seconds=1)).isoformat(),
                        "outcome": outcome,
                        **run,
                    }
                )
        elif kind != "nothing":
            length = 1 if kind == "skip" else chance.randint(2, 6)
            first, minute = slot, min(minute + length - 1, 30)
            last = BEGIN.replace(minute=minute, second=0)
            skip = {
                "outcome": chance.choice(["skipped", "missed"]),
                "reason": "late",
                "count": length,
                "first": first.isoformat(),
            }
            lines.append(
                {**head, "event": "slot_skipped", "timestamp": last.isoformat(), **skip, "slot": last.isoformat()}
            )
        minute += 1
    return sorted(lines, key=lambda line: str(line["timestamp"]))


def _slots(store: Store) -> dict[datetime, str | None]:
    found: dict[datetime, str | None] = {}
    for record in store.slots.recent("pulse", "pulse", BEGIN + timedelta(days=1), 1000):
        for slot in slots_between(SCHEDULE, record.first - timedelta(milliseconds=1), record.last):
            assert slot not in found, "two records for one slot"
            found[slot] = record.outcome
    return found


def _keep(path: Path, lines: list[dict[str, object]], looks: random.Random | None) -> dict[datetime, str | None]:
    """Enter the lines; with `looks`, judge now and then on the way as a supervisor that is there all the time does."""
    store = Store(path)
    try:
        ledger = SlotLedger(store, [BOT], [], BEGIN)
        recorder = LineRecorder(ledger, store)
        expectation = ledger.expectations["pulse", "pulse"]
        batch: list[dict[str, object]] = []
        for line in lines:
            if looks is not None and looks.random() < 0.5:
                assert recorder.record_all("pulse", batch, END, replayed=False) == 0
                batch.clear()
                ledger.advance(expectation, datetime.fromisoformat(str(line["timestamp"])))
            batch.append(line)
        assert recorder.record_all("pulse", batch, END, replayed=looks is None) == 0
        ledger.advance(expectation, END)
        return _slots(store)
    finally:
        store.close()


@pytest.mark.parametrize("seed", range(40))
def test_every_expected_slot_has_exactly_one_outcome(tmp_path: Path, seed: int) -> None:
    """Whatever the journal says, and whenever the supervisor looks; lines that come twice change nothing."""
    story = _story(seed)
    expected = set(slots_between(SCHEDULE, BEGIN, END))
    replayed = _keep(tmp_path / "replayed", story, None)
    assert set(replayed) == expected
    assert _keep(tmp_path / "watched", story, random.Random(seed)) == replayed
    assert _keep(tmp_path / "doubled", [line for line in story for _ in (1, 2)], random.Random(seed)) == replayed
    assert _keep(tmp_path / "again", story + story, None) == replayed


@pytest.mark.parametrize("seed", range(40))
def test_lines_of_one_batch_leave_what_single_lines_leave(tmp_path: Path, seed: int) -> None:
    """Also runs that share a slot, run ids that are used twice, and ends without a start."""
    lines, chance = _story(seed), random.Random(seed)
    for _ in range(10):
        line = dict(chance.choice(lines))
        line |= {name: chance.choice(lines).get(name) for name in ("slot", "run_id") if name in line}
        lines.insert(chance.randrange(len(lines)), line)
    left = []
    for name, is_one in (("one", True), ("many", False)):
        with closing(Store(tmp_path / name)) as store, store.transaction():
            recorder = LineRecorder(SlotLedger(store, [BOT], [], BEGIN), store)
            for batch in [lines] if is_one else [[line] for line in lines]:
                recorder.record_all("pulse", batch, END, replayed=True)
            faults = sorted(store.faults(0), key=lambda one: (one.condition.since, one.condition.kind))
            slots = store.slots.recent("pulse", "pulse", END, 1000)
            left.append((slots, store.runs.recent("pulse", "pulse", 1000), store.totals(), len(faults)))
    assert left[0] == left[1]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.datetimes().map(lambda at: f"{at.isoformat()}Z"),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=4,
)


NAMES = (
    "timestamp",
    "slot",
    "first",
    "bot",
    "run_id",
    "attempt",
    "outcome",
    "reason",
    "count",
    "lateness_ms",
    "tick_duration_ms",
)


MORE = (
    "orders",
    "trigger",
    "stage",
    "error",
    "traceback",
    "bots",
    "release",
    "previous_stop",
    "symbol",
    "action",
    "qty",
    "boot_id",
    "by_s",
)


EVENTS = (
    "run_start",
    "run_end",
    "slot_skipped",
    "error",
    "decision",
    "service_start",
    "service_stop",
    "signal",
    "clock_stepped",
    "x",
)


LIKELY = {
    "timestamp": "2026-11-20T12:01:00.000Z",
    "slot": "2026-11-20T12:01:00.000Z",
    "bot": "pulse",
    "run_id": "r",
    "outcome": "succeeded",
    "count": 1,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that many examples share; each takes back what it wrote."""
    with closing(Store(tmp_path_factory.mktemp("store") / "store")) as store:
        yield store


class _TakenBackError(Exception):
    """Ends a transaction without keeping it."""


@settings(max_examples=300, deadline=None)
@given(
    event=st.sampled_from(EVENTS),
    fields=st.dictionaries(st.sampled_from(NAMES + MORE), JSON, max_size=6),
    likely=st.booleans(),
)
def test_no_line_can_break_the_book(store: Store, event: str, fields: dict[str, object], likely: bool) -> None:
    """Whatever JSON a line holds, it is entered or refused, and what is stored can be read again."""
    line = {"event": event, **(LIKELY if likely else {}), **fields}
    with suppress(_TakenBackError), store.transaction():
        ledger = SlotLedger(store, [BOT], [], BEGIN)
        recorder = LineRecorder(ledger, store)
        recorder.record_all("pulse", [line], END, replayed=likely)
        recorder.record_all("pulse", [line, line], END, replayed=likely)
        ledger.advance(ledger.expectations["pulse", "pulse"], BEGIN + timedelta(minutes=5))
        store.slots.recent("pulse", "pulse", BEGIN + timedelta(days=9999), 10)
        said = [f"{decision}" for decision in store.decisions("pulse", "pulse", 10)]
        said += [f"{record}" for record in (*store.errors("pulse", 10), *store.services("pulse", 10))]
        assert all(text.encode() for text in said)
        raise _TakenBackError


def test_the_same_story_in_two_worlds(make_world: Callable[[], World]) -> None:
    """A supervisor that was away the whole time knows in the end what one knows that was there."""
    there, away = make_world(), make_world()
    for world in (there, away):
        world.start()
        world.see()
    for minute in (1, 2, 3, 4, 5):
        for world in (there, away):
            world.now = world.slot(f"12:0{minute}")
            if minute != 3:
                world.run(world.now, "failed" if minute == 2 else "succeeded")
        there.see()
        there.now += timedelta(seconds=30)
        there.see()
    for world in (there, away):
        world.now = world.slot("12:05") + timedelta(seconds=45)
        world.see()
    assert there.ledger() == away.ledger() != []
