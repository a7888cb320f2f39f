"""Records, what a host says, and how a transaction ended."""

import json
from pathlib import Path

import pytest

from deploy.release.host_state import Running, UnreportedTransaction, parse
from deploy.release.lock import LockHeldError
from deploy.release.plan import plan
from deploy.release.release import from_json
from deploy.release.transaction import TransactionResult, explain, release_files, transaction_files
from deploy.release.transaction import parse as parse_ending
from deploy.remote.plan import TransactionPlan, read_plan
from tests.unit.deploy.release.releases import host, record, release

ONE = release("20261121-091500-3f2a", pulse=record("p1", "pulse", secrets="s1"), supervisor=record("v1"))


def test_a_record_is_read_as_it_was_written() -> None:
    """In one line."""
    assert from_json(ONE.to_json()) == ONE
    assert "\n" not in ONE.to_json()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": 1}', '{"services": []}'])
def test_what_is_no_record_is_passed_over(text: str) -> None:
    """A torn or foreign file is not an error of the deployment at hand."""
    assert from_json(text) is None


def test_a_record_of_before_several_strategies_shared_a_container() -> None:
    """The version of its only manifest was all it said."""
    content = json.loads(ONE.to_json())
    for service, version in (("pulse", "m1"), ("supervisor", "")):
        del content["services"][service]["manifests"]
        content["services"][service]["manifest"] = version
    assert from_json(json.dumps(content)) == ONE


def test_what_a_host_says() -> None:
    """Containers with their fingerprints, releases, the one that runs, and unreported transactions."""
    labels = {"com.docker.compose.service": "pulse", "openbell.fingerprint": "f1"}
    several = {"com.docker.compose.service": "t", "openbell.strategies": "a b"}
    told = {
        "containers": [
            {"id": "a", "state": "running", "labels": labels},
            {"id": "b", "state": "created", "labels": labels},
            {"id": "c", "state": "exited", "labels": {"com.docker.compose.service": "old"}},
            {"id": "d", "state": "running", "labels": several},
        ],
        "current": ONE.id,
        "releases": [{"sequence": 1, "record": ONE.to_json()}, {"sequence": 2, "record": "torn"}],
        "untold": {"transaction": ONE.id, "state": "ended returned pulse: it failed", "rebooted": False},
    }
    found = parse(json.dumps(told))
    assert found.containers == {
        "pulse": Running("a", "running", "f1", ("pulse",), ("created",)),
        "old": Running("c", "exited", "", ("old",)),
        "t": Running("d", "running", "", ("a", "b")),
    }
    assert (found.current, found.releases) == (ONE, (ONE,))
    assert found.untold == UnreportedTransaction(ONE.id, "ended returned pulse: it failed")


def test_the_files_of_a_release() -> None:
    """The environment's values are in their own service's file, and nowhere else."""
    files = release_files(ONE, {"services": {}}, {"pulse": {"KEY": "s3cret"}, "supervisor": {}}, {"abc": "s3cret"})
    assert [path for path, text in files.items() if "s3cret" in text] == ["files/abc", "release/secrets/pulse.json"]
    assert "release/secrets/supervisor.json" not in files


def test_the_plan_that_the_host_is_given(tmp_path: Path) -> None:
    """What the program there reads, and the beginning of the audit's line."""
    new = release("20261122-000000-0001", pulse=record("p2", "pulse"), supervisor=record("v1"))
    files = transaction_files(plan(new, host(ONE)), ONE, "vps", "bells", "alice@laptop", "deploy", idle=True)
    (tmp_path / "plan.json").write_text(files["transaction/plan.json"])
    found = read_plan(tmp_path)
    assert found == TransactionPlan(
        project="bells",
        release="20261122-000000-0001",
        previous="20261121-091500-3f2a",
        by="alice@laptop",
        wait_for_idle=True,
        steps=(("switch", "pulse"),),
        remove=(),
        hosted={"pulse": ("pulse",)},
        strategies=("pulse",),
        audit=found.audit,
    )
    assert (found.audit["action"], found.audit["host"], found.audit["services"]) == ("deploy", "vps", ["pulse"])


@pytest.mark.parametrize(
    "state,rebooted,expected",
    [
        ("ended succeeded ", False, TransactionResult("succeeded", "")),
        ("ended returned pulse: ValueError: no", False, TransactionResult("returned", "pulse: ValueError: no")),
        (
            "running starting pulse",
            True,
            TransactionResult("interrupted", "it was cut off while starting pulse: the server was restarted"),
        ),
        (
            "",
            False,
            TransactionResult(
                "interrupted", "it was cut off at its start: its process on the server ended without a message"
            ),
        ),
    ],
)
def test_how_a_transaction_ended(state: str, rebooted: bool, expected: TransactionResult) -> None:
    """A restart of the server is told only if there was one."""
    assert parse_ending(state, rebooted=rebooted) == expected


@pytest.mark.parametrize(
    "outcome,previous,said",
    [
        ("refused", "a", "vps: b was not deployed, and nothing was touched: why"),
        ("returned", "a", "vps: b did not pass its gate, and a runs again: why"),
        ("returned", None, "vps: b did not pass its gate, and nothing runs there, as before: why"),
        ("failed", "a", "vps: b: why; look there with `make status HOST=vps`, and deploy again"),
        (
            "interrupted",
            "a",
            "vps: b: why; what was started last runs on by itself: `make status HOST=vps` shows it, and another deploy completes it",
        ),
    ],
)
def test_an_ending_that_is_not_good_is_one_line(outcome: str, previous: str | None, said: str) -> None:
    """It says what runs now, and why."""
    problem = explain(TransactionResult(outcome, "why"), "b", previous, "vps")
    assert problem is not None
    assert (str(problem), problem.exit_code) == (said, 1)
    assert explain(TransactionResult("succeeded", ""), "b", previous, "vps") is None


def test_who_holds_the_lock() -> None:
    """As the holder wrote it; a line that cannot be read is no reason to fail."""
    holder = {"by": "bob@desk", "purpose": "deploying x", "since": "2026-11-21 09:15:00 UTC", "transaction": "x"}
    assert (
        str(LockHeldError(json.dumps(holder))) == "bob@desk holds the lock since 2026-11-21 09:15:00 UTC: deploying x"
    )
    assert str(LockHeldError("")) == "another process holds the lock since some time ago: something"
