"""Decisions about half days, and about how late a slot may be caught up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from openbell.manifest import Bot
from openbell.manifest.reading import read
from openbell.runner.decide import Decision, decide
from openbell.slots import closed_slots, next_slot, slots_between

NEW_YORK = "America/New_York"


def utc(text: str) -> datetime:
    """Return "2026-11-27 20:50" as an aware instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def bot(**keys: object) -> Bot:
    """Return the bot of a manifest with these keys, on New York's calendar."""
    table: dict[str, object] = {"timezone": NEW_YORK, "calendar": "XNYS", "bot": [{"symbols": ["AAPL"], **keys}]}
    return read(table, "demo/strategy.toml", "demo").bots[0]


def decided(one: Bot, after: str, now: str) -> Decision:
    """Return the decision about a bot that is neither busy nor paused."""
    return decide(one, utc(after), utc(now), busy=False, pause=None)


def test_a_time_behind_an_early_close_is_passed_over() -> None:
    """On the day after Thanksgiving New York closes at 13:00: 15:50 is no slot, and the journal says closed."""
    one = bot(at="15:50")

    decision = decided(one, "2026-11-27 15:00", "2026-11-27 20:50")

    assert decision.run is None
    assert [(skip.outcome, skip.reason, skip.last) for skip in decision.skips] == [
        ("skipped", "closed", utc("2026-11-27 20:50"))
    ]
    assert not decision.has_slots
    assert next_slot(one.schedule, utc("2026-11-27 15:00")) == utc("2026-11-30 20:50")


def test_early_close_run_keeps_the_time() -> None:
    """With early_close = "run" the time stays a slot on a half day."""
    one = bot(at="15:50", early_close="run")

    assert decided(one, "2026-11-27 15:00", "2026-11-27 20:50").run == utc("2026-11-27 20:50")
    assert closed_slots(one.schedule, utc("2026-11-01"), utc("2026-12-31")) == ()


@pytest.mark.parametrize(
    "at,runs",
    [
        ("12:59", True),
        ("13:00", False),
        ("15:59:59", False),
        ("16:00", True),  # after the close on every day: the early one changes nothing
        ("17:30", True),
        ("open+5h", False),
        ("close-10m", True),
    ],
)
def test_only_hours_that_are_missing_are_closed(at: str, *, runs: bool) -> None:
    """A half day takes away the times from its early close until the regular one, and no others."""
    found = list(slots_between(bot(at=at).schedule, utc("2026-11-27 05:00"), utc("2026-11-28 05:00")))

    assert bool(found) == runs


def test_a_run_and_a_later_closed_time_are_decided_one_after_the_other() -> None:
    """A loop that comes back late runs the morning's slot first, and then passes over the afternoon's."""
    one = replace(bot(at=["09:35", "15:50"], catch_up="latest"), grace=timedelta(seconds=60))

    first = decided(one, "2026-11-27 10:00", "2026-11-27 21:00")
    then = decided(one, "2026-11-27 14:35", "2026-11-27 21:00")

    assert (first.run, first.skips) == (utc("2026-11-27 14:35"), ())
    assert [skip.reason for skip in then.skips] == ["closed"]


@pytest.mark.parametrize(
    "within,now,runs",
    [
        (None, "2026-11-21 20:00", True),  # a day is the bound where none is written
        (None, "2026-11-22 15:00", False),  # a slot of Friday does not run on Sunday
        ("3d", "2026-11-22 15:00", True),
        ("1h", "2026-11-20 21:50", True),
        ("1h", "2026-11-20 21:51", False),
    ],
)
def test_a_slot_is_caught_up_only_within_its_bound(within: str | None, now: str, *, runs: bool) -> None:
    """catch_up = "latest" starts Friday's 15:50 late, and only so late as catch_up_within says."""
    keys = {"catch_up_within": within} if within else {}
    one = bot(at="15:50", catch_up="latest", **keys)

    decision = decided(one, "2026-11-20 15:00", now)

    assert decision.run == (utc("2026-11-20 20:50") if runs else None)
    assert [skip.reason for skip in decision.skips] == ([] if runs else ["late"])
