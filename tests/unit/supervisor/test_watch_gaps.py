"""The watch after an absence, a crash or an error of its own: what it claims, and what it does not."""

import sqlite3
from datetime import timedelta

import pytest

from tests.unit.supervisor.world import World


def test_the_supervisors_own_downtime_is_no_ones_fault(started: World) -> None:
    """It reads what was written meanwhile before it judges."""
    started.restart()
    for minute in range(1, 60):
        started.now = started.slot(f"12:{minute:02}")
        if minute != 30:
            started.run(started.now)
    started.now += timedelta(seconds=40)
    started.beat()
    snapshot = started.see()
    assert snapshot.ok
    assert [entry for entry in started.ledger() if entry[2] != "succeeded"] == [("12:30:00", 1, "missed")]


def test_a_crash_between_two_steps_loses_and_repeats_nothing(started: World) -> None:
    """Positions and records are one commit."""
    for minute in range(1, 11):
        started.now = started.slot(f"12:{minute:02}")
        started.run(started.now)
        if minute % 3 == 0:
            started.see()
            started.restart()
    started.see()
    assert started.ledger() == [(f"12:{minute:02}:00", 1, "succeeded") for minute in range(1, 11)]


def test_silence_from_the_time_of_our_absence_proves_nothing(started: World) -> None:
    """After a reboot of the machine the loops get as long to beat as they always have."""
    started.restart()
    started.silent = True
    started.now = started.slot("14:00")
    assert started.see().strategies[0].status == "late"
    started.at("14:00:29")
    assert started.watch.snapshot is not None
    assert started.watch.snapshot.strategies[0].status == "late"
    started.at("14:00:31")
    assert started.watch.snapshot.strategies[0].condition == "stalled"


def test_a_suspended_machine_is_an_absence(started: World) -> None:
    """The same without a restart: a gap between two steps."""
    started.now = started.slot("14:00")
    assert started.see().strategies[0].status == "late"


def test_a_store_that_cannot_be_written_is_said_and_survived(started: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: nothing half-stored, nothing lost."""
    started.at("12:01:00")
    started.run(started.now)
    assert started.store is not None
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            msg = "database or disk is full"
            raise sqlite3.OperationalError(msg)

        patch.setattr(started.store, "save_positions", full)
        with pytest.raises(sqlite3.OperationalError):
            started.watch.step(started.now)
    assert started.watch.snapshot is not None
    assert not started.watch.snapshot.ok
    assert "disk is full" in started.watch.snapshot.headline
    assert [strategy.name for strategy in started.watch.snapshot.strategies] == ["pulse"]
    assert started.ledger() == []
    assert started.see().ok
    assert started.ledger() == [("12:01:00", 1, "succeeded")]


def test_an_error_in_the_first_step_after_a_restart_claims_to_know_nothing(
    started: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are no conditions in such a snapshot, and it says that this means nothing."""
    started.at("12:01:25")
    started.restart()
    watch = started.watch
    assert started.store is not None
    with monkeypatch.context() as patch:

        def broken(*_: object) -> None:
            msg = "disk I/O error"
            raise sqlite3.OperationalError(msg)

        patch.setattr(started.store, "save_positions", broken)
        with pytest.raises(sqlite3.OperationalError):
            watch.step(started.now)
    assert watch.snapshot is not None
    assert watch.snapshot.is_blind
    assert "missed" in {one.kind for one in started.see().conditions}
    assert not watch.snapshot.is_blind


def test_what_was_wrong_before_a_restart_is_wrong_after_it(started: World) -> None:
    """No condition goes and comes back only because the supervisor was started anew."""
    started.write("service_stop", reason="SIGTERM")
    started.silent = True
    before = started.at("12:05:00")
    assert [one.kind for one in before.conditions] == ["stopped", "missed"]
    started.restart()
    started.now += timedelta(seconds=5)
    after = started.see()
    assert [(one.key, one.since) for one in after.conditions] == [(one.key, one.since) for one in before.conditions]
