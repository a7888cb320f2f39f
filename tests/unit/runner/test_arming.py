"""Processes that are started ahead of their slots, on a fake clock."""

from datetime import timedelta

import pytest

from openbell.control import Pause
from openbell.runner.armed import LONGEST_LEAD, SHORTEST_LEAD
from tests.unit.runner.fake_processes import HANGS, Plan
from tests.unit.runner.fakes import FIVE_MINUTES, TWO_BOTS, NewRig

A_SECOND_BEFORE = "09:04:59"


def test_a_process_waits_from_shortly_before_its_slot(rig: NewRig) -> None:
    """It is started once, at the lead before the slot."""
    one = rig()
    one.run_until("09:04:58")
    assert one.launcher.armed == []
    one.run_until("09:04:59")
    (process,) = one.launcher.armed
    assert process.run.slot == process.started_at + timedelta(seconds=SHORTEST_LEAD)
    assert not process.was_released
    assert one.events("run_start") == []


def test_at_the_slot_the_waiting_process_is_the_run(rig: NewRig) -> None:
    """The slot's run has the id of the process that waits, and begins on time, after its run_start."""
    one = rig()
    one.run_until("09:05:01")
    (process,) = one.launcher.armed
    (started,) = one.events("run_start")
    assert process.was_released
    assert started["run_id"] == process.run.run_id
    assert one.starts() == [("09:05", 1, 0.0)]
    assert one.outcomes() == [("09:05", "succeeded")]


def test_every_bot_due_at_the_slot_has_a_process(rig: NewRig) -> None:
    """Bots that are due together are started one after the other, all before the slot."""
    one = rig(TWO_BOTS)
    one.run_until("09:05:01")
    assert sorted(process.run.bot.id for process in one.launcher.armed) == ["b", "c"]
    assert all(process.was_released for process in one.launcher.armed)


def test_no_more_processes_wait_than_may_run(rig: NewRig) -> None:
    """max_parallel bounds what waits; the other run starts when there is room."""
    one = rig(TWO_BOTS, top="max_parallel = 1")
    one.run_until("09:05:05")
    assert len(one.launcher.armed) == 1
    assert [outcome for _, outcome in one.outcomes()] == ["succeeded", "succeeded"]


def test_no_process_waits_where_memory_is_short(rig: NewRig) -> None:
    """Nothing is started early if it might use up what is free; the run starts at its slot."""
    one = rig()
    one.free_memory = 8 << 20
    one.run_until("09:05:01")
    assert one.launcher.armed == []
    assert one.starts() == [("09:05", 1, 0.0)]


def test_slow_processes_are_started_earlier(rig: NewRig) -> None:
    """The lead follows how long processes take to get ready, up to a limit."""
    one = rig()
    one.launcher.seconds_to_get_ready = 8.0
    one.run_until("09:11")
    second = one.launcher.armed[1]
    assert (second.run.slot - second.started_at).total_seconds() == pytest.approx(16.0)
    one.launcher.seconds_to_get_ready = 500.0
    one.run_until("09:21")
    last = one.launcher.armed[-1]
    assert (last.run.slot - last.started_at).total_seconds() == pytest.approx(LONGEST_LEAD)


def test_a_process_that_is_not_ready_in_time_is_released_all_the_same(rig: NewRig) -> None:
    """The slot does not wait for it, and the next one is started earlier."""
    one = rig()
    one.launcher.seconds_to_get_ready = None
    one.run_until("09:11")
    assert one.starts() == [("09:05", 1, 0.0), ("09:10", 1, 0.0)]
    first, second = one.launcher.armed
    assert second.run.slot - second.started_at > first.run.slot - first.started_at


def test_a_pause_ends_the_process_without_a_trace(rig: NewRig) -> None:
    """Nothing in the journal tells of a process whose slot is not run; the slot is passed over as always."""
    one = rig()
    one.run_until(A_SECOND_BEFORE)
    one.run_for(0.5)
    one.control.pause("b", Pause(one.clock.now(), None, "anna", "holiday"))
    one.run_until("09:05:01")
    (process,) = one.launcher.armed
    assert process.was_killed
    assert process.is_reaped
    assert [line["event"] for line in one.events()] == ["service_start", "slot_skipped"]


def test_a_paused_bot_gets_no_process(rig: NewRig) -> None:
    """A slot that is known to be passed over is not prepared."""
    one = rig()
    one.control.pause("b", Pause(one.clock.now(), None, "anna", "holiday"))
    one.run_until("09:05:01")
    assert one.launcher.armed == []


def test_draining_ends_the_process(rig: NewRig) -> None:
    """A loop that is to stop leaves no process behind."""
    one = rig()
    one.run_until(A_SECOND_BEFORE)
    one.run_for(0.5)
    one.drain()
    (process,) = one.launcher.armed
    assert process.was_killed
    assert not process.was_released


def test_a_clock_that_is_set_back_ends_the_process(rig: NewRig) -> None:
    """The slot is further away than it was; nearer to it another process waits, and runs it once."""
    one = rig()
    one.run_until(A_SECOND_BEFORE)
    one.run_for(0.5)
    one.clock.step(-120)
    one.run_until("09:05:01")
    first, second = one.launcher.armed
    assert first.was_killed
    assert second.was_released
    assert one.outcomes() == [("09:05", "succeeded")]


def test_a_clock_that_is_set_ahead_past_the_grace_ends_the_process(rig: NewRig) -> None:
    """The slot is missed, and its process does not run it."""
    one = rig()
    one.run_until(A_SECOND_BEFORE)
    one.run_for(0.5)
    one.clock.step(600)
    one.run_for(1)
    assert one.launcher.armed[0].was_killed
    assert ("09:10", "missed: late x2") in one.outcomes()


def test_a_process_that_died_before_its_slot_is_replaced_at_the_slot(rig: NewRig) -> None:
    """The run starts as if nothing had waited, and the journal tells of no failure."""
    one = rig()
    one.run_until(A_SECOND_BEFORE)
    one.run_for(0.5)
    one.launcher.armed[0].kill()
    one.run_until("09:05:01")
    assert len(one.launcher.armed) == 1
    assert one.starts() == [("09:05", 1, 0.0)]
    assert one.outcomes() == [("09:05", "succeeded")]


def test_a_manual_run_ends_the_process(rig: NewRig) -> None:
    """A bot has one run at a time: the slot is passed over while the run that a person asked for goes on."""
    one = rig()
    one.launcher.plan = lambda _: Plan(seconds=20)
    one.run_until(A_SECOND_BEFORE)
    one.run_for(0.5)
    one.control.request("b", "anna", one.clock.now())
    one.run_until("09:05:01")
    assert one.launcher.armed[0].was_killed
    assert ("09:05", "skipped: overlap") in one.outcomes()


def test_a_run_that_goes_on_gets_no_process_beside_it(rig: NewRig) -> None:
    """While a bot is busy, its next slot is not prepared."""
    one = rig()
    one.launcher.plan = lambda _: HANGS
    one.run_until("09:05:01")
    one.launcher.plan = lambda _: Plan()
    one.run_until("09:10:01")
    assert [process.run.slot.minute for process in one.launcher.armed][:1] == [5]
    assert all(process.was_released for process in one.launcher.armed if process.run.slot.minute == 5)


def test_a_killed_loop_starts_its_slot_anew(rig: NewRig) -> None:
    """The next loop does not know of the process that waited, and runs the slot itself."""
    one = rig()
    one.run_until(A_SECOND_BEFORE)
    one.run_for(0.5)
    one.kill()
    one.boot()
    one.run_until("09:05:01")
    assert one.outcomes() == [("09:05", "succeeded")]


def test_no_process_is_started_right_before_another_slot(rig: NewRig) -> None:
    """A fork must not delay what is due next: it is made afterwards."""
    one = rig(FIVE_MINUTES + '\n[[bot]]\nid = "c"\nsymbols = ["MSFT"]\nevery = "5m"\noffset = "990ms"\n')
    one.run_until("09:05:05")
    second = next(
        process for process in one.launcher.armed if process.run.slot.minute == 5 and process.run.bot.id == "c"
    )
    assert second.run.slot - second.started_at == timedelta(milliseconds=990)
    assert {late for _, _, late in one.starts()} == {0.0}
