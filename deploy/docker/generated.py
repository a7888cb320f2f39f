"""The services of strategies that no Compose file lists: derived from their manifests, written where git does not look.

The kit's own examples stand in compose/*.yaml, so `docker compose up -d` works on a fresh clone. A strategy that is added
to strategies/ goes into compose.override.yaml, which Compose reads by itself beside compose.yaml. A folder of one's own has a
project file of its own, compose.own.yaml: the kit's supervisor and volumes, the generated services, and the folder's
compose.yaml for services that differ.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.docker import services
from deploy.errors import CommandError
from deploy.stop_grace import needed
from openbell.manifest import Manifest, load_all

KIT = Path("strategies")  # the folder of the kit's examples
LISTED = tuple(Path(f"compose/{name}.yaml") for name in ("strategies", "portfolio", "brokers"))
TOGETHER = Path("compose/together.yaml")
OVERRIDE, OWN, OWN_SECRETS = (Path(f"compose.{name}.yaml") for name in ("override", "own", "own.secrets"))
SHARED = ("compose/metrics.yaml", "compose/supervisor.yaml", "compose/volumes.yaml")
HEADER = "# Written by openbell from the strategies' manifests; what you change here is lost.\n"
STAGED = Path("own")  # a copy of a folder of one's own, which the images' build context must contain
SOURCE = "OPENBELL_SOURCE"  # the folder of the build context that has the strategies


def is_own(strategies: Path) -> bool:
    """Tell whether the strategies are in a folder of the user's own, and not in the kit's."""
    return strategies.resolve() != KIT.resolve()


def listed(strategies: Path) -> tuple[str, ...]:
    """Return the services that people wrote: those of the kit's files, or of an own folder's compose.yaml."""
    files = (strategies / "compose.yaml",) if is_own(strategies) else LISTED
    return tuple(name for file in files if file.is_file() for name in services.names(file))


def write(strategies: Path) -> None:
    """Write the file that these strategies need, and let Compose read it; CommandError if it is the user's own."""
    written = set(listed(strategies))
    everything = load_all(strategies)[0]
    manifests = [one for one in everything if one.name not in written]
    named = unmentioned(_bodies(strategies), everything)
    if is_own(strategies):
        _write_or_remove(OWN_SECRETS, named)
        _write(OWN, _project(strategies, manifests))
        os.environ["COMPOSE_FILE"] = str(OWN)
        os.environ[SOURCE] = str(STAGED)
        return
    is_ours = OVERRIDE.is_file() and OVERRIDE.read_text(encoding="utf-8").startswith(HEADER)
    if manifests or named:
        if OVERRIDE.is_file() and not is_ours:
            msg = (
                f"{OVERRIDE} is yours, and what {(*(one.name for one in manifests), *named)[0]} needs belongs there: "
                "keep your strategies in a folder of your own (`make init DIR=../my-strategies`)"
            )
            raise CommandError(msg)
        _write_or_remove(OVERRIDE, {**{one.name: service(one) for one in manifests}, **named})
    elif is_ours:
        OVERRIDE.unlink(missing_ok=True)


def unmentioned(bodies: Mapping[str, Mapping[str, Any]], manifests: Iterable[Manifest]) -> dict[str, Any]:
    """Return what services that people wrote lack: the secrets that their strategies' manifests name, by service."""
    secrets = {one.name: one.secrets for one in manifests}
    found = {}
    for name, body in bodies.items():
        has = {str(one).partition("=")[0] for one in body.get("environment") or ()}
        hosted = services.strategies(name, body.get("labels"))
        if lacks := [one for strategy in hosted for one in secrets.get(strategy, ()) if one not in has]:
            found[name] = {"environment": list(dict.fromkeys(lacks))}
    return found


def _bodies(strategies: Path) -> dict[str, Mapping[str, Any]]:
    files = (strategies / "compose.yaml",) if is_own(strategies) else (*LISTED, TOGETHER)
    return {name: body or {} for file in files if file.is_file() for name, body in services.read(file).items()}


def _write_or_remove(file: Path, found: Mapping[str, Any]) -> None:
    if found:
        _write(file, {"services": dict(found)})
    else:
        file.unlink(missing_ok=True)


def _write(file: Path, content: Mapping[str, Any]) -> None:
    """Replace a file as a whole: another command, or Compose, may read it at the same time."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        new.write_text(HEADER + yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)  # where the disk is full


def stage(strategies: Path) -> None:
    """Copy the strategies of an own folder into the build context: an image is made of nothing outside of it."""
    if not is_own(strategies):
        return
    shutil.rmtree(STAGED, ignore_errors=True)
    shutil.copytree(strategies, STAGED, ignore=shutil.ignore_patterns("__pycache__", ".*"))


def service(manifest: Manifest) -> dict[str, Any]:
    """Return the service that runs a strategy, as its manifest wants it."""
    name = manifest.name
    found: dict[str, Any] = {
        "extends": {"file": "compose/base.yaml", "service": "strategy"},
        "image": f"${{COMPOSE_PROJECT_NAME:-openbell}}/{name}:${{OPENBELL_TAG:-local}}",
        "build": {"args": {"STRATEGY": name}},
        "stop_grace_period": f"{needed([manifest])}s",
    }
    if manifest.profile:
        found["profiles"] = [manifest.profile]
    if manifest.secrets:
        found["environment"] = list(manifest.secrets)
    if manifest.container.memory:
        found["mem_limit"] = manifest.container.memory
    if manifest.container.cpus:
        found["cpus"] = manifest.container.cpus
    return found


def _project(strategies: Path, manifests: Iterable[Manifest]) -> Mapping[str, Any]:
    differing = [strategies / "compose.yaml", OWN_SECRETS]  # the second gives the first's services their secrets
    paths = [*SHARED, *(str(path) for path in differing if path.is_file())]
    return {
        "name": "openbell",
        "include": [{"project_directory": ".", "path": paths}],
        "services": {one.name: service(one) for one in manifests},
    }
