"""One room under mutmut: the code and its tests are copied, changed one place at a time, and the tests are run on each change."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.rooms import Change, Room

ROOT = Path(__file__).parents[2]
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a room's folder is removed after its run
COPIED = ("tests", "strategies", "deploy", "compose", "docs", "scripts")
UNTOUCHED = shutil.ignore_patterns("__pycache__", "*.pyc", ".venv", "site", "images")
CONFIGURATION = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = {modules}
also_copy = {also}
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist"]
pytest_add_cli_args_test_selection = {tests}
use_git_change_detection = false
track_dependencies = false
"""
NOTICED = frozenset({"killed", "timeout", "suspicious", "segfault", "caught by type check"})
# All diffs by one process: mutmut takes a second to load.
_DIFFS = """
import json, sys
from mutmut.mutation.diff_apply import get_diff_for_mutant
print(json.dumps({name: get_diff_for_mutant(name) for name in sys.argv[1:]}))
"""
_RESULT = re.compile(r"^\s+(\S+): (.+)$", re.MULTILINE)


class MutantsError(Exception):
    """mutmut could not do its work; the text says why."""


@dataclass(frozen=True)
class Result:
    """What became of a room's changes."""

    made: int  # changes that decide something
    survivors: tuple[Change, ...]

    @property
    def per_cent(self) -> float:
        """Return how many of them were noticed, in per cent."""
        return 100.0 * (self.made - len(self.survivors)) / self.made if self.made else 100.0


def run(room: Room, folder: Path, children: int) -> Result:
    """Mutate a room in a folder of its own and return what became of each change; MutantsError if that cannot be."""
    _stage(room, folder)
    told = _mutmut(folder, "run", "--max-children", str(children))
    statuses = dict(_RESULT.findall(_mutmut(folder, "results", "--all", "true")))
    if not statuses:
        msg = f"{room.name}: mutmut made no changes: {told[-2_000:]}"
        raise MutantsError(msg)
    changes = _changes(folder, [name for name, status in statuses.items() if status not in NOTICED])
    survivors = tuple(sorted(change for change in changes if not change.is_text))
    return Result(len(statuses) - sum(change.is_text for change in changes), survivors)


def _stage(room: Room, folder: Path) -> None:
    shutil.copytree(ROOT / "images" / "openbell", folder / "src" / "openbell", ignore=UNTOUCHED)
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=UNTOUCHED, symlinks=True)
    settings = (
        (ROOT / "pyproject.toml").read_text().replace('pythonpath = ["images", "."]', 'pythonpath = ["src", "."]')
    )
    modules = [f"src/openbell/{one}" for one in room.modules]
    also = [f"{name}/" for name in COPIED]
    tests = list(room.tests)
    (folder / "pyproject.toml").write_text(settings + CONFIGURATION.format(modules=modules, also=also, tests=tests))


def _mutmut(folder: Path, *arguments: str) -> str:
    return _run(folder, str(Path(sys.executable).with_name("mutmut")), *arguments)


def _run(folder: Path, *command: str) -> str:
    # The tests' own files are beside the code, in memory where the machine has such a place: no test waits for a sync.
    environment = {**os.environ, "TMPDIR": str(folder)}
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    if ended.returncode:
        msg = f"{' '.join(command[:3])}: {(ended.stdout + ended.stderr)[-4_000:]}"
        raise MutantsError(msg)
    return ended.stdout


def _changes(folder: Path, names: list[str]) -> list[Change]:
    """Return what mutants of these names change: mutmut's names are numbers, which move with every line that is written."""
    diffs: dict[str, str] = json.loads(_run(folder, sys.executable, "-c", _DIFFS, *names)) if names else {}
    return [_change(name, diff) for name, diff in diffs.items()]


def _change(name: str, diff: str) -> Change:
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    before, after = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    module, _, mangled = name.rpartition(".")
    function = mangled.rpartition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return Change(f"{module.removeprefix('openbell.')}.{function}", before, after)
