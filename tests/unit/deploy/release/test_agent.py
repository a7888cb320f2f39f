"""The lock on a host, and the transaction that inherits it: the very script that runs there."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.release.host_state import REMOTE
from tests.engine.kit import wait_until

OWNER = json.dumps({"by": "alice@laptop", "purpose": "deploying x", "since": "now", "transaction": "x"})


class Agent:
    """An agent, and what it is told."""

    def __init__(self, folder: Path) -> None:
        command = ("sh", str(REMOTE / "agent.sh"), str(folder))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def say(self, line: str) -> None:
        """Tell it something."""
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """Return its next line."""
        assert self.process.stdout
        return self.process.stdout.readline().rstrip("\n")

    def close(self) -> None:
        """Hang up, as a connection that is lost does."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe and not pipe.closed:
                pipe.close()
        self.process.wait(10)


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
    """Tell whether nobody holds the lock."""
    return subprocess.run(("flock", "--nonblock", str(folder / "lock"), "true"), check=False).returncode == 0


def test_the_second_is_told_who_holds_the_lock(agents: list[Agent], tmp_path: Path) -> None:
    """As the holder said it; and its records are for their owner alone."""
    agents[0].say(OWNER)
    assert agents[0].answer() == "locked"
    agents[1].say(OWNER)
    assert agents[1].answer() == f"held {OWNER}"
    assert agents[1].process.wait(10) == 0
    assert (tmp_path / "root" / "releases").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("way", ["hang up", "kill", "end"])
def test_the_lock_is_free_when_its_holder_is_gone(agents: list[Agent], tmp_path: Path, way: str) -> None:
    """However it went."""
    agents[0].say(OWNER)
    agents[0].answer()
    assert not is_free(tmp_path / "root")
    if way == "kill":
        os.killpg(agents[0].process.pid, signal.SIGKILL)
    elif way == "end":
        agents[0].say("end")
    agents[0].close()
    wait_until(lambda: is_free(tmp_path / "root"), "the lock to be free", 10)
    agents[1].say(OWNER)
    assert agents[1].answer() == "locked"


def test_a_transaction_has_the_lock_until_it_ends(agents: list[Agent], tmp_path: Path) -> None:
    """It goes on when whoever started it is gone, with its output in a file, and nobody else gets in meanwhile."""
    root = tmp_path / "root"
    agents[0].say(OWNER)
    agents[0].answer()
    folder = root / "transactions" / "x"
    folder.mkdir()
    (folder / "transaction.sh").write_text('echo "in $1"\nwhile [ ! -e "$1/go" ]; do sleep 0.05; done\necho done\n')
    agents[0].say("alive")
    agents[0].say("start x")
    assert agents[0].answer() == "started"
    os.killpg(agents[0].process.pid, signal.SIGKILL)
    agents[0].close()
    agents[1].say(OWNER)
    assert agents[1].answer() == f"held {OWNER}"
    wait_until(lambda: (folder / "log").read_text() == f"in {folder}\n", "the transaction to speak", 10)
    (folder / "go").touch()
    wait_until(lambda: is_free(root), "the transaction to end", 10)
    assert (folder / "log").read_text().endswith("done\n")


def test_a_transaction_is_followed_to_its_end(tmp_path: Path) -> None:
    """All that it has said, from the beginning, and its state."""
    with subprocess.Popen(
        ("sh", "-c", "sleep 0.3; echo two >>log; echo 'ended succeeded' >state"), cwd=tmp_path
    ) as one:
        (tmp_path / "log").write_text("one\n")
        (tmp_path / "pid").write_text(f"{one.pid}\n")
        follow = ("sh", str(REMOTE / "follow.sh"), str(tmp_path))
        following = subprocess.Popen(follow, stdout=subprocess.PIPE, text=True)
        one.wait(10)
        said, _ = following.communicate(timeout=20)
    assert said.splitlines() == ["one", "two", "state ended succeeded"]
