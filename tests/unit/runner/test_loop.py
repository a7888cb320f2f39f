"""The loop on a fake clock: real ledger, real journal, real control folder; only the time and the processes are not."""

import os
from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from openbell.ledger import Claim
from openbell.manifest import Manifest
from openbell.runner.arming import CLAIM_AHEAD
from openbell.runner.clock import LONGEST_WAIT
from openbell.runner.loop import RUN_UP
from openbell.slots import slots_between
from openbell.strategy.run_state import Run
from tests.unit.runner.fake_processes import FAILS, HANGS, START, SUCCEEDS, Plan
from tests.unit.runner.fakes import FIVE_MINUTES, TWO_BOTS, NewRig


def test_every_slot_runs_on_time(rig: NewRig) -> None:
    """An undisturbed hour has twelve runs, each started at its very slot."""
    one = rig()
    one.run_until("10:01")
    assert one.starts() == [(f"{9 + minute // 60:02}:{minute % 60:02}", 1, 0.0) for minute in range(5, 65, 5)]
    assert [outcome for _, outcome in one.outcomes()] == ["succeeded"] * 12


def test_the_loop_sleeps_until_the_slot(rig: NewRig) -> None:
    """The wait is seconds at most, and shorter when a slot comes sooner."""
    one = rig()
    assert one.loop.step() == LONGEST_WAIT
    one.run_until("09:04:59")
    one.clock.advance(0.75)
    ahead = CLAIM_AHEAD.total_seconds()
    assert one.loop.step() == pytest.approx(0.25 - ahead)
    one.clock.advance(0.25 - ahead)
    assert one.loop.step() == pytest.approx(ahead - RUN_UP)
    one.clock.advance(ahead - RUN_UP)
    assert one.loop.step() == pytest.approx(RUN_UP)


def test_run_start_tells_lateness_and_trigger(rig: NewRig) -> None:
    """The heartbeat holds how late it is, how long the run waited for room, why it runs and with which money."""
    one = rig()
    one.run_until("09:05")
    (line,) = one.events("run_start")
    told = {name: line[name] for name in ("lateness_ms", "queue_wait_ms", "trigger", "market", "broker", "symbols")}
    assert told == {
        "lateness_ms": 0.0,
        "queue_wait_ms": 0.0,
        "trigger": "loop",
        "market": "sample",
        "broker": "paper",
        "symbols": ["AAPL"],
    }


def test_run_end_tells_how_long_it_took(rig: NewRig) -> None:
    """The end holds the outcome, the duration and how many orders there were."""
    one = rig()
    one.launcher.plan = lambda _: Plan(seconds=2.5)
    one.run_until("09:06")
    (line,) = one.events("run_end")
    assert (line["outcome"], line["tick_duration_ms"], line["orders"]) == ("succeeded", 2500.0, 0)


def test_stagger_shifts_the_start_and_not_the_slot(rig: NewRig) -> None:
    """The second bot starts two seconds later, for the same slot, and is not late: it is due then."""
    one = rig(TWO_BOTS, top='stagger = "2s"')
    one.run_until("09:06")
    assert one.starts() == [("09:05", 1, 0.0), ("09:05", 1, 0.0)]
    first, second = (datetime.fromisoformat(str(line["timestamp"])) for line in one.events("run_start"))
    assert second - first == timedelta(seconds=2)


def test_max_parallel_queues_and_tells_the_wait(rig: NewRig) -> None:
    """With room for one run the second bot waits, and its wait is told apart."""
    one = rig(TWO_BOTS, top="max_parallel = 1")
    one.launcher.plan = lambda _: Plan(seconds=3)
    one.run_until("09:06")
    assert [(line["bot"], line["queue_wait_ms"]) for line in one.events("run_start")] == [("b", 0.0), ("c", 3000.0)]
    assert [process.run.bot.id for process in one.launcher.processes] == ["b", "c"]


def test_no_room_within_the_grace_is_missed(rig: NewRig) -> None:
    """A slot that finds no room in time is missed, and the next one runs."""
    one = rig(TWO_BOTS, top="max_parallel = 1", defaults='timeout = "4m"')
    one.launcher.plan = lambda run: Plan(seconds=100) if run.bot.id == "b" else SUCCEEDS
    one.run_until("09:08")
    assert sorted((line["bot"], line["outcome"]) for line in one.events("run_end")) == [("b", "succeeded")]
    (skip,) = one.events("slot_skipped")
    assert (skip["bot"], skip["outcome"], skip["reason"]) == ("c", "missed", "late")


def test_a_waiting_slot_gives_way_to_the_next(rig: NewRig) -> None:
    """A slot that still waits for room when the next is due is coalesced into it."""
    bots = FIVE_MINUTES.replace('"5m"', '"1m"') + '[[bot]]\nid = "c"\nsymbols = ["MSFT"]\nevery = "1m"\n'
    one = rig(bots, top="max_parallel = 1", defaults='grace = "10m"\ntimeout = "10m"')
    one.launcher.plan = lambda run: Plan(seconds=90)
    one.run_until("09:04")
    skips = [line for line in one.events("slot_skipped") if line["bot"] == "c"]
    assert (skips[0]["slot"], skips[0]["reason"]) == ("2026-03-02T09:01:00.000Z", "coalesced")
    assert [str(line["slot"])[14:16] for line in one.events("run_start") if line["bot"] == "c"] == ["02"]


def test_many_bots_start_together(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty-five bots due in one instant all start in it, within one durable claim."""
    bots = "".join(f'[[bot]]\nid = "b{number}"\nsymbols = ["AAPL"]\nevery = "5m"\n' for number in range(45))
    one = rig(bots)
    claims: list[int] = []
    claim = one.ledger.claim

    def counted(wanted: Iterable[Claim]) -> list[Claim]:
        taken = claim(wanted)
        claims.append(len(taken))
        return taken

    monkeypatch.setattr(one.ledger, "claim", counted)
    one.run_until("09:05")
    assert one.starts() == [("09:05", 1, 0.0)] * 45
    assert claims == [45]


def test_expected_slots_and_outcomes_agree_over_hours(rig: NewRig) -> None:
    """Whatever runs fail, hang or overlap: each slot has one outcome."""

    def plan(run: Run) -> Plan:
        kind = run.slot.minute // 5 % 4
        return (SUCCEEDS, FAILS, HANGS, Plan(seconds=400))[kind]

    one = rig(defaults='timeout = "9m"\nretries = 1')
    one.launcher.plan = plan
    one.run_for(14400)
    one.drain(3600)
    manifest: Manifest = one.manifest
    expected = [f"{slot:%H:%M}" for slot in slots_between(manifest.bots[0].schedule, START, START + timedelta(hours=4))]
    assert sorted(clock for clock, _ in one.outcomes()) == sorted(expected)


def test_nothing_is_left_open(rig: NewRig) -> None:
    """The loop keeps no file open for each run or each day."""
    one = rig(defaults='catch_up = "latest"')
    one.run_for(600)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers, not paths
    for _ in range(20):
        one.clock.advance(86400)
        one.run_for(600)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
