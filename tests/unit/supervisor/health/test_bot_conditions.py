"""All that can be wrong with one bot at the same time: facts in, conditions out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from openbell.control import Deployment, Pause
from openbell.manifest import Bot, Schedule
from openbell.supervisor.health.bot_status import judge_bot
from openbell.supervisor.health.facts import BotFacts, Verdict
from openbell.supervisor.model.conditions import KINDS, Condition
from openbell.supervisor.model.durations import Durations
from openbell.supervisor.model.records import Finding, RunRecord, SlotRecord, Streak

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BOT = Bot(strategy="s", id="b", symbols=("AAPL",), schedule=Schedule("UTC", every=MINUTE))
STREAM = replace(BOT, schedule=Schedule("UTC"), kind="stream")
UP = Verdict("up", "up since long ago", NOW + timedelta(seconds=20))


def ago(seconds: float) -> datetime:
    """Return an instant so many seconds ago."""
    return NOW - timedelta(seconds=seconds)


def slot(minutes: int, outcome: str | None = "succeeded", run_id: str | None = None) -> SlotRecord:
    """Return the record of the slot so many minutes ago."""
    at = NOW - minutes * MINUTE
    return SlotRecord(at, at, 1, outcome, run_id=run_id or f"run-{minutes}")


def slots(pattern: str) -> tuple[SlotRecord, ...]:
    """Return the newest slots, newest first: o overlap, p paused, s succeeded, f failed, m missed, t timed out, . in progress."""
    known = {"s": "succeeded", "f": "failed", "m": "missed", "t": "timed_out", ".": None}
    reasons = {"o": "overlap", "p": "paused"}
    return tuple(
        slot(minutes, "skipped")._replace(reason=reasons[letter]) if letter in reasons else slot(minutes, known[letter])
        for minutes, letter in enumerate(pattern)
    )


def opened(minutes: int) -> RunRecord:
    """Return an open run that began so many minutes ago."""
    at = NOW - minutes * MINUTE
    return RunRecord(f"run-{minutes}", "b", at, "loop", 1, at, at)


def stale(minutes: int, action: str = "refused", symbol: str = "AAPL") -> Finding:
    """Return what a run so many minutes ago found about its bars."""
    at = NOW - minutes * MINUTE
    detail = {"symbol": symbol, "newest_bar": "2026-11-18", "expected": "2026-11-19", "action": action}
    return Finding(at, "stale_data", "b", at, f"run-{minutes}", detail)


def unexpected(minutes: int) -> Finding:
    """Return a run so many minutes ago where no slot was."""
    at = NOW - minutes * MINUTE
    return Finding(at, "unexpected_run", "b", at, f"run-{minutes}", {"trigger": "loop"})


def order(kind: str, minutes: int) -> Finding:
    """Return what came of an order so many minutes ago."""
    at = NOW - minutes * MINUTE
    detail = {"symbol": "AAPL", "action": "sell", "qty": 999.0, "broker_reason": "insufficient balance"}
    return Finding(at, kind, "b", at, f"run-{minutes}", detail)


def gone(minutes: int) -> Finding:
    """Return a symbol that was left out so many minutes ago."""
    at = NOW - minutes * MINUTE
    return Finding(at, "symbol_unavailable", "b", at, f"run-{minutes}", {"symbol": "FB", "reason": "no bars of FB"})


def dead(kind: str, since: datetime) -> Verdict:
    """Return the judgement of a loop that is down."""
    return Verdict("down", "it is down", None, kind, (Condition(kind, "s", "", since, "it is down"),))


PAUSED = Pause(ago(600), None, "ann", "holiday")
STREAKS = (Streak("failed", 2, ago(240), ago(60)), Streak("missed", 3, ago(300), ago(120)))
SLOW = Durations(900, 1000, (), creep=60_000, limit_at=NOW + timedelta(days=30), creeps_since=ago(86400 * 30))

# what it is about, facts, loop, (kind, seconds ago, count, words of the reason) of each condition
CASES: list[tuple[str, BotFacts, Verdict, list[tuple[str, float, int, str]]]] = [
    ("nothing", BotFacts(BOT, (slot(1),)), UP, []),
    ("one failure", BotFacts(BOT, (slot(1, "failed"),), streaks=(STREAKS[0],)), UP, [("failed", 240, 2, "14:59:00")]),
    (
        "several sorts since the last good slot",
        BotFacts(BOT, (slot(1, "failed"), slot(2, "missed")), streaks=STREAKS),
        UP,
        [("failed", 240, 2, "2 since"), ("missed", 300, 3, "slot 14:58:00 UTC missed (3 since 14:55:00 UTC)")],
    ),
    (
        "still there while the next run goes on",
        BotFacts(BOT, (slot(0, None),), (opened(0),), streaks=STREAKS[:1]),
        UP,
        [("failed", 240, 2, "")],
    ),
    ("known to the person who paused it", BotFacts(BOT, pause=PAUSED, streaks=STREAKS), UP, []),
    ("a run that hangs", BotFacts(BOT, (), (opened(5),)), UP, [("hung", 300, 1, "14:55:00")]),
    ("a later good run does not clear it", BotFacts(BOT, (slot(1),), (opened(5),)), UP, [("hung", 300, 1, "")]),
    ("a run that its loop does not have", BotFacts(BOT, (), (opened(5),), heartbeat_at=ago(4)), UP, []),
    (
        "one that it has",
        BotFacts(BOT, (), (opened(5),), heartbeat_at=ago(4), is_running=True),
        UP,
        [("hung", 300, 1, "")],
    ),
    ("one that it cannot name", BotFacts(BOT, (), (opened(5),), heartbeat_at=ago(295)), UP, [("hung", 300, 1, "")]),
    ("two that hang", BotFacts(BOT, (), (opened(5), opened(4))), UP, [("hung", 300, 2, "and 1 more")]),
    ("a pause hides no run that hangs", BotFacts(BOT, (), (opened(5),), pause=PAUSED), UP, [("hung", 300, 1, "")]),
    ("a run as long as it may be", BotFacts(BOT, (), (opened(2),)), UP, []),
    ("its loop died in mid-run", BotFacts(BOT, (), (opened(5),)), dead("stalled", ago(299)), []),
    ("its loop died after it hung", BotFacts(BOT, (), (opened(5),)), dead("stalled", ago(60)), [("hung", 300, 1, "")]),
    (
        "a dead loop's slots are missed",
        BotFacts(BOT, streaks=STREAKS[1:]),
        dead("stopped", ago(300)),
        [("missed", 300, 3, "")],
    ),
    (
        "its calendar ended",
        BotFacts(BOT, calendar_error="calendar XNYS does not know it", calendar_error_since=ago(60)),
        UP,
        [("calendar_expired", 60, 1, "XNYS")],
    ),
    (
        "old bars",
        BotFacts(BOT, (slot(1), slot(2)), findings=(stale(1),)),
        UP,
        [("stale_data", 60, 1, "AAPL is of 2026-11-18; its orders were held back")],
    ),
    (
        "old bars and orders all the same",
        BotFacts(BOT, (slot(1), slot(2), slot(3)), findings=(stale(1, "traded"), stale(1, "traded", "IBM"), stale(2))),
        UP,
        [("stale_data", 120, 2, "AAPL, IBM is of 2026-11-18; its orders were sent all the same")],
    ),
    ("new bars again", BotFacts(BOT, (slot(1), slot(2)), findings=(stale(2),), last_success=ago(60)), UP, []),
    (
        "a failure proves no new bars",
        BotFacts(BOT, (slot(1, "failed"), slot(2)), streaks=STREAKS[:1], findings=(stale(2),), last_success=ago(120)),
        UP,
        [("failed", 240, 2, ""), ("stale_data", 120, 1, "")],
    ),
    (
        "new bars in between",
        BotFacts(BOT, (slot(1), slot(2), slot(3)), findings=(stale(1), stale(3))),
        UP,
        [("stale_data", 60, 1, "")],
    ),
    (
        "a run where no slot was",
        BotFacts(BOT, (slot(9),), findings=(unexpected(1),)),
        UP,
        [("unexpected_run", 60, 1, "it ran for Fri 20 Nov 14:59:00 UTC")],
    ),
    (
        "orders that were turned away, though the runs succeed",
        BotFacts(
            BOT, (slot(1),), findings=(order("order_rejected", 1), order("order_rejected", 2)), last_success=ago(60)
        ),
        UP,
        [("order_rejected", 120, 2, "sell 999.0 AAPL: insufficient balance")],
    ),
    ("orders are taken again", BotFacts(BOT, findings=(order("order_rejected", 2),), last_success=ago(60)), UP, []),
    (
        "an order of unknown fate outlives good slots",
        BotFacts(BOT, findings=(order("order_uncertain", 60),), last_success=ago(60)),
        UP,
        [("order_uncertain", 3600, 1, "sell 999.0 AAPL")],
    ),
    (
        "a symbol that was left out",
        BotFacts(BOT, findings=(gone(1),), last_success=ago(60)),
        UP,
        [("symbol_unavailable", 60, 1, "FB was left out: no bars of FB")],
    ),
    ("the symbol is there again", BotFacts(BOT, findings=(gone(2),), last_success=ago(60)), UP, []),
    ("its own slot since", BotFacts(BOT, (slot(1),), findings=(unexpected(3),), last_success=ago(60)), UP, []),
    ("long ago", BotFacts(BOT, findings=(unexpected(25 * 60),)), UP, []),
    (
        "slower from week to week",
        BotFacts(BOT, (slot(1),), durations=SLOW),
        UP,
        [("slower", 86400 * 30, 1, "about 20 December 2026 they meet the timeout of 2 min")],
    ),
    ("slower in a far future", BotFacts(BOT, durations=replace(SLOW, limit_at=NOW + timedelta(days=200))), UP, []),
    ("slower for ever", BotFacts(BOT, durations=replace(SLOW, limit_at=None)), UP, []),
    ("each second slot overlaps", BotFacts(BOT, slots("osososs")), UP, [("overlapping", 240, 3, "3 of its newest")]),
    ("runs over several slots", BotFacts(BOT, slots(".ooosooo")), UP, [("overlapping", 420, 6, "14:59:00")]),
    ("one run that took long", BotFacts(BOT, slots("soooos")), UP, []),
    ("one run that takes very long", BotFacts(BOT, slots("oooooooooos")), UP, [("overlapping", 540, 10, "")]),
    ("the next one has begun", BotFacts(BOT, slots(".oooooooooo")), UP, [("overlapping", 600, 10, "")]),
    ("one that took very long and is over", BotFacts(BOT, slots("sooooooooooos")), UP, []),
    ("one that hung", BotFacts(BOT, slots(".oooooooooot"), streaks=STREAKS[:1]), UP, [("failed", 240, 2, "")]),
    ("one that hangs", BotFacts(BOT, slots("oooooooooo."), (opened(10),)), UP, [("hung", 600, 1, "")]),
    ("overlaps that are over", BotFacts(BOT, slots("sssssosoososo")), UP, []),
    ("overlaps that are not over yet", BotFacts(BOT, slots("ssssosoosos")), UP, [("overlapping", 540, 4, "")]),
    ("missed and paused slots prove nothing", BotFacts(BOT, slots("mmmmmppoosos")), UP, [("overlapping", 600, 3, "")]),
    ("failed runs end, too", BotFacts(BOT, slots("fffffosososo")), UP, []),
    ("overlaps of a paused bot", BotFacts(BOT, slots("ososos"), pause=PAUSED), UP, []),
    ("a stream", BotFacts(STREAM, (), (opened(1),), stream_heartbeat=ago(5)), UP, []),
    (
        "a silent stream",
        BotFacts(STREAM, (), (opened(90),), stream_heartbeat=ago(131)),
        UP,
        [("stream_silent", 131, 1, "silent since 14:57:49")],
    ),
    ("a stream about to start again", BotFacts(STREAM, stream_ends=(ago(9),), loop_started=ago(900)), UP, []),
    ("a stream about to start", BotFacts(STREAM, loop_started=ago(9)), UP, []),
    (
        "a stream that is not started again",
        BotFacts(STREAM, stream_ends=(ago(11),), loop_started=ago(900)),
        UP,
        [("stream_ended", 11, 1, "was not started again")],
    ),
    (
        "a stream that ends again and again",
        BotFacts(STREAM, (), (opened(0),), stream_ends=(ago(5), ago(20), ago(290), ago(900))),
        UP,
        [("stream_ended", 290, 3, "3 times")],
    ),
    (
        "a stream that ends with an error",
        BotFacts(
            STREAM,
            stream_ends=(ago(11),),
            loop_started=ago(900),
            runs=(opened(1)._replace(ended_at=ago(11), outcome="failed", error="ConnectionError: the feed was cut"),),
        ),
        UP,
        [("stream_ended", 11, 1, "was not started again: ConnectionError: the feed was cut")],
    ),
    ("a paused stream", BotFacts(STREAM, pause=PAUSED, loop_started=ago(900)), UP, []),
    ("a stream without a loop", BotFacts(STREAM, loop_started=ago(900)), dead("stopped", ago(60)), []),
]


@pytest.mark.parametrize("facts, loop, expected", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_wrong(facts: BotFacts, loop: Verdict, expected: list[tuple[str, float, int, str]]) -> None:
    """Each condition with its beginning, its count and its evidence; all of one bot at once."""
    found = judge_bot(facts, loop, NOW).conditions
    assert [(one.kind, one.since, one.count) for one in found] == [
        (kind, ago(seconds), count) for kind, seconds, count, _ in expected
    ]
    for condition, (*_, words) in zip(found, expected, strict=True):
        assert words in condition.reason
        assert condition.kind in KINDS
        assert (condition.strategy, condition.bot) == ("s", "b")


@pytest.mark.parametrize("facts, loop", [case[1:3] for case in CASES], ids=[case[0] for case in CASES])
def test_a_judgement_holds_until_it_says(facts: BotFacts, loop: Verdict) -> None:
    """A moment before, the same is wrong; so the watch may sleep until then."""
    judgement = judge_bot(facts, loop, NOW)
    if judgement.until is not None:
        assert judgement.until > NOW
        later = judge_bot(facts, loop, judgement.until - timedelta(milliseconds=1))
        assert [one.key for one in later.conditions] == [one.key for one in judgement.conditions]


@pytest.mark.parametrize(
    "facts, after, kind",
    [
        (BotFacts(BOT, (), (opened(2),)), 10, "hung"),
        (BotFacts(STREAM, (), (opened(2),)), 10, "stream_silent"),
        (BotFacts(STREAM, stream_ends=(ago(2),)), 8, "stream_ended"),
    ],
    ids=["hung", "silent", "ended"],
)
def test_what_is_about_to_go_wrong_is_waited_for(facts: BotFacts, after: float, kind: str) -> None:
    """The judgement ends at the very instant at which it would be another."""
    judgement = judge_bot(facts, UP, NOW)
    assert judgement.conditions == ()
    assert judgement.until == NOW + timedelta(seconds=after)
    assert [one.kind for one in judge_bot(facts, UP, judgement.until).conditions] == [kind]


def test_late_in_a_deployment_is_not_late() -> None:
    """The container is on its way: its slot is told to be due, and no more."""
    deployment = Deployment("r2", ("s",), ago(60), NOW + MINUTE, "ann")
    facts = BotFacts(BOT, (slot(1),), awaited=ago(5), deployment=deployment)
    assert judge_bot(facts, UP, NOW).status == "new"
    assert "r2 is being deployed" in judge_bot(facts, UP, NOW).reason
    assert judge_bot(facts, UP, NOW + MINUTE).status == "late"
