"""Slots that a loop could not run in time: late, coalesced, overlapped, slept through."""

from datetime import timedelta

import pytest

from tests.unit.runner.fake_processes import HANGS, SUCCEEDS, Plan
from tests.unit.runner.fakes import TWO_BOTS, NewRig


@pytest.mark.parametrize(
    "down_until, expected",
    [
        pytest.param("09:05:01", [("09:05", "succeeded")], id="a second late"),
        pytest.param("09:06", [("09:05", "succeeded")], id="at the end of its grace"),
        pytest.param("09:06:01", [("09:05", "missed: late")], id="past its grace"),
        pytest.param("09:32", [("09:30", "missed: late x6")], id="a longer downtime is one line"),
        pytest.param("09:30:20", [("09:25", "missed: late x5"), ("09:30", "succeeded")], id="back in time"),
    ],
)
def test_a_downtime_is_made_up_for(rig: NewRig, down_until: str, expected: list[tuple[str, str]]) -> None:
    """A loop that comes back runs what it still may and accounts for the rest."""
    one = rig()
    one.run_until("09:04")
    one.kill()
    one.run_clock_to(down_until)
    one.boot()
    one.run_for(10)
    assert one.outcomes() == expected


def test_catch_up_runs_the_newest_slot_once(rig: NewRig) -> None:
    """With catch_up = "latest" the newest slot of a downtime runs, hours late; the others are missed."""
    one = rig(defaults='catch_up = "latest"')
    one.run_until("09:04")
    one.kill()
    one.run_clock_to("12:04")
    one.boot()
    one.run_for(10)
    assert one.outcomes() == [("11:55", "missed: late x35"), ("12:00", "succeeded")]
    assert one.starts() == [("12:00", 1, 240.0)]


def test_a_week_asleep_is_one_line(rig: NewRig) -> None:
    """After a suspend the slots of a week are one line with their number, and the clock's step is told."""
    one = rig()
    one.run_until("09:04")
    one.clock.step(timedelta(days=7).total_seconds())
    one.run_for(1)
    assert one.outcomes() == [("09:00", "missed: late x2016")]
    assert [line["by_s"] for line in one.events("clock_stepped")] == [604800.0]
    one.run_until("09:06")
    assert one.outcomes()[1:] == [("09:05", "succeeded")]


def test_a_slot_due_during_a_run_is_skipped(rig: NewRig) -> None:
    """One run a bot: a slot that comes due meanwhile is skipped with reason overlap."""
    one = rig(defaults='timeout = "20m"')
    one.launcher.plan = lambda run: Plan(seconds=420) if run.slot.minute == 5 else SUCCEEDS
    one.run_until("09:16")
    assert one.outcomes() == [("09:10", "skipped: overlap"), ("09:05", "succeeded"), ("09:15", "succeeded")]


def test_a_long_run_keeps_no_other_bot(rig: NewRig) -> None:
    """Bots are independent: while one hangs, the other has all its runs."""
    one = rig(TWO_BOTS, defaults='timeout = "1h"')
    one.launcher.plan = lambda run: HANGS if run.bot.id == "b" else SUCCEEDS
    one.run_until("09:31")
    assert [line["slot"] for line in one.events("run_end")] == [
        f"2026-03-02T09:{minute:02}:00.000Z" for minute in range(5, 31, 5)
    ]
