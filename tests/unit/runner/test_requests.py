"""What people ask of a loop: pauses that hold, and runs beside the grid."""

from datetime import timedelta

import pytest

from openbell.control import Pause
from tests.unit.runner.fake_processes import HANGS, START, SUCCEEDS, Plan
from tests.unit.runner.fakes import TWO_BOTS, NewRig


def test_a_pause_with_an_end_expires(rig: NewRig) -> None:
    """Slots in the pause are skipped with who and why; the first after it runs. A restart changes nothing."""
    one = rig()
    one.control.pause("b", Pause(START, START + timedelta(minutes=12), "alice", "earnings"))
    one.run_until("09:06")
    one.kill()
    one.boot()
    one.run_until("09:16")
    assert one.outcomes() == [("09:05", "skipped: paused"), ("09:10", "skipped: paused"), ("09:15", "succeeded")]
    skip = one.events("slot_skipped")[0]
    assert (skip["paused_by"], skip["pause_reason"]) == ("alice", "earnings")


def test_a_request_runs_now_and_says_so(rig: NewRig) -> None:
    """A requested run starts within a second beside the schedule, and the schedule stays."""
    one = rig()
    one.run_until("09:02")
    request = one.control.request("b", "alice", one.clock.now())
    one.run_for(6)
    (line,) = one.events("run_start")
    assert (line["trigger"], line["request"], line["by"]) == ("manual", request.id, "alice")
    assert one.loop_control.requests() == []
    one.run_until("09:06")
    assert [line["trigger"] for line in one.events("run_end")] == ["manual", "loop"]


@pytest.mark.parametrize(
    "bot, prepare, reason",
    [
        pytest.param("b", "running", "a run of this bot is in progress", id="running"),
        pytest.param("b", "paused", "the bot is paused by alice: earnings", id="paused"),
        pytest.param("x", "", "there is no such bot", id="unknown"),
        pytest.param("b", "old", "the request is older than a minute", id="old"),
        pytest.param("b", "ahead", "the request was made while the clock was ahead", id="of a clock that was ahead"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(rig: NewRig, bot: str, prepare: str, reason: str) -> None:
    """Who asked finds the reason in the journal, under the request's id."""
    one = rig(defaults='timeout = "1h"')
    one.launcher.plan = lambda _: HANGS
    one.run_until("09:06" if prepare == "running" else "09:02")
    if prepare == "paused":
        one.control.pause("b", Pause(one.clock.now(), None, "alice", "earnings"))
    age = {"old": timedelta(minutes=2), "ahead": timedelta(hours=-9)}.get(prepare, timedelta(0))
    request = one.control.request(bot, "bob", one.clock.now() - age)
    one.run_for(6)
    (line,) = one.events("request_refused")
    assert (line["request"], line["reason"]) == (request.id, reason)
    assert one.loop_control.requests() == []


def test_a_request_that_waits_gives_way_to_a_slot(rig: NewRig) -> None:
    """A request without room is refused when its bot's slot comes due; no skip of a slot that never was is told."""
    one = rig(TWO_BOTS, top="max_parallel = 1", defaults='timeout = "1h"\ngrace = "30m"')
    one.launcher.plan = lambda run: Plan(seconds=600) if run.bot.id == "b" else SUCCEEDS
    one.control.request("b", "alice", one.clock.now())
    one.run_for(6)
    request = one.control.request("c", "alice", one.clock.now())
    one.run_until("09:11")
    (line,) = one.events("request_refused")
    assert (line["request"], line["bot"]) == (request.id, "c")
    skips = one.events("slot_skipped")
    assert skips
    assert all(str(skip["slot"]).endswith(":00.000Z") for skip in skips)


def test_a_request_made_while_others_are_taken_is_seen(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that arrives between the look at the folder and the end of that look is not forgotten."""
    one = rig(TWO_BOTS)
    one.run_until("09:02")
    first = one.control.request("b", "alice", one.clock.now())
    done = one.loop_control.done

    def done_and_another(request: object) -> None:
        done(first)
        monkeypatch.setattr(one.loop_control, "done", done)
        one.control.request("c", "bob", one.clock.now())

    monkeypatch.setattr(one.loop_control, "done", done_and_another)
    one.run_for(3)
    assert sorted(str(line["bot"]) for line in one.events("run_start")) == ["b", "c"]


def test_removed_control_folders_are_made_again(rig: NewRig) -> None:
    """Emptying the control volume stops no run."""
    one = rig()
    for folder in ("requests", "paused"):
        (one.folder / "control" / "demo" / folder).rmdir()
    one.run_until("09:06")
    assert one.outcomes() == [("09:05", "succeeded")]
    one.control.request("b", "alice", one.clock.now())
    one.run_for(6)
    assert len(one.events("run_start")) == 2
