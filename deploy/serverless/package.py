"""A function's code: what of openbell it needs, the strategy's folder, the libraries, and how large all that is."""

import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy import processes
from deploy.serverless.function import Function
from openbell.calendars import own_days

OPENBELL = Path("images/openbell")
LOCKED = {"gcp": Path("images/requirements-serverless-gcp.txt")}
LOCKED_OTHERWISE = Path("images/requirements-serverless.txt")
NOT_NEEDED = ("supervisor", "commands", "backtest", "__pycache__", "__main__.py", "service.py", "multi.py", "once.py")
SHARED = "_shared"  # code that all strategies have in common
MEGABYTE = 1_000_000


def copy_code(strategies: Path, function: Function, to: Path) -> None:
    """Copy openbell, the strategy's folder and the user's own days."""
    shutil.copytree(OPENBELL, to / "openbell", ignore=shutil.ignore_patterns(*NOT_NEEDED))
    for name in (function.name, SHARED):
        if (strategies / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.in")
            shutil.copytree(strategies / name, to / "strategies" / name, ignore=ignored)
    if (strategies / own_days.TOML).is_file():
        shutil.copy(strategies / own_days.TOML, to / "strategies")


def requirements(target: str, folder: Path) -> str:
    """Return the locked libraries of openbell and of the strategy; where both lock one, the strategy's version is used.

    A universal lock may have a library several times, for different versions of Python: all of them are kept.
    """
    own = folder / "requirements.txt"
    libraries: dict[str, list[str]] = {}
    for path in (LOCKED.get(target, LOCKED_OTHERWISE), *([own] if own.exists() else [])):
        found: dict[str, list[str]] = {}
        for block in _blocks(path.read_text(encoding="utf-8").splitlines()):
            found.setdefault(block.split("==")[0].strip(), []).append(block)
        libraries |= found
    return "".join(f"{block}\n" for name in sorted(libraries) for block in libraries[name])


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    block: list[str] = []
    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        block.append(line)
        if not line.endswith("\\"):
            yield "\n".join(block)
            block = []


def sizes(code: Path, python: str) -> tuple[float, float]:
    """Return the megabytes of the code with its libraries, as they lie in a folder and packed; the libraries are fetched."""
    with tempfile.TemporaryDirectory() as temporary:
        libraries, packed = Path(temporary) / "libraries", Path(temporary) / "all.zip"
        processes.output(_fetch(code / "requirements.txt", libraries, python))
        files = [(path, path.relative_to(top)) for top in (code, libraries) for path in _files(top)]
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, name in files:
                archive.write(path, name)
        return sum(path.stat().st_size for path, _ in files) / MEGABYTE, packed.stat().st_size / MEGABYTE


def _files(top: Path) -> Iterator[Path]:
    return (path for path in sorted(top.rglob("*")) if path.is_file())


def _fetch(locked: Path, to: Path, python: str) -> Sequence[str]:
    pip = (
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--no-compile",
    )
    theirs = (
        "--only-binary=:all:",
        "--platform=manylinux2014_x86_64",
        "--implementation=cp",
        f"--python-version={python}",
    )
    return (*pip, "--no-deps", "--require-hashes", *theirs, "--target", str(to), "-r", str(locked))
