"""`make upgrade`, with real git repositories: what it shows, what it refuses, and the way back."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.kit import free_port

ROOT = Path(__file__).parents[3]
PARTS = ("Makefile", "CHANGELOG.md", "pyproject.toml", "requirements.txt", "compose.yaml", ".gitignore")
FOLDERS = ("compose", "deploy", "images", "scripts")
STRATEGY = 'timezone = "UTC"\n\n[[bot]]\nsymbols = ["AAPL"]\nevery = "1m"\ntimeout = "5m"\n'
NEWS = "- Something that only this version has."


def git(folder: Path, *words: str) -> str:
    """Return what git prints."""
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "advice.detachedHead=false")
    return subprocess.run(("git", *who, *words), cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


class Installation:
    """The kit's repository with its releases, a clone of it, and a folder of strategies beside the clone."""

    def __init__(self, folder: Path) -> None:
        self.origin, self.kit, self.data = folder / "origin", folder / "kit", folder / "data"
        self.origin.mkdir()
        for name in PARTS:
            shutil.copy(ROOT / name, self.origin / name)
        for name in FOLDERS:
            shutil.copytree(ROOT / name, self.origin / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        git(self.origin, "init", "--quiet", "--initial-branch=main")
        self.first = self.release("v0.1.0")
        git(folder, "clone", "--quiet", str(self.origin), "kit")
        strategy = folder / "mine" / "my_idea"
        strategy.mkdir(parents=True)
        (strategy / "strategy.toml").write_text(STRATEGY)
        (strategy / "strategy.py").write_text("def run(ctx):\n    pass\n")
        (self.kit / ".env").write_text(
            f"COMPOSE_PROJECT_NAME=openbell-test-upgrade\nOPENBELL_PORT={free_port()}\nOPENBELL_STRATEGIES=../mine\n"
        )
        self._python()

    def _python(self) -> None:
        """Let the clone have what `scripts/python-ready` makes, without installing it again."""
        there, here = self.kit / ".venv", ROOT / ".venv"
        (there / "bin").mkdir(parents=True)
        for name in ("lib", "bin/python", "bin/openbell"):
            (there / name).symlink_to(here / name)
        shutil.copy(here / "pyvenv.cfg", there)
        stamp = "cat requirements.txt pyproject.toml | cksum | tr '\\n' ' ' && pwd"
        made = subprocess.run(("sh", "-c", stamp), cwd=self.kit, check=True, capture_output=True, text=True).stdout
        (there / "requirements.txt.stamp").write_text(made)

    def release(self, tag: str, news: str = "") -> str:
        """Commit what is in the origin's folder as a version, and return its commit."""
        if news:
            path = self.origin / "CHANGELOG.md"
            path.write_text(path.read_text().replace("### Added\n", f"### Added\n\n{news}\n", 1))
        git(self.origin, "add", "--all", "--force")
        git(self.origin, "commit", "--quiet", "--allow-empty", "--message", tag)
        git(self.origin, "tag", tag)
        return git(self.origin, "rev-parse", "HEAD")

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the clone, as make does."""
        ours = {
            "ENGINE": "none",
            "OPENBELL_DATA": str(self.data),
            "PYTHONPATH": f"{self.kit}:{self.kit}/images",
        }
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("OPENBELL_", "COMPOSE_"))
        }
        return subprocess.run(
            (sys.executable, "-m", "deploy", *words),
            cwd=self.kit,
            env=inherited | ours,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )

    def must(self, *words: str) -> str:
        """Run a command that must succeed, and return what it prints."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def commit(self) -> str:
        """What the clone has now."""
        return git(self.kit, "rev-parse", "HEAD")


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Installation]:
    """An installation, of which nothing runs afterwards."""
    made = Installation(tmp_path)
    yield made
    if made.data.exists():
        made.run("down")


def test_a_manifest_that_the_version_does_not_know_is_named_before_anything_changes(one: Installation) -> None:
    """The line is that of the version's own check: here an older one, for which a key of today is unknown."""
    model = one.origin / "images/openbell/manifest/reading.py"
    now = model.read_text()
    assert '"timezone"' in now
    model.write_text(now.replace('"timezone"', '"time_zone"'))
    older = one.release("v0.0.9")
    done = one.run("upgrade", "TO=0.0.9")
    assert (done.returncode, one.commit) == (1, one.first)
    said = done.stderr.splitlines()
    assert said[0].startswith("my_idea/strategy.toml: timezone: ")
    assert said[-1] == (
        f"openbell: nothing was changed: change what the lines above name, for {older[:12]}, and try again"
    )


def test_what_runs_is_backed_up_upgraded_and_put_back_if_the_new_version_fails(one: Installation) -> None:
    """Only what this version does not say yet is shown. A version that cannot start what runs is left again, and that runs."""
    one.must("up")
    second = one.release("v0.2.0", NEWS)
    assert NEWS in one.must("upgrade", "DRY_RUN=1")
    assert one.commit == one.first
    said = one.must("upgrade")
    assert f"### Added\n{NEWS}\n\n" in said
    assert "- Market `sample`" not in said
    assert "openbell: wrote backups/openbell-" in said
    assert one.commit == second

    start = one.origin / "deploy/start.py"
    start.write_text(start.read_text() + '\nraise SystemExit("openbell: this version is broken")\n')
    third = one.release("v0.3.0")
    done = one.run("upgrade")
    assert done.returncode != 0
    assert "openbell: this version is broken" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"openbell: `make up` of {third[:12]} failed, for the reason above; {second[:12]} is back and runs"
    )
    assert one.commit == second
    assert git(one.kit, "status", "--porcelain") == ""
    assert "my_idea" in one.must("ps")
    assert len(list((one.kit / "backups").glob("openbell-*.tar.gz"))) == 2
