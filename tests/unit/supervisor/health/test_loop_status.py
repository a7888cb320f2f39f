"""The status of a loop, as a table: facts in, status, reason and expiry out."""

from datetime import UTC, datetime, timedelta

import pytest

from openbell.heartbeat import Heartbeat
from openbell.supervisor.health.facts import LoopFacts
from openbell.supervisor.health.loop_status import judge_loop
from openbell.supervisor.model.records import ServiceEvent

NOW = datetime(2026, 11, 20, 15, 0, 0, tzinfo=UTC)  # 10:00 in New York


ZONE = "America/New_York"


LONG_AGO = NOW - timedelta(days=3)


def ago(seconds: float) -> datetime:
    """Return an instant of the past."""
    return NOW - timedelta(seconds=seconds)


def start(seconds: float, boot: str = "b", *, unclean: bool = False) -> ServiceEvent:
    """Return a start."""
    return ServiceEvent(ago(seconds), "service_start", boot, "abc123", unclean)


def stop(seconds: float, reason: str = "SIGTERM", boot: str = "b") -> ServiceEvent:
    """Return a stop."""
    return ServiceEvent(ago(seconds), "service_stop", boot, reason)


def fail(seconds: float, error: str, boot: str = "b") -> ServiceEvent:
    """Return a start that failed."""
    return ServiceEvent(ago(seconds), "start_failed", boot, error)


def beat(seconds: float, boot: str = "b") -> Heartbeat:
    """Return a beat."""
    return Heartbeat(ago(seconds), boot, ())


LOOPS = [
    # case, facts, status, condition, in the reason, seconds until it may change
    ("just deployed", LoopFacts("s", ZONE, ago(10), ago(10)), "new", "", "first start", 50),
    (
        "never started",
        LoopFacts("s", ZONE, ago(61), LONG_AGO),
        "down",
        "never_started",
        "never started (expected since 09:58:59 EST)",
        None,
    ),
    ("alive", LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (start(3600),), beat(4)), "up", "", "up since 09:00:00 EST", 26),
    (
        "alive since yesterday",
        LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (start(86400),), beat(4)),
        "up",
        "",
        "Thu 19 Nov 10:00:00 EST",
        26,
    ),
    ("first beat to come", LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (start(4),), None), "up", "", "up since", 26),
    (
        "beat of the boot before",
        LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (start(4, "c"),), beat(300)),
        "up",
        "",
        "up since",
        26,
    ),
    ("a beat, its start lost", LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (), beat(4)), "up", "", "alive", 26),
    (
        "clock ahead in the beat",
        LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (start(9),), beat(-300)),
        "up",
        "",
        "up since",
        21,
    ),
    (
        "stalled",
        LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (start(900),), beat(30)),
        "down",
        "stalled",
        "no sign of life since 09:59:30 EST",
        None,
    ),
    (
        "dead before its first beat",
        LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (start(31),), None),
        "down",
        "stalled",
        "no sign of life",
        None,
    ),
    (
        "silent while we were away",
        LoopFacts("s", ZONE, LONG_AGO, ago(5), (start(900),), beat(300)),
        "late",
        "",
        "waiting for one",
        25,
    ),
    (
        "stopped a moment ago",
        LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (stop(10), start(900)), beat(11)),
        "late",
        "",
        "(SIGTERM)",
        20,
    ),
    (
        "stopped",
        LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (stop(30), start(900)), beat(31)),
        "down",
        "stopped",
        "stopped 09:59:30 EST (SIGTERM)",
        None,
    ),
    (
        "stopped while we were away",
        LoopFacts("s", ZONE, LONG_AGO, ago(2), (stop(900),), beat(901)),
        "late",
        "",
        "start again",
        28,
    ),
    (
        "running again, its start lost",
        LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (stop(30),), beat(2, "c")),
        "up",
        "",
        "alive",
        28,
    ),
    (
        "import error",
        LoopFacts(
            "s",
            ZONE,
            LONG_AGO,
            LONG_AGO,
            (stop(5, "cannot start: No module named x"), fail(5, "strategy.py cannot be imported:\nNo module named x")),
        ),
        "down",
        "cannot_start",
        "cannot start: strategy.py cannot be imported: No module named x (last tried 09:59:55 EST)",
        None,
    ),
    (
        "its stop lost",
        LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (fail(5, "no module x"), start(900, "a")), beat(400, "a")),
        "down",
        "cannot_start",
        "no module x",
        None,
    ),
    (
        "its error lost",
        LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (stop(5, "cannot start: no module x"), fail(900, "old", "a"))),
        "down",
        "cannot_start",
        "no module x",
        None,
    ),
    (
        "started after a failure",
        LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, (start(2, "c"), stop(60, "cannot start: x"))),
        "up",
        "",
        "up since",
        28,
    ),
    (
        "crash loop",
        LoopFacts(
            "s", ZONE, LONG_AGO, LONG_AGO, tuple(start(at, str(at), unclean=True) for at in (3, 60, 200, 900)), beat(1)
        ),
        "down",
        "crash_loop",
        "3 starts after a crash within 5 min",
        100,
    ),
    (
        "two crashes",
        LoopFacts(
            "s", ZONE, LONG_AGO, LONG_AGO, tuple(start(at, str(at), unclean=True) for at in (3, 60, 300)), beat(1, "3")
        ),
        "up",
        "",
        "up since",
        29,
    ),
    (
        "many deployments",
        LoopFacts("s", ZONE, LONG_AGO, LONG_AGO, tuple(start(at, str(at)) for at in (3, 60, 90, 120)), beat(1, "3")),
        "up",
        "",
        "up since",
        29,
    ),
    (
        "bad manifest",
        LoopFacts(
            "s", ZONE, LONG_AGO, LONG_AGO, (start(900),), beat(1), problems=("x/strategy.toml: days: found 7", "more")
        ),
        "down",
        "bad_manifest",
        "cannot start: x/strategy.toml: days: found 7",
        None,
    ),
    (
        "no access",
        LoopFacts(
            "s",
            ZONE,
            LONG_AGO,
            LONG_AGO,
            (start(900),),
            beat(1),
            journal_error="/journal cannot be read (Permission denied)",
        ),
        "down",
        "journal_unreadable",
        "Permission denied",
        None,
    ),
]


@pytest.mark.parametrize(
    "facts, status, condition, reason, until", [case[1:] for case in LOOPS], ids=[case[0] for case in LOOPS]
)
def test_how_a_loop_is(facts: LoopFacts, status: str, condition: str, reason: str, until: float | None) -> None:
    """Each way to be ill has its own name and evidence."""
    judgement = judge_loop(facts, NOW)
    assert (judgement.status, judgement.condition) == (status, condition)
    assert reason in judgement.reason
    assert judgement.until == (None if until is None else NOW + timedelta(seconds=until))


@pytest.mark.parametrize("facts", [case[1] for case in LOOPS], ids=[case[0] for case in LOOPS])
def test_a_loops_judgement_holds_until_it_says(facts: LoopFacts) -> None:
    """No earlier check is needed: nothing changes without news."""
    judgement = judge_loop(facts, NOW)
    if judgement.until is not None:
        before = judge_loop(facts, judgement.until - timedelta(milliseconds=1))
        assert (before.status, before.condition) == (judgement.status, judgement.condition)
        assert judge_loop(facts, judgement.until) != before
