"""The README's commands do what it says, in a copy of the project."""

import os
import re
import shutil
import subprocess
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from openbell.manifest import load
from tests.engine.kit import ROOT, Kit, free_port, removed_afterwards

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Not here: the suite itself, and what follows output until somebody stops it.
LEFT_OUT = ("make test", "make logs", "make up", "make down")


def blocks(language: str) -> list[str]:
    """Return the README's blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    """Return the commands of all shell blocks, in order, without their comments."""
    lines = [line.split("  #")[0].split("    #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    if shutil.which("jq") is None:  # it only makes the lines pretty, and nothing of the kit needs it
        lines = [line.removesuffix(" | jq .") for line in lines]
    return [line for line in lines if line and not line.startswith(LEFT_OUT)]


@pytest.fixture(scope="module")
def project(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A copy of the project that `make up` has started."""
    folder = tmp_path_factory.mktemp("readme") / "openbell"
    ignore = shutil.ignore_patterns(".git", ".venv", ".env", "__pycache__", ".*_cache", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=ignore)
    kit = Kit(folder, f"openbell-test-{uuid.uuid4().hex[:8]}", free_port())
    (folder / ".env").write_text(f"COMPOSE_PROJECT_NAME={kit.project}\nOPENBELL_PORT={kit.port}\n")
    with removed_afterwards(engine, kit.project):
        assert "Status page:" in run(kit.folder, "make up")
        yield kit


def run(folder: Path, command: str) -> str:
    """Return what a command prints; fail with all of it if it does not succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBELL_", "COMPOSE_"))}
    environment |= {"MAKEFLAGS": ""}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_readme_succeed(project: Kit, command: str) -> None:
    """Each command that the README shows runs and ends well."""
    run(project.folder, command)


def test_run_prints_decisions(project: Kit) -> None:
    """`make run` says what was decided for every symbol."""
    printed = run(project.folder, "make run STRATEGY=ma_crossover")
    assert "trigger manual" in printed
    assert "AAPL: " in printed
    assert "MSFT: " in printed


def test_the_manifest_of_the_readme_is_valid(tmp_path: Path) -> None:
    """The manifest that the README shows has no mistake, and shows every key that there is."""
    (block,) = blocks("toml")
    folder = tmp_path / "my_idea"
    folder.mkdir()
    (folder / "strategy.toml").write_text(block)
    manifest = load(folder)
    assert [bot.id for bot in manifest.bots] == ["my_idea", "my_idea-15m"]
    shown = tomllib.loads(block)
    assert {"description", "timezone", "calendar", "market", "broker", "secrets", "defaults", "bot"} <= set(shown)
