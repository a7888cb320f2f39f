"""A transaction outlives reboots, engines that crash, and errors of its own."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy.remote.docker_client import Answer
from deploy.remote.records import TransactionRecord
from deploy.remote.worker import attempt
from tests.unit.deploy.remote.engine import FakeContainer, FakeEngine
from tests.unit.deploy.remote.transactions import (
    SWITCH,
    TOGETHER,
    engine_with_both,
    fails_its_first_run,
    moments_without,
    records_below,
    transaction,
)


def test_a_reboot_at_any_point_brings_something_up(root: Path, engine: FakeEngine) -> None:
    """After each single command there is a container of each service that the engine starts by itself."""
    without = moments_without(engine, ["pulse"], ["supervisor"])
    assert transaction(root, engine).carry_out() == ("succeeded", "")
    assert without == []


def test_a_reboot_on_the_way_back_brings_something_up(root: Path, engine: FakeEngine) -> None:
    """The same of a release that fails its gate."""
    without = moments_without(engine, ["pulse"], ["supervisor"])
    fails_its_first_run(engine)
    outcome, _ = transaction(root, engine).carry_out()
    assert (outcome, without) == ("returned", [])
    assert {one.policy for one in engine.containers.values()} == {"unless-stopped"}


def test_what_a_transaction_that_was_cut_off_has_left_is_removed(root: Path, engine: FakeEngine) -> None:
    """Beside a container that runs; one that is all there is stays until its successor runs."""
    left = engine.add("pulse", "left", state="created")
    transaction(root, engine).carry_out()
    assert left.id not in engine.containers


def test_an_engine_that_went_away_is_waited_for(root: Path, engine: FakeEngine) -> None:
    """What it left stopped is started again, and the transaction goes on."""
    supervisor = next(one for one in engine.containers.values() if one.service == "supervisor")
    away: list[int] = []

    def crash(call: str) -> Answer | None:
        if not away:
            supervisor.state = "exited"
        away.append(1)
        return (
            Answer(1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock") if len(away) == 1 else None
        )

    engine.answers["openbell preflight --rehearse"] = crash
    assert transaction(root, engine).carry_out() == ("succeeded", "")
    assert f"start {supervisor.id}" in engine.calls


def killed(root: Path, steps: Sequence[tuple[str, str]], after: int, *, fails: bool) -> tuple[FakeEngine, str]:
    """Return an engine that is killed after so many commands of a transaction, and the transaction's outcome."""
    engine = engine_with_both()
    if steps == TOGETHER:
        engine.add("slow")
    if fails:
        fails_its_first_run(engine)
    engine.after = lambda: engine.crash() if len(engine.calls) == after else None
    gone = ("pulse", "slow") if steps == TOGETHER else ()
    return engine, transaction(records_below(root), engine, steps, remove=gone).carry_out()[0]


@pytest.mark.parametrize("fails", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("steps", [SWITCH, TOGETHER], ids=["switch", "together"])
def test_an_engine_that_is_killed_between_any_two_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: Sequence[tuple[str, str]], *, fails: bool
) -> None:
    """The old release or the new one runs, whole, and is what the engine starts by itself, though it took all for stopped."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    whole, _ = killed(tmp_path / "whole", steps, 0, fails=fails)
    new = ["pulse", "supervisor"] if steps == SWITCH else ["supervisor", "together"]
    old = ["pulse", "supervisor"] if steps == SWITCH else ["pulse", "slow", "supervisor"]
    # With the first two it is found out what runs; the last two see that it does.
    for number in range(3, len(whole.calls) - 1):
        engine, outcome = killed(tmp_path / str(number), steps, number, fails=fails)
        where = f"after {whole.calls[number - 1]}: {outcome}"
        assert outcome in ({"returned", "refused"} if fails else {"succeeded", "returned", "refused"}), where
        runs = [one for one in engine.containers.values() if one.state == "running"]
        image, services = ("new", new) if outcome == "succeeded" else ("old", old)
        assert sorted((one.service, one.image) for one in runs) == [(name, image) for name in services], where
        assert all(one.comes_back for one in runs), where


@pytest.mark.parametrize("error", [RuntimeError("a mistake of ours"), KeyboardInterrupt(), SystemExit(1)])
def test_every_end_is_written_down(root: Path, error: BaseException) -> None:
    """Whatever is raised: a state that has ended, and a line of the audit."""
    folder = root / "transactions" / "new"
    (folder / "plan.json").write_text(
        '{"project": "bells", "release": "new", "previous": null, "by": "a", "wait_for_idle": false, "steps": [], '
        '"remove": [], "hosted": {}, "strategies": [], "audit": {"action": "deploy"}}'
    )
    record = TransactionRecord(folder)

    def raises(*_: object) -> tuple[str, str]:
        raise error

    assert attempt(folder, record, raises) == 0
    assert record.state.startswith(f"ended failed {type(error).__name__}")
    assert '"outcome": "failed"' in (root / "audit.jsonl").read_text()


def test_a_container_knows_whether_it_comes_back() -> None:
    """The engine's rules, as the tests above rely on them."""
    assert not FakeContainer("a", "pulse", "x").comes_back
    assert FakeContainer("a", "pulse", "x", "running").comes_back
    assert not FakeContainer("a", "pulse", "x", "exited", stopped_by_hand=True).comes_back
    assert FakeContainer("a", "pulse", "x", "exited", "always", stopped_by_hand=True).comes_back
