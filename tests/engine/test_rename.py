"""`make rename` of a strategy whose container runs here: its own, or one that hosts others beside it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.deploy.counted import count
from tests.deploy.site import choose, offer_both_forms
from tests.deploy.walk import rename_here
from tests.engine.kit import ROOT, Kit, events, journal, make_kit, removed_afterwards, wait_until

pytestmark = pytest.mark.deploy_long

STRATEGIES = ("fives", "ticker")


@pytest.fixture(params=["portfolio", "portfolio-together"])
def kit(request: pytest.FixtureRequest, engine: docker.DockerClient, tmp_path: Path) -> Iterator[Kit]:
    """Two strategies in a container each, or both in one; the first has run."""
    kit = make_kit(tmp_path, list(STRATEGIES))
    for name in ("deploy", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "hosts.toml"))
    offer_both_forms(tmp_path, STRATEGIES)
    choose(tmp_path, request.param)
    with removed_afterwards(engine, kit.project):
        must(kit, "up")
        wait_until(lambda: events(journal(engine, kit, "fives"), "run_end"), "a run", 30)
        yield kit


def run(kit: Kit, *words: str) -> tuple[int, str]:
    """Run a command in the project's copy; return its exit code and all that it said."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBELL_", "COMPOSE_"))}
    done = subprocess.run(
        (sys.executable, "-m", "deploy", *words),
        cwd=kit.folder,
        env=ours | {"PYTHONPATH": f"{kit.folder}:{kit.folder}/images"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout


def must(kit: Kit, *words: str) -> str:
    """Run a command that must succeed, and return what it said."""
    code, said = run(kit, *words)
    assert code == 0, said
    return said


def test_it_keeps_what_it_has_done(engine: docker.DockerClient, kit: Kit) -> None:
    """A folder that was renamed by hand is not begun anew; the command that is said lets the new name go on."""
    rename_here(kit.folder, "fives", "quints")
    code, said = run(kit, "up")
    assert code == 1
    assert "`make rename STRATEGY=fives TO=quints` lets quints take them over" in said
    first = events(journal(engine, kit, "fives"), "run_start")[0]

    said = must(kit, "rename", "STRATEGY=fives", "TO=quints")
    assert "quints has the journal, ledger, account and state of fives" in said
    started = len(events(journal(engine, kit, "quints"), "run_end"))
    wait_until(lambda: len(events(journal(engine, kit, "quints"), "run_end")) > started, "the next run", 30)
    lines = journal(engine, kit, "quints")
    assert events(lines, "run_start")[0] == first
    found = count(lines)
    assert (found.lost, found.doubled) == ([], [])
    before = len(journal(engine, kit, "ticker"))
    wait_until(lambda: len(journal(engine, kit, "ticker")) > before, "the other strategy", 30)
