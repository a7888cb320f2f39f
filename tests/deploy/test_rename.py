"""A strategy gets another name on a server: it keeps its ledger and its journal, and no slot runs twice."""

from datetime import timedelta

import pytest

from tests.deploy.interruptions import PASSED_OVER
from tests.deploy.site import FAILS, SLEEPS, Site, assert_no_slot_is_lost_or_doubled
from tests.deploy.walk import rename_here
from tests.engine.kit import wait_until

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(600)]

EVERY = timedelta(seconds=5)
COUNT = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM claims').fetchone())"


def remembered(site: Site, strategy: str) -> int:
    """Return how many slots the strategy's ledger has a claim for."""
    words = ("/opt/openbell/bin/python", "-c", COUNT, f"/state/{strategy}/ledger.sqlite")
    return int(site.machine.docker("exec", site.containers()[strategy], *words))


def assert_one_history(
    site: Site, strategy: str, outcomes: tuple[str, ...] = ("succeeded",), reasons: tuple[str, ...] = ()
) -> None:
    """The journal goes on from the first slot of all, whatever the strategy was called, and its newest slot has run."""
    assert sorted(site.containers()) == sorted([strategy, "daily", "supervisor"])
    before = len(site.journal(strategy))
    wait_until(lambda: len(site.journal(strategy)) > before, "the next slot", 30)
    lines = site.journal(strategy)
    assert assert_no_slot_is_lost_or_doubled(lines, EVERY, outcomes, reasons) >= remembered(site, strategy) - 2
    names = site.machine.docker("exec", site.containers()["daily"], "ls", "/state").split()
    assert sorted(names) == sorted([strategy, "daily"])


def test_a_renamed_strategy_is_refused_and_then_takes_over(deployed: Site) -> None:
    """The folder was renamed by hand: a deploy says the command, which lets the new name go on; a rollback brings the old name back."""
    release, claims = deployed.current(), remembered(deployed, "fives")
    rename_here(deployed.kit.folder, "fives", "quints")
    code, said = deployed.run("deploy")
    assert code == 1
    assert "bot fives is one of strategy fives there, and of quints here" in said
    assert "`make rename STRATEGY=fives TO=quints HOST=...`" in said
    assert deployed.current() == release

    said = deployed.must("rename", "STRATEGY=fives", "TO=quints")
    assert "rename    fives to quints (its ledger, account, state and journal go along)" in said
    assert remembered(deployed, "quints") > claims
    assert_one_history(deployed, "quints")
    assert deployed.audit()[-1]["renamed"] == {"fives": "quints"}
    assert "nothing to do" in deployed.must("deploy")

    said = deployed.must("rollback")
    assert "rename    quints to fives" in said
    assert deployed.current() == release
    assert_one_history(deployed, "fives")


def test_a_rename_that_fails_its_gate_is_taken_back(deployed: Site) -> None:
    """The old name runs again with all that it had, and what the new name did for one slot."""
    if not (deployed.kit.folder / "strategies" / "quints").exists():
        rename_here(deployed.kit.folder, "fives", "quints")
    deployed.change("quints", SLEEPS, FAILS)
    release = deployed.current()
    code, said = deployed.run("rename", "STRATEGY=fives", "TO=quints")
    deployed.change("quints", FAILS, SLEEPS)
    assert code == 1
    assert f"did not pass its gate, and {release} runs again: " in said
    assert_one_history(deployed, "fives", ("succeeded", "failed"), PASSED_OVER)
    failed = [line for line in deployed.journal("fives") if line["event"] == "run_end" and line["outcome"] == "failed"]
    assert len(failed) == 1, "a release that was judged bad gets no further slot"
