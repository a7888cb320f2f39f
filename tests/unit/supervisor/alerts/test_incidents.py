"""From snapshots to stored messages: grouping, thresholds, reminders, absences, over a real file."""

import sqlite3
from datetime import time, timedelta
from pathlib import Path

import pytest

from openbell.supervisor.alerts.grouping import CANARY_STRATEGY
from openbell.supervisor.alerts.quiet_hours import QuietHours
from openbell.supervisor.alerts.settings import AlertSettings, Thresholds
from tests.unit.supervisor.alerts.scenes import HOOK, HOUR, MINUTE, NOW, SECOND, Room, bot_view, condition, room, sorts


def test_a_missed_slot_is_one_alert_and_one_recovery(here: Room) -> None:
    """It is told at once, and not again; its end is told with what was missed."""
    here.see(condition())
    assert here.said() == [("alert", "CRITICAL: alpha missed a slot")]
    here.during(MINUTE, condition(), step=SECOND / 2)
    assert here.said() == [("alert", "CRITICAL: alpha missed a slot")]
    here.see(after=SECOND)
    assert here.said()[1:] == [("recovery", "OK: alpha recovered")]
    here.during(HOUR, step=50 * SECOND)
    assert len(here.said()) == 2


@pytest.mark.parametrize("bots", [45, 1000])
def test_a_storm_is_one_message(here: Room, bots: int) -> None:
    """However many bots miss a slot in one outage, one message tells of it, and one of its end."""
    storm = [condition(f"bot-{number}") for number in range(bots)]
    here.see(*storm)
    here.during(MINUTE, *storm, step=10 * SECOND)
    here.see(after=SECOND)
    assert here.said() == [
        ("alert", f"CRITICAL: {bots} bots: missed a slot"),
        ("recovery", f"OK: {bots} bots recovered"),
    ]


def test_loops_that_die_together_are_one_message(here: Room) -> None:
    """Their last beats differ by up to five seconds; then their bots miss slots for an hour: one message and a few updates."""
    dead = [condition("", "stalled", f"s{number}") for number in range(7)]
    for number in range(7):
        here.see(*dead[: number + 1], after=0.7 * SECOND)
    here.during(20 * SECOND, *dead)
    assert here.said() == [("alert", "CRITICAL: 7 strategies: shows no sign of life")]
    bots = [condition(f"b{number}", strategy=f"s{number % 7}") for number in range(45)]
    for number in range(45):
        here.during(80 * SECOND, *dead, *bots[: number + 1], step=20 * SECOND)
    assert 3 <= len(sorts(here)) <= 10, here.said()
    here.see(after=SECOND)
    assert here.said()[-1] == ("recovery", "OK: 7 strategies and 45 bots recovered")
    assert here.memory.incidents() == ()


def test_bots_that_fail_with_one_error_are_one_message(here: Room) -> None:
    """A broker that cannot be reached is one cause, whenever each bot finds out; another error is another."""
    refused = [
        condition(f"b{number}", "failed", reason=f"slot 09:35:0{number} EST failed: ConnectionError: port 443 refused")
        for number in range(8)
    ]
    for number in range(8):
        here.see(*refused[: number + 1], after=SECOND)
    other = condition("z", "failed", reason="slot 09:35:00 EST failed: KeyError: 'AAPL'")
    here.during(20 * SECOND, *refused, other)
    assert here.said() == [("alert", "CRITICAL: 8 bots: failed"), ("alert", "CRITICAL: z failed")]


def test_what_came_and_went_between_two_looks_is_told(here: Room) -> None:
    """The log of faults loses nothing: a slot that was missed before the next one succeeded is told, as over."""
    here.fault(condition(count=2))
    here.see(after=SECOND)
    here.see(after=SECOND)
    ((sort, title, body),) = here.messages()
    assert (sort, title) == ("alert", "WARNING: alpha missed a slot (over)")
    assert "missed a slot (2 slots in all): alpha" in body
    assert here.rows("SELECT wrong FROM flips ORDER BY id") == [(1,), (0,)]


def test_a_fault_of_an_open_condition_is_no_second_one(here: Room) -> None:
    """What is in the log of faults and in the snapshot too is told once."""
    here.fault(condition())
    here.during(3 * SECOND, condition())
    here.fault(condition(count=2))
    here.during(3 * SECOND, condition(count=2))
    here.during(3 * SECOND)
    assert sorts(here) == ["alert", "recovery"]


def test_old_faults_are_no_news_to_a_first_start(tmp_path: Path) -> None:
    """Who adds alerts to a supervisor that has been there for weeks is not told of the weeks."""
    with room(tmp_path) as here:
        here.fault(condition())
        here.during(10 * SECOND)
        assert here.said() == []


def test_thresholds_hold_back_what_is_short(tmp_path: Path) -> None:
    """An alert comes after n slots in a row and ends after n good ones; other bots keep theirs."""
    three = AlertSettings(
        channels=(HOOK,), alert_after=Thresholds(1, {"alpha": 3}), recover_after=Thresholds(1, {"alpha/missed": 2})
    )
    with room(tmp_path, three) as here:
        here.during(5 * SECOND, condition(count=2), bots=[bot_view()])
        assert here.said() == []
        here.during(5 * SECOND, condition(count=3), condition("beta"), bots=[bot_view()])
        assert here.said() == [("alert", "CRITICAL: 2 bots: missed a slot")]
        here.during(5 * SECOND, bots=[bot_view(outcomes=["succeeded", "skipped", "missed"]), bot_view("beta")])
        assert sorts(here) == ["alert"], "one good slot is not two"
        here.during(5 * SECOND, bots=[bot_view(outcomes=["succeeded", "skipped", "succeeded", "missed"])])
        assert sorts(here) == ["alert", "recovery"]


def test_reminders_come_until_it_is_over(tmp_path: Path) -> None:
    """After ten minutes, forty more, and every hour; then the recovery, and no more."""
    remind = AlertSettings(channels=(HOOK,), remind=(10 * MINUTE, 40 * MINUTE, HOUR))
    with room(tmp_path, remind) as here:
        here.during(2 * HOUR, condition(), step=50 * SECOND)
        assert sorts(here) == ["alert", "reminder", "reminder", "reminder"]
        assert "Still wrong after 10 min" in here.messages()[1][2]
        here.during(2 * HOUR, step=50 * SECOND)
        assert sorts(here)[4:] == ["recovery"]


def test_quiet_hours_keep_a_short_trouble_for_the_morning(tmp_path: Path) -> None:
    """What is not critical, came at night and went again is one message in the morning."""
    night = AlertSettings(channels=(HOOK,), quiet=QuietHours(time(15), time(16), "UTC"))
    with room(tmp_path, night) as here:
        here.during(30 * MINUTE, step=50 * SECOND)
        here.during(10 * MINUTE, condition(kind="unexpected_run"), step=10 * SECOND)
        here.during(50 * MINUTE, step=10 * SECOND)
        assert [(sort, title) for sort, title in here.said()] == [
            ("alert", "WARNING: alpha ran where no slot was (over)")
        ]
        ((at,),) = here.rows('SELECT at AS "at [INSTANT]" FROM messages')
        assert at == NOW.replace(hour=16, minute=0, second=1)


def test_after_its_own_absence_there_is_one_summary_and_no_storm(here: Room) -> None:
    """What went wrong meanwhile, over or not, is one message that says how long there was no watch; the end is another."""
    here.restart(after=2 * HOUR)
    for number in range(45):
        here.fault(condition(f"over-{number}"))
    still = [condition(f"still-{number}") for number in range(45)]
    here.see(*still[:20], status="late")
    here.during(10 * SECOND, *still[:30], status="late")
    assert here.said() == []
    here.during(10 * SECOND, *still, status="up")
    ((sort, title, body),) = here.messages()
    assert (sort, title) == ("summary", "CRITICAL: the watch is back: 45 bots: missed a slot")
    assert "The supervisor was away from Mon 23 Nov 14:36:01 UTC to Mon 23 Nov 16:36:01 UTC (2 h)." in body
    assert "missed a slot: over-0, over-1" in body
    here.during(10 * SECOND)
    assert sorts(here) == ["summary", "recovery"]


@pytest.mark.parametrize(
    "away,said",
    [
        (10 * SECOND, []),
        (2 * MINUTE, []),
        (10 * MINUTE, [("summary", "OK: the watch is back")]),
    ],
)
def test_an_absence_without_harm(here: Room, away: timedelta, said: list[tuple[str, str]]) -> None:
    """A restart is no news; who was away for long says that nothing was missed."""
    here.restart(after=away)
    here.during(2 * MINUTE)
    assert here.said() == said


def test_what_was_open_before_a_restart_is_known_after_it(here: Room) -> None:
    """It is not told again, its recovery is told, and its reminders go on."""
    here.during(5 * SECOND, condition())
    here.restart(after=20 * SECOND)
    here.during(65 * MINUTE, condition(), step=50 * SECOND)
    here.during(MINUTE)
    assert sorts(here) == ["alert", "reminder", "recovery"]


def test_the_canary_is_said_to_be_one(here: Room) -> None:
    """Its message says that it is a test; it joins no outage, and there is neither reminder nor recovery."""
    bird = condition("canary", strategy=CANARY_STRATEGY)
    here.during(SECOND, condition())
    here.during(HOUR, condition(), bird, step=30 * SECOND)
    here.during(MINUTE, condition())
    titles = [title for _, title in here.said()]
    assert titles[:2] == ["CRITICAL: alpha missed a slot", "INFO: canary (a test)"]
    assert set(sorts(here)[2:]) == {"reminder"}
    assert not [title for title in titles[2:] if "canary" in title]


def test_no_threshold_holds_back_a_canary(tmp_path: Path) -> None:
    """It misses one slot, and that is to be seen."""
    with room(tmp_path, AlertSettings(channels=(HOOK,), alert_after=Thresholds(5))) as here:
        here.see()
        here.during(2 * SECOND, condition("canary", strategy=CANARY_STRATEGY))
        assert sorts(here) == ["canary"]


def test_what_could_not_be_stored_is_stored_by_the_next_look(here: Room) -> None:
    """A full disk delays the alert and loses nothing."""
    here.memory.database.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError):
        here.see(condition(), after=SECOND)
    here.memory.database.execute("PRAGMA query_only = OFF")
    here.during(2 * SECOND, condition(), step=SECOND / 2)
    assert here.said() == [("alert", "CRITICAL: alpha missed a slot")]


def test_flips_and_messages_that_are_long_over_are_dropped(here: Room) -> None:
    """The file is bounded: after a month nothing is left of what is over, and what is open stays."""
    here.during(2 * SECOND, condition())
    here.during(2 * SECOND)
    here.during(2 * SECOND, condition("beta"))
    for _ in range(42):  # after a longer jump the clock might be ahead
        here.see(condition("beta"), after=timedelta(hours=23))
    assert here.rows("SELECT count(*) FROM members WHERE bot = 'alpha'") == [(0,)]
    assert here.rows("SELECT count(*) FROM members WHERE bot = 'beta'") == [(1,)]


def test_an_update_without_news_is_not_sent(here: Room) -> None:
    """What came and went between two messages is named in the last one; alone it is worth none."""
    here.during(5 * SECOND, condition("alpha"))
    here.during(5 * SECOND, condition("alpha"), condition("beta"))
    here.during(2 * MINUTE, condition("alpha"))
    assert sorts(here) == ["alert"]
    here.during(2 * SECOND)
    assert here.messages()[-1][1] == "OK: 2 bots recovered"


@pytest.mark.parametrize("before", [True, False])
def test_the_summary_after_an_absence_never_says_that_nothing_is_wrong_while_something_is(
    tmp_path: Path, before: bool
) -> None:
    """What was reported before the absence, and what is below its threshold, belong to no summary and are named."""
    with room(tmp_path, AlertSettings(channels=(HOOK,), alert_after=Thresholds(1 if before else 3))) as here:
        here.see()
        here.during(5 * SECOND, condition())
        here.restart(after=10 * MINUTE)
        here.during(2 * MINUTE, condition(), ok=False)
        (body,) = [body for sort, _, body in here.messages() if sort == "summary"]
        assert "Nothing" not in body
        assert ("Still wrong, as reported before" if before else "Not all is well: 1 bot down: alpha") in body
        assert ("summary", "WARNING: the watch is back") in here.said()


@pytest.mark.parametrize("ahead", [timedelta(hours=9), timedelta(days=3650)], ids=["hours", "years"])
def test_a_clock_that_was_ahead_holds_no_alert_back(here: Room, ahead: timedelta) -> None:
    """The jump looks like an absence, whose summary waits; after the correction what comes is told at once."""
    here.now += ahead
    here.see()
    here.see(after=2 * SECOND)
    here.now -= ahead
    here.during(MINUTE, condition(), step=SECOND)
    assert [title for sort, title in here.said() if sort in {"alert", "summary", "update"}][-1].startswith("CRITICAL: ")
    assert "alpha missed a slot" in " ".join(title for _, title in here.said())
