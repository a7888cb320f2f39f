"""All that can be wrong with one loop at the same time: facts in, conditions out."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from openbell.control import Deployment
from openbell.heartbeat import UNTIL_NEXT, Heartbeat
from openbell.supervisor.health.facts import LoopFacts, Verdict
from openbell.supervisor.health.loop_status import judge_loop
from openbell.supervisor.model.conditions import KINDS
from openbell.supervisor.model.records import Finding, ServiceEvent

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    """Return an instant so many seconds ago."""
    return NOW - timedelta(seconds=seconds)


def event(
    seconds: float, kind: str = "service_start", detail: str = "abc", boot: str = "b", *, unclean: bool = False
) -> ServiceEvent:
    """Return an event of the loop so many seconds ago."""
    return ServiceEvent(ago(seconds), kind, boot, detail, unclean)


def crashes(*seconds: float) -> tuple[ServiceEvent, ...]:
    """Return starts after crashes so many seconds ago."""
    return tuple(event(one, boot=f"boot {one}", unclean=True) for one in seconds)


def compared(seconds: float, *differences: object) -> Finding:
    """Return a comparison of the account with the ledger so many seconds ago."""
    return Finding(ago(seconds), "reconciled", "b", None, "", {"broker": "alpaca", "differences": list(differences)})


DIFFERENCE = {"symbol": "AAPL", "kind": "quantity", "ours": 5, "theirs": 7}
ALIVE = LoopFacts("s", "UTC", ago(9e6), ago(9e6), (event(900),), Heartbeat(ago(4), "b", ()))
STOPPED = replace(ALIVE, events=(event(900, "service_stop", "SIGTERM"),), heartbeat=Heartbeat(ago(901), "b", ()))
SILENT = replace(ALIVE, heartbeat=Heartbeat(ago(900), "b", ()))
DEPLOYMENT = Deployment("r2", ("s",), ago(60), NOW + timedelta(seconds=60), "ann")

# what it is about, facts, status, (kind, seconds ago, count, words of the reason) of each condition
CASES: list[tuple[str, LoopFacts, str, list[tuple[str, float, int, str]]]] = [
    ("all is well", ALIVE, "up", []),
    ("never started", LoopFacts("s", "UTC", ago(60), ago(60)), "down", [("never_started", 60, 1, "14:59:00")]),
    ("to start for the first time", LoopFacts("s", "UTC", ago(59), ago(59)), "new", []),
    ("stopped", STOPPED, "down", [("stopped", 900, 1, "SIGTERM")]),
    ("run by cron", replace(STOPPED, events=(event(900, "service_stop", UNTIL_NEXT),), heartbeat=None), "up", []),
    (
        "run by cron, and by hand before that",
        replace(STOPPED, events=(event(900, "service_stop", UNTIL_NEXT),)),
        "up",
        [],
    ),
    (
        "run by cron, and ended in the middle",
        replace(STOPPED, events=(event(900, "service_stop", "SIGTERM"), event(990, "service_stop", UNTIL_NEXT))),
        "down",
        [("stopped", 900, 1, "SIGTERM")],
    ),
    ("silent", SILENT, "down", [("stalled", 900, 1, "14:45:00")]),
    (
        "cannot start, three tries",
        replace(
            ALIVE,
            events=(
                event(10, "service_stop", "cannot start: x", "boot 3"),
                event(10, "start_failed", "Traceback …\nModuleNotFoundError: No module named x", "boot 3"),
                event(20, "service_stop", "cannot start: x", "boot 2"),
                event(30, "service_stop", "cannot start: x", "boot 1"),
                event(30, "start_failed", "Traceback …", "boot 1"),
                event(900),
            ),
            heartbeat=Heartbeat(ago(40), "b", ()),
        ),
        "down",
        [("cannot_start", 30, 3, "ModuleNotFoundError: No module named x (last tried 14:59:50 UTC)")],
    ),
    (
        "a crash loop since long before the window",
        replace(ALIVE, events=crashes(10, 100, 200, 400, 600, 1200)),
        "down",
        [("crash_loop", 600, 5, "3 starts")],
    ),
    ("bad manifest", replace(ALIVE, problems=("strategy.toml: what",)), "down", [("bad_manifest", 9e6, 1, "what")]),
    (
        "unreadable",
        replace(ALIVE, journal_error="it cannot be read", journal_error_since=ago(7)),
        "down",
        [("journal_unreadable", 7, 1, "it cannot be read")],
    ),
    (
        "its clock was set",
        replace(ALIVE, events=(event(60, "clock_stepped", "-2.5"), event(70, "clock_stepped", "0.2"), event(900))),
        "up",
        [("clock_wrong", 60, 1, "set by -2.5 s at 14:59:00")],
    ),
    (
        "lines from the future",
        replace(ALIVE, events=(event(60, "line_from_future", "90.0"), event(900))),
        "up",
        [("clock_wrong", 60, 1, "90 s in the future")],
    ),
    (
        "its clock was set yesterday",
        replace(ALIVE, events=(event(90, "service_start"), event(86400, "clock_stepped", "9"))),
        "up",
        [],
    ),
    (
        "its calendar ends next month",
        replace(ALIVE, calendar="XNYS", calendar_ends=date(2026, 12, 31)),
        "up",
        [
            (
                "calendar_ending",
                (NOW - datetime(2026, 10, 2, tzinfo=UTC)).total_seconds(),
                1,
                "XNYS ends with 2026-12-31",
            )
        ],
    ),
    (
        "its calendar's holidays are known for two more months",
        replace(ALIVE, calendar="XKLS", calendar_ends=date(2035, 12, 31), holidays_end=date(2026, 12, 31)),
        "up",
        [
            (
                "calendar_ending",
                (NOW - datetime(2026, 10, 2, tzinfo=UTC)).total_seconds(),
                1,
                "XKLS knows holidays that follow no rule only through 2026-12-31",
            )
        ],
    ),
    (
        "its calendar's holidays are known for years",
        replace(ALIVE, calendar="XKLS", calendar_ends=date(2035, 12, 31), holidays_end=date(2029, 12, 31)),
        "up",
        [],
    ),
    ("its calendar ends next year", replace(ALIVE, calendar="XNYS", calendar_ends=date(2027, 12, 31)), "up", []),
    (
        "the account differs",
        replace(ALIVE, reconciled=(compared(5, DIFFERENCE), compared(65, DIFFERENCE), compared(99))),
        "up",
        [("broker_differs", 65, 2, "alpaca differs: AAPL: quantity, ours 5, theirs 7")],
    ),
    ("the account is right again", replace(ALIVE, reconciled=(compared(5), compared(65, DIFFERENCE))), "up", []),
    (
        "alive, and nothing in its journal",
        replace(ALIVE, unwritten=ago(300), last_line_at=ago(900)),
        "up",
        [("not_written", 900, 1, "nothing of the slot 14:55:00 UTC, nor anything since 14:45:00 UTC")],
    ),
    (
        "several at once",
        replace(SILENT, events=(event(60, "clock_stepped", "7200"), event(901)), reconciled=(compared(5, DIFFERENCE),)),
        "down",
        [("stalled", 900, 1, ""), ("clock_wrong", 60, 1, ""), ("broker_differs", 5, 1, "")],
    ),
    ("stopped by a deployment", replace(STOPPED, deployment=DEPLOYMENT), "new", []),
    ("silent in a deployment", replace(SILENT, deployment=DEPLOYMENT), "new", []),
    ("not started in a deployment", LoopFacts("s", "UTC", ago(60), ago(60), deployment=DEPLOYMENT), "new", []),
    ("alive in a deployment", replace(ALIVE, deployment=DEPLOYMENT), "up", []),
    (
        "a deployment excuses no crash loop",
        replace(ALIVE, events=crashes(1, 2, 3), deployment=DEPLOYMENT),
        "down",
        [("crash_loop", 3, 3, "")],
    ),
    (
        "a deployment that is over",
        replace(STOPPED, deployment=replace(DEPLOYMENT, until=NOW)),
        "down",
        [("stopped", 900, 1, "")],
    ),
    ("stopped while we were away", replace(STOPPED, watched_since=ago(5), judged_before=ago(920)), "late", []),
    (
        "stopped before we were away",
        replace(STOPPED, watched_since=ago(5), judged_before=ago(800)),
        "down",
        [("stopped", 900, 1, "")],
    ),
    ("silent since we were away", replace(SILENT, watched_since=ago(5), judged_before=ago(890)), "late", []),
    (
        "silent before we were away",
        replace(SILENT, watched_since=ago(5), judged_before=ago(800)),
        "down",
        [("stalled", 900, 1, "")],
    ),
]


@pytest.mark.parametrize("facts, status, expected", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_wrong(facts: LoopFacts, status: str, expected: list[tuple[str, float, int, str]]) -> None:
    """Each condition with its beginning, its count and its evidence, whatever else is wrong."""
    judgement = judge_loop(facts, NOW)
    assert judgement.status == status
    assert [(one.kind, one.since, one.count) for one in judgement.conditions] == [
        (kind, ago(seconds), count) for kind, seconds, count, _ in expected
    ]
    for condition, (*_, words) in zip(judgement.conditions, expected, strict=True):
        assert words in condition.reason
        assert condition.kind in KINDS
        assert (condition.strategy, condition.bot) == ("s", "")


@pytest.mark.parametrize("facts", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_a_judgement_holds_until_it_says(facts: LoopFacts) -> None:
    """A moment before, the same is wrong; so the watch may sleep until then."""
    judgement = judge_loop(facts, NOW)
    if judgement.until is not None:
        assert judgement.until > NOW
        later = judge_loop(facts, judgement.until - timedelta(milliseconds=1))
        assert [one.key for one in later.conditions] == [one.key for one in judgement.conditions]


def test_a_clock_that_was_set_is_forgotten_after_an_hour() -> None:
    """It is a warning, not a state."""
    facts = replace(ALIVE, events=(event(60, "clock_stepped", "5"), event(900)))

    def at(later: timedelta) -> Verdict:
        beating = replace(facts, heartbeat=Heartbeat(NOW + later, "b", ()))
        return judge_loop(beating, NOW + later)

    assert [one.kind for one in at(timedelta(minutes=58)).conditions] == ["clock_wrong"]
    assert at(timedelta(minutes=59) - timedelta(seconds=1)).until == NOW + timedelta(minutes=59)
    assert at(timedelta(minutes=59)).conditions == ()


def test_a_strategy_that_cron_runs_says_when_it_last_did() -> None:
    """Nothing is expected of its loop between two slots; what cron forgets is missing among its slots."""
    judgement = judge_loop(replace(STOPPED, events=(event(900, "service_stop", UNTIL_NEXT),), heartbeat=None), NOW)
    assert (judgement.reason, judgement.until) == ("run by cron, last at 14:45:00 UTC", None)
