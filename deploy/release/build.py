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
from deploy.release import origin, resolve, secret
from deploy.release.record import Release
from deploy.release.resolve import Tree
from deploy.shipping import Image
from deploy.ssh import Host
from openbell.manifest import load_all, strategy_folders


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


def draft(name: str, configuration: Tree, shipped: Sequence[Image], strategies: Path) -> Draft:
    """Return the release that these images, this configuration and the secrets of this machine make."""
    wanted = [manifest for manifest in load_all(strategies)[0] if manifest.name in configuration["services"]]
    by_reference = {image.reference: (image.tag, image.id) for image in shipped}
    tags = {service: by_reference[reference] for service, reference in resolve.images(configuration).items()}
    resolved = resolve.resolve(configuration, tags, secret.of(wanted, values()), Path.cwd())
    versions = manifests(strategies)
    services = {
        service: replace(record, manifest=versions.get(service, "")) for service, record in resolved.services.items()
    }
    made = origin.here()
    release = Release(name, f"{made.at:%Y-%m-%dT%H:%M:%SZ}", made.by, made.commit, made.dirty, services)
    return Draft(release, resolved.compose, resolved.environment, resolved.files)


def within(current: Release, its_compose: Tree, part: Draft) -> Draft:
    """Return the draft in which nothing but a part differs from the release that runs."""
    stay = tuple(sorted(current.services.keys() - part.release.services.keys()))
    release = replace(part.release, services={**current.services, **part.release.services})
    compose = {
        **part.compose,
        "services": {**its_compose["services"], **part.compose["services"]},
        "secrets": {**its_compose.get("secrets", {}), **part.compose["secrets"]},
    }
    return replace(part, release=release, compose=compose, inherit=stay)


def manifests(strategies: Path) -> dict[str, str]:
    """Return the versions of all strategy.toml, by strategy."""
    return {
        folder.name: hashlib.sha256((folder / "strategy.toml").read_bytes()).hexdigest()[:12]
        for folder in strategy_folders(strategies)
    }


def values() -> dict[str, str]:
    """Return what .env and the environment say, the environment in front."""
    return environment.values(Path(".env"), os.environ)
