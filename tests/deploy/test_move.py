"""Strategies with all that they know move from one server to another: no slot is lost, none is run on both."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import docker
import pytest

from tests.deploy.site import Site, assert_no_slot_is_lost_or_doubled, site
from tests.engine.kit import wait_until
from tests.machine.machine import Machine, running_machine

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(900)]

EVERY = timedelta(seconds=5)
STRATEGIES = ["daily", "fives"]
RUNNING = ["daily", "fives", "supervisor"]
# Of a bot that is due every five seconds, on a slow machine: what was due while neither server ran it, past its grace. Each such slot
# is accounted for, and none has run twice.
AWAY = ("coalesced", "late", "overlap")


class OtherMachine(Machine):
    """A second server in the configuration of ssh, by another name."""

    host = "other"


@pytest.fixture(scope="module")
def servers(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    """A server on which two strategies run, and one on which nothing does; they change places from test to test."""
    folder = tmp_path_factory.mktemp("site")
    with (
        running_machine(engine) as one,
        running_machine(engine) as two,
        site(engine, one, folder, STRATEGIES) as first,
    ):
        other = OtherMachine(two.container, two.keys)
        # One configuration of ssh for both, in the file that the commands are told of.
        text = other.ssh_config.read_text().replace("Host vps", "Host other")
        one.ssh_config.write_text(one.ssh_config.read_text() + text)
        other.ssh_config = one.ssh_config
        first.must("deploy")
        yield first, replace(first, machine=other)


def places(servers: tuple[Site, Site]) -> tuple[Site, Site]:
    """Return where the strategies run, and the other one, on which none does."""
    first, second = servers
    old, new = (first, second) if first.containers() else (second, first)
    assert sorted(old.containers()) == RUNNING
    assert new.containers() == {}
    return old, new


def runs(one: Site) -> int:
    """Return how many runs of `fives` are in the journal."""
    return sum(line["event"] == "run_end" for line in one.journal("fives"))


def start(old: Site, new: Site, *words: str) -> tuple[int, str]:
    """Move, and return the exit code and what was said."""
    return new.run("move-to", f"FROM={old.machine.host}", *words)


@pytest.mark.parametrize("time", ["there", "and back"])
def test_strategies_move_with_all_that_they_know(servers: tuple[Site, Site], time: str) -> None:
    """The journal goes on over there, without a hole and without a double; the old server stays stopped, also after a restart."""
    old, new = places(servers)
    before = runs(old)
    code, said = start(old, new)
    assert code == 0, said + new.log()
    assert old.containers() == {}
    assert sorted(new.containers()) == RUNNING
    wait_until(lambda: runs(new) > before + 2, "runs on the new server", 60, new.machine.container)
    lines = new.journal("fives")
    assert_no_slot_is_lost_or_doubled(lines, EVERY, reasons=AWAY)
    old.machine.restart_engine()
    assert old.containers() == {}, time


def test_a_server_on_which_something_runs_is_refused(servers: tuple[Site, Site]) -> None:
    """And nothing is touched; nor is a server that is the same."""
    old, new = places(servers)
    code, said = start(new, old)
    assert (code, said.splitlines()[-1]) == (1, f"openbell: nothing that could be moved runs on {new.machine.host}")
    code, said = start(old, old)
    assert (code, said.splitlines()[-1]) == (
        2,
        f"openbell: FROM=: {old.machine.host} is where the strategies are to go",
    )
    places(servers)


def test_what_does_not_pass_its_gate_there_runs_here_again(servers: tuple[Site, Site]) -> None:
    """With what it knew, and without a hole."""
    old, new = places(servers)
    old.change("fives", "import time\n", "import time\n\nraise RuntimeError('not over there')\n")
    before = runs(old)
    try:
        code, said = start(old, new)
    finally:
        old.change("fives", "\nraise RuntimeError('not over there')\n", "")
    assert code == 1
    assert "RuntimeError: not over there" in said
    assert said.rstrip().endswith(f"; {old.machine.host} runs again")
    assert places(servers) == (old, new)
    wait_until(lambda: runs(old) > before + 2, "runs on the old server", 60, old.machine.container)
    assert_no_slot_is_lost_or_doubled(old.journal("fives"), EVERY, reasons=AWAY)


@pytest.mark.parametrize("lost", ["old", "new"])
def test_a_connection_that_is_lost_leaves_one_of_the_two_running(servers: tuple[Site, Site], lost: str) -> None:
    """Once the old server has stopped: to the old one before it is to stay so, or to the new one while it starts."""
    old, new = places(servers)
    command = new.start("move-to", f"FROM={old.machine.host}")
    if lost == "old":
        command.until("stopping at a quiet moment")
        wait_until(lambda: not old.containers(), "the old server to stop", 60)
        old.machine.cut_connections()
    else:
        command.until("preflight of")
        new.machine.cut_connections()
    said = command.end(400)
    assert command.code == 1, said
    wait_until(lambda: bool(old.containers()) != bool(new.containers()), "one of the two to run", 90)
    running = old if old.containers() else new
    assert running is (old if lost == "old" else new), said
    wait_until(lambda: sorted(running.containers()) == RUNNING, "all of it to run", 60)
    places(servers)
    count = runs(running)
    wait_until(lambda: runs(running) > count + 1, "runs", 60, running.machine.container)
    assert_no_slot_is_lost_or_doubled(running.journal("fives"), EVERY, reasons=AWAY)


def test_what_runs_on_this_machine_moves_too(
    servers: tuple[Site, Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here as plain processes, there in containers. It is the last test here: afterwards both servers run something."""
    _, new = places(servers)
    monkeypatch.setenv("ENGINE", "none")
    kept = tmp_path / "data"

    def here(*words: str) -> str:
        done = subprocess.run(
            (sys.executable, "-m", "deploy", *words),
            cwd=new.kit.folder,
            env=new.environment() | {"OPENBELL_DATA": str(kept)},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        here("up")
        wait_until(lambda: len(list((kept / "journal/fives").glob("*.jsonl"))) > 0, "the journal", 60)
        here("pause", "BOT=daily", "REASON=moved along")
        said = here("move-to", f"HOST={new.machine.host}")
        assert f"{new.machine.host} runs what this machine ran" in said
        assert sorted(new.containers()) == RUNNING
        wait_until(lambda: "moved along" in new.run("ps")[1], "the pause", 60)
        wait_until(lambda: runs(new) > 2, "runs", 60, new.machine.container)
        assert_no_slot_is_lost_or_doubled(new.journal("fives"), EVERY, reasons=AWAY)
        assert "Nothing runs here" in here("down")
    finally:
        here("down")
