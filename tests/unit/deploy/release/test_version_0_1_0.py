"""A server's records as openbell 0.1.0 wrote them: listed, rolled back to, and gone on with."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.audit import table
from deploy.release import host_state, plan
from deploy.release.host_state import HostState, Running
from deploy.release.transaction import parse
from deploy.remote import host_queries
from deploy.remote.docker_client import Answer
from deploy.remote.plan import TransactionPlan
from deploy.remote.prune import prune
from deploy.remote.records import Records, TransactionRecord
from deploy.remote.transaction import Transaction
from tests.unit.deploy.remote.engine import FakeEngine

WRITTEN = Path(__file__).parents[3] / "fixtures" / "version-0.1.0" / "server"
FIRST, SECOND = "20261127-031238-4d7e", "20261127-031408-64a0"


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """A copy of the records."""
    return Records(Path(shutil.copytree(WRITTEN, tmp_path / "bells", symlinks=True)))


def seen(records: Records) -> HostState:
    """Return what today's commands make of them, on a server where the second release runs."""
    there = host_state.parse(json.dumps(host_queries.state(records, FakeEngine().client(), "bells")))
    assert there.current
    running = {name: Running(name, "running", one.fingerprint) for name, one in there.current.services.items()}
    return replace(there, containers=running)


def test_its_releases_are_listed_in_their_order(records: Records) -> None:
    """With whose strategies they were; the one that runs is known, and nothing is left to tell."""
    there = seen(records)
    assert [one.id for one in there.releases] == [FIRST, SECOND]
    assert there.current == there.releases[1]
    assert [(name, list(one.manifests)) for name, one in sorted(there.releases[0].services.items())] == [
        ("daily", ["daily"]),
        ("fives", ["fives"]),
        ("supervisor", []),
    ]
    assert there.untold is None


def test_a_rollback_leads_to_the_release_before(records: Records) -> None:
    """Only the strategy that differs is touched."""
    there = seen(records)
    back = plan.rollback_release(there, None)
    assert back.id == FIRST
    assert plan.plan(back, there).recreate == {"fives": "changed: image"}


def test_the_next_release_is_the_newest_and_an_old_one_keeps_its_place(records: Records) -> None:
    """Old releases have no number; a rollback to one gives it none that would make it the newest."""
    shutil.copytree(records.release(SECOND), records.release("20261127-040000-aaaa"))
    (records.release("20261127-040000-aaaa") / "done").unlink()
    records.take_over("20261127-040000-aaaa")
    records.take_over(FIRST)
    assert [name for _, name in records.taken_over()] == [FIRST, SECOND, "20261127-040000-aaaa"]
    assert records.current() == FIRST


def test_how_its_last_deployment_ended_is_told_if_nobody_was(records: Records) -> None:
    """Its state has the form of today's."""
    (records.root / "transactions" / SECOND / "told").unlink()
    untold = host_state.parse(json.dumps(host_queries.state(records, FakeEngine().client(), "bells"))).untold
    assert untold
    assert (untold.transaction, parse(untold.state).outcome) == (SECOND, "succeeded")


def test_its_audit_is_shown(records: Records) -> None:
    """Beside what is added to it."""
    records.audit({"action": "pause", "bot": "daily", "by": "alice@laptop", "host": "vps", "outcome": "succeeded"})
    lines = table(records.audit_file.read_text()).splitlines()
    assert [line.split("  ")[1] for line in lines[1:]] == [
        f"deploy {FIRST} daily,fives,supervisor",
        f"deploy {SECOND} fives",
        "pause daily",
    ]


def rollback() -> TransactionPlan:
    """Return the plan that puts the first release in place."""
    return TransactionPlan(
        project="bells",
        release=FIRST,
        previous=SECOND,
        by="alice@laptop",
        wait_for_idle=False,
        steps=(("switch", "fives"),),
        remove=(),
        hosted={"fives": ("fives",)},
        strategies=("fives",),
        audit={"action": "rollback"},
    )


def test_a_rollback_is_carried_out_with_what_it_wrote(records: Records) -> None:
    """Its Compose file and its list of services are enough."""
    engine = FakeEngine(images={FIRST, SECOND})
    for service in ("daily", "fives", "supervisor"):
        engine.add(service, SECOND)
    engine.answers["openbell idle"] = lambda _: Answer(0, "")
    folder = records.root / "transactions" / "new"
    folder.mkdir()
    done = Transaction(rollback(), records, TransactionRecord(folder), engine.client())
    assert done.carry_out() == ("succeeded", "")
    assert records.current() == FIRST
    assert engine.running("fives") == [FIRST]
    assert engine.running("daily") == [SECOND]


def test_nothing_that_its_releases_need_is_removed(records: Records, tmp_path: Path) -> None:
    """The images that they name stay, as do their folders."""
    engine = FakeEngine()
    prune(records, engine.client(), rollback(), TransactionRecord(tmp_path))
    assert not [call for call in engine.calls if call.startswith("rmi")]
    assert [name for _, name in records.taken_over()] == [FIRST, SECOND]
