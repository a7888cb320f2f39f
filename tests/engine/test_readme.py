"""The commands of the README and of two pages of docs/ do what they say, in a copy of the project."""

import json
import re
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker
import pytest

from openbell import calendars
from tests.engine.kit import ROOT, Kit, container_of, removed_afterwards, wait_until
from tests.installation import lend_python
from tests.make import calls
from tests.ports import free_port

PAGES = [ROOT / "README.md", ROOT / "docs" / "every-day.md", ROOT / "docs" / "page-and-api.md"]
# Not here: the suite itself, what starts and stops the project, which the fixture does, a slot of a day that will be too old, and
# what is for a server.
LEFT_OUT = ("make test", "make up", "make down", "make run STRATEGY=ma_crossover SLOT=")

KEEPER = 'timezone = "UTC"\nsecrets = ["KEEPER_KEY"]\n\n[[bot]]\nsymbols = ["AAPL"]\nat = "04:17"\n'


def commands() -> list[str]:
    """Return the commands of all shell blocks, each once and in order, without their comments."""
    blocks = [block for page in PAGES for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]
    lines = [re.split(r" {2,}#", line)[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in dict.fromkeys(lines) if line and not line.startswith(LEFT_OUT) and " HOST=" not in line]


@pytest.fixture(scope="module")
def project(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A copy of the project that `make up` has started. How it makes .venv is seen in test_unprivileged.py."""
    folder = tmp_path_factory.mktemp("readme") / "openbell"
    ignore = shutil.ignore_patterns(".git", ".venv", ".env", "__pycache__", ".*_cache", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=ignore)
    lend_python(folder)
    kit = Kit(folder, f"openbell-test-{uuid.uuid4().hex[:8]}", free_port())
    secret = "KEEPER_KEY_COMMAND=printf 'from a vault'"
    (folder / ".env").write_text(f"COMPOSE_PROJECT_NAME={kit.project}\nOPENBELL_PORT={kit.port}\n{secret}\n")
    (folder / "strategies" / "keeper").mkdir()
    (folder / "strategies" / "keeper" / "strategy.toml").write_text(KEEPER)
    (folder / "strategies" / "keeper" / "strategy.py").write_text(
        "def run(ctx):\n    assert ctx.secret('KEEPER_KEY')\n"
    )
    with removed_afterwards(engine, kit.project):
        said = run(kit.folder, "make up")
        assert "Status page:" in said
        # Without a slot in that time a run is shown; a slot that was due meanwhile is in the table.
        assert re.search(r"^pulse(: succeeded| .* UTC  (succeeded|running))", said, re.MULTILINE), said
        # It is ready when the loops beat; the pages ask for what the first run has decided.
        journal = "make journal STRATEGY=pulse SYMBOL=AAPL"
        wait_until(lambda: call(kit.folder, journal).returncode == 0, "the first run of pulse", 120)
        yield kit


def call(folder: Path, command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in the project's folder as from a fresh shell."""
    return calls.call(folder, ("bash", "-c", command), 280, {"PYTHONPATH": f"{folder / 'images'}"})


def run(folder: Path, command: str) -> str:
    """Return what a command prints; fail with all of it if it does not succeed."""
    done = call(folder, command)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_pages_succeed(project: Kit, command: str) -> None:
    """Each command that they show runs and ends well."""
    run(project.folder, command)


def test_what_a_command_prints_is_the_secret_of_the_container_that_names_it(
    engine: docker.DockerClient, project: Kit
) -> None:
    """The manifest alone names it, no Compose file does, and no file has the value; other strategies do not get it."""
    environment = container_of(engine, project, "keeper").attrs["Config"]["Env"]
    assert "KEEPER_KEY=from a vault" in environment
    assert "vault" not in "".join(container_of(engine, project, "pulse").attrs["Config"]["Env"])
    written = [path.read_text() for path in project.folder.glob("compose*.yaml")]
    assert any("KEEPER_KEY" in text for text in written)
    assert not any("vault" in text for text in written)
    assert "keeper: succeeded" in run(project.folder, "make run STRATEGY=keeper")


def test_run_prints_decisions(project: Kit) -> None:
    """`make run` says what was decided for every symbol."""
    printed = run(project.folder, "make run STRATEGY=ma_crossover")
    assert "trigger manual" in printed
    assert "AAPL: " in printed
    assert "MSFT: " in printed


def test_a_slot_that_has_passed_runs_once(project: Kit) -> None:
    """`make run SLOT=` runs it in the container as that slot; a second time it says what became of it."""
    day = datetime.now(UTC).date() - timedelta(days=1)
    while calendars.load("XNYS").session(day) is None:
        day -= timedelta(days=1)
    command = f"make run STRATEGY=ma_crossover SLOT={day}T09:35 YES=1"
    printed = run(project.folder, command)
    assert "trigger backfill" in printed
    assert "AAPL: " in printed
    again = call(project.folder, command)
    assert again.returncode == 2, again.stdout + again.stderr
    assert "succeeded" in again.stderr


@pytest.mark.parametrize(
    "command,words",
    [
        ("make logs STRATEGY=puls", "did you mean pulse?"),
        ("make journal STRATEGY=puls", "puls: no journal of that strategy; did you mean pulse?"),
        ("make journal STRATEGY=pulse SYMBOL=APL", 'pulse: no line since 1d has symbol "APL"; did you mean AAPL?'),
        ("make run STRATEGY=pulse BOT=x", "x: no such bot; there is pulse"),
        ("make canary", "no channel is set"),
        ("make alert-test", "no channel is set"),
    ],
)
def test_a_command_that_finds_nothing_says_so(project: Kit, command: str, words: str) -> None:
    """One line and an exit code, where silence would look like success."""
    done = call(project.folder, command)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert len([line for line in done.stderr.splitlines() if not line.startswith("make: ***")]) == 1, done.stderr


@pytest.mark.parametrize("reason", ["broker's down, $5 lost", "--reason -n", 'say "no"\nand `wait` \\ $(id)'])
def test_a_reason_arrives_word_for_word(project: Kit, reason: str) -> None:
    """From the shell through make, the host's side, Docker and the container into the file that the strategies read."""
    call(project.folder, f"make halt REASON={shlex.quote(reason)}")
    try:
        stored = run(project.folder, "docker compose exec -T supervisor sh -c 'cat /control/halt*'")
        assert json.loads(stored)["reason"] == reason
    finally:
        run(project.folder, "make unhalt")


def test_a_backup_of_what_runs_can_be_restored(project: Kit, tmp_path: Path) -> None:
    """Made while everything runs, of all volumes; a restore is refused until everything is stopped. It is the last test here."""
    file = tmp_path / "backup.tar.gz"
    run(project.folder, "make pause BOT=pulse REASON=kept")
    assert "databases" in run(project.folder, f"make backup TO={file}")
    run(project.folder, "make resume BOT=pulse")
    done = call(project.folder, f"make restore FROM={file}")
    assert done.returncode == 2
    assert "stop everything with `make down` first" in done.stderr
    run(project.folder, "make down")
    assert f"restored {file}" in run(project.folder, f"make restore FROM={file}")
    assert len(list(tmp_path.glob("backup.tar.gz.before-*.tar.gz"))) == 1
    run(project.folder, "make up")
    wait_until(lambda: "kept" in call(project.folder, "make ps").stdout, "the pause that the backup holds", 60)
