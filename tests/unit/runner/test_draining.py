"""A loop that is stopped and the loop that follows it."""

from pathlib import Path

from tests.unit.runner.fake_processes import FAILS, HANGS, SUCCEEDS, Plan
from tests.unit.runner.fakes import FIVE_MINUTES, TWO_BOTS, NewRig, manifest_of


def test_draining_waits_for_the_run_and_hands_over_what_comes_due(rig: NewRig) -> None:
    """SIGTERM: the run in progress ends in order; a slot that comes due meanwhile is run by the loop that follows."""
    one = rig(TWO_BOTS, top='stagger = "10s"')
    one.launcher.plan = lambda run: Plan(seconds=30)
    one.run_until("09:05")
    one.run_for(5)
    one.drain()
    assert one.outcomes() == [("09:05", "succeeded")]
    assert one.events("service_stop")[0]["reason"] == "SIGTERM"
    one.boot()
    assert one.events("service_start")[-1]["previous_stop"] == "clean"
    one.run_for(40)
    assert [(line["bot"], line["outcome"]) for line in one.events("run_end")] == [
        ("b", "succeeded"),
        ("c", "succeeded"),
    ]


def test_draining_accounts_for_what_nobody_can_run_any_more(rig: NewRig) -> None:
    """Slots that pass their grace during a long drain are skipped with reason draining."""
    one = rig(defaults='timeout = "1h"')
    one.launcher.plan = lambda run: Plan(seconds=14 * 60) if run.slot.minute == 5 else SUCCEEDS
    one.run_until("09:06")
    one.drain(3600)
    one.boot()
    one.run_until("09:21")
    assert one.outcomes() == [("09:05", "succeeded"), ("09:15", "skipped: draining x2"), ("09:20", "succeeded")]


def test_draining_leaves_the_latest_slot_to_catch_up(rig: NewRig) -> None:
    """With catch_up = "latest" what came due during the drain is run by the loop that follows, and has one outcome."""
    one = rig(TWO_BOTS, top="max_parallel = 1", defaults='timeout = "1h"\ncatch_up = "latest"')
    one.launcher.plan = lambda run: Plan(seconds=14 * 60) if run.slot.minute == 5 and run.bot.id == "b" else SUCCEEDS
    one.run_until("09:08")  # c waits for room
    one.drain(3600)
    one.boot()
    one.run_until("09:21")
    told = [(line["bot"], str(line["slot"])[14:16], line["count"]) for line in one.events("slot_skipped")]
    assert sorted(told) == [("b", "10", 1), ("c", "10", 2)]
    ran = sorted((line["bot"], str(line["slot"])[14:16]) for line in one.events("run_end"))
    assert ran == [("b", "05"), ("b", "15"), ("b", "20"), ("c", "15"), ("c", "20")]


def test_draining_hands_over_a_retry(rig: NewRig) -> None:
    """An attempt that waits for its backoff at SIGTERM is made by the loop that follows, with nothing lost."""
    one = rig(defaults="retries = 1")
    one.launcher.plan = lambda run: FAILS if run.attempt == 1 else SUCCEEDS
    one.run_until("09:05")
    one.run_for(0.5)
    one.drain()
    one.boot()
    one.run_for(10)
    assert [(attempt, late) for _, attempt, late in one.starts()] == [(1, 0.0), (2, 0.5)]
    assert one.outcomes() == [("09:05", "succeeded")]
    assert len({line["run_id"] for line in one.events("run_start")}) == 1


def test_a_retry_handed_over_too_late_is_interrupted(rig: NewRig) -> None:
    """A waiting attempt that no loop could make in time says why, and the slot is interrupted."""
    one = rig(defaults="retries = 1")
    one.launcher.plan = lambda _: FAILS
    one.run_until("09:05")
    one.run_for(0.5)
    one.drain()
    one.run_clock_to("09:15")
    one.boot()
    assert one.outcomes() == [("09:05", "interrupted")]
    assert "stopped before this attempt began" in str(one.events("error")[-1]["error"])


def test_a_changed_schedule_owes_nothing_of_the_time_before(rig: NewRig, tmp_path: Path) -> None:
    """A bot with a new schedule begins at the boot, without inventing slots for its past."""
    one = rig()
    one.run_until("09:06")
    one.kill()
    one.manifest = manifest_of(tmp_path, FIVE_MINUTES.replace('"5m"', '"2m"'))
    one.run_clock_to("09:11")
    one.boot()
    one.run_until("09:14:30")
    assert one.outcomes() == [("09:05", "succeeded"), ("09:12", "succeeded"), ("09:14", "succeeded")]


def test_a_bot_that_is_no_longer_there_leaves_no_open_run(rig: NewRig, tmp_path: Path) -> None:
    """The run of a bot that the new manifest does not have is interrupted, and the loop starts."""
    one = rig()
    one.launcher.plan = lambda _: HANGS
    one.run_until("09:05:30")
    one.kill()
    one.manifest = manifest_of(tmp_path, FIVE_MINUTES.replace('"b"', '"other"'))
    one.boot()
    one.run_for(10)
    assert one.outcomes() == [("09:05", "interrupted")]
