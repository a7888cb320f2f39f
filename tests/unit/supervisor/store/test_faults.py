"""The log of faults: what went wrong is known even if it ends before the page is opened."""

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.journal import Journal
from openbell.supervisor.model.records import Fault
from openbell.supervisor.store.store import Store
from tests.unit.supervisor.world import World


def faults(world: World, after: int = 0) -> list[tuple[str, str, str, int]]:
    """Return what was logged: kind, first and last slot, count."""
    assert world.store is not None
    return [
        (one.condition.kind, f"{one.condition.since:%H:%M:%S}", f"{one.last:%H:%M:%S}", one.condition.count)
        for one in world.store.faults(after)
    ]


def test_a_fault_that_is_mended_within_a_batch_is_logged(started: World) -> None:
    """A failure and the next success in one reading: no condition, and one entry."""
    for clock, outcome in (("12:01", "failed"), ("12:02", "succeeded")):
        started.now = started.slot(clock)
        started.run(started.now, outcome)
    snapshot = started.see()
    assert snapshot.conditions == ()
    assert faults(started) == [("failed", "12:01:00", "12:01:00", 1)]
    assert snapshot.last_fault == 1


def test_every_bad_end_is_logged_once(started: World) -> None:
    """Whatever follows, and however often the lines are read."""
    started.at("12:01:30")  # missed
    started.now = started.slot("12:02")
    started.run(started.now, "timed_out")
    started.see()
    started.now = started.slot("12:03")
    started.run(started.now)
    started.see()
    path = started.journal / "pulse" / "2026-11-20.jsonl"
    lines = path.read_bytes()
    path.write_bytes(lines + lines)
    started.see()
    started.restart()
    started.see()
    assert faults(started) == [("missed", "12:01:00", "12:01:00", 1), ("timed_out", "12:02:00", "12:02:00", 1)]
    assert faults(started, after=1) == [("timed_out", "12:02:00", "12:02:00", 1)]


def test_a_slot_judged_missed_is_not_logged_again_when_its_loop_says_so(started: World) -> None:
    """Two witnesses, one fault."""
    started.at("12:01:30")
    fields = {"bot": "pulse", "slot": started.slot("12:01"), "count": 1, "outcome": "missed", "reason": "late"}
    started.write("slot_skipped", fields)
    started.see()
    assert faults(started) == [("missed", "12:01:00", "12:01:00", 1)]


def test_what_went_wrong_in_the_supervisors_absence_is_logged(started: World) -> None:
    """Failed, missed for a while, could not start, and well again before it came back."""
    started.at("12:01:00")
    started.run(started.now)
    started.see()
    started.restart()
    started.now = started.slot("12:02")
    started.run(started.now, "failed")
    started.write("error", {"error": "No module named x", "traceback": "", "will_retry": True}, stage="start")
    started.now = started.slot("12:10")
    fields = {"bot": "pulse", "first": started.slot("12:03"), "slot": started.slot("12:09"), "count": 7}
    started.write("slot_skipped", fields, outcome="missed", reason="late")
    started.start()
    started.run(started.now)
    started.beat()
    snapshot = started.see()
    assert snapshot.conditions == ()
    assert faults(started) == [
        ("failed", "12:02:00", "12:02:00", 1),
        ("cannot_start", "12:02:00", "12:02:00", 1),
        ("missed", "12:03:00", "12:09:00", 7),
    ]


def test_weeks_of_absence_are_one_entry(started: World) -> None:
    """Three weeks without a line are one range, and one condition that begins with it."""
    started.at("12:01:00")
    started.run(started.now)
    started.see()
    started.restart()
    started.now += timedelta(days=21)
    started.see()
    started.now += timedelta(minutes=1)
    snapshot = started.see()
    (missed,) = [one for one in snapshot.conditions if one.kind == "missed"]
    assert missed.since == started.slot("12:02") - timedelta(days=21)
    assert missed.count > 21 * 1440 - 10
    assert sum(count for *_, count in faults(started)) == missed.count


def test_old_journals_are_nobodys_fault(world: World) -> None:
    """A first start over what others left behind logs nothing."""
    world.start()
    for clock in ("12:01", "12:02"):
        world.now = world.slot(clock)
        world.run(world.now, "failed")
    world.now += timedelta(minutes=5)
    world.beat()
    snapshot = world.see()
    assert faults(world) == []
    assert snapshot.last_fault == 0


def test_crashes_in_the_supervisors_absence_are_a_crash_loop(started: World) -> None:
    """Three within the window, and long over when it comes back."""
    started.restart()
    for number in range(4):
        started.now += timedelta(seconds=30)
        started.boot = f"boot-{number}"
        started.start(previous_stop="unclean")
    started.now += timedelta(hours=1)
    started.beat()
    snapshot = started.see()
    assert "crash_loop" not in {one.kind for one in snapshot.conditions}
    assert [kind for kind, *_ in faults(started)].count("crash_loop") == 1


def test_a_run_on_a_holiday_is_reported(started: World) -> None:
    """A run of the loop's own where the calendar has no slot is a fault; a requested one is none."""
    started.now = started.now + timedelta(seconds=7)
    started.run(started.now)
    started.run(started.now, trigger="manual")
    snapshot = started.see()
    assert [(one.kind, one.count) for one in snapshot.conditions] == [("unexpected_run", 1)]
    assert [kind for kind, *_ in faults(started)] == ["unexpected_run"]
    started.at("12:01:00")
    started.run(started.now)
    assert started.see().conditions == ()


def test_old_bars_and_a_differing_account_are_conditions(started: World) -> None:
    """From the lines of the run to the snapshot, and gone with the next good ones."""
    difference = {"symbol": "AAPL", "kind": "quantity", "ours": 1, "theirs": 2}
    started.at("12:01:00")
    run_id = started.run(started.now, None)
    fields = {"bot": "pulse", "slot": started.now, "run_id": run_id, "attempt": 1}
    started.write("stale_data", fields, symbol="AAPL", newest_bar="2026-11-18", expected="2026-11-19", action="refused")
    started.write("reconciled", fields, broker="alpaca", differences=[difference])
    started.write("run_end", fields, outcome="succeeded", tick_duration_ms=1, orders=0, trigger="loop")
    assert [(one.kind, one.bot) for one in started.see().conditions] == [
        ("broker_differs", ""),
        ("stale_data", "pulse"),
    ]
    started.at("12:02:00")
    fields["run_id"] = started.run(started.now)
    started.write("reconciled", fields, broker="alpaca", differences=[])
    assert started.see().conditions == ()
    assert [kind for kind, *_ in faults(started)] == ["stale_data", "broker_differs"]
    assert {one.kind for one in started.at("12:30:30").conditions} == {"missed", "not_written"}


KILLED = """
    import os, signal, sys
    from datetime import datetime
    from pathlib import Path
    from openbell.manifest import load_all
    from openbell.supervisor import watch as watches
    from openbell.supervisor.store.store import Store

    watches.BATCH = 4
    root, statements = Path(sys.argv[1]), int(sys.argv[3])
    store = Store(root / "supervisor.sqlite")
    left = statements

    def trace(statement: str) -> None:
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    store._database.set_trace_callback(trace)
    watch = watches.Watch(*load_all(root / "strategies"), root / "journal", root / "control", store)
    while watch.step(datetime.fromisoformat(sys.argv[2])) == 0.0:
        pass
"""


def test_killed_at_any_statement_it_loses_and_doubles_nothing(started: World, tmp_path: Path) -> None:
    """Kill -9 at moments all over the reading of a bad day; afterwards the ledger and the log are as they should be."""
    started.restart()
    for number in range(1, 25):
        started.now = started.slot("12:00") + timedelta(minutes=number)
        if number % 3:
            started.run(started.now, "failed" if number % 2 else "succeeded")
    started.now += timedelta(seconds=25)
    started.beat()
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED))
    kills = 0
    for statements in range(5, 200, 19):
        command = [sys.executable, str(script), str(started.root), started.now.isoformat(), str(statements)]
        done = subprocess.run(
            command, check=False, capture_output=True, timeout=60, env={**os.environ, "PYTHONPATH": "images"}
        )
        assert done.returncode in {0, -signal.SIGKILL}, done.stderr.decode()
        kills += done.returncode != 0
    assert kills > 5
    started.see()
    outcomes = {1: "failed", 2: "succeeded"}
    expected = ["missed" if number % 3 == 0 else outcomes[2 - number % 2] for number in range(1, 25)]
    assert [outcome for _, _, outcome in started.ledger()] == expected
    assert sum(count for *_, count in faults(started)) == len([one for one in expected if one != "succeeded"])


def test_the_log_is_bounded(tmp_path: Path, started: World) -> None:
    """The newest stay, and their numbers go on."""
    started.at("12:01:30")
    assert started.store is not None
    (fault,) = started.store.faults(0)
    assert isinstance(fault, Fault)
    with closing(Store(tmp_path / "other")) as store, store.transaction():
        for _ in range(10_100):
            store.add_fault(fault.condition, fault.last)
        list(store.sweep(started.now, lambda *_: None))
        assert store.last_fault() == 10_100
        assert store.faults(0)[0].id == 101


def test_a_flood_in_one_journal_delays_nobody_else(started: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy that writes faster than the supervisor reads is behind; another one's slot is missed in time."""
    monkeypatch.setattr("openbell.supervisor.watch.BATCH", 500)
    started.strategy("flood")
    started.restart()
    started.see()
    journal = Journal(started.journal, "flood", "boot", echo=False)
    started.now = started.slot("12:01") + timedelta(seconds=21)
    started.beat()
    for _ in range(3):
        for number in range(700):
            journal.write("note", started.now, message=f"again {number}")
        assert started.watch.step(started.now) == 0.0
    assert [one.kind for one in started.watch.snapshot.conditions if one.strategy == "pulse"] == ["missed"]  # type: ignore[union-attr]


def test_a_run_that_ended_badly_in_the_supervisors_absence_is_logged(started: World) -> None:
    """It was open before, was killed, and the next one was good."""
    started.at("12:01:00")
    run_id = started.run(started.now, None)
    started.beat("pulse", "pulse")
    started.see()
    fields = {"bot": "pulse", "slot": started.now, "run_id": run_id, "attempt": 1}
    started.restart()
    started.now += timedelta(seconds=30)
    started.write("run_end", fields, outcome="timed_out", tick_duration_ms=30_000, orders=0, trigger="loop")
    started.now = started.slot("12:02")
    started.run(started.now)
    started.beat()
    assert started.see().conditions == ()
    assert faults(started) == [("timed_out", "12:01:00", "12:01:00", 1)]
