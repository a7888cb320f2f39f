"""Slots that are claimed shortly before they are there, on a fake clock."""

from datetime import datetime

import pytest

from openbell.runner.arming import CLAIM_AHEAD
from openbell.runner.loop import Loop
from tests.unit.runner.fakes import TWO_BOTS, NewRig, Rig, failing


def claimed(one: Rig) -> list[str]:
    """Return the bots whose claims have no outcome yet."""
    return [claim.bot for claim in one.ledger.open_claims()]


def test_a_slot_is_claimed_before_it_is_there(rig: NewRig) -> None:
    """What takes a sync of the disk is done when the slot comes; nothing is told, and the process still waits."""
    one = rig()
    one.run_until("09:04:59")
    one.run_for(1 - CLAIM_AHEAD.total_seconds() - 0.01)
    assert claimed(one) == []
    one.run_for(0.06)
    assert claimed(one) == ["b"]
    assert not one.launcher.armed[0].was_released
    assert one.events("run_start") == []
    one.run_until("09:05:01")
    assert one.starts() == [("09:05", 1, 0.0)]
    assert [line["queue_wait_ms"] for line in one.events("run_start")] == [0.0]


def test_a_slot_that_comes_while_the_loop_works_begins_at_once(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that begins before the slot and ends after it is followed by one without a wait."""
    one = rig()
    one.run_until("09:04:59")
    one.run_for(0.95)
    beat = Loop._beat

    def slowly(loop: Loop, now: datetime, steady: float) -> None:
        beat(loop, now, steady)
        one.clock.advance(0.004)

    with monkeypatch.context() as busy:
        busy.setattr(Loop, "_beat", slowly)
        one.run_for(0.06)
    one.run_until("09:05:02")
    ((slot, attempt, late),) = one.starts()
    assert (slot, attempt) == ("09:05", 1)
    assert 0 <= late <= 0.01


def test_a_slot_without_a_waiting_process_is_claimed_when_it_is_there(rig: NewRig) -> None:
    """Whether it runs at all is decided then."""
    one = rig(TWO_BOTS, top="max_parallel = 1")
    one.run_until("09:04:59")
    one.run_for(0.95)
    assert claimed(one) == ["b"]


def test_a_slot_that_was_claimed_waits_for_a_clock_that_is_set_back_a_little(rig: NewRig) -> None:
    """No run starts before its slot, whatever the clock did since the claim."""
    one = rig()
    one.run_until("09:04:59")
    one.run_for(0.95)
    one.clock.step(-0.8)
    one.run_until("09:05:01")
    assert one.starts() == [("09:05", 1, 0.0)]
    assert one.outcomes() == [("09:05", "succeeded")]


@pytest.mark.parametrize("seconds", [0.01, 20])
def test_a_stop_right_after_the_claim_leaves_the_run_to_the_next_loop(rig: NewRig, seconds: float) -> None:
    """It was claimed and not begun: the next loop begins it, not before its slot."""
    one = rig()
    one.run_until("09:04:59")
    one.run_for(0.95)
    one.drain()
    one.boot()
    one.clock.advance(seconds)
    one.run_until("09:05:30")
    assert one.outcomes() == [("09:05", "succeeded")]
    assert [(slot, attempt) for slot, attempt, _ in one.starts()] == [("09:05", 1)]
    assert one.starts()[0][2] >= 0


def test_a_crash_right_after_the_claim_is_another_attempt(rig: NewRig) -> None:
    """The next loop cannot know that the run had not begun, and begins the next attempt at its slot."""
    one = rig()
    one.run_until("09:04:59")
    one.run_for(0.95)
    one.kill()
    one.boot()
    one.run_until("09:05:01")
    assert one.starts() == [("09:05", 2, 0.0)]
    assert one.outcomes() == [("09:05", "succeeded")]


def test_a_late_wake_up_after_the_claim_fails_the_run(rig: NewRig) -> None:
    """A machine that slept through the slot's grace starts nothing, and the claimed slot has its outcome."""
    one = rig()
    one.run_until("09:04:59")
    one.run_for(0.95)
    one.clock.step(3600)
    one.run_for(1)
    assert sorted(one.outcomes())[:2] == [("09:05", "failed"), ("10:00", "missed: late x11")]
    assert [slot for slot, _, _ in one.starts()] == ["10:05"]
    assert one.launcher.armed[0].was_killed


def test_a_claim_that_cannot_be_written_is_made_at_the_slot(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run begins as soon as it can be claimed."""
    one = rig()
    one.run_until("09:04:59")
    with monkeypatch.context() as broken:
        broken.setattr(one.ledger, "claim", failing(OSError(28, "No space left on device")))
        one.run_for(0.95)
    assert claimed(one) == []
    one.run_until("09:05:02")
    assert [(slot, attempt) for slot, attempt, _ in one.starts()] == [("09:05", 1)]
    assert one.outcomes() == [("09:05", "succeeded")]
