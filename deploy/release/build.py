"""A release from this checkout: built, resolved, and told apart from what runs."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deploy import compose, environment, execute
from deploy.problem import Problem
from deploy.progress import Log
from deploy.release import origin, plan, resolve, secret
from deploy.release.record import Release
from deploy.release.resolve import Tree
from deploy.shipping import Image
from deploy.ssh import Host
from openbell.manifest import load_all


@dataclass(frozen=True)
class Draft:
    """What the host is to get, beside the images."""

    release: Release
    compose: Tree
    environment: Mapping[str, Mapping[str, str]]  # by service
    files: Mapping[str, str]  # by name
    inherit: tuple[str, ...] = ()  # services whose environment is that of the release that runs


def use(host: Host) -> None:
    """From here on, this process and what it starts see the host's settings in front of .env's, as Compose does."""
    os.environ.update(host.environment | {"COMPOSE_PROJECT_NAME": host.project})


def images(log: Log) -> Tree:
    """Build the images; return the configuration that names them. Problem if one cannot be built."""
    log.info("building the images")
    if code := execute.long(compose.build(), log):
        msg = "an image could not be built: the step that failed is above"
        raise Problem(msg, code)
    configuration = json.loads(execute.output(compose.configuration()))
    return configuration if isinstance(configuration, dict) else {}


def draft(configuration: Tree, shipped: Sequence[Image], strategies: Path) -> Draft:
    """Return the release that these images, this configuration and the secrets of this machine make."""
    manifests, _ = load_all(strategies)
    by_reference = {image.reference: (image.tag, image.id) for image in shipped}
    tags = {name: by_reference[reference] for name, reference in resolve.images(configuration).items()}
    resolved = resolve.resolve(configuration, tags, secret.of(manifests, values()), Path.cwd())
    services = {
        name: replace(record, manifest=_version(strategies / name / "strategy.toml"))
        for name, record in resolved.services.items()
    }
    made = origin.here()
    release = Release(
        origin.new_id(made.at), f"{made.at:%Y-%m-%dT%H:%M:%SZ}", made.by, made.commit, made.dirty, services
    )
    return Draft(release, resolved.compose, resolved.environment, resolved.files)


def only(strategy: str, whole: Draft, current: Release | None, its_compose: str) -> Draft:
    """Return the draft in which nothing but this strategy differs from the release that runs."""
    release, stay = plan.only(strategy, whole.release, current)
    theirs = json.loads(its_compose)
    services = {name: (theirs if name in stay else whole.compose)["services"][name] for name in release.services}
    environment = {name: given for name, given in whole.environment.items() if name not in stay}
    secrets = {**theirs.get("secrets", {}), **whole.compose.get("secrets", {})}
    compose = {**whole.compose, "services": services, "secrets": secrets}
    return Draft(release, compose, environment, whole.files, tuple(stay))


def values() -> dict[str, str]:
    """Return what .env and the environment say, the environment in front."""
    return environment.values(Path(".env"), os.environ)


def _version(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.is_file() else ""
