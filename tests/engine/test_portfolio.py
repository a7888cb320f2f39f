"""The portfolio on a real engine, in both of its forms: seven containers, or one that hosts all seven strategies."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator

import docker
import pytest
from testcontainers.compose import DockerCompose

from deploy.docker import compose, profiles
from openbell.manifest import Manifest
from tests.engine.kit import Kit, container_of, events, journal, removed_afterwards, wait_until
from tests.engine.portfolio import MANIFESTS, choose, make_portfolio

QUARTER_HOURLY = ("mean_reversion_bb", "momentum_rsi_macd")
BOTS = 45


@pytest.fixture(scope="module")
def kit(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """The kit with the portfolio's strategies and no others; nothing is built yet."""
    kit = make_portfolio(tmp_path_factory.mktemp("portfolio"))
    with removed_afterwards(engine, kit.project):
        yield kit


def start(kit: Kit, profile: str) -> None:
    """Start the portfolio in one of its forms instead of the other, as `make up` does, and wait until all is healthy."""
    choose(kit, profile, OPENBELL_HEALTH_INTERVAL="1s")
    found = json.loads(run(kit, compose.all_configuration()))
    if gives_way := profiles.replaced(profiles.profiles_of(found), [profile]):
        run(kit, compose.remove(gives_way))
    DockerCompose(kit.folder, build=True, wait=True).start()


def run(kit: Kit, command: compose.Command) -> str:
    """Run a command of Compose in the kit's folder and return what it printed."""
    return subprocess.run(command, cwd=kit.folder, check=True, capture_output=True, text=True).stdout


def bots(kit: Kit) -> dict[str, str]:
    """Return the status of every bot that the supervisor knows."""
    with urllib.request.urlopen(f"{kit.page}/api/status", timeout=5) as answer:
        strategies = json.load(answer)["strategies"]
    return {bot["id"]: str(bot["status"]) for strategy in strategies for bot in strategy["bots"]}


def run_now(engine: docker.DockerClient, kit: Kit, manifest: Manifest) -> None:
    """Run all bots of a strategy, and see that each had its signal, its decision and its end."""
    before = len(events(journal(engine, kit, manifest.name), "run_end"))
    run(kit, compose.run(manifest.name, None, compose.SUPERVISOR).command)
    lines = journal(engine, kit, manifest.name)
    # A quarter of an hour that begins meanwhile adds runs of its own.
    ends = [end for end in events(lines, "run_end")[before:] if end["trigger"] == "manual"]
    assert sorted(str(end["bot"]) for end in ends) == sorted(bot.id for bot in manifest.bots)
    assert {end["outcome"] for end in ends} == {"succeeded"}
    decided = [line for line in events(lines, "decision") if line["run_id"] in {end["run_id"] for end in ends}]
    assert {line["bot"] for line in decided} == {end["bot"] for end in ends}
    assert all(line["reason"] and line["source"] == "synthetic" for line in decided)


def test_both_forms_run(engine: docker.DockerClient, kit: Kit) -> None:
    """Seven containers first; then one takes over where they stopped, with the same journals, ledgers and paper accounts."""
    start(kit, "portfolio")
    wait_until(lambda: len(bots(kit)) == BOTS, f"{BOTS} bots on the page", 30, container_of(engine, kit, "supervisor"))
    assert set(bots(kit).values()) <= {"new", "running", "up"}
    chosen = [manifest for manifest in MANIFESTS if manifest.name in QUARTER_HOURLY]
    for manifest in chosen:
        run_now(engine, kit, manifest)

    start(kit, "portfolio-together")
    names = [
        container.name
        for container in engine.containers.list(filters={"label": f"com.docker.compose.project={kit.project}"})
    ]
    assert len(names) == 2, f"the supervisor and one container for all strategies, not {names}"
    wait_until(lambda: len(bots(kit)) == BOTS, f"{BOTS} bots on the page", 30, container_of(engine, kit, "supervisor"))
    assert set(bots(kit).values()) <= {"new", "running", "up"}
    for manifest in chosen:
        run_now(engine, kit, manifest)
    for manifest in MANIFESTS:
        starts = events(journal(engine, kit, manifest.name), "service_start")
        assert [line["previous_stop"] for line in starts] == ["clean", "clean"], manifest.name
        assert len({line["release"] for line in starts}) == 1, "the same files are the same release in either form"
