"""A release from this checkout: its images built for the host's kind of machine, resolved, and compared with what runs."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deploy import processes, secrets, settings
from deploy.docker import compose, services
from deploy.docker import images as docker_images
from deploy.docker.engine import BUILD_PLATFORM, platform_of
from deploy.errors import CommandError
from deploy.hosts.facts import Facts
from deploy.log import Log
from deploy.release import provenance
from deploy.release.release import BROUGHT, Release, Tree, images_of, resolve
from deploy.ssh.host import Host
from deploy.transfer.host_images import HostImages
from deploy.transfer.shipment import Shipment
from openbell.manifest import load_all, strategy_folders

NAME = "OPENBELL_HOST"  # tells what runs there what people call its machine


@dataclass(frozen=True)
class ReleaseDraft:
    """What the host is to get, apart from the images."""

    release: Release
    compose: Tree
    environment: Mapping[str, Mapping[str, str]]  # by service
    files: Mapping[str, str]  # by name
    ships: tuple[str, ...] = ()  # images of the local engine that the host needs for it
    inherit: tuple[str, ...] = ()  # services whose environment is that of the release that runs


def use(host: Host) -> None:
    """From here on, this process and what it starts see the host's settings in front of .env's, as Compose does."""
    os.environ.update({NAME: host.name} | host.environment | {"COMPOSE_PROJECT_NAME": host.project})


def images(configuration: Tree, log: Log) -> None:
    """Build the images, and fetch those that are not built here; CommandError if one cannot be had."""
    docker_images.build(configuration, log)
    for reference in {str(one["image"]) for one in configuration["services"].values() if "build" not in one}:
        if processes.quiet(compose.inspect_image(reference), log)[0]:
            log.info("pulling", image=reference)
            if code := processes.long(compose.pull(reference), log):
                msg = f"{reference} could not be pulled: see above"
                raise CommandError(msg, code)


def secret_values(configuration: Tree, strategies: Path, only: str | None = None) -> dict[str, dict[str, str]]:
    """Return by service the secrets that its strategies name; CommandError names each without a value.

    only: a strategy; then the service alone that hosts it.
    """
    hosted = {name: own for name, own in services.hosted(configuration).items() if only is None or only in own}
    wanted = {one for own in hosted.values() for one in own}
    found = secrets.by_strategy([manifest for manifest in load_all(strategies)[0] if manifest.name in wanted], values())
    return {
        name: {key: value for one in own for key, value in found.get(one, {}).items()} for name, own in hosted.items()
    }


def contents(configuration: Tree, current: Release | None, there: HostImages) -> dict[str, str]:
    """Return by reference the content of the image that runs for it, where the host has that image."""
    before = current.services if current else {}
    found: dict[str, set[str]] = {}
    for service, reference in images_of(configuration).items():
        runs = before.get(service)
        found.setdefault(reference, set()).add(runs.content if runs and runs.image in there.tags else "")
    return {reference: one for reference, (one, *others) in found.items() if one and not others}


def draft(
    name: str,
    configuration: Tree,
    shipment: Shipment,
    strategies: Path,
    current: Release | None,
    there: HostImages,
) -> ReleaseDraft:
    """Return the release that these images, this configuration and the secrets of this machine make.

    An image that holds the same as the one that runs is that one, also if it was built anew or elsewhere.
    """
    by_reference = {image.reference: image for image in shipment.images}
    images = {service: by_reference[reference] for service, reference in images_of(configuration).items()}
    before = current.services if current else {}
    runs = {record.content: record for record in before.values() if record.image in there.tags}
    same = {
        service: (record.image, record.image_id)
        for service, image in images.items()
        # Its own, or for a service that ends by itself, and has no record, that of the one with which it shares the image.
        if image.content and (record := runs.get(image.content))
    }
    tags = {service: same.get(service, (image.tag, image.id)) for service, image in images.items()}
    bases = {service: image.base for service, image in images.items()}
    resolved = resolve(configuration, tags, secret_values(configuration, strategies), Path.cwd(), bases)
    versions = manifests(configuration, strategies)
    bots = {one.name: tuple(bot.id for bot in one.bots) for one in load_all(strategies)[0]}
    records = {
        service: replace(
            record,
            manifests=(own := versions.get(service, {})),
            bots={name: bots[name] for name in own if name in bots},
            content=images[service].content,
        )
        for service, record in resolved.services.items()
    }
    made = provenance.here()
    kept = {layer: held for layer, held in (current.layers if current else {}).items() if layer in there.layers}
    layers = {**kept, **shipment.contents}
    release = Release(name, f"{made.at:%Y-%m-%dT%H:%M:%SZ}", made.by, made.commit, made.dirty, records, layers)
    ships = tuple(dict.fromkeys(image.reference for service, image in images.items() if service not in same))
    return ReleaseDraft(release, resolved.compose, resolved.environment, resolved.files, ships)


def partial_draft(current: Release, its_compose: Tree, part: ReleaseDraft) -> ReleaseDraft:
    """Return the draft in which nothing but a part differs from the release that runs."""
    stay = tuple(sorted(current.services.keys() - part.release.services.keys()))
    release = replace(part.release, services={**current.services, **part.release.services})
    compose = {
        **part.compose,
        "services": {**its_compose["services"], **part.compose["services"]},
        **{kind: {**its_compose.get(kind, {}), **part.compose[kind]} for kind in BROUGHT},
    }
    return replace(part, release=release, compose=compose, inherit=stay)


def manifests(configuration: Tree, strategies: Path) -> dict[str, dict[str, str]]:
    """Return the versions of strategy.toml by service and strategy; what is for no strategy has none."""
    versions = {
        folder.name: hashlib.sha256((folder / "strategy.toml").read_bytes()).hexdigest()[:12]
        for folder in strategy_folders(strategies)
    }
    hosted = services.hosted(configuration)
    return {
        name: found for name, own in hosted.items() if (found := {one: versions[one] for one in own if one in versions})
    }


def values() -> dict[str, str]:
    """Return what .env and the environment say, the environment in front."""
    return settings.values(Path(".env"), os.environ)


def follow_host(host: Host, facts: Facts, log: Log, local: str | None = None) -> None:
    """From here on images are built for the host's platform; CommandError, before a long build, if they cannot be.

    local: the platform of the engine here, if it is known.
    """
    wanted = platform_of("linux", facts.machine)
    if not facts.machine or BUILD_PLATFORM in os.environ:
        return
    local = local or processes.output(("docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")).strip()
    if wanted == local:
        return
    if wanted not in offered(processes.output(("docker", "buildx", "inspect"))):
        msg = (
            f"{host.name} is {wanted}, and the engine here builds for {local} only: deploy from a machine of that kind, "
            f"or let this one emulate it (package qemu-user-static with binfmt-support; `docker buildx ls` lists {wanted} then)"
        )
        raise CommandError(msg)
    log.info("building for the host's kind of machine, which is not this one's", platform=wanted)
    os.environ[BUILD_PLATFORM] = wanted


def offered(inspected: str) -> frozenset[str]:
    """Return the platforms, without variants, that `docker buildx inspect` lists."""
    lines = [line for line in inspected.splitlines() if line.strip().startswith("Platforms:")]
    return frozenset(re.findall(r"\blinux/\w+", " ".join(lines)))
