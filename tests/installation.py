"""The kit's repository with its versions, a clone of it, and a folder of strategies beside the clone."""

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

from tests.ports import free_port

ROOT = Path(__file__).parents[1]
PARTS = (
    "Makefile",
    "CHANGELOG.md",
    "pyproject.toml",
    "requirements.txt",
    "compose.yaml",
    ".gitignore",
    ".dockerignore",
)
FOLDERS = ("compose", "deploy", "images", "scripts", "strategies")
STRATEGY = 'timezone = "UTC"\n\n[[bot]]\nsymbols = ["AAPL"]\nevery = "1m"\ntimeout = "5m"\n'


def git(folder: Path, *words: str) -> str:
    """Return what git prints."""
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "advice.detachedHead=false")
    return subprocess.run(("git", *who, *words), cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def lend_python(folder: Path) -> None:
    """Let a copy of the kit have what `scripts/python-ready` makes, without installing it again."""
    there, here = folder / ".venv", ROOT / ".venv"
    (there / "bin").mkdir(parents=True)
    for name in ("lib", "bin/python", "bin/openbell"):
        (there / name).symlink_to(here / name)
    shutil.copy(here / "pyvenv.cfg", there)
    stamp = "cat requirements.txt pyproject.toml | cksum | tr '\\n' ' ' && pwd"
    made = subprocess.run(("sh", "-c", stamp), cwd=folder, check=True, capture_output=True, text=True).stdout
    (there / "requirements.txt.stamp").write_text(made)


class Installation:
    """The kit's repository with its releases, a clone of it, and a folder of strategies beside the clone."""

    def __init__(self, folder: Path, engine: str = "none") -> None:
        self.engine, self.project = engine, f"openbell-test-{uuid.uuid4().hex[:8]}"
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
            f"COMPOSE_PROJECT_NAME={self.project}\nOPENBELL_PORT={free_port()}\nOPENBELL_STRATEGIES=../mine\n"
        )
        lend_python(self.kit)

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
            "ENGINE": self.engine,
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
