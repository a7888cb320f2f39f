"""The two forms of the same strategies on a server: a container for each, or one that hosts them all, and from one to the other."""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import docker
import pytest

from tests.deploy.interruptions import PASSED_OVER
from tests.deploy.site import (
    FAILS,
    SLEEPS,
    Site,
    assert_no_slot_is_lost_or_doubled,
    choose,
    first_release,
    words_of,
)
from tests.deploy.test_commands import ask, must, written
from tests.deploy.walk import rename_here
from tests.engine.kit import FIXTURES, wait_until

pytestmark = pytest.mark.timeout(900)

EVERY = timedelta(seconds=5)
HOSTED = ("daily", "fives")
APART, TOGETHER = ["daily", "fives", "supervisor"], ["supervisor", "together"]
ALARMS = "import sqlite3; print(*sqlite3.connect('/var/lib/openbell/alerts.sqlite').execute('SELECT * FROM flips'), sep='\\n')"


@pytest.fixture(scope="module")
def portfolio(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server on which each of two strategies of the profile `portfolio` has a container of its own."""
    with first_release(engine, tmp_path_factory.mktemp("site"), "portfolio") as one:
        yield one


def starts(one: Site, strategy: str) -> int:
    """Return how many loops a strategy has had; each began after the one before had stopped in order."""
    lines = [line for line in one.journal(strategy) if line["event"] in {"service_start", "service_stop"}]
    assert lines[-1]["event"] == "service_start"
    for before, after in pairwise(lines):
        assert (before["event"], after["event"]) in {
            ("service_start", "service_stop"),
            ("service_stop", "service_start"),
        }
        assert (before["boot_id"] == after["boot_id"]) == (after["event"] == "service_stop")
    begun = [line for line in lines if line["event"] == "service_start"]
    assert {line["previous_stop"] for line in begun} == {"clean"}
    return len(begun)


def alarms(one: Site) -> str:
    """Return what has ever been wrong, as the supervisor knows it, a line each."""
    return one.machine.docker("exec", one.containers()["supervisor"], "/opt/openbell/bin/python", "-c", ALARMS)


def assert_all_is_well(one: Site, running: list[str]) -> None:
    """These containers run, and no others are there; no slot was lost."""
    assert sorted(one.containers()) == running
    label = f"label=com.docker.compose.project={one.kit.project}"
    assert len(one.machine.shell(f"docker ps -aq --filter {label}").split()) == len(running)
    wait_until(lambda: ask(one, "ps")[0] == 0, "everything to be well", 60, one.machine.container)
    assert_no_slot_is_lost_or_doubled(one.journal("fives"), EVERY)


@pytest.mark.deploy_long
def test_from_containers_of_their_own_into_one_and_back(portfolio: Site) -> None:
    """Each strategy has one loop at a time, and keeps its journal and its ledger; a rollback brings the other form back."""
    before = {name: starts(portfolio, name) for name in HOSTED}
    release, told = portfolio.current(), alarms(portfolio)
    choose(portfolio.kit.folder, "portfolio-together")
    said = portfolio.must("deploy")
    assert "start     together (new; for daily, fives)" in said
    assert "remove    fives (handed over to together)" in said
    assert re.search(r"due soon +fives: due at", said)
    announced = portfolio.machine.docker("exec", portfolio.containers()["together"], "cat", "/control/deployment.json")
    assert json.loads(announced)["strategies"] == list(HOSTED)
    assert_all_is_well(portfolio, TOGETHER)
    assert "nothing to do" in portfolio.must("deploy")

    said = portfolio.must("rollback")
    assert "remove    together (handed over to daily, fives)" in said
    assert portfolio.current() == release
    assert_all_is_well(portfolio, APART)
    assert {name: starts(portfolio, name) for name in HOSTED} == {name: count + 2 for name, count in before.items()}
    assert alarms(portfolio) == told


@pytest.mark.deploy_long
def test_a_form_that_fails_its_gate_gives_everything_back(portfolio: Site) -> None:
    """The first run of one strategy fails in the container for all: the previous containers run again."""
    choose(portfolio.kit.folder, "portfolio")
    portfolio.must("deploy")
    release = portfolio.current()
    choose(portfolio.kit.folder, "portfolio-together")
    portfolio.change("fives", SLEEPS, FAILS)
    code, said = portfolio.run("deploy")
    portfolio.change("fives", FAILS, SLEEPS)
    choose(portfolio.kit.folder, "portfolio")
    assert code == 1
    assert f"did not pass its gate, and {release} runs again: together: fives: its first run failed" in said
    assert sorted(portfolio.containers()) == APART
    assert "nothing to do" in portfolio.must("deploy")
    assert [line["outcome"] for line in portfolio.journal("fives") if line["event"] == "run_end"][-1] == "succeeded"
    assert "no good" in alarms(portfolio)
    assert "daily" not in alarms(portfolio)


@pytest.mark.deploy_long
def test_a_strategy_in_the_container_for_all(portfolio: Site) -> None:
    """It is found there by its name, with its secret; a deploy of it alone brings its container."""
    choose(portfolio.kit.folder, "portfolio-together")
    portfolio.must("deploy")
    lines = [
        written(line) for line in must(portfolio, "logs", "FOLLOW=0", "STRATEGY=daily").splitlines() if "{" in line
    ]
    assert {line["strategy"] for line in lines} == set(HOSTED)
    must(portfolio, "run", "STRATEGY=daily")
    assert "together" in must(portfolio, "stats")
    assert "together" in must(portfolio, "plan")
    must(portfolio, "pause", "BOT=daily", "REASON=a holiday")
    wait_until(lambda: "paused" in ask(portfolio, "ps")[1], "the pause to be seen", 30)
    must(portfolio, "resume", "BOT=daily")
    portfolio.change("fives", words_of(portfolio), "one line changed")
    said = portfolio.must("deploy", "STRATEGY=fives")
    assert "reload    together (changed: image; of daily, fives only those whose folders changed)" in said
    assert "untouched supervisor" in said
    decided = [line["reason"] for line in portfolio.journal("fives") if line["event"] == "decision"]
    assert decided[-1] == "one line changed"


@pytest.mark.deploy_long
def test_a_strategy_that_is_not_in_the_container_for_all_leaves_it_alone(portfolio: Site) -> None:
    """Its code is no part of that image, though both are made from one folder."""
    choose(portfolio.kit.folder, "portfolio-together")
    other = portfolio.kit.folder / "strategies" / "slow"
    shutil.copytree(FIXTURES / "slow", other)
    toml = other / "strategy.toml"
    toml.write_text(f'profile = "elsewhere"\n{toml.read_text()}')
    try:
        portfolio.must("deploy")  # the supervisor knows all manifests
        code = other / "strategy.py"
        code.write_text(f"{code.read_text()}\n# another line\n")
        said = portfolio.must("deploy", "DRY_RUN=1")
        assert "untouched supervisor, together" in said
        assert "nothing to ship" in said
    finally:
        shutil.rmtree(other)


@pytest.mark.deploy_long
@pytest.mark.parametrize("way", ["restart_engine", "kill_engine"])
def test_the_engine_goes_away_while_strategies_move(portfolio: Site, way: str) -> None:
    """They have moved when it is back, and no container is left of the other form."""
    choose(portfolio.kit.folder, "portfolio")
    portfolio.must("deploy")
    choose(portfolio.kit.folder, "portfolio-together")
    process = portfolio.start("deploy")
    process.until("stopping daily")
    getattr(portfolio.machine, way)()
    said = process.end(240)
    assert process.code == 0, f"{said}\n{portfolio.log()}"
    assert sorted(portfolio.containers()) == TOGETHER
    # Those that Compose makes; an engine that was killed may keep a dead one that it was to remove by itself.
    labels = (f"com.docker.compose.project={portfolio.kit.project}", "com.docker.compose.oneoff=False")
    listed = portfolio.machine.shell(f"docker ps -aq --filter label={labels[0]} --filter label={labels[1]}")
    assert len(listed.split()) == len(TOGETHER)
    assert [line["outcome"] for line in portfolio.journal("fives") if line["event"] == "run_end"][-1] == "succeeded"


@pytest.mark.deploy_long
def test_a_strategy_in_the_container_for_all_gets_another_name(portfolio: Site) -> None:
    """Its journal and ledger go along, the other strategy loses nothing, and a rollback brings the old name back."""
    choose(portfolio.kit.folder, "portfolio-together")
    portfolio.must("deploy")
    before = len(portfolio.journal("daily"))
    rename_here(portfolio.kit.folder, "fives", "quints")
    try:
        said = portfolio.must("rename", "STRATEGY=fives", "TO=quints")
        assert "rename    fives to quints" in said
        assert_one_history(portfolio, "quints", TOGETHER)
        assert len(portfolio.journal("daily")) >= before
        portfolio.must("rollback")
    finally:
        rename_here(portfolio.kit.folder, "quints", "fives")
    assert_one_history(portfolio, "fives", TOGETHER)


def assert_one_history(one: Site, strategy: str, running: list[str]) -> None:
    """These containers run, and the journal goes on from the first slot of all, each of which is told of once."""
    assert sorted(one.containers()) == running
    before = len(one.journal(strategy))
    wait_until(lambda: len(one.journal(strategy)) > before, "the next line", 30)
    assert_no_slot_is_lost_or_doubled(one.journal(strategy), EVERY, ("succeeded", "failed"), PASSED_OVER)
