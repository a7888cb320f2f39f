"""`make up` where no container can run: the same commands, with processes that outlive the command."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import control_socket
from tests.engine.kit import wait_until
from tests.unit.deploy.local.test_run import SERVICE, SLOW, Project, is_alive

EVERYWHERE = "0.0.0.0"  # noqa: S104 - that this is refused is what is tested


class Background(Project):
    """A project whose commands act on processes in the background."""

    def command(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        own = {"OPENBELL_PORT": str(self.port), "OPENBELL_DATA": str(self.data), "ENGINE": "none", **environment}
        return subprocess.run(
            [sys.executable, "-m", "deploy", *words],
            cwd=self.root,
            env={**os.environ, **own},
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def must(self, *words: str) -> str:
        """Run a command that must succeed, and return what it prints."""
        done = self.command(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def running(self) -> dict[str, int]:
        """Return service → process id, as the table has them."""
        return {
            name: int(number) for name, number in re.findall(r"^(\w+) .*process (\d+)$", self.must("ps"), re.MULTILINE)
        }


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Background]:
    """A project in which nothing runs afterwards."""
    made = Background(tmp_path)
    yield made
    made.command("down")


def test_up_is_ready_at_the_first_signs_of_life_and_every_command_acts_on_the_processes(project: Background) -> None:
    """A second `make up` leaves alone what has not changed, and restarts what has; `make down` ends all."""
    project.strategy("calm")
    changed = project.strategy("other")
    said = project.must("up")
    assert re.search(r"^calm +healthy +0 +process \d+$", said, re.MULTILINE), said
    assert f"Status page: http://127.0.0.1:{project.port}" in said

    first = project.running()
    assert first.keys() == {"calm", "other", "supervisor"}
    (changed / "strategy.py").write_text((changed / "strategy.py").read_text() + "# a thought\n")
    project.must("up")
    second = project.running()
    assert (second["calm"], second["supervisor"]) == (first["calm"], first["supervisor"])
    assert second["other"] != first["other"]

    done = project.command("run", "STRATEGY=calm")
    while "a run of this bot is in progress" in done.stderr:  # of the slot that is due each second
        done = project.command("run", "STRATEGY=calm")
    assert "calm: succeeded" in done.stdout, done.stderr
    assert "paused until it is resumed" in project.must("pause", "BOT=calm", "REASON=it's late; $5")
    wait_until(lambda: "it's late; $5" in project.must("ps"), "the pause in the table")
    project.must("resume", "BOT=calm")
    assert "halted" in project.must("halt", "REASON=odd fills")
    project.must("unhalt")
    assert json.loads(project.must("journal", "STRATEGY=calm").splitlines()[0])["strategy"] == "calm"
    assert project.must("logs", "STRATEGY=calm", "FOLLOW=0")

    project.must("down")
    assert not any(is_alive(process) for process in second.values())
    assert project.command("ps").returncode == 1
    assert control_socket.ask(project.data, {"do": "services"}) is None


def test_a_strategy_that_is_gone_ends_and_its_run_ends_by_itself(project: Background) -> None:
    """What is asked for is what runs; a run that is under way is not cut off."""
    project.strategy("calm")
    project.strategy("slow", SLOW)
    project.must("up")
    wait_until(lambda: project.events("slow", "run_start"), "a slow run")
    (project.root / "strategies" / "slow").rename(project.root / "elsewhere")
    services = project.root / "compose" / "strategies.yaml"
    services.write_text(services.read_text().replace(SERVICE.format(name="slow"), ""))
    project.must("up")
    assert project.running().keys() == {"calm", "supervisor"}
    ended = project.events("slow", "run_end")
    assert len(ended) == len(project.events("slow", "run_start"))
    assert {line["outcome"] for line in ended} == {"succeeded"}


@pytest.mark.long
def test_a_strategy_that_gets_another_name_keeps_what_it_has_done(project: Background) -> None:
    """A folder that was renamed by hand is not begun anew: the way is said, and it lets the new name go on."""
    toml = project.strategy("slow", SLOW) / "strategy.toml"
    toml.write_text(toml.read_text().replace("[[bot]]\n", '[[bot]]\nid = "sleeper"\n'))
    project.must("up")
    wait_until(lambda: project.events("slow", "run_end"), "a slow run")
    (project.root / "strategies" / "slow").rename(project.root / "strategies" / "late")
    services = project.root / "compose" / "strategies.yaml"
    services.write_text(services.read_text().replace(SERVICE.format(name="slow"), SERVICE.format(name="late")))
    done = project.command("up")
    assert done.returncode == 1
    assert "`make rename STRATEGY=slow TO=late` lets late take them over" in done.stderr
    assert project.running().keys() == {"slow", "supervisor"}

    assert "late has the journal, ledger, account and state of slow" in project.must(
        "rename", "STRATEGY=slow", "TO=late"
    )
    assert project.running().keys() == {"late", "supervisor"}
    assert not (project.data / "state" / "slow").exists()
    slots = [line["slot"] for line in project.events("late", "run_start")]
    assert len(slots) == len(set(slots)) > 0
    assert len(project.events("late", "service_start")) == 2


def test_a_rename_here_renames_the_folder_and_keeps_the_bots_id(project: Background) -> None:
    """Of a strategy that no Compose file lists; with nothing running, nothing is started."""
    project.must("new", "STRATEGY=first")
    said = project.must("rename", "STRATEGY=first", "TO=second")
    assert "added id" not in said
    toml = project.root / "strategies" / "second" / "strategy.toml"
    assert 'id = "first"' in toml.read_text()
    toml.write_text(toml.read_text().replace('id = "first"\n', ""))
    assert 'added id = "second" to its bot' in project.must("rename", "STRATEGY=second", "TO=third")
    assert 'id = "second"' in (project.root / "strategies" / "third" / "strategy.toml").read_text()
    assert project.command("rename", "STRATEGY=second", "TO=third").returncode == 0
    assert "there is no strategy" in project.command("rename", "STRATEGY=fourth", "TO=fifth").stderr


@pytest.mark.parametrize("command", ["up", "local"])
def test_a_port_that_is_taken_is_one_line_with_the_setting(project: Background, command: str) -> None:
    """Nothing is started, so nothing is restarted for ever."""
    project.strategy("calm")
    with socket.create_server(("127.0.0.1", project.port)):
        done = project.command(command)
    assert done.returncode == 1
    assert done.stderr == (
        f"openbell: port {project.port} is in use by another program, or by another installation of openbell: "
        "set OPENBELL_PORT in .env to a free one\n"
    )


@pytest.mark.parametrize("command", ["up", "local"])
def test_a_folder_that_cannot_be_written_is_one_line(project: Background, command: str) -> None:
    """For root, too, whom permissions do not stop."""
    project.strategy("calm")
    done = project.command(command, OPENBELL_DATA="/proc/openbell")
    assert done.returncode == 1
    assert re.fullmatch(r"openbell: /proc/openbell cannot be written \(.*\): .*OPENBELL_DATA.*\n", done.stderr)


def test_a_page_for_other_machines_needs_a_token_or_a_clear_word(project: Background) -> None:
    """Positions and orders are readable by their owner only."""
    project.strategy("calm")
    done = project.command("up", OPENBELL_BIND=EVERYWHERE)
    assert done.returncode == 1
    assert done.stderr.startswith("openbell: OPENBELL_BIND=0.0.0.0 shows positions and orders to everyone")
    assert project.command("up", OPENBELL_BIND=EVERYWHERE, OPENBELL_PUBLIC="yes").returncode == 0


def test_a_second_installation_of_the_same_name_is_told_of_the_first(project: Background, tmp_path: Path) -> None:
    """It neither takes over the first one's processes nor shows its page as its own."""
    project.strategy("calm")
    project.must("up")
    second = Background(tmp_path / "second")
    second.data, second.port = project.data, project.port
    second.strategy("calm")
    done = second.command("up")
    assert done.returncode == 1
    assert f'another installation runs as "openbell", from {project.root}: ' in done.stderr


def test_an_unknown_profile_is_refused(project: Background) -> None:
    """A misspelt one would start nothing of what was meant."""
    project.strategy("calm", top='profile = "mine"')
    done = project.command("up", COMPOSE_PROFILES="min")
    assert done.returncode == 1
    assert 'PROFILE: there is no profile "min"; did you mean mine?' in done.stderr


def test_insisting_on_containers_beside_processes_says_what_to_do(project: Background) -> None:
    """Both at once would run every strategy twice."""
    project.strategy("calm")
    project.must("up")
    done = project.command("up", ENGINE="docker")
    assert done.returncode == 1
    assert "plain processes run here: stop them with `make down`" in done.stderr


def test_a_wrong_engine_is_refused(project: Background) -> None:
    """The message has what is allowed."""
    done = project.command("up", ENGINE="podman")
    assert done.returncode == 2
    assert done.stderr == (
        'openbell: ENGINE: found "podman"; allowed: docker (insist on containers) or none (run plain processes)\n'
    )
