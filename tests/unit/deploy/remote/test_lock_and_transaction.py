"""The lock on a host, and the transaction that inherits it: the very program that runs there."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.remote import host_queries
from deploy.remote.docker_client import Answer, DockerClient
from deploy.remote.records import Records
from deploy.ssh import program
from tests.engine.kit import wait_until

OWNER = json.dumps({"by": "alice@laptop", "purpose": "deploying x", "since": "now", "transaction": "x"})


class Agent:
    """The program as it answers a peer, and what the peer asks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process = subprocess.Popen(
            program.command("serve", folder=str(root)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(program.packed())
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"send\n"

    def ask(self, *words: str, given: str = "") -> tuple[int, str]:
        """Run a command; return its exit code, and what it printed on either output."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{json.dumps({'words': words, 'input': given})}\n".encode())
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["code"], f"{answer['out']}{answer['err']}".strip()

    def lock(self) -> str:
        """Ask for the lock."""
        return self.ask("lock", str(self.root), given=OWNER)[1]

    def close(self) -> None:
        """Hang up, as a connection that is lost does."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe and not pipe.closed:
                pipe.close()
        self.process.wait(60)


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[list[Agent]]:
    """Agents of one folder, which are ended afterwards."""
    made: list[Agent] = [Agent(tmp_path / "root") for _ in range(2)]
    yield made
    for agent in made:
        if agent.process.poll() is None:
            os.killpg(agent.process.pid, signal.SIGKILL)
        agent.close()


def is_free(folder: Path) -> bool:
    """Tell whether the lock is free."""
    return subprocess.run(("flock", "--nonblock", str(folder / "lock"), "true"), check=False).returncode == 0


def test_the_second_is_told_who_holds_the_lock(agents: list[Agent], tmp_path: Path) -> None:
    """As the holder said it; and its records are for their owner alone."""
    assert agents[0].lock() == "locked"
    assert agents[1].lock() == f"held {OWNER}"
    assert (tmp_path / "root" / "releases").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("way", ["hang up", "kill", "unlock"])
def test_the_lock_is_free_when_its_holder_is_gone(agents: list[Agent], tmp_path: Path, way: str) -> None:
    """However it went."""
    agents[0].lock()
    assert not is_free(tmp_path / "root")
    if way == "kill":
        os.killpg(agents[0].process.pid, signal.SIGKILL)
    elif way == "unlock":
        assert agents[0].ask("unlock") == (0, "")
    if way != "unlock":
        agents[0].close()
    wait_until(lambda: is_free(tmp_path / "root"), "the lock to be free", 60)
    assert agents[1].lock() == "locked"


class Engine:
    """A `docker` in front of PATH that waits for a file `go` before its first answer, and knows no container."""

    def __init__(self, folder: Path) -> None:
        self.go = folder / "go"
        folder.mkdir()
        script = f"#!/bin/sh\nwhile [ ! -e {self.go} ]; do sleep 0.05; done\ncase $1 in ps | version) ;; *) echo gone; exit 1 ;; esac\n"
        (folder / "docker").write_text(script)
        (folder / "docker").chmod(0o755)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine for the agents, which are started after it."""
    found = Engine(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "unix:///none")  # not the engine of this machine
    return found


def brought(root: Path, name: str, **plan: object) -> Path:
    """Return the folder of a transaction that was uploaded."""
    folder = root / "transactions" / name
    folder.mkdir()
    content = {"project": "bells", "release": "r2", "previous": "r1", "by": "alice", "wait_for_idle": False}
    content |= {
        "steps": [["switch", "pulse"]],
        "remove": [],
        "hosted": {},
        "strategies": [],
        "audit": {"action": "deploy"},
    }
    (folder / "plan.json").write_text(json.dumps(content | plan))
    return folder


def test_a_transaction_has_the_lock_until_it_ends(engine: Engine, agents: list[Agent], tmp_path: Path) -> None:
    """It goes on when its caller is gone, no other gets the lock meanwhile, and its end is in state and audit."""
    root = tmp_path / "root"
    agents[0].lock()
    folder = brought(root, "x")
    assert agents[0].ask("start", "x") == (0, "")
    os.killpg(agents[0].process.pid, signal.SIGKILL)
    agents[0].close()
    assert agents[1].lock() == f"held {OWNER}"
    engine.go.touch()
    wait_until(lambda: is_free(root), "the transaction to end", 60)
    assert (folder / "state").read_text().startswith("ended refused an image is not there any more")
    (line,) = (root / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["outcome"] == "refused"


@pytest.mark.parametrize("plan", [{"steps": [["fly", "pulse"]]}, {"project": None, "steps": None}])
def test_a_plan_that_cannot_be_read_ends_in_a_true_state(
    engine: Engine, agents: list[Agent], tmp_path: Path, plan: dict[str, object]
) -> None:
    """It was started, and says why it did nothing."""
    agents[0].lock()
    folder = brought(tmp_path / "root", "x", **plan)
    assert agents[0].ask("start", "x") == (0, "")
    wait_until(lambda: "ended" in (folder / "state").read_text(), "its end", 60)
    assert (folder / "state").read_text().startswith("ended refused plan.json")


def test_what_did_not_start_is_not_said_to_have_started(agents: list[Agent], tmp_path: Path) -> None:
    """No plan, or a log that cannot be written: the reason is told, and the lock stays its holder's."""
    agents[0].lock()
    assert agents[0].ask("start", "nothing") == (1, "openbell: the plan has not arrived")
    folder = brought(tmp_path / "root", "x")
    (folder / "log").mkdir()
    assert agents[0].ask("start", "x") == (1, f"openbell: Is a directory: {folder / 'log'}")
    assert not is_free(tmp_path / "root")


@pytest.mark.parametrize("taken, code", [("boot", 1), ("state", 0)])
def test_a_disk_that_is_full_from_a_moment_on(
    engine: Engine, agents: list[Agent], tmp_path: Path, taken: str, code: int
) -> None:
    """A transaction begins once it has signed its record; what is told is what happened, whether or not its state was written."""
    root = tmp_path / "root"
    agents[0].lock()
    folder = brought(root, "x")
    (folder / taken).mkdir()  # so it cannot be written
    engine.go.touch()
    answer, said = agents[0].ask("start", "x")
    assert answer == code, said
    if code:
        assert said.startswith("openbell: Is a directory"), said
    agents[0].close()
    wait_until(lambda: is_free(root), "the lock to be free", 60)
    assert (root / "audit.jsonl").exists() is not bool(code)


def test_a_process_that_is_killed_leaves_its_end(engine: Engine, agents: list[Agent], tmp_path: Path) -> None:
    """Out of memory, say: another process writes it down."""
    agents[0].lock()
    folder = brought(tmp_path / "root", "x")
    assert agents[0].ask("start", "x") == (0, "")
    worker = wait_until(lambda: (folder / "worker").exists() and (folder / "worker").read_text(), "the worker", 60)
    os.kill(int(str(worker)), signal.SIGKILL)
    engine.go.touch()
    wait_until(lambda: "ended" in (folder / "state").read_text(), "its end", 60)
    assert "ended failed its process was killed on the server (SIGKILL)" in (folder / "state").read_text()


def test_a_transaction_is_followed_to_its_end(tmp_path: Path) -> None:
    """All that it has said, from the beginning, and its state."""
    folder = tmp_path / "transactions" / "x"
    folder.mkdir(parents=True)
    with subprocess.Popen(("sh", "-c", "sleep 0.3; echo two >>log; echo 'ended succeeded' >state"), cwd=folder) as one:
        (folder / "log").write_text("one\n")
        (folder / "pid").write_text(f"{one.pid}\n")
        following = subprocess.Popen(
            program.command("follow", str(tmp_path), "x", folder=str(tmp_path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert following.stdin
        following.stdin.write(program.packed())
        following.stdin.close()
        one.wait(60)
        assert following.stdout
        said = following.stdout.read().decode().splitlines()
        following.stdout.close()
        following.wait(60)
    assert said == ["send", "log one", "log two", 'end {"state": "ended succeeded", "rebooted": false}']


def test_a_server_of_before_goes_on(tmp_path: Path) -> None:
    """Releases, the one that runs, and a transaction whose end was not reported, as commit 909dbec has left them."""
    root = tmp_path / "root"
    for name in ("20261101-000000-aaaa", "20261102-000000-bbbb"):
        (root / "releases" / name).mkdir(parents=True)
        (root / "releases" / name / "done").touch()
        (root / "releases" / name / "release.json").write_text(f'{{"id": "{name}"}}\n')
    (root / "current").symlink_to("releases/20261102-000000-bbbb")
    (root / "transactions" / "20261102-000000-bbbb").mkdir(parents=True)
    (root / "transactions" / "20261102-000000-bbbb" / "pid").write_text("999999999\n")
    (root / "transactions" / "20261102-000000-bbbb" / "state").write_text("ended succeeded \n")
    records = Records(root)
    found = host_queries.state(records, NoContainers(), "bells")
    assert [one["sequence"] for one in found["releases"]] == [0, 0]
    assert (found["current"], found["untold"]["state"]) == ("20261102-000000-bbbb", "ended succeeded ")
    (alone,) = host_queries.state(records, NoContainers(), "bells", "current")["releases"]
    assert json.loads(alone["record"])["id"] == found["current"]
    (root / "releases" / "20251231-000000-cccc").mkdir()  # made by a laptop whose clock is behind
    records.take_over("20251231-000000-cccc")
    assert [name for _, name in records.taken_over()][-1] == records.current() == "20251231-000000-cccc"
    records.take_over("20261101-000000-aaaa")  # a rollback keeps its place
    assert [number for number, _ in records.taken_over()] == [0, 0, 1]
    assert records.current() == "20261101-000000-aaaa"


class NoContainers(DockerClient):
    """An engine that runs nothing."""

    def __init__(self) -> None:
        super().__init__(print, lambda command, seconds: Answer(0, ""))
