"""A malicious strategy in a real container, against another strategy, the supervisor and the operator's commands.

Whatever runs in a strategy's container runs as the strategy's user with its mounts, so the attacks are made there with
`docker exec`: `slow` attacks, `ticker` is due every two seconds and is the victim.
"""

import json
import shlex
import urllib.request
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from openbell.strategy_user import user_id
from tests.engine.kit import Kit, answer, ask, container_of, events, journal, wait_until

pytestmark = pytest.mark.engine

TOMORROW = '"$(date -u -d tomorrow +%F)"'


@pytest.fixture
def attacker(engine: docker.DockerClient, kit: Kit) -> Container:
    """Return the container that attacks."""
    return container_of(engine, kit, "slow")


@pytest.fixture
def supervisor(engine: docker.DockerClient, kit: Kit) -> Container:
    """Return the supervisor's container, where the operator's commands run."""
    return container_of(engine, kit, "supervisor")


@pytest.fixture
def halted(supervisor: Container) -> Iterator[str]:
    """All orders are halted by the operator; what the command said is given."""
    yield ask(supervisor, "openbell", "halt", "--reason", "odd fills")
    ask(supervisor, "openbell", "unhalt")


def status(kit: Kit) -> dict[str, Any]:
    """Return what the API says of everything; the page must answer at once."""
    with urllib.request.urlopen(f"{kit.page}/api/status", timeout=5) as response:
        found: dict[str, Any] = json.load(response)
    return found


def strategy(kit: Kit, name: str) -> dict[str, Any]:
    """Return what the API says of one strategy."""
    return next(one for one in status(kit)["strategies"] if one["name"] == name)


IMPOSSIBLE = [
    "ls /journal/ticker",
    "cat /journal/ticker/*.jsonl",
    "echo forged >> /journal/ticker/2026-01-01.jsonl",
    "rm -r /journal/ticker",
    "mv /journal/ticker /journal/away",
    "mkdir /journal/ghost",
    "ls /state/ticker",
    "sqlite=/state/ticker/paper.sqlite; cp $sqlite /tmp/copy",
    "echo > /state/ticker/ledger.sqlite",
    "rm -r /state/ticker",
    "ln /state/ticker/ledger.sqlite /state/slow/mine",
    "ls /control/ticker",
    "echo '{}' > /control/ticker/requests/forged.json",
    "rm -r /control/ticker/paused",
    "echo '{}' > /control/slow/requests/forged.json",
    "ln -s /var/lib/openbell/supervisor.sqlite /control/halt.new",
    "ln -s /var/lib/openbell/alerts.sqlite /control/halt.json",
    'echo \'{"until": "2400-01-01T00:00:00Z"}\' > /control/deployment.json',
    "echo '{}' > /control/canary.json",
    "mkdir /control/halt.json",
    "chmod 777 /control /journal /state",
    "chown -R $(id -u) /journal",
]


@pytest.mark.parametrize("attack", IMPOSSIBLE)
def test_nothing_of_others_can_be_read_or_written(attacker: Container, attack: str) -> None:
    """Neither another strategy's journal, state and control, nor what the operator wants, nor the volumes' roots."""
    code, said = answer(attacker, "sh", "-c", attack)
    assert code != 0, said
    assert "denied" in said or "Read-only" in said or "not permitted" in said, said


def test_each_strategy_runs_as_a_user_of_its_own(engine: docker.DockerClient, kit: Kit) -> None:
    """The ids follow from the names, and no strategy is in the supervisor's group."""
    for name in ("slow", "ticker"):
        said = ask(container_of(engine, kit, name), "id")
        assert f"uid={user_id(name)}(" in said
        assert "10001" not in said


def test_the_supervisor_is_on_another_network(attacker: Container) -> None:
    """A strategy cannot even find it."""
    code, said = answer(attacker, "python3", "-c", "import socket; socket.create_connection(('supervisor', 8080), 3)")
    assert code != 0
    assert "gaierror" in said or "timed out" in said, said


def test_a_halt_is_acknowledged_and_cannot_be_lifted(
    engine: docker.DockerClient, kit: Kit, attacker: Container, halted: str
) -> None:
    """Every loop has said that it obeys when the command ends; the attacker cannot remove the halt."""
    assert "acknowledged by: slow, ticker" in halted
    for attack in ("rm -f /control/halt.json", "echo > /control/halt.json", "mv /control/halt.json /control/x"):
        code, said = answer(attacker, "sh", "-c", attack)
        assert code != 0, said
    assert [line["reason"] for line in events(journal(engine, kit, "ticker"), "trading_halted")][-1] == "odd fills"
    assert status(kit)["halt"]["reason"] == "odd fills" if "halt" in status(kit) else True


def test_forged_lines_say_nothing_of_the_victim(engine: docker.DockerClient, kit: Kit, attacker: Container) -> None:
    """A line in the attacker's journal that names the victim is not a line of the victim's."""
    line = {
        "event": "run_end",
        "level": "error",
        "strategy": "ticker",
        "boot_id": "forged",
        "bot": "ticker",
        "run_id": "forged",
        "attempt": 1,
        "outcome": "failed",
        "tick_duration_ms": float("nan"),
    }
    text = json.dumps(line)[1:]
    stamped = (
        f'at=$(date -u +%FT%T.000Z); printf \'{{"timestamp": "%s", "slot": "%s", %s\\n\' $at $at {shlex.quote(text)}'
    )
    ask(attacker, "sh", "-c", f"{stamped} >> /journal/slow/$(date -u +%F).jsonl")
    before = len(events(journal(engine, kit, "ticker"), "run_end"))
    wait_until(
        lambda: len(events(journal(engine, kit, "ticker"), "run_end")) > before + 1, "more runs of the victim", 30
    )
    with urllib.request.urlopen(f"{kit.page}/api/bots/ticker", timeout=5) as response:
        assert "forged" not in response.read().decode()


FOREIGN = [
    pytest.param(f"mkfifo /journal/slow/{TOMORROW}.jsonl", "is not a regular file", id="fifo"),
    pytest.param(f"mkdir /journal/slow/{TOMORROW}.jsonl", "is not a regular file", id="directory"),
    pytest.param(f"truncate -s 100G /journal/slow/{TOMORROW}.jsonl", "bytes", id="sparse"),
    pytest.param(f"ln -s /dev/zero /journal/slow/{TOMORROW}.jsonl", "is a link", id="endless"),
    pytest.param(f"ln -s ../ticker/$(date -u +%F).jsonl /journal/slow/{TOMORROW}.jsonl", "is a link", id="link"),
]


@pytest.mark.parametrize("plant, reason", FOREIGN)
def test_foreign_files_are_the_attackers_condition_alone(
    kit: Kit, attacker: Container, plant: str, reason: str
) -> None:
    """The watch goes on, the page answers, the victim is well, and what is wrong is said of the attacker."""
    ask(attacker, "sh", "-c", plant)
    try:
        found = wait_until(
            lambda: next((one for one in status(kit)["conditions"] if reason in one["reason"]), None), reason, 90
        )
        assert found["strategy"] == "slow"
        assert strategy(kit, "ticker")["status"] == "up"
        assert not [one for one in status(kit)["conditions"] if one["strategy"] == "ticker"]
        with urllib.request.urlopen(f"{kit.page}/healthz", timeout=5) as response:
            assert response.status == 200
    finally:
        ask(attacker, "sh", "-c", f"rm -rf /journal/slow/{TOMORROW}.jsonl")


@pytest.mark.parametrize("content", ["printf '[%.0s' $(seq 100000)", "head -c 300000 /dev/zero", "printf '\\377\\376'"])
def test_foreign_bytes_harm_nobody_else(kit: Kit, attacker: Container, content: str) -> None:
    """Beats, answers and streams full of nonsense end neither the watch nor the operator's commands."""
    ask(attacker, "sh", "-c", f"for file in beat.json answers.json; do {content} > /journal/slow/$file; done")
    assert strategy(kit, "ticker")["status"] == "up"
    with urllib.request.urlopen(f"{kit.page}/metrics", timeout=5) as response:
        assert "openbell_beat_age_seconds" in response.read().decode()
    wait_until(lambda: strategy(kit, "slow")["status"] != "down" or None, "the attacker's next beat", 90)
