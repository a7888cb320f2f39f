"""What a process is made of, as one text that changes when any of it does."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import openbell
from deploy.docker.compose import SUPERVISOR
from deploy.local.processes import INHERITED, LocalPaths, Process

KIT = Path(openbell.__file__).parent


def stamped(processes: Iterable[Process], places: LocalPaths) -> list[Process]:
    """Return the processes with their versions: the kit's code, the strategy's folder, its packages, its environment."""
    kit = _tree(KIT)
    return [replace(one, version=_version(one, places, kit)) for one in processes]


def _version(one: Process, places: LocalPaths, kit: str) -> str:
    if one.name == SUPERVISOR:
        own = [_file(path) for path in sorted(places.strategies.glob("*/strategy.toml"))]
    else:
        lock = places.strategies / one.name / "requirements.txt"
        own = [_tree(places.strategies / one.name), _file(lock) if lock.is_file() else ""]
    # What is only inherited differs from shell to shell and means nothing.
    environment = sorted((key, value) for key, value in one.environment.items() if key not in INHERITED)
    return _digest([kit, *own, repr(one.command), repr(environment)])


def _tree(folder: Path) -> str:
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts)
    )
    return _digest(f"{path.relative_to(folder)} {_file(path)}" for path in files)


def _file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
