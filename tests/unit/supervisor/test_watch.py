"""The watch: from journals and manifests to a snapshot."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from openbell import control
from openbell.control import Control, Deployment, Pause
from openbell.supervisor.model.records import RunRecord
from tests.unit.supervisor.world import World


def test_a_good_day(started: World) -> None:
    """Runs come in, all is well, and the last decision is shown."""
    started.at("12:01:00")
    run_id = started.run(started.slot("12:01"), outcome=None)
    assert started.see().strategies[0].bots[0].status == "running"
    fields = {"bot": "pulse", "slot": started.slot("12:01"), "run_id": run_id, "attempt": 1}
    started.write("decision", fields, symbol="AAPL", action="hold", reason="flat", signal=0.1, qty=0, source="sample")
    started.write("run_end", fields, outcome="succeeded", tick_duration_ms=8, orders=0, trigger="loop")
    snapshot = started.see()
    bot = started.bot()
    assert snapshot.ok
    assert snapshot.headline == "All is well: 1 strategy, 1 bot"
    assert (bot.status, bot.next_slot) == ("up", started.slot("12:02"))
    assert bot.last_decision is not None
    assert (bot.last_decision.reason, bot.last_decision.about) == ("flat", {"signal": 0.1, "source": "sample"})


def test_before_the_first_run_all_is_new(world: World) -> None:
    """All is well before the first run."""
    snapshot = world.see()
    assert snapshot.ok
    assert snapshot.headline == "All is well: 1 strategy, 1 bot (1 new)"
    assert snapshot.strategies[0].status == "new"


def test_manual_runs_that_failed_are_not_hidden(world: World) -> None:
    """The bot stays what it is; headline, bot and page say it, until a run succeeds."""
    for _ in range(2):
        world.now += timedelta(milliseconds=10)
        world.run(world.now, "failed", trigger="manual")
    snapshot = world.see()
    assert snapshot.headline == "No bot is down, but manual runs of pulse did not succeed: 1 strategy, 1 bot (1 new)"
    assert (snapshot.ok, world.bot().status) == (True, "new")
    assert world.bot().manual_failure == "the manual run of Fri 20 Nov 12:00:30 UTC failed (2 in a row)"

    world.now += timedelta(milliseconds=10)
    world.run(world.now, trigger="manual")
    assert world.see().headline == "All is well: 1 strategy, 1 bot (1 new)"
    assert world.bot().manual_failure == ""


def test_a_slot_that_succeeds_supersedes_a_manual_failure(started: World) -> None:
    """What happens now matters more than what a person has tried before."""
    started.run(started.now, "timed_out", trigger="manual")
    assert started.see().headline.startswith("No bot is down, but")
    started.at("12:01:00")
    started.run(started.slot("12:01"))
    assert started.see().headline == "All is well: 1 strategy, 1 bot"


def test_a_container_that_never_starts(world: World) -> None:
    """It is down after a minute, and its slots are missed."""
    world.see()
    world.silent = True
    snapshot = world.at("12:01:40")
    assert not snapshot.ok
    assert snapshot.headline == "pulse has never started"
    assert world.bot().condition == "never_started"
    assert world.ledger() == [("12:01:00", 1, "missed")]


def test_a_slot_missed_while_the_loop_lives(started: World) -> None:
    """Down with the evidence, until a slot succeeds again."""
    snapshot = started.at("12:01:25")
    assert snapshot.headline == "1 bot down: pulse"
    assert started.bot().reason == "slot 12:01:00 UTC missed: nothing in the journal"
    assert started.bot().missed_today == 1
    started.at("12:02:00")
    started.run(started.now)
    assert started.see().ok
    assert started.bot().missed_today == 1


def test_a_missed_slot_that_runs_after_all_is_missed_until_that_has_succeeded(started: World) -> None:
    """catch_up: no message says that all is well again before it is."""
    started.at("12:01:25")
    run_id = started.run(started.slot("12:01"), outcome=None)
    snapshot = started.see()
    assert started.bot().status == "running"
    assert [(one.kind, one.since) for one in snapshot.conditions] == [("missed", started.slot("12:01"))]
    fields = {"bot": "pulse", "slot": started.slot("12:01"), "run_id": run_id, "attempt": 1}
    started.write("run_end", fields, outcome="succeeded", tick_duration_ms=8, orders=0, trigger="loop")
    assert started.see().ok


def test_the_next_deadline_is_met_exactly(started: World) -> None:
    """The watch asks to be woken when something is due, and at most a second from now."""
    started.now = started.slot("12:01") + timedelta(seconds=20.6)
    started.beat()
    assert started.watch.step(started.now) == pytest.approx(0.4)
    started.now += timedelta(seconds=0.4)
    started.watch.step(started.now)
    assert started.bot().condition == "missed"


def test_a_slot_that_is_about_to_be_missed_is_known_before(started: World) -> None:
    """A second before its deadline, so that what sends the alert can start meanwhile; a bot that misses again has its alert."""
    seen = []
    for seconds in (19.7, 20.0, 21.0, 80.0):
        started.now = started.slot("12:01") + timedelta(seconds=seconds)
        started.beat()
        wait = started.watch.step(started.now)
        seen.append((started.watch.is_slot_overdue, round(wait, 3)))
    assert seen[0] == (False, 0.3)
    assert [is_overdue for is_overdue, _ in seen] == [False, True, False, False]


def test_late_is_not_yet_wrong(started: World) -> None:
    """Within its grace a slot that has not started is late, and all is still well."""
    snapshot = started.at("12:01:10")
    assert snapshot.ok
    assert "1 late" in snapshot.headline
    assert started.bot().status == "late"


def test_a_pause_is_seen_and_ends(started: World) -> None:
    """It takes a second to be seen, and ends by itself."""
    desired = Control(started.control, "pulse")
    desired.prepare()
    started.see()
    desired.pause("pulse", Pause(started.now, started.slot("12:02"), "ann", "tea"))
    assert "1 paused" in started.see().headline
    assert started.bot().reason == "paused by ann since 12:00:30 UTC, until 12:02:00 UTC: tea"
    started.now = started.slot("12:01")
    started.write("slot_skipped", bot="pulse", slot=started.now, count=1, outcome="skipped", reason="paused")
    started.at("12:02:01")
    assert started.bot().status == "up"
    desired.pause("pulse", Pause(started.now, None, "ann", "tea"))
    started.see()
    assert started.bot().status == "paused"
    desired.resume("pulse")
    started.see()
    assert started.bot().status == "up"


def test_a_strategy_that_cannot_start_says_why(world: World) -> None:
    """The last line of its last error; the traceback is stored for its page."""
    world.see()
    fields = {
        "error": "strategy.py cannot be imported: No module named x",
        "traceback": "Traceback …",
        "will_retry": True,
    }
    world.write("error", fields, stage="start")
    world.write("service_stop", reason="cannot start: strategy.py cannot be imported: No module named x")
    snapshot = world.see()
    assert snapshot.headline == "pulse cannot start"
    assert "No module named x" in snapshot.strategies[0].reason
    assert world.store is not None
    assert world.store.errors("pulse", 1)[0].traceback == "Traceback …"


def test_a_bad_manifest_is_a_strategy_that_cannot_start(world: World) -> None:
    """The others are watched all the same."""
    world.strategy("broken", 'timezone = "Mars/Base"\nwhat = 1\n')
    snapshot = world.see()
    broken = snapshot.strategy("broken")
    assert broken is not None
    assert (broken.status, broken.condition, len(broken.problems)) == ("down", "bad_manifest", 3)
    assert "broken/strategy.toml: what" in broken.reason
    assert snapshot.headline == "broken cannot start"
    assert snapshot.strategy("pulse") is not None


def test_no_strategies_at_all(world: World) -> None:
    """An empty kit is well."""
    shutil.rmtree(world.strategies / "pulse")
    snapshot = world.see()
    assert (snapshot.ok, snapshot.headline) == (True, "There are no strategies yet")


def test_the_version_tells_whether_anything_changed(started: World) -> None:
    """What has not changed needs no new page."""
    first = started.see()
    started.now += timedelta(seconds=1)
    second = started.see()
    assert (second.version, second.judged_at > first.judged_at) == (first.version, True)
    started.at("12:01:00")
    assert started.see().version > first.version


def test_missed_today_begins_at_midnight_of_the_zone(world: World) -> None:
    """A range of missed slots over midnight is counted from midnight on."""
    world.strategy(manifest='timezone = "America/New_York"\n[[bot]]\nsymbols = ["A"]\nevery = "15m"\n')
    world.now = datetime(2026, 11, 21, 3, 50, tzinfo=UTC)  # 22:50 in New York
    world.see()
    world.now = datetime(2026, 11, 21, 5, 40, tzinfo=UTC)  # 00:40
    world.see()
    assert world.ledger() == [("05:30:00", 7, "missed")]
    assert world.bot().missed_today == 3


def test_what_is_old_is_forgotten(started: World) -> None:
    """The store is bounded; what is expected stays."""
    started.at("12:01:00")
    started.run(started.now)
    started.see()
    for _ in range(33):  # after a longer jump the clock might be ahead
        started.now += timedelta(hours=23)
        started.see()
    assert started.store is not None
    assert started.store.runs.recent("pulse", "pulse", 10) == []
    assert {slot.outcome for slot in started.store.slots.recent("pulse", "pulse", started.now, 40)} == {"missed"}


def test_a_loop_that_beats_and_writes_nothing_is_told(started: World) -> None:
    """The slot is missed, and the reason is the journal; that stays so over a restart, and ends with the next line."""
    started.at("12:01:00")
    started.run(started.now)
    started.see()
    assert [one.kind for one in started.at("12:02:35").conditions] == ["not_written", "missed"]
    started.restart()
    started.see()
    assert [one.kind for one in started.at("12:02:40").conditions] == ["not_written", "missed"]
    started.at("12:03:00")
    started.run(started.now)
    assert started.see().conditions == ()


def test_a_planned_deployment_is_no_alarm(started: World) -> None:
    """Stopped and silent as announced, until the announcement's end; other strategies are judged as ever."""
    started.at("12:01:00")
    started.run(started.now)
    until = started.now + timedelta(minutes=2)
    control.announce(started.control, Deployment("r2", ("pulse",), started.now, until, "ann"))
    started.write("service_stop", reason="SIGTERM")
    started.silent = True
    snapshot = started.at("12:02:50")
    assert snapshot.deployment is not None
    assert snapshot.deployment.release == "r2"
    assert snapshot.strategies[0].status == "new"
    assert [one.kind for one in snapshot.conditions] == ["missed"]
    snapshot = started.at("12:03:05")
    assert snapshot.deployment is None
    assert [one.kind for one in snapshot.conditions] == ["stopped", "missed"]


def test_a_condition_keeps_its_beginning(started: World) -> None:
    """Forty missed slots later, and after a restart, it still began with the first."""
    started.at("12:41:30")
    started.restart()
    (missed,) = [one for one in started.see().conditions if one.kind == "missed"]
    assert (missed.since, missed.count) == (started.slot("12:01"), 41)


def test_what_runs_take_is_summed_up_day_by_day(started: World) -> None:
    """From the journal over the days to the trend; the newest are in the view."""
    assert started.store is not None
    with started.store.transaction():
        for day in range(20, 0, -1):
            at = started.now - timedelta(days=day)
            run = RunRecord(f"r{day}", "pulse", at, "loop", 1, at, at, 1.0, at, "succeeded", 20_000.0 - 500 * day)
            started.store.runs.put("pulse", run)
    started.restart()
    for _ in range(50):
        started.see()
    durations = started.bot().durations
    assert durations is not None
    assert durations.creep == pytest.approx(3500)
    assert durations.recent[-1] == 19_500.0
    assert [one.kind for one in started.watch.snapshot.conditions] == ["slower"]  # type: ignore[union-attr]
    assert started.store.days("pulse", "pulse")[-1].median_ms == 19_500.0
