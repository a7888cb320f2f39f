"""Journals that are damaged, and absences of any length: what was written is known, and nothing is made up."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.journal import LONGEST_LINE, stamp
from tests.unit.supervisor.world import World

HOURLY = 'timezone = "UTC"\n[defaults]\ngrace = "20s"\ntimeout = "30s"\n[[bot]]\nsymbols = ["AAPL"]\nevery = "1h"\n'
DAY = "2026-11-20.jsonl"


def _double(path: Path) -> None:
    path.write_bytes(2 * path.read_bytes())


def _bloat(path: Path) -> None:
    line = {
        "timestamp": "2026-11-20T12:01:01.000Z",
        "event": "signal",
        "bot": "pulse",
        "values": "x" * 10 * LONGEST_LINE,
    }
    _append(path, json.dumps(line).encode() + b"\n")


def _garble(path: Path) -> None:
    _append(path, b"\xff\xfe\x00 \xc3\x28 \x80\n")


def _tear(path: Path) -> None:
    _append(path, b'{"timestamp": "2026-11-20T12:01:01.000Z", "event": "run_st')


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


@pytest.mark.parametrize("damage", [_double, _bloat, _garble, _tear, _truncate, Path.unlink])
def test_damage_costs_itself_and_nothing_else(started: World, damage: Callable[[Path], None]) -> None:
    """What had been read stays known, what comes after is read, and there is no alert."""
    started.at("12:01:00")
    started.run(started.now)
    started.see()
    damage(started.journal / "pulse" / DAY)
    started.at("12:01:50")
    started.at("12:02:00")
    started.run(started.now)
    snapshot = started.at("12:02:10")
    assert started.ledger() == [("12:01:00", 1, "succeeded"), ("12:02:00", 1, "succeeded")]
    assert snapshot.conditions == ()


def test_lines_of_the_future_are_a_wrong_clock(started: World) -> None:
    """They move no watermark: what comes after them in our own time counts."""
    started.at("12:01:00")
    line = {"timestamp": stamp(started.now + timedelta(days=4000)), "event": "note", "text": "hello"}
    _append(started.journal / "pulse" / DAY, json.dumps(line).encode() + b"\n")
    started.run(started.now)
    snapshot = started.see()
    assert [condition.kind for condition in snapshot.conditions] == ["clock_wrong"]
    assert started.at("12:02:30").conditions[-1].kind == "missed"


def test_a_journal_deleted_in_our_absence(started: World) -> None:
    """The runs that it told of are lost, so their slots are missed; those after it are known."""
    started.restart()
    started.now = started.slot("12:01")
    started.run(started.now)
    (started.journal / "pulse" / DAY).unlink()
    started.now = started.slot("12:02")
    started.run(started.now)
    started.now += timedelta(seconds=30)
    started.beat()
    assert started.see().conditions == ()
    assert started.ledger() == [("12:01:00", 1, "missed"), ("12:02:00", 1, "succeeded")]


@pytest.mark.parametrize(
    "away",
    [timedelta(seconds=3), timedelta(seconds=50), timedelta(hours=3), timedelta(days=2), timedelta(days=25)],
    ids=str,
)
def test_an_absence_of_any_length_is_replayed(world: World, away: timedelta) -> None:
    """Of seconds to weeks: every slot has what the journal says, the two that are not there are missed, and nothing is wrong now."""
    world.strategy(manifest=HOURLY)
    world.start()
    world.beat()
    world.see()
    left = world.now
    world.restart()
    slots = [
        left.replace(minute=0, second=0) + timedelta(hours=hour) for hour in range(1, away // timedelta(hours=1) + 1)
    ]
    lost = slots[1:-1][:2]
    for slot in slots:
        if slot not in lost:
            world.now = slot
            world.run(slot)
    world.now = left + away
    world.beat()
    assert world.see().conditions == ()
    assert world.store is not None
    records = world.store.slots.in_range("pulse", "pulse", left, world.now)
    outcomes = {slot: record.outcome for record in records for slot in slots if record.first <= slot <= record.last}
    assert outcomes == {slot: "missed" if slot in lost else "succeeded" for slot in slots}
    assert sum(record.count for record in records) == len(slots)
    assert {fault.condition.kind for fault in world.store.faults(0)} == ({"missed"} if lost else set())
