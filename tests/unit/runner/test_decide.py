"""What becomes of the slots that have come due, as tables: one bot every five minutes with a grace of a minute."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from openbell.control import Pause
from openbell.manifest import Anchor, Bot, Schedule
from openbell.runner.decide import Decision, Skip, decide

DAY = datetime(2026, 3, 2, tzinfo=UTC)
BOT = Bot(strategy="demo", id="b", symbols=("AAPL",), schedule=Schedule("UTC", every=timedelta(minutes=5)))
LATEST = replace(BOT, catch_up="latest")
SHIFTED = replace(BOT, shift=timedelta(seconds=20))
PATIENT = replace(BOT, grace=timedelta(minutes=12))


def at(clock: str) -> datetime:
    """Return the instant at which the clock shows `HH:MM[:SS]` on the day of the tables."""
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return DAY + timedelta(hours=hours, minutes=minutes, seconds=sum(seconds))


def pause(since: str, until: str | None = None) -> Pause:
    """Return a person's pause."""
    return Pause(at(since), at(until) if until else None, "somebody", "a holiday")


def told(decision: Decision) -> str:
    """Return a decision in short: skips as `first-last xcount reason`, then the slot that runs."""
    parts = [
        f"{skip.first:%H:%M}-{skip.last:%H:%M} x{skip.count} {skip.outcome} {skip.reason}" for skip in decision.skips
    ]
    return ", ".join(parts + ([f"run {decision.run:%H:%M}"] if decision.run else []))


@pytest.mark.parametrize(
    "bot, after, now, expected",
    [
        pytest.param(BOT, "09:00", "09:04:59", "", id="nothing is due"),
        pytest.param(BOT, "09:00", "09:05", "run 09:05", id="on time"),
        pytest.param(BOT, "09:00", "09:05:59", "run 09:05", id="within its grace"),
        pytest.param(BOT, "09:00", "09:06", "run 09:05", id="at the very end of its grace"),
        pytest.param(BOT, "09:00", "09:06:01", "09:05-09:05 x1 missed late", id="past its grace"),
        pytest.param(BOT, "09:00", "09:10", "09:05-09:05 x1 missed late, run 09:10", id="one behind"),
        pytest.param(BOT, "09:00", "10:02", "09:05-10:00 x12 missed late", id="an hour behind"),
        pytest.param(BOT, "09:00", "10:00:30", "09:05-09:55 x11 missed late, run 10:00", id="an hour behind, newest in time"),
        pytest.param(PATIENT, "09:00", "09:20", "09:05-09:05 x1 missed late, 09:10-09:15 x2 skipped coalesced, run 09:20", id="a long grace coalesces"),
        pytest.param(LATEST, "09:00", "09:09", "run 09:05", id="latest runs however late"),
        pytest.param(LATEST, "09:00", "12:04", "09:05-11:55 x35 missed late, run 12:00", id="latest runs the newest only"),
        pytest.param(SHIFTED, "09:00", "09:05:19", "", id="its share of the stagger is not over"),
        pytest.param(SHIFTED, "09:00", "09:05:20", "run 09:05", id="staggered"),
        pytest.param(SHIFTED, "09:00", "09:06:20", "run 09:05", id="staggered, its grace begins with the stagger"),
        pytest.param(SHIFTED, "09:00", "09:06:21", "09:05-09:05 x1 missed late", id="staggered and late"),
    ],
)  # fmt: skip
def test_due_slots_run_or_have_a_reason(bot: Bot, after: str, now: str, expected: str) -> None:
    """The newest slot runs if it still may, and every other one is passed over with the reason."""
    assert told(decide(bot, at(after), at(now), busy=False, pause=None)) == expected


@pytest.mark.parametrize(
    "bot, now, expected",
    [
        pytest.param(BOT, "09:05", "09:05-09:05 x1 skipped overlap", id="overlap"),
        pytest.param(BOT, "09:07", "09:05-09:05 x1 missed late", id="late before it was looked at"),
        pytest.param(BOT, "09:10", "09:05-09:05 x1 missed late, 09:10-09:10 x1 skipped overlap", id="two"),
        pytest.param(LATEST, "09:07", "09:05-09:05 x1 missed late", id="latest does not queue behind a run"),
    ],
)  # fmt: skip
def test_a_run_in_progress_is_not_overlapped(bot: Bot, now: str, expected: str) -> None:
    """While the bot's run goes on, no other one of it is started."""
    assert told(decide(bot, at("09:00"), at(now), busy=True, pause=None)) == expected


@pytest.mark.parametrize(
    "held, now, expected",
    [
        pytest.param(pause("08:00"), "09:05", "09:05-09:05 x1 skipped paused", id="paused"),
        pytest.param(pause("09:05"), "09:05", "09:05-09:05 x1 skipped paused", id="paused at the very slot"),
        pytest.param(pause("09:05:01"), "09:05:02", "run 09:05", id="paused after the slot"),
        pytest.param(pause("08:00", "09:05"), "09:05", "run 09:05", id="expired at the very slot"),
        pytest.param(pause("08:00", "09:06"), "09:05:30", "09:05-09:05 x1 skipped paused", id="expires later"),
        pytest.param(pause("18:00"), "09:05", "09:05-09:05 x1 skipped paused", id="paused while the clock was ahead"),
        pytest.param(pause("08:00"), "10:02", "09:05-10:00 x12 skipped paused", id="a range"),
        pytest.param(pause("09:14", "09:31"), "09:50:10", "09:05-09:10 x2 missed late, 09:15-09:30 x4 skipped paused, 09:35-09:45 x3 missed late, run 09:50", id="expired during a downtime"),
        pytest.param(pause("09:15", "09:30"), "09:50:10", "09:05-09:10 x2 missed late, 09:15-09:25 x3 skipped paused, 09:30-09:45 x4 missed late, run 09:50", id="edges on slots"),
    ],
)  # fmt: skip
def test_paused_slots_say_so(held: Pause, now: str, expected: str) -> None:
    """Slots in a pause are skipped with that reason, and those around it with theirs."""
    assert told(decide(BOT, at("09:00"), at(now), busy=False, pause=held)) == expected


@pytest.mark.parametrize(
    "bot, now, held, expected",
    [
        pytest.param(BOT, "09:05:30", None, "", id="the next loop can still run it"),
        pytest.param(BOT, "09:06:01", None, "09:05-09:05 x1 skipped draining", id="too late for the next loop"),
        pytest.param(BOT, "09:10:30", None, "09:05-09:05 x1 skipped draining", id="the newer one is left"),
        pytest.param(LATEST, "09:30", None, "", id="the next loop runs the latest"),
        pytest.param(BOT, "09:06:01", pause("08:00"), "09:05-09:05 x1 skipped paused", id="paused anyway"),
    ],
)  # fmt: skip
def test_draining_leaves_to_the_next_loop_what_it_can_run(
    bot: Bot, now: str, held: Pause | None, expected: str
) -> None:
    """A loop that ends accounts for the slots that cannot run in time any more, and for nothing else."""
    assert told(decide(bot, at("09:00"), at(now), busy=False, pause=held, draining=True)) == expected


def test_a_gap_of_years_is_one_line() -> None:
    """Ten years of five-minute slots are one skip, and found at once."""
    decision = decide(BOT, at("09:00"), at("09:02") + timedelta(days=3650), busy=False, pause=None)
    assert [skip.count for skip in decision.skips] == [3650 * 288]


def test_daily_slots_are_counted_over_a_gap() -> None:
    """A gap of a week with a bot of two daily times is one range with their number."""
    daily = Schedule("America/New_York", at=tuple(Anchor("clock", at(clock).time()) for clock in ("09:35", "15:30")))
    now = at("00:00") + timedelta(days=7)
    decision = decide(replace(BOT, schedule=daily), at("00:00"), now, busy=False, pause=None)
    assert [(skip.count, skip.reason) for skip in decision.skips] == [(14, "late")]


def test_a_range_tells_its_first_slot_and_a_pause_its_owner() -> None:
    """The journal's fields of a skip hold the newest slot, the first of a range, and who paused."""
    held = pause("08:00")
    skip = Skip("b", at("09:05"), at("09:15"), 3, "skipped", "paused", held)
    assert skip.fields() == {
        "bot": "b",
        "slot": at("09:15"),
        "outcome": "skipped",
        "reason": "paused",
        "count": 3,
        "first": at("09:05"),
        "paused_by": "somebody",
        "pause_reason": "a holiday",
    }
    assert "first" not in Skip("b", at("09:05"), at("09:05"), 1, "skipped", "paused").fields()
