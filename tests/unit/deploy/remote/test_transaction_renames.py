"""Strategies that move between services, or get another name, while a transaction runs."""

from pathlib import Path

import pytest

from deploy.remote.docker_client import Answer
from deploy.remote.transaction import Transaction
from tests.unit.deploy.remote.engine import FakeEngine
from tests.unit.deploy.remote.test_transaction import PREPARED
from tests.unit.deploy.remote.transactions import FAILED, fails_its_first_run, moments_without, order, transaction

RENAME = (("start", "beat"), ("stop", "pulse"), ("rename", "pulse"), ("check", "beat"), ("replace", "supervisor"))


def test_strategies_move_between_services(root: Path, engine: FakeEngine) -> None:
    """Both old ones go on until the new one waits for them, and are removed when it has shown that it works."""
    engine.add("slow")
    steps = (("start", "together"), ("stop", "pulse"), ("stop", "slow"), ("check", "together"))
    assert transaction(root, engine, steps, remove=("pulse", "slow")).carry_out() == ("succeeded", "")
    assert [one.service for one in engine.containers.values()] == ["supervisor", "together"]
    start, stop, other = order(engine, "start together-new", "stop pulse-old", "stop slow-old")
    assert start < stop < other


def test_strategies_that_could_not_move_are_back(root: Path, engine: FakeEngine) -> None:
    """The new container is gone, and the old ones run."""
    engine.add("slow")
    fails_its_first_run(engine)
    steps = (("start", "together"), ("stop", "pulse"), ("stop", "slow"), ("check", "together"))
    outcome, _ = transaction(root, engine, steps, remove=("pulse", "slow")).carry_out()
    assert outcome == "returned"
    assert (engine.running("pulse"), engine.running("slow"), engine.running("together")) == (["old"], ["old"], [])


@pytest.fixture
def renaming(root: Path, engine: FakeEngine) -> Transaction:
    """A transaction in which the strategy `pulse` gets the name `beat`."""
    for name in ("old", "new"):
        (root / "releases" / name / "compose.yaml").write_text(PREPARED)
    return transaction(root, engine, RENAME, remove=["pulse"], renames={"pulse": "beat"})


def renames_of(engine: FakeEngine) -> list[str]:
    """Return what was renamed, in order."""
    return [call.partition("openbell rename ")[2] for call in engine.calls if "openbell rename " in call]


def test_data_gets_its_new_name_while_no_container_runs_the_strategy(renaming: Transaction, engine: FakeEngine) -> None:
    """The new container was started before, and waits; at each moment a reboot starts one that can run."""
    without = moments_without(engine, ["pulse", "beat"])
    assert renaming.carry_out() == ("succeeded", "")
    assert renames_of(engine) == ["pulse beat --announce", "pulse beat"]
    moved = next(index for index, call in enumerate(engine.calls) if call.endswith("openbell rename pulse beat"))
    assert order(engine, "start beat-new")[0] < order(engine, "stop pulse-old")[0] < moved
    assert (engine.running("pulse"), engine.running("beat"), without) == ([], ["new"], [])


def test_a_rename_that_is_given_back_has_its_data_back_first(renaming: Transaction, engine: FakeEngine) -> None:
    """The old container starts once its data has its name, and a reboot on the way starts one of the two."""
    without = moments_without(engine, ["pulse", "beat"])
    fails_its_first_run(engine)
    assert renaming.carry_out() == ("returned", f"beat: {FAILED.text}")
    assert renames_of(engine) == ["pulse beat --announce", "pulse beat", "beat pulse"]
    back = next(index for index, call in enumerate(engine.calls) if call.endswith("openbell rename beat pulse"))
    assert order(engine, "stop beat-new")[0] < back < order(engine, "start pulse-old")[0]
    assert (engine.running("pulse"), engine.running("beat"), without) == (["old"], [], [])


def test_a_rename_that_is_refused_takes_its_announcement_back(
    root: Path, renaming: Transaction, engine: FakeEngine
) -> None:
    """And an announcement that is refused is not taken back: the new name's data is its own."""
    engine.answers["openbell preflight"] = lambda call: Answer(1, "no such module")
    assert renaming.carry_out()[0] == "refused"
    assert renames_of(engine) == ["pulse beat --announce", "beat pulse"]
    engine.calls.clear()
    engine.answers["openbell rename"] = lambda call: Answer(3, "beat has a ledger of its own already")
    again = transaction(root, engine, RENAME, remove=["pulse"], renames={"pulse": "beat"})
    assert again.carry_out() == (
        "refused",
        "pulse could not be renamed to beat: beat has a ledger of its own already",
    )
    assert renames_of(engine) == ["pulse beat --announce"]
    assert engine.running("pulse") == ["old"]
