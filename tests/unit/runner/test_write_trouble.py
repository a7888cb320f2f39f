"""A full or broken disk: nothing runs that cannot be accounted for, and the loop recovers by itself."""

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import pytest

from openbell import heartbeat
from openbell.journal import NO_FIELDS
from openbell.ledger import Claim
from tests.unit.runner.fake_processes import HANGS, SUCCEEDS, Plan
from tests.unit.runner.fakes import TWO_BOTS, NewRig, failing


def test_without_a_journal_nothing_starts(
    rig: NewRig, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A heartbeat that cannot be written keeps the run from starting; the loop says so and recovers by itself."""
    one = rig()
    one.run_until("09:04")
    with monkeypatch.context() as full:
        full.setattr(one.journal, "write", failing(OSError(28, "No space left on device")))
        one.run_until("09:05:20")
        assert one.launcher.processes == []
    assert "demo: cannot write ([Errno 28] No space left on device); no run starts until" in capfd.readouterr().err
    one.run_until("09:06")
    assert one.outcomes() == [("09:05", "succeeded")]
    ((_, _, late),) = one.starts()
    assert 20 <= late <= 21.1


def test_a_heartbeat_that_cannot_be_written_in_time_fails_the_slot(
    rig: NewRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claimed slot whose heartbeat could not be written within its grace has failed, without a run and without a retry."""
    one = rig(defaults="retries = 3")
    one.run_until("09:04")
    with monkeypatch.context() as full:
        full.setattr(one.journal, "write", failing(OSError(28, "No space left on device")))
        one.run_until("09:06:30")
    one.run_until("09:11")
    assert one.outcomes() == [("09:05", "failed"), ("09:10", "succeeded")]
    assert one.starts() == [("09:10", 1, 0.0)]
    assert "could not start by 09:06:00 UTC" in str(one.events("error")[0]["error"])


def test_without_a_ledger_nothing_starts(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that cannot be written keeps the run from starting; slots that pass their grace are accounted for once."""
    one = rig()
    one.run_until("09:04")
    with monkeypatch.context() as broken:
        broken.setattr(one.ledger, "claim", failing(sqlite3.OperationalError("disk I/O error")))
        one.run_until("09:12")
        assert one.launcher.processes == []
        assert one.events("run_start") == []
    one.run_until("09:16")
    assert one.outcomes() == [("09:05", "missed: late"), ("09:10", "missed: late"), ("09:15", "succeeded")]


def test_a_claim_that_was_made_although_it_failed_is_kept(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error after the commit was durable: the next try finds its own claim, and the slot runs once."""
    one = rig()
    one.run_until("09:04")
    claim = one.ledger.claim

    def claim_and_fail(claims: Iterable[Claim]) -> None:
        claim(claims)
        monkeypatch.setattr(one.ledger, "claim", claim)
        msg = "disk I/O error"
        raise sqlite3.OperationalError(msg)

    monkeypatch.setattr(one.ledger, "claim", claim_and_fail)
    one.run_until("09:06")
    assert one.outcomes() == [("09:05", "succeeded")]
    assert one.ledger.open_claims() == []


def test_an_end_that_cannot_be_written_is_written_later_and_once(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends while the disk is full has its end in the journal once, when there is room again."""
    one = rig()
    one.launcher.plan = lambda _: Plan(seconds=10)
    one.run_until("09:05:05")
    with monkeypatch.context() as full:
        full.setattr(one.ledger, "finish", failing(sqlite3.OperationalError("database or disk is full")))
        one.run_until("09:05:30")
    one.run_until("09:05:40")
    assert one.outcomes() == [("09:05", "succeeded")]
    assert one.ledger.open_claims() == []


def test_a_skip_that_cannot_be_written_is_written_later_and_once(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A skip is in the journal once, whether journal, sync or ledger failed."""
    one = rig(defaults='timeout = "1h"')
    one.launcher.plan = lambda run: Plan(seconds=1500) if run.slot.minute == 5 else SUCCEEDS
    one.run_until("09:06")
    for method, minute in (("write", "09:11"), ("sync", "09:16")):
        with monkeypatch.context() as full:
            full.setattr(one.journal, method, failing(OSError(28, "No space left on device")))
            one.run_until(minute)
    with monkeypatch.context() as full:
        full.setattr(one.ledger, "account", failing(sqlite3.OperationalError("disk I/O error")))
        one.run_until("09:21")
    one.run_until("09:36")
    assert one.outcomes() == [
        ("09:10", "skipped: overlap"),
        ("09:15", "skipped: overlap"),
        ("09:20", "skipped: overlap"),
        ("09:25", "skipped: overlap"),
        ("09:30", "skipped: overlap"),
        ("09:05", "succeeded"),
        ("09:35", "succeeded"),
    ]


def test_a_full_disk_is_said_once_in_a_while(
    rig: NewRig, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log of a strategy without a disk does not fill another one: a line each half minute."""
    one = rig()
    with monkeypatch.context() as full:
        full.setattr(heartbeat, "write", failing(OSError(30, "Read-only file system")))
        one.run_for(100)
    assert 3 <= capfd.readouterr().err.count("cannot write") <= 4


def test_the_beat_names_the_boot_and_the_runs(rig: NewRig) -> None:
    """The sign of life is at most five seconds old and tells which bots have a run in progress."""
    one = rig(defaults='timeout = "1h"')
    one.launcher.plan = lambda _: HANGS
    one.run_until("09:05:07")
    seen = heartbeat.read(one.journal.folder)
    assert seen is not None
    assert (seen.boot_id, seen.running) == ("boot1", ("b",))
    assert one.clock.now() - seen.timestamp <= timedelta(seconds=heartbeat.INTERVAL)


def test_a_heartbeat_that_cannot_be_written_holds_nobody_else_up(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full after the first of two heartbeats: that run starts on time, the other one when it is told."""
    one = rig(TWO_BOTS)
    one.run_until("09:04:59")
    write = one.journal.write

    def full_for_c(event: str, at: datetime, run: Mapping[str, object] = NO_FIELDS, **fields: object) -> None:
        if run.get("bot") == "c":
            raise OSError(28, "No space left on device")
        write(event, at, run, **fields)  # type: ignore[arg-type]

    with monkeypatch.context() as full:
        full.setattr(one.journal, "write", full_for_c)
        one.run_until("09:05:20")
        assert [(process.run.bot.id, f"{process.started_at:%H:%M:%S}") for process in one.launcher.processes] == [
            ("b", "09:05:00")
        ]
    one.run_until("09:05:40")
    assert [process.run.bot.id for process in one.launcher.processes] == ["b", "c"]
