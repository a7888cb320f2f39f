"""Which slots the ledger expects: from the first start of a container on, by the schedule in force and its calendar."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.supervisor.world import World

CALENDAR = """
timezone = "America/New_York"
calendar = "XNYS"
[[bot]]
symbols = ["AAPL"]
at = "09:35"
"""


def test_nothing_is_expected_from_before_the_first_sight(world: World) -> None:
    """From deploy on: the slots of the past owe nothing."""
    world.see()
    world.now = world.slot("12:01") + timedelta(seconds=30)
    world.see()
    assert world.ledger() == [("12:01:00", 1, "missed")]


def test_a_deployment_ends_with_the_containers_first_start(world: World) -> None:
    """The supervisor was there first; the loop started within the first slot's grace, and does not owe that slot."""
    world.see()
    world.now = world.slot("12:01") + timedelta(seconds=5)
    world.start()
    world.at("12:02:30")
    assert world.ledger() == [("12:02:00", 1, "missed")]


def test_a_container_that_starts_after_the_first_grace_has_missed_a_slot(world: World) -> None:
    """A deployment that takes longer than that is none."""
    world.see()
    world.now = world.slot("12:01") + timedelta(seconds=25)
    world.see()
    world.start()
    world.at("12:02:30")
    assert world.ledger() == [("12:01:00", 1, "missed"), ("12:02:00", 1, "missed")]


def test_a_start_too_late_is_one_however_late_it_is_read(world: World) -> None:
    """The same, when start and slot are both over by the time the supervisor looks."""
    world.see()
    world.now = world.slot("12:01") + timedelta(seconds=25)
    world.start()
    world.see()
    assert world.ledger() == [("12:01:00", 1, "missed")]


def test_a_later_start_excuses_nothing(started: World) -> None:
    """Only the first start ends the deployment: a crash between two slots does not."""
    started.at("12:01:05")
    started.start(previous_stop="unclean")
    started.at("12:01:30")
    assert started.ledger() == [("12:01:00", 1, "missed")]


def test_a_changed_schedule_starts_anew(started: World) -> None:
    """The old slots stay as history, the new ones are expected from now on, not from the old schedule's time."""
    started.at("12:01:30")
    started.restart()
    manifest = 'timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nevery = "5m"\ngrace = "20s"\n'
    started.strategy(manifest=manifest)
    started.now = started.slot("12:14") + timedelta(seconds=50)
    started.see()
    assert started.ledger() == [("12:01:00", 1, "missed")]
    started.at("12:15:30")
    assert started.ledger() == [("12:01:00", 1, "missed"), ("12:15:00", 1, "missed")]


def test_a_bot_that_comes_back_is_not_owed_the_time_between(started: World) -> None:
    """A strategy that was taken out of the kit for a while was not expected to run."""
    started.restart()
    (started.strategies / "pulse" / "strategy.toml").rename(started.root / "kept")
    (started.strategies / "pulse").rmdir()
    started.now = started.slot("12:20")
    started.see()
    started.restart()
    started.strategy()
    started.now = started.slot("12:30") + timedelta(seconds=30)
    started.see()
    assert started.ledger() == []


def test_a_broken_manifest_excuses_nothing(started: World) -> None:
    """Slots that could not run because of a typing error in the manifest were missed."""
    started.restart()
    started.strategy(manifest="oops = 1")
    started.now = started.slot("12:20")
    assert started.see().strategies[0].condition == "bad_manifest"
    started.restart()
    started.strategy()
    started.now = started.slot("12:30") + timedelta(seconds=30)
    started.see()
    assert started.ledger() == [("12:30:00", 30, "missed")]


def test_a_market_holiday_is_no_slot(world: World) -> None:
    """Thanksgiving 2026 and the weekend after it owe nothing."""
    world.strategy(manifest=CALENDAR)
    world.now = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
    world.see()
    world.now = datetime(2026, 11, 30, 20, 0, tzinfo=UTC)
    world.see()
    assert world.store is not None
    slots = world.store.slots.recent("pulse", "pulse", world.now, 10)
    assert [(slot.first, slot.last, slot.count) for slot in slots] == [
        (datetime(2026, 11, 27, 14, 35, tzinfo=UTC), datetime(2026, 11, 30, 14, 35, tzinfo=UTC), 2)
    ]


def test_a_calendar_that_has_run_out_is_said_aloud(world: World) -> None:
    """Neither open nor closed: unknown."""
    world.strategy(manifest=CALENDAR)
    world.see()
    world.now = datetime(2090, 1, 4, 20, 0, tzinfo=UTC)
    world.start()
    world.beat()
    world.see()
    assert world.bot().condition == "calendar_expired"
    assert "valid" in world.bot().reason


@pytest.mark.parametrize("ahead", [timedelta(hours=9), timedelta(days=3650)])
def test_slots_to_come_are_not_accounted_for(started: World, ahead: timedelta) -> None:
    """A clock that was ahead has passed over slots of the future; those of the present are missed all the same."""
    started.at("12:00:40")
    last = started.slot("12:01") + ahead
    started.write(
        "slot_skipped",
        {"bot": "pulse", "slot": last, "first": started.slot("12:01")},
        outcome="missed",
        reason="late",
        count=99,
    )
    started.at("12:00:45")
    assert started.ledger() == []
    started.at("12:01:21")
    assert started.ledger() == [("12:01:00", 1, "missed")]
