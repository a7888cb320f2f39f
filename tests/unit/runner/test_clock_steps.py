"""A clock that is set ahead, set back, or behind at the boot."""

from datetime import timedelta

import pytest

from openbell import heartbeat
from openbell.control import Pause
from openbell.journal import stamp
from tests.unit.runner.fake_processes import FAILS, SUCCEEDS, Plan
from tests.unit.runner.fakes import TWO_BOTS, NewRig, failing


def test_a_clock_set_ahead_is_told_and_made_up_for(rig: NewRig) -> None:
    """The slots that the clock jumped over are missed, the newest runs if it still may, and the step is told."""
    one = rig()
    one.run_until("09:06")
    one.clock.step(24 * 60 + 15)
    one.run_for(1)
    assert one.outcomes() == [("09:05", "succeeded"), ("09:25", "missed: late x4"), ("09:30", "succeeded")]
    assert [line["by_s"] for line in one.events("clock_stepped")] == [1455.0]


def test_a_clock_set_back_runs_no_slot_twice(rig: NewRig) -> None:
    """Slots that have run do not run again when the clock shows their time a second time."""
    one = rig()
    one.run_until("09:21")
    one.clock.step(-15 * 60)
    one.run_until("09:31")
    assert one.outcomes() == [(f"09:{minute:02}", "succeeded") for minute in (5, 10, 15, 20, 25, 30)]


def test_slots_passed_over_by_a_clock_that_was_ahead_run_after_all(rig: NewRig) -> None:
    """A clock that was an hour ahead for a minute costs no run: what it passed over runs when its time really comes."""
    one = rig()
    one.run_until("09:04")
    one.clock.step(3600)
    one.run_for(30)
    one.clock.step(-3600)
    one.run_until("09:21")
    assert one.outcomes() == [("10:00", "missed: late x12")] + [
        (f"09:{minute:02}", "succeeded") for minute in (5, 10, 15, 20)
    ]


def test_a_slot_that_was_passed_over_runs_if_its_time_comes_once_more(rig: NewRig) -> None:
    """The journal tells both, with the step between them; the ledger has the run alone, and a third time changes nothing."""
    one = rig(defaults='timeout = "20m"')
    one.launcher.plan = lambda run: Plan(seconds=302) if run.slot.minute == 5 else SUCCEEDS
    one.run_until("09:10:30")
    for _ in range(2):
        one.clock.step(-40)
        one.run_for(45)
    told = [("09:10", "skipped: overlap"), ("09:05", "succeeded"), ("09:10", "succeeded")]
    assert one.outcomes() == told
    events = [str(line["event"]) for line in one.events()]
    assert events.index("slot_skipped") < events.index("clock_stepped") < len(events) - events[::-1].index("run_end")
    slot = one.clock.now().replace(minute=10, second=0, microsecond=0)
    assert one.ledger.outcome_of("b", slot) == "succeeded"


@pytest.mark.parametrize("seen", [True, False], ids=["the loop sees the step", "another loop begins behind it"])
def test_a_slot_that_may_have_run_never_comes_again(rig: NewRig, seen: bool) -> None:
    """The database has lost commits: no claim tells that it has run, and a clock that is set back makes its time come once more."""
    one = rig()
    one.run_until("09:11")
    one.kill()
    one.run_clock_to("09:16")
    one.boot(unknown_until=one.clock.now())
    one.run_for(1)
    before = one.outcomes()
    assert before == [("09:05", "succeeded"), ("09:10", "succeeded"), ("09:15", "skipped: unknown")]
    if not seen:
        one.kill()
    one.clock.step(-5 * 60)
    if not seen:
        one.boot()
    one.run_until("09:16")
    assert one.outcomes() == before
    one.run_until("09:21")
    assert one.outcomes() == [*before, ("09:20", "succeeded")]


def test_a_clock_that_is_behind_the_database_brings_no_slot_again(rig: NewRig) -> None:
    """The owner before, with the right clock, may have run what is still to come by the clock of the next owner."""
    one = rig()
    one.run_until("09:06")
    one.kill()
    one.run_clock_to("09:16")
    one.clock.step(-5 * 60 - 30)  # 09:10:30
    one.boot(unknown_until=one.clock.now() + timedelta(minutes=5, seconds=30))
    one.run_until("09:21")
    assert one.outcomes() == [("09:05", "succeeded"), ("09:15", "skipped: unknown x2"), ("09:20", "succeeded")]


def test_a_database_whose_clock_is_days_ahead_silences_nothing(rig: NewRig) -> None:
    """By more than a day it is the database's clock that is wrong."""
    one = rig()
    one.run_until("09:06")
    one.kill()
    one.boot(unknown_until=one.clock.now() + timedelta(days=3))
    one.run_until("09:11")
    assert one.outcomes() == [("09:05", "succeeded"), ("09:10", "succeeded")]


def test_a_clock_that_was_ahead_when_commits_were_lost_silences_nothing(rig: NewRig) -> None:
    """By more than a day: what it passed over cannot have run yet."""
    one = rig()
    one.run_until("09:06")
    one.kill()
    one.clock.step(3 * 86400)
    one.boot(unknown_until=one.clock.now())
    one.run_for(1)
    one.clock.step(-3 * 86400)
    one.run_until("09:11")
    assert ("09:10", "succeeded") in one.outcomes()


def test_what_is_really_missed_is_told_although_a_clock_ahead_told_it_before(rig: NewRig) -> None:
    """After the correction the slots are owed anew, but for those that have run: their claims are there."""
    one = rig()
    one.run_until("09:04")
    one.clock.step(3600 + 60)  # 10:05
    one.run_for(30)
    one.clock.step(-3600 - 60)
    one.run_until("09:06")
    one.kill()
    one.run_clock_to("10:12")
    one.boot()
    one.run_until("10:16")
    assert one.outcomes() == [
        ("10:00", "missed: late x12"),
        ("10:05", "succeeded"),
        ("09:05", "succeeded"),
        ("10:00", "missed: late x11"),
        ("10:10", "missed: late"),
        ("10:15", "succeeded"),
    ]


@pytest.mark.parametrize("ahead", [timedelta(minutes=10), timedelta(hours=9), timedelta(days=40), timedelta(days=3650)])
@pytest.mark.parametrize(
    "seen", [True, False], ids=["the loop sees the correction", "the loop is down at the correction"]
)
def test_a_clock_that_was_ahead_silences_nothing(rig: NewRig, ahead: timedelta, seen: bool) -> None:
    """A bot goes on within one slot of the correction, and a slot that is missed after that is told."""
    one = rig('[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "10s"\ngrace = "5s"\n')
    one.run_for(30)
    one.clock.step(ahead.total_seconds())
    one.run_for(12)
    if seen:
        one.clock.step(-ahead.total_seconds())
        one.run_for(11)
        one.kill()
    else:
        one.kill()
        one.clock.step(-ahead.total_seconds())
    one.clock.advance(33)
    one.boot()
    at = one.clock.now()
    one.run_for(12)
    missed = [line for line in one.events("slot_skipped") if line["timestamp"] == stamp(at)]
    assert [line["reason"] for line in missed] == ["late"]
    assert missed[0]["count"] in {3, 4}
    ends = [
        line for line in one.events("run_end") if stamp(at) < str(line["timestamp"]) < stamp(at + timedelta(hours=1))
    ]
    assert {line["outcome"] for line in ends} == {"succeeded"}


@pytest.mark.parametrize("by", ["ann", "the loop"])
def test_a_pause_of_a_clock_that_was_ahead_holds(rig: NewRig, by: str) -> None:
    """Nine hours ahead a person pauses the bot, or the loop does after failures; after the correction it stays paused."""
    bots = '[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "10s"\ngrace = "5s"\n'
    one = rig(bots, defaults="retries = 0\nhalt_after = 2")
    one.launcher.plan = lambda _: FAILS
    one.clock.step(timedelta(hours=9).total_seconds())
    if by == "ann":
        one.control.pause("b", Pause(one.clock.now(), None, "ann", "odd prices"))
    one.run_for(40)
    one.clock.step(-timedelta(hours=9).total_seconds())
    before = len(one.events("run_start"))
    one.run_for(60)
    assert len(one.events("run_start")) == before
    one.control.resume("b")
    one.run_for(15)
    assert len(one.events("run_start")) > before


@pytest.mark.parametrize("resumed", [False, True])
def test_a_pause_for_a_while_outlives_a_clock_years_behind(rig: NewRig, resumed: bool) -> None:
    """What is left of it counts from the correction, also for the next loop, unless a person resumes the bot."""
    one = rig('[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "10s"\ngrace = "5s"\n')
    years = timedelta(days=3650)
    one.clock.step(-years.total_seconds())
    one.run_for(30)
    one.control.pause("b", Pause(one.clock.now(), one.clock.now() + timedelta(minutes=5), "ann", "odd prices"))
    one.run_for(60)
    before = len(one.events("run_start"))
    one.clock.step(years.total_seconds())
    one.run_for(60)
    one.kill()
    one.boot()
    one.run_for(120)
    assert len(one.events("run_start")) == before
    if resumed:
        one.control.resume("b")
    else:
        one.run_for(60)
    one.run_for(15)
    assert len(one.events("run_start")) > before


def test_a_clock_years_behind_delays_nothing(rig: NewRig) -> None:
    """A boot in the past is corrected, and the bot runs at its next slot."""
    one = rig()
    one.run_until("09:06")
    one.clock.step(-timedelta(days=3650).total_seconds())
    one.run_for(400)
    one.clock.step(timedelta(days=3650).total_seconds())
    one.run_until("09:21")
    assert [slot for slot, outcome in one.outcomes() if outcome == "succeeded"][-1] == "09:20"


def test_a_boot_with_a_clock_far_behind_tells_nothing_twice(rig: NewRig) -> None:
    """A machine that boots in the past and is then set right has told no slot a second time."""
    one = rig()
    one.run_until("10:01")
    told = one.outcomes()
    one.kill()
    one.clock.step(-timedelta(days=30).total_seconds())
    one.boot()
    one.run_for(10)
    one.clock.step(timedelta(days=30).total_seconds())
    one.run_for(10)
    assert one.outcomes() == told


def test_a_waiting_slot_is_taken_back_when_the_clock_is(rig: NewRig) -> None:
    """A slot that waited for room while the clock was ahead comes due again, and has one outcome."""
    one = rig(TWO_BOTS, top="max_parallel = 1", defaults='timeout = "4m"')
    one.launcher.plan = lambda run: Plan(seconds=40) if run.bot.id == "b" else SUCCEEDS
    one.run_until("09:05:05")  # c waits for room
    one.clock.step(-120)
    one.run_until("09:06")
    assert [(line["bot"], line["outcome"]) for line in one.events("run_end")] == [
        ("b", "succeeded"),
        ("c", "succeeded"),
    ]
    assert one.events("slot_skipped") == []
    assert one.starts()[-1] == ("09:05", 1, 0.0)


def test_a_retry_for_a_time_to_come_is_given_up(rig: NewRig) -> None:
    """A run that waits for its next attempt when the clock is set back to before its slot ends, and blocks nothing."""
    one = rig(defaults="retries = 2")
    one.launcher.plan = lambda run: FAILS if run.slot.hour == 9 else SUCCEEDS
    one.run_until("09:05")
    one.run_for(0.5)
    one.clock.step(-3600)
    one.run_until("08:16")
    assert one.outcomes()[0] == ("09:05", "failed")
    assert "the clock was set back" in str(one.events("error")[-1]["error"])
    assert [outcome for _, outcome in one.outcomes()[1:]] == ["succeeded", "succeeded"]


def test_lateness_is_never_negative(rig: NewRig) -> None:
    """A clock set back by less than a second between the slot and its start lets the run wait for its slot."""
    one = rig(defaults="retries = 1")
    one.launcher.plan = lambda run: FAILS if run.attempt == 1 else SUCCEEDS
    one.run_until("09:05")
    one.run_for(0.9)
    one.clock.step(-0.99)
    one.clock.step(-0.99)
    one.run_for(5)
    starts = one.starts()
    assert starts
    assert all(late >= 0 for _, _, late in starts)


def test_a_step_during_trouble_is_not_lost(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock set back while the disk is full is acted on and told when it can be."""
    one = rig()
    one.run_until("09:04")
    one.clock.step(3600)
    one.run_for(5)
    with monkeypatch.context() as full:
        full.setattr(one.journal, "write", failing(OSError(28, "No space left on device")))
        full.setattr(heartbeat, "write", failing(OSError(28, "No space left on device")))
        one.run_for(7)
        one.clock.step(-3600)
        one.run_for(10)
    one.run_until("09:06")
    assert [line["by_s"] for line in one.events("clock_stepped")] == [3600.0, -3600.0]
    assert one.outcomes()[-1] == ("09:05", "succeeded")
