"""Runs as slots that have passed, which a person asks for."""

from datetime import UTC, datetime, timedelta

import pytest

from openbell.control import Pause
from openbell.journal import stamp
from openbell.manifest import Bot
from openbell.runner.request_refusals import slot_refusal
from tests.unit.runner.fake_processes import FAILS, SUCCEEDS, Plan
from tests.unit.runner.fakes import NewRig, Rig

GRACE = 'grace = "60s"'


def missing(rig: NewRig, slot: str = "09:05") -> tuple[Rig, datetime]:
    """Return a loop that has just missed a slot, and the slot."""
    one = rig(defaults=GRACE)
    one.run_until("09:01")
    one.kill()
    one.run_clock_to("09:07")
    one.boot()
    one.run_for(2)
    assert one.outcomes() == [(slot, "missed: late")]
    return one, one.clock.now().replace(minute=5, second=0, microsecond=0)


def ask(one: Rig, slot: datetime, bot: str = "b") -> None:
    """Ask for a run as a slot and let the loop take it."""
    one.control.request(bot, "alice", one.clock.now(), slot)
    one.run_for(6)


def test_a_missed_slot_runs_as_that_slot(rig: NewRig) -> None:
    """Its run has the slot's time, which its orders' ids are made of; the grid goes on."""
    one, slot = missing(rig)
    ask(one, slot)
    (line,) = one.events("run_start")
    assert (line["trigger"], line["slot"], line["by"]) == ("backfill", stamp(slot), "alice")
    (process,) = one.launcher.processes
    assert (process.run.bot.id, process.run.slot, process.run.attempt) == ("b", slot, 1)
    one.run_until("09:11")
    assert one.outcomes() == [("09:05", "missed: late"), ("09:05", "succeeded"), ("09:10", "succeeded")]


def test_a_slot_runs_once_whatever_is_asked(rig: NewRig) -> None:
    """A second request is refused with the outcome, also after a restart."""
    one, slot = missing(rig)
    ask(one, slot)
    ask(one, slot)
    one.kill()
    one.boot()
    ask(one, slot)
    assert [line["reason"] for line in one.events("request_refused")] == ["this slot has run already: succeeded"] * 2
    assert len(one.launcher.processes) == 1


def test_a_slot_that_ran_by_itself_is_refused(rig: NewRig) -> None:
    """With its outcome, which may be a failure."""
    one = rig()
    one.launcher.plan = lambda _: FAILS
    one.run_until("09:06")
    slot = one.clock.now().replace(minute=5, second=0, microsecond=0)
    ask(one, slot)
    (line,) = one.events("request_refused")
    assert line["reason"] == "this slot has run already: failed"


def test_a_backfill_that_fails_is_not_tried_again(rig: NewRig) -> None:
    """A person watches it; neither the loop nor the loop after a crash starts another attempt."""
    one = rig(defaults='retries = 3\ntimeout = "4h"\ngrace = "60s"')
    one.run_until("09:01")
    one.kill()
    one.run_clock_to("09:07")
    one.boot()
    one.run_for(2)
    slot = one.clock.now().replace(minute=5, second=0, microsecond=0)
    one.launcher.plan = lambda run: Plan(seconds=600) if run.slot == slot else SUCCEEDS
    ask(one, slot)
    one.kill()
    one.boot()
    one.run_for(6)
    assert one.outcomes() == [("09:05", "missed: late"), ("09:05", "interrupted")]


def test_a_paused_bot_runs_no_slot_afterwards(rig: NewRig) -> None:
    """A pause holds for whatever is asked."""
    one, slot = missing(rig)
    one.control.pause("b", Pause(one.clock.now(), None, "bob", "earnings"))
    ask(one, slot)
    (line,) = one.events("request_refused")
    assert line["reason"] == "the bot is paused by bob: earnings"


NOW = datetime(2026, 3, 2, 9, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "slot, decided, outcome, reason",
    [
        ("09:05", "09:05", None, ""),
        ("09:00", "09:05", None, ""),
        ("09:05", "09:00", None, "this slot may still run by itself: ask again when its grace is over"),
        ("09:10", "09:05", None, "this slot is yet to come"),
        ("09:04", "09:05", None, "the bot is not due at this time"),
        ("09:05", "09:05", "interrupted", "this slot has run already: interrupted"),
        ("09:05", "09:05", "running", "the run of this slot goes on"),
    ],
)
def test_what_is_refused(rig: NewRig, slot: str, decided: str, outcome: str | None, reason: str) -> None:
    """Each with its own reason."""

    def at(clock: str) -> datetime:
        return NOW.replace(hour=int(clock[:2]), minute=int(clock[3:]))

    bot: Bot = rig().manifest.bots[0]
    assert slot_refusal(bot, at(slot), at(decided), NOW, outcome) == reason


def test_what_the_ledger_has_forgotten_is_refused(rig: NewRig) -> None:
    """A slot of 91 days ago may have run: nothing could keep it from running twice."""
    bot = rig().manifest.bots[0]
    old = NOW.replace(minute=5) - timedelta(days=91)
    assert "more than 90 days old" in slot_refusal(bot, old, NOW, NOW, None)
    assert slot_refusal(bot, old + timedelta(days=2), NOW, NOW, None) == ""
