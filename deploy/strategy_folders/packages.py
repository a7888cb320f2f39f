"""`make add` and `make lock STRATEGY=`: one strategy's packages, locked with hashes for the image's Python and this one."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from deploy.errors import CommandError
from deploy.log import Log

OLDEST = "3.11"  # of the versions of Python that backtests and processes run on; images have a newer one
KNOWN = Path("requirements-dev.txt")  # its versions win where a strategy asks for the same package
WANTED, LOCK = "requirements.in", "requirements.txt"


def add(folder: Path, packages: str, log: Log) -> None:
    """Ask for packages in a strategy's requirements.in and lock them; nothing changes if that cannot be done."""
    file = folder / WANTED
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    asked = [_requirement(word) for word in packages.split()]
    names = {canonicalize_name(one.name) for one in asked}
    kept = [line for line in before.splitlines() if _name(line) not in names]
    file.write_text("\n".join([*kept, *map(str, asked)]) + "\n", encoding="utf-8")
    try:
        lock(folder, log)
    except CommandError:
        if before:
            file.write_text(before, encoding="utf-8")
        else:
            file.unlink()
        raise


def lock(folder: Path, log: Log) -> None:
    """Write a strategy's requirements.txt from its requirements.in; CommandError if its packages do not go together."""
    wanted, locked = folder / WANTED, folder / LOCK
    if not wanted.is_file():
        msg = f"{wanted}: no such file: `make add STRATEGY={folder.name} PACKAGE=numpy` writes it"
        raise CommandError(msg)
    options = (
        *("--quiet", "--universal", "--generate-hashes", "--no-annotate", "--no-emit-index-url"),
        *("--no-emit-find-links", "--custom-compile-command", "make lock", "--python-version", OLDEST),
    )
    command = (_uv(log), "pip", "compile", str(wanted), *options, "--constraint", str(KNOWN), "-o", str(locked))
    log.info("locking", strategy=folder.name)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        msg = f"{wanted}: cannot be locked: {' '.join(done.stderr.split())[-600:]}"
        raise CommandError(msg)
    print(f"locked {locked}")


def user_of(package: str, folders: Iterable[Path]) -> tuple[Path, str]:
    """Return the folder and the name of a strategy that has locked a package; CommandError if none has."""
    for folder in folders:
        for locked in sorted(folder.glob(f"*/{LOCK}")):
            lines = locked.read_text(encoding="utf-8", errors="replace").splitlines()
            if any(line.startswith(f"{package}==") for line in lines):
                return folder, locked.parent.name
    msg = f"no strategy has the package {package}, which this needs: make add STRATEGY=my_idea PACKAGE={package}"
    raise CommandError(msg)


def _uv(log: Log) -> str:
    """Return uv, which is installed as the tests' lock has it where it is missing."""
    uv = Path(sys.executable).parent / "uv"
    if not uv.exists():
        log.info("installing uv")
        lines = KNOWN.read_text(encoding="utf-8").splitlines()
        first = next(number for number, line in enumerate(lines) if line.startswith("uv=="))
        last = next(number for number in range(first, len(lines)) if not lines[number].endswith("\\"))
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("\n".join(lines[first : last + 1]) + "\n")
            file.flush()
            pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
            if subprocess.run((*pip, "--require-hashes", "--no-deps", "-r", file.name), check=False).returncode:
                msg = "uv, which locks packages, could not be installed: the reason is above"
                raise CommandError(msg)
    return str(uv)


def _requirement(word: str) -> Requirement:
    try:
        return Requirement(word)
    except InvalidRequirement:
        msg = f'PACKAGE: found "{word}"; allowed: packages with blanks between them, such as PACKAGE="pandas numpy>=2"'
        raise CommandError(msg, 2) from None


def _name(line: str) -> str:
    try:
        return canonicalize_name(Requirement(line.partition(" #")[0].strip()).name)
    except InvalidRequirement:
        return ""  # a comment, or an option of pip
