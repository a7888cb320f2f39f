"""What the watch does while journals are still being read: after a start, or because they could not be read before."""

import json
import shutil
import tracemalloc
from datetime import timedelta

import pytest

from openbell.journal import stamp
from openbell.supervisor.watch import AGED_TO, BATCH, FIRST_SWEEP
from tests.unit.supervisor.world import World


def test_a_history_longer_than_a_batch(started: World) -> None:
    """It is taken in piece by piece, and nothing is judged before its end."""
    started.restart()
    folder = started.journal / "pulse"
    begin = started.now.replace(hour=0, minute=0, second=0)
    lines = []
    for number in range(BATCH * 2):
        stamp = (begin + timedelta(seconds=number)).isoformat()
        line = {
            "timestamp": stamp,
            "event": "signal",
            "strategy": "pulse",
            "boot_id": "b",
            "bot": "pulse",
            "symbol": "X",
        }
        lines.append(json.dumps(line) + "\n")
    with (folder / "2026-11-20.jsonl").open("a") as file:
        file.writelines(lines)
    started.now = started.slot("12:01")
    started.run(started.now)
    started.now += timedelta(seconds=30)
    assert started.watch.step(started.now) == 0.0
    assert started.watch.snapshot is None
    started.beat()
    assert started.see().ok


def test_whoever_still_reads_does_not_watch_yet(started: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the first reading takes, the loops get their time to beat after it."""
    for clock in ("12:01", "12:02", "12:03"):
        started.now = started.slot(clock)
        started.run(started.now)
    started.restart()
    monkeypatch.setattr("openbell.supervisor.watch.BATCH", 1)
    while started.watch.step(started.now) == 0.0:
        started.now += timedelta(seconds=9)
    assert started.watch.snapshot is not None
    assert started.watch.snapshot.strategies[0].status == "late"


@pytest.fixture
def reading(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A supervisor that reads a long journal: it has judged pulse, whose journal each second batch does not reach."""
    monkeypatch.setattr("openbell.supervisor.watch.BATCH", 10)
    monkeypatch.setattr("openbell.supervisor.ingest.journal_reader.BATCH_TOTAL", 10)
    world.strategy("long")
    for name in ("pulse", "long"):
        world.start(name)
        world.beat(name)
    for number in range(60):
        world.write("signal", {"bot": "long", "symbol": f"X{number}", "signal": 1}, "long")
    for seconds in (0, 0, 11):
        world.now += timedelta(seconds=seconds)
        world.watch.step(world.now)
    assert world.watch.snapshot is not None
    assert [one.name for one in world.watch.snapshot.strategies if one.bots] == ["pulse"]
    return world


def test_a_slot_is_missed_whatever_was_read_when_its_bot_was_first_judged(reading: World) -> None:
    """Nothing comes from the bot after that: it is watched all the same."""
    reading.at("12:01:30")
    assert reading.bot().condition == "missed"
    assert reading.ledger() == [("12:01:00", 1, "missed")]


def test_the_first_sweep_waits_for_the_journals(reading: World) -> None:
    """What was written during an absence is read first."""
    assert reading.store is not None
    assert reading.store.get_mark(AGED_TO) is None
    reading.see()
    assert reading.store.get_mark(AGED_TO) == reading.now


def test_the_first_sweep_does_not_wait_for_ever(reading: World) -> None:
    """A journal may be written faster than it is read."""
    reading.now += FIRST_SWEEP
    reading.watch.step(reading.now)
    assert reading.store is not None
    assert reading.store.get_mark(AGED_TO) == reading.now


def test_a_slot_is_missed_although_nothing_could_be_read_when_its_bot_was_first_judged(world: World) -> None:
    """The journals' volume comes back with nothing new in it."""
    world.start()
    world.see()
    world.restart()
    shutil.move(world.journal, world.root / "elsewhere")
    assert "cannot be read" in world.see().headline
    shutil.move(world.root / "elsewhere", world.journal)
    assert world.see().ok
    world.at("12:01:30")
    assert world.bot().condition == "missed"


def test_what_was_read_is_not_kept_in_memory(started: World) -> None:
    """Of thousands of runs that ended within their batch, nothing is left when they are stored."""
    lines = []
    for number in range(4000):
        at = stamp(started.now + timedelta(milliseconds=number))
        head = {"timestamp": at, "strategy": "pulse", "boot_id": "b", "bot": "pulse", "slot": at, "trigger": "manual"}
        head["run_id"] = f"run-{number}"
        lines.append(json.dumps({**head, "event": "run_start"}) + "\n")
        lines.append(json.dumps({**head, "event": "run_end", "outcome": "succeeded"}) + "\n")
    with (started.journal / "pulse" / "2026-11-20.jsonl").open("a") as file:
        file.writelines(lines)
    tracemalloc.start()
    try:
        started.see()
        found = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/ingest/*.py")])
    finally:
        tracemalloc.stop()
    # Python itself keeps a few thousand tuples for later use.
    assert sum(one.size for one in found.statistics("filename")) < 400_000
