"""What the watch makes of journals: long, torn, unreadable, or written by a wrong clock."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.journal import stamp
from tests.unit.supervisor.world import PULSE, World


def test_torn_and_foreign_lines_are_passed_over(started: World) -> None:
    """A line cut off by a full disk, bytes that are no text, JSON that is not a line: counted, and no more."""
    started.at("12:01:00")
    started.run(started.now)
    path = started.journal / "pulse" / "2026-11-20.jsonl"
    with path.open("ab") as file:
        file.write(
            b'{"timestamp": "2026-11-20T12:01:01.000Z", "event": "run_e\n\xff\xfe\x00\n[1, 2]\n"x"\n{"event": 7}\n{"event": "run_start"}\n'
        )
    started.at("12:02:00")
    started.run(started.now)
    with path.open("ab") as file:
        file.write(b'{"timestamp": "2026-11-20T12:02:01.000Z", "ev')
    started.see()
    assert started.ledger() == [("12:01:00", 1, "succeeded"), ("12:02:00", 1, "succeeded")]
    assert started.watch.passed_over == 6
    with path.open("ab") as file:
        file.write(b"\n")
    started.at("12:03:00")
    started.run(started.now)
    started.see()
    assert started.ledger()[-1] == ("12:03:00", 1, "succeeded")


def test_a_truncated_journal_is_read_again(started: World) -> None:
    """Lines that come twice change nothing, and new ones are not overlooked."""
    for clock in ("12:01", "12:02", "12:03"):
        started.now = started.slot(clock)
        started.run(started.now, "failed")
    started.see()
    path = started.journal / "pulse" / "2026-11-20.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    started.now = started.slot("12:04")
    started.run(started.now)
    started.see()
    assert [outcome for _, _, outcome in started.ledger()] == ["failed", "failed", "failed", "succeeded"]
    assert started.store is not None
    assert len(started.store.services("pulse", 10)) == 1


def test_a_journal_that_is_gone_freezes_nothing(started: World) -> None:
    """A removed folder means missed slots, and nothing is forgotten."""
    started.at("12:01:00")
    started.run(started.now)
    started.see()
    shutil.rmtree(started.journal / "pulse")
    started.silent = True
    started.at("12:02:30")
    assert started.ledger() == [("12:01:00", 1, "succeeded"), ("12:02:00", 1, "missed")]


def test_without_the_journals_volume_nothing_is_judged(started: World) -> None:
    """Not the bots are down, but the supervisor is blind, and says so. Afterwards it knows all the same."""
    shutil.move(started.journal, started.root / "elsewhere")
    started.silent = True
    snapshot = started.at("12:01:50")
    assert not snapshot.ok
    assert "cannot be read (No such file or directory)" in snapshot.headline
    assert started.bot().condition == "journal_unreadable"
    assert started.ledger() == []
    shutil.move(started.root / "elsewhere", started.journal)
    started.now = started.slot("12:02")
    started.run(started.slot("12:02"))
    started.beat()
    assert started.see().ok
    started.silent = False
    started.at("12:02:10")
    assert started.ledger() == [("12:01:00", 1, "missed"), ("12:02:00", 1, "succeeded")]


def test_one_journal_that_cannot_be_read_is_one_strategys_trouble(started: World) -> None:
    """The others are judged as ever."""
    started.restart()
    started.strategy("other", started.strategies.joinpath("pulse", "strategy.toml").read_text())
    (started.journal / "other").mkdir()
    (started.journal / "other" / "2026-11-20.jsonl").mkdir()  # what root may not read either
    started.at("12:01:25")
    snapshot = started.watch.snapshot
    assert snapshot is not None
    assert [strategy.condition for strategy in snapshot.strategies] == ["journal_unreadable", ""]
    assert started.ledger("other", "other") == []
    assert started.ledger() == [("12:01:00", 1, "missed")]


def test_a_clock_that_was_ahead_leaves_no_lie_behind(started: World) -> None:
    """Slots judged missed in a false future get their runs when their time comes."""
    real = started.now
    started.now = real + timedelta(minutes=3)
    started.see()
    assert started.ledger() == [("12:03:00", 3, "missed")]
    started.now = real
    started.beat()
    started.see()
    for clock in ("12:01", "12:02", "12:03"):
        started.at(f"{clock}:00")
        started.run(started.now)
    started.see()
    assert [outcome for _, _, outcome in started.ledger()] == ["succeeded"] * 3
    assert not any(slot.late for slot in started.bot().slots)


def test_what_a_clock_that_was_ahead_passed_over_hides_no_miss(started: World) -> None:
    """Nine hours of slots were passed over in a false future; five minutes after the correction that is forgotten."""
    real = started.now
    started.now = real + timedelta(hours=9)
    skipped = {"bot": "pulse", "first": real + timedelta(seconds=30), "slot": started.now - timedelta(seconds=30)}
    started.write("slot_skipped", {**skipped, "outcome": "missed", "reason": "late", "count": 540})
    started.see()
    started.now = real
    started.see()
    started.at("12:06:45")
    for clock in ("12:07", "12:08"):
        started.at(f"{clock}:00")
        started.run(started.now)
    assert started.see().conditions == ()
    assert started.bot().next_slot == started.slot("12:09")
    (missed,) = [one for one in started.at("12:09:45").conditions if one.bot]
    assert (missed.kind, missed.count, missed.since) == ("missed", 1, started.slot("12:09"))


def test_a_huge_journal_is_read_while_the_others_are_watched(started: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten seconds of reading the rest is judged; of the huge one nothing is said until it is read."""
    started.strategy("huge", PULSE)
    started.start("huge", ("huge",))
    started.beat("huge")
    for number in range(60):
        started.write("note", None, "huge", message=f"{number}")
    started.restart()
    monkeypatch.setattr("openbell.supervisor.watch.BATCH", 1)
    while started.watch.snapshot is None:
        started.watch.step(started.now)
        started.now += timedelta(seconds=1)
        started.beat()
    snapshot = started.watch.snapshot
    assert snapshot.reading == ("huge",)
    assert (snapshot.ok, snapshot.headline) == (False, "Still reading the journals of 1 of 2 strategies")
    assert [(one.name, one.status) for one in snapshot.strategies] == [("huge", "new"), ("pulse", "up")]
    assert "being read" in snapshot.strategies[0].reason
    snapshot = started.see()
    assert snapshot.reading == ()
    assert snapshot.strategies[0].status == "up"


def test_lines_from_the_future_are_a_wrong_clock(started: World) -> None:
    """Told by the strategy whose journal has them."""
    started.now += timedelta(minutes=10)
    started.write("note", message="from the future")
    started.now -= timedelta(minutes=10)
    (condition,) = started.see().conditions
    assert (condition.kind, condition.strategy) == ("clock_wrong", "pulse")
    assert "600 s in the future" in condition.reason


def _write_of_the_future(world: World) -> Path:
    """Append a line that is years ahead to the newest day's file; return that."""
    path = max((world.journal / "pulse").glob("*.jsonl"))
    line = {"timestamp": stamp(world.now + timedelta(days=4000)), "event": "note", "text": "hello"}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return path


def test_a_line_from_the_future_that_comes_twice_is_told_once(started: World) -> None:
    """A journal that was doubled says nothing new, also when an hour has passed."""
    path = _write_of_the_future(started)
    assert {one.kind for one in started.see().conditions} == {"clock_wrong"}
    started.now += timedelta(hours=2)
    path.write_bytes(2 * path.read_bytes())
    assert "clock_wrong" not in {one.kind for one in started.see().conditions}


@pytest.mark.parametrize("minutes", [10, 120])
def test_a_line_from_the_future_that_is_read_late(started: World, minutes: int) -> None:
    """It is as old as the line before it: it is no news hours later."""
    _write_of_the_future(started)
    started.restart()
    started.now += timedelta(minutes=minutes)
    assert ("clock_wrong" in {one.kind for one in started.see().conditions}) is (minutes < 60)


def test_another_machines_clock_is_listened_to(started: World) -> None:
    """What the dead-man ping heard becomes a condition of the machine."""
    started.watch.clock_skew_s = 3.0
    assert [one.key for one in started.see().conditions] == [("clock_wrong", "", "")]
    started.watch.clock_skew_s = 0.4
    assert started.see().conditions == ()


def test_a_line_of_ten_megabytes_is_passed_over(started: World) -> None:
    """It is counted, and costs neither the others nor the slot its outcome."""
    started.at("12:01:00")
    with (started.journal / "pulse" / "2026-11-20.jsonl").open("ab") as file:
        file.write(b'{"event": "note", "message": "' + b"x" * 10_000_000 + b'"}\n')
    started.run(started.now)
    started.see()
    assert started.ledger() == [("12:01:00", 1, "succeeded")]
    assert started.watch.passed_over == 1


def test_a_clock_that_is_years_behind_for_a_while_judges_nothing_again(started: World) -> None:
    """A machine that boots in the past and is set right after ten minutes has missed no slot of the years between."""
    for clock in ("12:01", "12:02", "12:03"):
        started.at(f"{clock}:00")
        started.run(started.now)
        started.see()
    real, known = started.now, started.ledger()
    assert len(known) == 3
    started.now = real - timedelta(days=3650)
    for _ in range(120):
        started.now += timedelta(seconds=5)
        started.beat()
        started.see()
    started.now = real + timedelta(seconds=30)
    started.beat()
    started.see()
    assert started.ledger()[-3:] == known
    assert max(count for _, count, _ in started.ledger()) < 20  # of the ten minutes in the past
