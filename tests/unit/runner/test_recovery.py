"""What a loop that was killed left behind gets its outcome, or goes on, after any write of its run."""

import os
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from openbell import journal as journals
from openbell.control import Pause
from openbell.journal import writer
from openbell.ledger import Claim, OrderRecord
from tests.unit.runner.fake_processes import FAILS, HANGS, START, SUCCEEDS, Plan
from tests.unit.runner.fakes import FIVE_MINUTES, NewRig, Rig


class Killed(BaseException):
    """The loop ends here."""


def kill_at(one: Rig, monkeypatch: pytest.MonkeyPatch, owner: object, method: str, *, after: bool) -> None:
    """Let the loop turn until it calls a method, and kill it before or after that."""
    real = getattr(owner, method)

    def last(*args: object, **fields: object) -> object:
        if after:
            real(*args, **fields)
        raise Killed

    with monkeypatch.context() as fate:
        fate.setattr(owner, method, last)
        with pytest.raises(Killed):
            one.run_until("09:30")
    one.kill()


def test_a_run_that_was_killed_is_tried_again_as_the_same_run(rig: NewRig) -> None:
    """After kill -9 in mid-run the error says so, the run is retried under its id, and the slot has one outcome."""
    one = rig(defaults="retries = 1")
    one.launcher.plan = lambda run: HANGS if run.attempt == 1 else SUCCEEDS
    one.run_until("09:05:05")
    one.kill()
    one.boot()
    one.run_for(5)
    assert [(attempt, late) for _, attempt, late in one.starts()] == [(1, 0.0), (2, 5.0)]
    assert len({line["run_id"] for line in one.events("run_start")}) == 1
    assert "the loop ended in the middle of this run" in str(one.events("error")[0]["error"])
    assert one.outcomes() == [("09:05", "succeeded")]
    assert one.events("service_start")[-1]["previous_stop"] == "unclean"


@pytest.mark.parametrize(
    "owner, method, after",
    [
        pytest.param("ledger", "claim", False, id="before the claim"),
        pytest.param("ledger", "claim", True, id="after the claim"),
        pytest.param("launcher", "start", False, id="before the fork"),
        pytest.param("launcher", "start", True, id="after the fork"),
        pytest.param("ledger", "finish", False, id="before the end is in the ledger"),
        pytest.param("ledger", "finish", True, id="after the end is in the ledger"),
    ],
)
def test_a_kill_in_any_window_leaves_one_outcome(
    rig: NewRig, monkeypatch: pytest.MonkeyPatch, owner: str, method: str, after: bool
) -> None:
    """A loop that comes back at once brings the slot to its one end."""
    one = rig(defaults="retries = 1")
    one.run_until("09:04:59")
    kill_at(one, monkeypatch, getattr(one, owner), method, after=after)
    one.boot()
    one.run_for(20)
    assert one.outcomes() == [("09:05", "succeeded")]
    assert len({line["run_id"] for line in one.events("run_start")}) == 1
    assert one.ledger.open_claims() == []


def test_a_run_that_may_not_be_repeated_is_interrupted(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without retries the slot of a killed attempt is interrupted, and there is no second attempt."""
    one = rig(defaults="retries = 0")
    one.run_until("09:04:59")
    kill_at(one, monkeypatch, one.launcher, "start", after=True)
    one.boot()
    one.run_for(20)
    assert one.outcomes() == [("09:05", "interrupted")]
    assert [attempt for _, attempt, _ in one.starts()] == [1]


def test_a_run_that_was_killed_long_ago_is_interrupted(rig: NewRig) -> None:
    """Past grace and time-out a run is not taken up again; what its orders came to is said to be uncertain."""
    one = rig(defaults="retries = 3")
    one.launcher.plan = lambda _: HANGS
    one.run_until("09:05:10")
    slot = one.launcher.processes[0].run.slot
    one.ledger.intend(OrderRecord("ob-1", "b", slot, "AAPL", "buy", "", 1.0))
    one.ledger.intend(OrderRecord("ob-2", "b", slot, "AAPL", "sell", "", 1.0))
    one.ledger.settle("ob-2", "filled", "o-2")
    one.kill()
    one.run_clock_to("10:00")
    one.boot()
    (end,) = one.events("run_end")
    assert (end["outcome"], end["orders"], end["uncertain_orders"]) == ("interrupted", 2, ["ob-1"])
    assert one.events("error")[0]["will_retry"] is False


def test_a_run_that_had_kept_its_state_has_succeeded(rig: NewRig) -> None:
    """Killed after its last durable step, a run is not repeated on a state that is its own result."""
    one = rig(defaults="retries = 3")
    one.launcher.plan = lambda _: HANGS
    one.run_until("09:05:10")
    one.ledger.save_state("b", one.launcher.processes[0].run.slot, {"runs": 1})
    one.kill()
    one.boot()
    one.run_for(5)
    assert one.outcomes() == [("09:05", "succeeded")]
    assert len(one.launcher.processes) == 1


def test_a_process_lost_after_it_had_kept_its_state_has_succeeded(rig: NewRig) -> None:
    """The same holds while the loop lives: a run killed in its very last moment is no failure."""
    one = rig(defaults="retries = 3")
    one.launcher.plan = lambda _: Plan(seconds=5, failure=FAILS.failure)
    one.run_until("09:05:01")
    one.ledger.save_state("b", one.launcher.processes[0].run.slot, {"runs": 1})
    one.run_until("09:06")
    assert one.outcomes() == [("09:05", "succeeded")]
    assert one.events("error") == []


def test_crashes_use_up_the_attempts(rig: NewRig) -> None:
    """A run that takes its loop with it each time ends after its retries."""
    one = rig(defaults="retries = 2")
    one.launcher.plan = lambda _: HANGS
    one.run_until("09:05")
    for _ in range(4):
        one.run_for(6)
        one.kill()
        one.boot()
    assert [attempt for _, attempt, _ in one.starts()] == [1, 2, 3]
    assert one.outcomes() == [("09:05", "interrupted")]


def test_a_manual_run_is_not_repeated(rig: NewRig) -> None:
    """A requested run that a crash cut off is interrupted; it may be requested again."""
    one = rig(defaults="retries = 3")
    one.launcher.plan = lambda _: HANGS
    one.run_until("09:02")
    one.control.request("b", "alice", one.clock.now())
    one.run_for(6)
    one.kill()
    one.boot()
    one.run_for(5)
    assert [(line["outcome"], line["trigger"]) for line in one.events("run_end")] == [("interrupted", "manual")]
    assert len(one.launcher.processes) == 1


def test_an_end_that_the_ledger_missed_is_taken_from_the_journal(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end written before midnight counts for a loop that boots after it, and is not written twice."""
    one = rig(defaults='timeout = "6h"')
    one.clock.step(timedelta(hours=14, minutes=50).total_seconds())
    one.run_until("23:54")
    one.launcher.plan = lambda _: Plan(seconds=280)
    with monkeypatch.context() as fate:
        fate.setattr(one.ledger, "finish", lambda _: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            one.run_for(360)
    assert one.events("run_end")[-1]["outcome"] == "succeeded"
    one.kill()
    one.clock.advance(600)
    one.boot()
    ends = [line for line in one.events("run_end") if line["slot"] == "2026-03-02T23:55:00.000Z"]
    assert [line["outcome"] for line in ends] == ["succeeded"]
    assert one.ledger.open_claims() == []


@pytest.mark.parametrize("method", ["sync", "account"])
def test_a_skip_that_the_ledger_missed_is_taken_from_the_journal(
    rig: NewRig, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A skip that is in the journal is not told again, and what came after it is."""
    one = rig()
    one.control.pause("b", Pause(START, None, "alice", "earnings"))
    one.run_until("09:04:59")
    kill_at(one, monkeypatch, one.journal if method == "sync" else one.ledger, method, after=False)
    one.run_clock_to("09:11")
    one.boot()
    one.run_for(5)
    assert one.outcomes() == [("09:05", "skipped: paused"), ("09:10", "skipped: paused")]


def test_a_torn_end_is_no_end(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut in the middle of the last line: the line does not count, and does not swallow the next one."""
    one = rig(defaults="retries = 0")
    one.run_until("09:04:59")
    kill_at(one, monkeypatch, one.ledger, "finish", after=False)
    path = one.journal.folder / "2026-03-02.jsonl"
    os.truncate(path, path.stat().st_size - 20)
    one.boot()
    one.run_for(5)
    assert one.outcomes() == [("09:05", "interrupted")]


def test_a_torn_line_of_yesterday_is_ended_before_it_is_judged(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that only lacks its end is the same to every reader from the boot on."""
    one = rig(defaults="retries = 0")
    one.run_until("09:04:59")
    kill_at(one, monkeypatch, one.ledger, "finish", after=False)
    path = one.journal.folder / "2026-03-02.jsonl"
    os.truncate(path, path.stat().st_size - 1)
    one.clock.advance(86400)
    one.boot()
    assert path.read_bytes().endswith(b"}\n")
    assert one.outcomes()[0] == ("09:05", "succeeded")
    assert [line["outcome"] for line in one.events("run_end")] == ["succeeded"]


def test_what_recovery_relies_on_is_safe_first(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yesterday's lines, which a crash left unsynced, survive the next power cut before the ledger builds on them."""
    one = rig()
    one.run_until("09:06")
    one.kill()
    one.clock.advance(86400)
    synced: list[Path] = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink()))
    one.boot()
    assert one.journal.folder / "2026-03-02.jsonl" in synced


def test_a_clock_that_was_set_back_hides_no_end(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end that lies in an earlier day's file than its run's start is found."""
    one = rig(defaults='timeout = "20m"')
    one.launcher.plan = lambda _: Plan(seconds=60)
    one.run_until("09:05:10")
    one.clock.step(-86400)
    kill_at(one, monkeypatch, one.ledger, "finish", after=False)
    one.boot()
    ends = [line for line in one.events("run_end") if line["slot"] == "2026-03-02T09:05:00.000Z"]
    assert [line["outcome"] for line in ends] == ["succeeded"]


def test_other_peoples_claims_are_left_alone(rig: NewRig) -> None:
    """Claims that have an outcome stay as they are."""
    one = rig()
    slot = datetime.combine(date(2026, 3, 1), datetime.min.time(), START.tzinfo)
    claim = Claim("b", slot, "old", 1, "loop", slot)
    one.ledger.claim([claim])
    one.ledger.finish([(claim, "failed")])
    one.kill()
    one.boot()
    assert one.events("run_end") == []
    assert one.ledger.failures_in_a_row("b", 5) == 1


def test_a_boot_reads_no_more_than_it_has_to(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days that are accounted for are not read again, also by a strategy whose stream has no slots to account for."""
    one = rig(FIVE_MINUTES + '[[bot]]\nid = "s"\nkind = "stream"\nsymbols = ["AAPL"]\n')
    one.launcher.plan = lambda run: HANGS if run.bot.is_stream else SUCCEEDS
    for _ in range(3):
        one.run_for(600)
        one.kill()
        one.clock.advance(86400)
        one.boot()
        one.run_for(600)
    one.kill()
    asked: list[date] = []

    def since(folder: Path, first: date) -> Iterator[journals.Event]:
        asked.append(first)
        yield from ()

    monkeypatch.setattr(writer, "since", since)
    one.boot()
    assert asked == [one.clock.now().date()]
