"""The status of a bot, as a table: facts in, status, reason and expiry out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from openbell.control import Pause
from openbell.manifest import Bot, Schedule
from openbell.supervisor.health.bot_status import judge_bot
from openbell.supervisor.health.facts import BotFacts, Verdict
from openbell.supervisor.model.records import RunRecord, SlotRecord

NOW = datetime(2026, 11, 20, 15, 0, 0, tzinfo=UTC)  # 10:00 in New York


ZONE = "America/New_York"


def ago(seconds: float) -> datetime:
    """Return an instant of the past."""
    return NOW - timedelta(seconds=seconds)


BOT = Bot(
    "s",
    "b",
    ("AAPL",),
    Schedule(ZONE, every=timedelta(minutes=5)),
    grace=timedelta(seconds=60),
    timeout=timedelta(minutes=2),
)


UP = Verdict("up", "up since long ago", NOW + timedelta(seconds=20))


DEAD = Verdict("down", "no sign of life", None, "stalled")


def slot(minutes: float, outcome: str | None = "succeeded", reason: str = "", **more: object) -> SlotRecord:
    """Return a slot of some minutes ago."""
    at = NOW - timedelta(minutes=minutes)
    known = {"lateness_ms": 1.0, "duration_ms": 230.0} if outcome == "succeeded" else {}
    return SlotRecord(at, at, 1, outcome, reason)._replace(**{**known, **more})  # type: ignore[arg-type]


def opened(minutes: float, attempt: int = 1) -> RunRecord:
    """Return a run that has not ended."""
    at = NOW - timedelta(minutes=minutes)
    return RunRecord("r", "b", at, "loop", attempt, at, at, 1.0)


IN_5 = NOW + timedelta(minutes=5)


BOTS = [
    # case, facts, loop, status, condition, in the reason, seconds until it may change
    ("fresh", BotFacts(BOT, awaited=IN_5), UP, "new", "", "first slot 10:05:00 EST", 302),
    ("no slot ever", BotFacts(BOT), UP, "new", "", "no slot", None),
    (
        "ran",
        BotFacts(BOT, (slot(5), slot(10, "failed")), awaited=IN_5),
        UP,
        "up",
        "",
        "ran 09:55:00 EST in 230 ms",
        302,
    ),
    (
        "ran late",
        BotFacts(BOT, (slot(5, late=True, lateness_ms=240_000),), awaited=IN_5),
        UP,
        "up",
        "",
        "4 min after its slot",
        302,
    ),
    (
        "running",
        BotFacts(BOT, (slot(1, None),), (opened(1),), awaited=IN_5),
        UP,
        "running",
        "",
        "since 09:59:00 EST (attempt 1)",
        70,
    ),
    (
        "running after a failure",
        BotFacts(BOT, (slot(1, None), slot(5, "failed")), (opened(1, 2),)),
        UP,
        "running",
        "",
        "attempt 2",
        70,
    ),
    (
        "hung",
        BotFacts(BOT, (slot(3, None),), (opened(3),), awaited=IN_5),
        UP,
        "down",
        "hung",
        "its timeout is 2 min",
        None,
    ),
    (
        "a later good run does not clear a hung one",
        BotFacts(BOT, (slot(1), slot(9, None)), (opened(9),)),
        UP,
        "down",
        "hung",
        "09:51:00",
        None,
    ),
    (
        "nor does a later open one",
        BotFacts(BOT, (slot(1, None),), (opened(9), opened(1))),
        UP,
        "down",
        "hung",
        "09:51:00",
        70,
    ),
    ("due", BotFacts(BOT, (slot(5),), awaited=ago(1)), UP, "up", "", "ran", 1),
    (
        "late",
        BotFacts(BOT, (slot(5),), awaited=ago(2)),
        UP,
        "late",
        "",
        "due 09:59:58 EST, not started yet; must start by 10:00:58 EST",
        None,
    ),
    (
        "not late, staggered",
        BotFacts(replace(BOT, shift=timedelta(seconds=9)), (slot(5),), awaited=ago(5)),
        UP,
        "up",
        "",
        "ran",
        6,
    ),
    (
        "missed",
        BotFacts(BOT, (slot(5, "missed", "nothing in the journal"), slot(10))),
        UP,
        "down",
        "missed",
        "missed: nothing in the journal",
        None,
    ),
    (
        "missed again",
        BotFacts(BOT, (slot(5, "missed", count=3), slot(20, "missed"))),
        UP,
        "down",
        "missed",
        "missed (4 in a row)",
        None,
    ),
    ("late after a miss", BotFacts(BOT, (slot(5, "missed"),), awaited=ago(2)), UP, "down", "missed", "missed", None),
    (
        "failed",
        BotFacts(BOT, (slot(5, "failed", error="ValueError: no"), slot(9))),
        UP,
        "down",
        "failed",
        "failed: ValueError: no",
        None,
    ),
    ("timed out", BotFacts(BOT, (slot(5, "timed_out"),)), UP, "down", "timed_out", "timed out", None),
    ("interrupted", BotFacts(BOT, (slot(5, "interrupted"),)), UP, "down", "interrupted", "interrupted", None),
    (
        "a skip hides no failure",
        BotFacts(BOT, (slot(1, "skipped", "overlap"), slot(5, "failed"))),
        UP,
        "down",
        "failed",
        "failed",
        None,
    ),
    (
        "a skip is no failure",
        BotFacts(BOT, (slot(1, "skipped", "overlap"), slot(5))),
        UP,
        "up",
        "",
        "ran 09:55:00",
        None,
    ),
    ("only skips", BotFacts(BOT, (slot(1, "skipped", "coalesced"),)), UP, "up", "", "skipped (coalesced)", None),
    ("its loop is dead", BotFacts(BOT, (slot(5),), awaited=IN_5), DEAD, "down", "stalled", "no sign of life", None),
    ("its loop died in mid-run", BotFacts(BOT, (), (opened(1),)), DEAD, "down", "stalled", "no sign of life", None),
    (
        "its calendar ended",
        BotFacts(BOT, calendar_error="calendar XNYS does not know 2050-01-01"),
        UP,
        "down",
        "calendar_expired",
        "XNYS",
        None,
    ),
    (
        "paused",
        BotFacts(BOT, (slot(5, "failed"),), pause=Pause(ago(600), NOW + timedelta(hours=1), "ann", "earnings")),
        DEAD,
        "paused",
        "",
        "paused by ann since 09:50:00 EST, until 11:00:00 EST: earnings",
        3600,
    ),
    (
        "paused for ever",
        BotFacts(BOT, pause=Pause(ago(600), None, "ann", "")),
        UP,
        "paused",
        "",
        "paused by ann since 09:50:00 EST",
        None,
    ),
    ("no longer paused", BotFacts(BOT, (slot(5),), pause=Pause(ago(600), NOW, "ann", "")), UP, "up", "", "ran", None),
    (
        "paused by hand",
        BotFacts(BOT, pause=Pause(datetime(1970, 1, 1, tzinfo=UTC), None, "x", "y")),
        UP,
        "paused",
        "",
        "paused by x: y",
        None,
    ),
]


@pytest.mark.parametrize(
    "facts, loop, status, condition, reason, until", [case[1:] for case in BOTS], ids=[case[0] for case in BOTS]
)
def test_how_a_bot_is(
    facts: BotFacts, loop: Verdict, status: str, condition: str, reason: str, until: float | None
) -> None:
    """One status, one reason, with its evidence."""
    judgement = judge_bot(facts, loop, NOW)
    assert (judgement.status, judgement.condition) == (status, condition)
    assert reason in judgement.reason
    assert judgement.until == (None if until is None else NOW + timedelta(seconds=until))


@pytest.mark.parametrize("facts, loop", [case[1:3] for case in BOTS], ids=[case[0] for case in BOTS])
def test_a_bots_judgement_holds_until_it_says(facts: BotFacts, loop: Verdict) -> None:
    """The same for bots."""
    judgement = judge_bot(facts, loop, NOW)
    if judgement.until is not None:
        before = judge_bot(facts, loop, judgement.until - timedelta(milliseconds=1))
        assert (before.status, before.condition) == (judgement.status, judgement.condition)
        assert judge_bot(facts, loop, judgement.until) != before
