"""A release: its record on the host, and its Compose file, which needs nothing of the checkout. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy.docker.services import ends_by_itself
from deploy.errors import CommandError
from deploy.remote.plan import BASE, FINGERPRINT

Tree = Mapping[str, Any]
NO_FILE = "/dev/null"
# The host's folder of what Compose's secrets and configs hold; a release is two folders below its parent.
FILES = "files"
NO_BASES: Mapping[str, str] = {}
BROUGHT = ("secrets", "configs")  # Compose's kinds of files that a deploy brings


@dataclass(frozen=True)
class ServiceRecord:
    """One service of a release. Equal fingerprints are containers that need not be touched."""

    image: str  # openbell/pulse:0123456789ab
    image_id: str  # where it was built
    fingerprint: str  # of all three below
    configuration: str  # version of the service's settings in Compose, without the environment
    secrets: str  # version of the environment's values
    names: tuple[str, ...] = ()  # of the variables in the environment; their values are never in a record
    manifests: Mapping[str, str] = field(default_factory=dict)  # versions of strategy.toml, by strategy
    bots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # ids, by strategy
    content: str = ""  # of the image: the same for the same sources on every machine
    base: str = ""  # what it shares with all containers that can follow its strategies' folders; empty if none can


@dataclass(frozen=True)
class Release:
    """What was deployed: when, by whom, and from which sources."""

    id: str  # 20261121-091500-3f2a: they sort as they were made
    at: str  # ISO 8601, UTC
    by: str  # alice@laptop
    commit: str  # of git; empty if there is none
    dirty: bool  # whether the sources differed from the commit
    services: Mapping[str, ServiceRecord]
    layers: Mapping[str, str] = field(default_factory=dict)  # of its images: what each holds, whenever it was built

    @property
    def sources(self) -> str:
        """The commit as people write it."""
        return f"{self.commit[:10] or 'no commit'}{', changed since' if self.dirty else ''}"

    @property
    def owners(self) -> dict[str, str]:
        """The strategy of each bot, as far as the record knows the bots."""
        return {bot: strategy for one in self.services.values() for strategy, ids in one.bots.items() for bot in ids}

    @property
    def strategies(self) -> frozenset[str]:
        """The strategies that it runs."""
        return frozenset(strategy for one in self.services.values() for strategy in one.manifests)

    def to_json(self) -> str:
        """Return one line."""
        return json.dumps(asdict(self), sort_keys=True)


def from_json(text: str) -> Release | None:
    """Return the release of a record's line, or None if it is none."""
    try:
        content = json.loads(text)
        services = {str(name): _service(str(name), one) for name, one in content["services"].items()}
        return Release(
            id=str(content["id"]),
            at=str(content["at"]),
            by=str(content["by"]),
            commit=str(content["commit"]),
            dirty=bool(content["dirty"]),
            services=services,
            layers={str(layer): str(one) for layer, one in content.get("layers", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _service(name: str, content: Mapping[str, Any]) -> ServiceRecord:
    # Releases from when a service had exactly one strategy have that strategy's version.
    manifests = content.get("manifests", {name: content["manifest"]} if content.get("manifest") else {})
    return ServiceRecord(
        image=str(content["image"]),
        image_id=str(content["image_id"]),
        fingerprint=str(content["fingerprint"]),
        configuration=str(content["configuration"]),
        secrets=str(content["secrets"]),
        names=tuple(map(str, content["names"])),
        manifests={str(strategy): str(version) for strategy, version in manifests.items()},
        bots={str(strategy): tuple(map(str, ids)) for strategy, ids in content.get("bots", {}).items()},
        content=str(content.get("content", "")),
        base=str(content.get("base", "")),
    )


@dataclass(frozen=True)
class Resolved:
    """A configuration that is complete: images by immutable tags, and the environment apart."""

    compose: Tree  # a Compose file, without any value of an environment
    environment: Mapping[str, Mapping[str, str]]  # by service
    services: Mapping[str, ServiceRecord]
    files: Mapping[str, str]  # what Compose's secrets and configs hold, by the name that the host keeps each under


def images_of(configuration: Tree) -> dict[str, str]:
    """Return the image of each service as the checkout calls it."""
    return {name: str(service["image"]) for name, service in configuration["services"].items()}


def resolve(
    configuration: Tree,
    tags: Mapping[str, tuple[str, str]],
    secrets: Mapping[str, Mapping[str, str]],
    root: Path,
    bases: Mapping[str, str] = NO_BASES,
) -> Resolved:
    """Return what is to run, from what `docker compose config` says.

    tags: the immutable tag and the id of each service's image. secrets: values by service and name. root: the checkout.
    bases: by service, what its image is apart from its strategies' folders, if a container of it can follow newer ones.
    CommandError if a service needs files of the checkout, which would not be there.
    """
    environment = {
        name: {**_environment(service), **secrets.get(name, {})} for name, service in configuration["services"].items()
    }
    all_shared = {key: configuration[key] for key in ("networks", "volumes") if key in configuration}
    files, mounted = _files(configuration)
    bodies, services = {}, {}
    for name, service in configuration["services"].items():
        tag, image_id = tags[name]
        body = {
            key: value
            for key, value in service.items()
            if key not in {"build", "environment", "image", "develop", "profiles"}
        }
        _needs_nothing_of(root, name, body)
        given = [mounted[kind][str(one["source"])] for kind in BROUGHT for one in body.get(kind) or ()]
        if ends_by_itself(body.get("labels")):
            bodies[name] = body | {"image": tag, "pull_policy": "never"}
            continue
        shared = {key: _used(body, key, found) for key, found in all_shared.items()}
        version, values = _hash([body, shared, given]), _hash(environment[name]) if environment[name] else ""
        fingerprint = _hash([image_id, version, values])
        # A container finds its folders by its host name, which is its id unless the Compose file sets another.
        has_own_name = "hostname" not in body and "network_mode" not in body
        base = _hash([bases[name], version, values]) if bases.get(name) and has_own_name else ""
        names = tuple(sorted(environment[name]))
        services[name] = ServiceRecord(tag, image_id, fingerprint, version, values, names, base=base)
        labels = dict(body.get("labels") or {}) | {FINGERPRINT: fingerprint} | ({BASE: base} if base else {})
        # What has not been brought must not be pulled from a registry.
        bodies[name] = body | {"image": tag, "pull_policy": "never", "labels": labels}
    compose = {"name": configuration["name"], "services": bodies, **all_shared, **mounted}
    return Resolved(compose, environment, services, files)


def environment_file(service: str, values: Mapping[str, str]) -> str:
    """Return a Compose file with one service's environment. JSON is YAML in which nothing has to be guessed."""
    escaped = {name: value.replace("$", "$$") for name, value in values.items()}
    return json.dumps({"services": {service: {"environment": escaped}}})


def _environment(service: Tree) -> dict[str, str]:
    # `docker compose config` writes a $ as $$, so that its output may be read again.
    given = service.get("environment") or {}
    return {name: str(value).replace("$$", "$") for name, value in given.items() if value is not None}


def _files(configuration: Tree) -> tuple[dict[str, str], dict[str, dict[str, Tree]]]:
    """Return the files that Compose's secrets and configs are, and both as the host finds them.

    There, a file's name is its content's: a container that is not touched finds its own whatever comes later.
    """
    files: dict[str, str] = {}
    mounted: dict[str, dict[str, Tree]] = {kind: {} for kind in BROUGHT}
    for kind in BROUGHT:
        for name, one in (configuration.get(kind) or {}).items():
            path = str(one.get("file", ""))
            if path == NO_FILE:
                mounted[kind][name] = {"file": NO_FILE}
                continue
            content = _content(f"{kind.removesuffix('s')} {name}", path)
            kept = _hash(content)
            files[kept] = content
            mounted[kind][name] = {"file": f"../../{FILES}/{kept}"}
    return files, mounted


def _content(what: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        msg = f"compose: {what}: {path or 'it is not a file'} cannot be read: {reason}"
        raise CommandError(msg) from None


def _used(body: Tree, key: str, found: Tree) -> dict[str, object]:
    """Return those of the networks or volumes that a service uses: what others need is no change of it."""
    uses = body.get(key) or ()
    names = {one.get("source") for one in uses} if key == "volumes" else set(uses)
    return {name: one for name, one in found.items() if name in names}


def _needs_nothing_of(root: Path, name: str, service: Tree) -> None:
    for volume in service.get("volumes", ()):
        if volume.get("type") == "bind" and Path(volume["source"]).is_relative_to(root):
            msg = f"compose: {name}: {volume['source']} is a folder of this machine, and not of the host: use a volume"
            raise CommandError(msg)


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
