"""The slot ledger: each expected slot gets one outcome."""

from datetime import timedelta

import pytest

from tests.unit.supervisor.world import World


def test_a_run_is_bound_to_its_own_slot(started: World) -> None:
    """The outcome goes to the slot that the run names."""
    started.at("12:01:00")
    started.run(started.slot("12:01"))
    started.at("12:01:05")
    assert started.ledger() == [("12:01:00", 1, "succeeded")]
    assert started.bot().last is not None


def test_a_slot_is_missed_once_its_grace_is_over(started: World) -> None:
    """Nothing in the journal by slot + grace + 1 s: missed. Not before."""
    started.at("12:01:20")
    assert started.ledger() == []
    started.now += timedelta(seconds=1)
    started.see()
    assert started.ledger() == [("12:01:00", 1, "missed")]


def test_a_run_that_began_in_time_is_not_missed_however_long_it_takes(started: World) -> None:
    """An open run holds its slot without an outcome."""
    started.at("12:01:00")
    started.run(started.slot("12:01"), outcome=None)
    started.at("12:01:30")
    assert started.ledger() == [("12:01:00", 1, None)]


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "timed_out", "interrupted"])
def test_each_end_is_an_outcome(started: World, outcome: str) -> None:
    """The run's end is the slot's outcome."""
    started.at("12:01:00")
    started.run(started.slot("12:01"), outcome)
    started.at("12:01:40")
    assert started.ledger() == [("12:01:00", 1, outcome)]


def test_attempts_are_one_run(started: World) -> None:
    """A retry is a further run_start of the same run; only the end counts."""
    started.at("12:01:00")
    fields = {"bot": "pulse", "slot": started.slot("12:01"), "run_id": "r"}
    for attempt in (1, 2):
        started.write("run_start", fields, attempt=attempt, lateness_ms=1.0 if attempt == 1 else 900.0, trigger="loop")
        started.write("error", fields, attempt=attempt, error="Boom", traceback="", will_retry=attempt == 1)
    started.write("run_end", fields, attempt=2, outcome="failed", tick_duration_ms=3, orders=0, trigger="loop")
    started.see()
    assert started.store is not None
    (run,) = started.store.runs.recent("pulse", "pulse", 10)
    assert (run.attempt, run.outcome, run.lateness_ms, run.error) == (2, "failed", 1.0, "Boom")
    assert started.ledger() == [("12:01:00", 1, "failed")]


def test_a_start_that_comes_twice_does_not_open_the_run_again(started: World) -> None:
    """Part of a journal that was read before."""
    started.at("12:01:00")
    run_id = started.run(started.now)
    started.see()
    fields = {"bot": "pulse", "slot": started.now, "run_id": run_id, "attempt": 1}
    started.write("run_start", fields, lateness_ms=0.0, trigger="loop")
    started.see()
    assert started.ledger() == [("12:01:00", 1, "succeeded")]


def test_a_skip_settles_a_range_of_slots_in_one_record(started: World) -> None:
    """A pause of half an hour is one record with its reason."""
    started.now = started.slot("12:30")
    skipped: dict[str, object] = {
        "outcome": "skipped",
        "reason": "paused",
        "paused_by": "ann",
        "pause_reason": "holiday",
    }
    started.write(
        "slot_skipped", bot="pulse", slot=started.slot("12:29"), first=started.slot("12:01"), count=29, **skipped
    )
    started.see()
    assert started.ledger() == [("12:29:00", 29, "skipped")]
    assert started.bot().slots[0].reason == "paused by ann: holiday"


def test_the_word_of_the_journal_replaces_a_slot_judged_missed(started: World) -> None:
    """The loop accounts later for what it could not run: one record, with its reason."""
    started.at("12:03:30")
    assert started.ledger() == [("12:01:00", 1, "missed"), ("12:02:00", 1, "missed"), ("12:03:00", 1, "missed")]
    fields = {"outcome": "missed", "reason": "late", "count": 2}
    started.write("slot_skipped", fields, bot="pulse", slot=started.slot("12:02"), first=started.slot("12:01"))
    started.see()
    assert started.ledger() == [("12:02:00", 2, "missed"), ("12:03:00", 1, "missed")]


def test_a_late_run_takes_the_place_of_its_missed_slot(started: World) -> None:
    """catch_up: the newest slot runs after all, and is flagged late; the others stay missed."""
    started.at("12:03:30")
    started.run(started.slot("12:02"))
    started.see()
    assert started.ledger() == [("12:01:00", 1, "missed"), ("12:02:00", 1, "succeeded"), ("12:03:00", 1, "missed")]
    assert started.bot().slots[1].late


def test_a_run_takes_the_place_of_a_skip(started: World) -> None:
    """A slot that was passed over comes once more if the clock is set back: its one outcome is the run's, also if read twice."""
    started.at("12:01:00")
    skip = {"bot": "pulse", "slot": started.now, "outcome": "skipped", "reason": "overlap", "count": 1}
    started.write("slot_skipped", skip)
    started.see()
    assert started.ledger() == [("12:01:00", 1, "skipped")]
    started.write("clock_stepped", by_s=-40.0)
    started.run(started.slot("12:01"))
    started.see()
    assert started.ledger() == [("12:01:00", 1, "succeeded")]
    started.write("slot_skipped", skip)
    started.see()
    assert started.ledger() == [("12:01:00", 1, "succeeded")]


def test_a_late_run_is_cut_out_of_a_range(world: World) -> None:
    """A range that was judged at once is split around a run that turns up later."""
    world.see()
    world.now = world.slot("12:10") + timedelta(seconds=30)
    world.see()
    assert world.ledger() == [("12:10:00", 10, "missed")]
    world.run(world.slot("12:04"))
    world.see()
    assert world.ledger() == [("12:03:00", 3, "missed"), ("12:04:00", 1, "succeeded"), ("12:10:00", 6, "missed")]


def test_a_range_of_skips_leaves_the_runs_within_alone(started: World) -> None:
    """What has run has run, whatever is said of the time around it."""
    started.at("12:02:00")
    started.run(started.slot("12:02"))
    started.now = started.slot("12:05")
    fields = {"outcome": "skipped", "reason": "coalesced", "count": 4}
    started.write("slot_skipped", fields, bot="pulse", slot=started.slot("12:04"), first=started.slot("12:01"))
    started.see()
    assert started.ledger() == [("12:01:00", 1, "skipped"), ("12:02:00", 1, "succeeded"), ("12:04:00", 2, "skipped")]


def test_a_manual_run_settles_no_slot(started: World) -> None:
    """It is shown among the runs; the slot is missed all the same."""
    started.at("12:01:00")
    started.run(started.slot("12:01"), trigger="manual")
    started.at("12:01:30")
    assert started.ledger() == [("12:01:00", 1, "missed")]
    assert started.store is not None
    assert [run.trigger for run in started.store.runs.recent("pulse", "pulse", 10)] == ["manual"]


def test_a_run_for_no_slot_settles_none(started: World) -> None:
    """A run is never bound to the nearest slot."""
    started.at("12:01:02")
    started.run(started.now)
    started.at("12:01:30")
    assert started.ledger() == [("12:01:00", 1, "missed")]


def test_a_second_run_of_a_slot_does_not_change_its_outcome(started: World) -> None:
    """After a lost state volume a slot may run twice: the first one is the slot's."""
    started.at("12:01:00")
    started.run(started.slot("12:01"), "failed")
    started.run(started.slot("12:01"), "succeeded")
    started.at("12:01:05")
    assert started.ledger() == [("12:01:00", 1, "failed")]


def test_a_run_whose_end_was_lost_is_interrupted(started: World) -> None:
    """Its loop lives and does not have it any more: the end never came through (a full disk, a torn line)."""
    started.at("12:01:00")
    started.run(started.slot("12:01"), outcome=None)
    started.at("12:02:30")
    assert started.ledger()[0] == ("12:01:00", 1, "interrupted")
    assert "its end is missing from the journal" in [slot.reason for slot in started.bot().slots]


def test_a_run_that_its_loop_still_has_is_not_lost(started: World) -> None:
    """The beat names it."""
    started.silent = True
    started.at("12:01:00")
    started.run(started.slot("12:01"), outcome=None)
    for clock in ("12:01:30", "12:02:00", "12:02:30"):
        started.at(clock)
        started.beat("pulse", "pulse")
    started.see()
    assert started.ledger()[0] == ("12:01:00", 1, None)


def test_an_end_that_comes_after_all_counts(started: World) -> None:
    """The journal's word replaces the supervisor's conclusion."""
    started.at("12:01:00")
    run_id = started.run(started.slot("12:01"), outcome=None)
    started.at("12:02:30")
    fields = {"bot": "pulse", "slot": started.slot("12:01"), "run_id": run_id, "attempt": 1, "trigger": "loop"}
    started.write("run_end", fields, outcome="succeeded", tick_duration_ms=1, orders=0)
    started.see()
    assert started.ledger()[0] == ("12:01:00", 1, "succeeded")


def test_what_a_newer_version_writes_is_no_fault(started: World) -> None:
    """An outcome or a skip that is not known here is neither a run that was cut off nor a missed slot."""
    started.at("12:01:00")
    started.run(started.slot("12:01"), "cancelled")
    started.at("12:02:05")
    started.write(
        "slot_skipped", {"bot": "pulse", "slot": started.slot("12:02")}, outcome="deferred", reason="x", count=1
    )
    started.at("12:02:50")
    assert started.ledger() == [("12:01:00", 1, "skipped"), ("12:02:00", 1, "skipped")]


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_a_missed_slot_that_a_person_has_run_afterwards_has_that_outcome(started: World, outcome: str) -> None:
    """It is the slot's run like any other; until it has succeeded the slot goes on to count as missed."""
    started.at("12:01:30")
    started.run(started.slot("12:01"), None, trigger="backfill")
    started.see()
    assert [one.kind for one in started.watch.snapshot.conditions if one.bot] == ["missed"]  # type: ignore[union-attr]
    fields = {"bot": "pulse", "slot": started.slot("12:01"), "run_id": "run-1", "attempt": 1, "trigger": "backfill"}
    started.write("run_end", fields, outcome=outcome, tick_duration_ms=3.0, orders=0)
    snapshot = started.see()
    assert started.ledger() == [("12:01:00", 1, outcome)]
    assert [one.kind for one in snapshot.conditions if one.bot] == ([] if outcome == "succeeded" else ["failed"])


def test_a_skipped_slot_that_a_person_has_run_afterwards_raises_no_alarm(started: World) -> None:
    """It was not missed, so it does not count as missed while its run goes on."""
    started.at("12:01:00")
    started.write("slot_skipped", bot="pulse", slot=started.slot("12:01"), outcome="skipped", reason="paused", count=1)
    started.at("12:01:30")
    started.run(started.slot("12:01"), None, trigger="backfill")
    snapshot = started.see()
    assert [one for one in snapshot.conditions if one.bot] == []
    assert started.store is not None
    assert started.store.faults(0, 100) == []
    assert started.ledger() == [("12:01:00", 1, None)]
