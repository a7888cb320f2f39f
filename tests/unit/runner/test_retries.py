"""Runs that fail, hang or cannot start: retried, killed, halted."""

from datetime import timedelta

import pytest

from openbell.runner.report import Failure
from tests.unit.runner.fake_processes import FAILS, HANGS, SUCCEEDS, Plan
from tests.unit.runner.fakes import NewRig, failing


def test_a_failure_is_retried_with_backoff_as_the_same_run(rig: NewRig) -> None:
    """Attempts follow after one and two seconds under one run_id, and the slot has one outcome."""
    one = rig(defaults="retries = 2")
    one.launcher.plan = lambda run: FAILS if run.attempt < 3 else SUCCEEDS
    one.run_until("09:06")
    assert one.starts() == [("09:05", 1, 0.0), ("09:05", 2, 1.1), ("09:05", 3, 3.2)]
    assert len({line["run_id"] for line in one.events("run_start")}) == 1
    assert [line["will_retry"] for line in one.events("error")] == [True, True]
    assert [line["queue_wait_ms"] for line in one.events("run_start")] == [0.0, 0.0, 0.0]
    assert one.outcomes() == [("09:05", "succeeded")]


def test_retries_are_used_up(rig: NewRig) -> None:
    """After the last attempt the slot has failed, and the error says that nothing follows."""
    one = rig(defaults="retries = 1")
    one.launcher.plan = lambda _: FAILS
    one.run_until("09:07")
    assert [(line["attempt"], line["will_retry"]) for line in one.events("error")] == [(1, True), (2, False)]
    assert one.outcomes() == [("09:05", "failed")]


def test_no_retry_after_the_deadline(rig: NewRig) -> None:
    """An attempt that fails when neither grace nor time-out leave time for another is the last."""
    one = rig(defaults='retries = 5\ngrace = "5s"\ntimeout = "10s"')
    one.launcher.plan = lambda _: Plan(seconds=4, failure=Failure("it broke"))
    one.run_until("09:06")
    assert one.starts() == [("09:05", 1, 0.0), ("09:05", 2, 5.0)]
    assert one.outcomes() == [("09:05", "failed")]


def test_a_retry_that_slept_past_its_deadline_does_not_start(rig: NewRig) -> None:
    """A machine suspended during the backoff does not start the attempt a week late."""
    one = rig(defaults="retries = 2")
    one.launcher.plan = lambda _: FAILS
    one.run_until("09:05")
    one.run_for(0.5)  # the first attempt has failed, the second is to come
    one.clock.step(timedelta(days=7).total_seconds())
    one.run_for(5)
    slot = "2026-03-02T09:05:00.000Z"
    assert [line["attempt"] for line in one.events("run_start") if line["slot"] == slot] == [1]
    assert [line["outcome"] for line in one.events("run_end") if line["slot"] == slot] == ["failed"]
    errors = [str(line["error"]) for line in one.events("error") if line["slot"] == slot]
    assert "attempt 2 could not start by" in errors[-1]


def test_a_run_past_its_timeout_is_killed_with_its_stack(rig: NewRig) -> None:
    """A hanging run ends as timed_out, is not retried, and the journal has the stack that it hung in."""
    one = rig(defaults='timeout = "30s"\nretries = 3')
    one.launcher.plan = lambda _: HANGS
    one.run_until("09:07")
    (process,) = one.launcher.processes
    assert process.was_killed
    assert one.outcomes() == [("09:05", "timed_out")]
    (error,) = one.events("error")
    assert error["error"] == "the run took longer than its timeout of 30 s and was killed"
    assert "strategy.py, line 7" in str(error["traceback"])
    assert one.events("run_end")[0]["tick_duration_ms"] == pytest.approx(30_500, abs=10)


def test_a_killed_run_that_will_not_die_does_not_spin(rig: NewRig) -> None:
    """Waiting for a process that the kernel cannot end yet costs the loop no time."""
    one = rig(defaults='timeout = "30s"')
    one.launcher.plan = lambda _: HANGS
    one.run_until("09:05")
    one.launcher.processes[0].kill = lambda: None  # type: ignore[method-assign]
    one.run_for(120)
    assert one.outcomes() == []
    assert one.loop.step() > 0.5


def test_a_process_that_cannot_be_started_is_a_failed_attempt(rig: NewRig) -> None:
    """No process to be had fails the attempt in words; the retry has one."""
    one = rig(defaults="retries = 1")
    one.run_until("09:04:59")
    one.launcher.error = OSError(11, "Resource temporarily unavailable")
    one.run_for(1.5)
    one.launcher.error = None
    one.run_until("09:06")
    assert "no process could be started" in str(one.events("error")[0]["error"])
    assert one.outcomes() == [("09:05", "succeeded")]


def test_failures_in_a_row_pause_the_bot(rig: NewRig) -> None:
    """After two failed slots the bot pauses itself and says so; a resume gives it two more."""
    one = rig(defaults="retries = 0\nhalt_after = 2")
    one.launcher.plan = lambda _: FAILS
    one.run_until("09:16")
    assert one.outcomes() == [("09:05", "failed"), ("09:10", "failed"), ("09:15", "skipped: paused")]
    (line,) = one.events("bot_paused")
    assert (line["by"], line["reason"]) == ("openbell", "2 failures in a row")
    one.control.resume("b")
    one.run_until("09:31")
    assert one.outcomes()[3:] == [("09:20", "failed"), ("09:25", "failed"), ("09:30", "skipped: paused")]


def test_a_success_in_between_keeps_the_bot_running(rig: NewRig) -> None:
    """Only failures in a row count."""
    one = rig(defaults="retries = 0\nhalt_after = 2")
    one.launcher.plan = lambda run: SUCCEEDS if run.slot.minute % 10 else FAILS
    one.run_until("09:41")
    assert one.events("bot_paused") == []


def test_a_halt_that_cannot_be_stored_is_made_up_for(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space for the pause is a trouble like any other: tried again until the bot is paused."""
    one = rig(defaults="retries = 0\nhalt_after = 1")
    one.launcher.plan = lambda _: FAILS
    one.run_until("09:04")
    with monkeypatch.context() as full:
        full.setattr(one.control, "pause", failing(OSError(28, "No space left on device")))
        one.run_until("09:05:30")
    one.run_until("09:11")
    assert one.outcomes() == [("09:05", "failed"), ("09:10", "skipped: paused")]
