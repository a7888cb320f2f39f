"""From the checkout's Compose configuration to one that needs nothing of the checkout. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.docker.services import ends_by_itself
from deploy.errors import CommandError
from deploy.release.release import ServiceRecord

Tree = Mapping[str, Any]

NO_FILE = "/dev/null"
FILES = "files"  # the host's folder of Compose's secrets; a release is two folders below its parent
FINGERPRINT = "openbell.fingerprint"  # a container's label: what it was made from


@dataclass(frozen=True)
class Resolved:
    """A configuration that is complete: images by immutable tags, and the environment apart."""

    compose: Tree  # a Compose file, without any value of an environment
    environment: Mapping[str, Mapping[str, str]]  # by service
    services: Mapping[str, ServiceRecord]
    files: Mapping[str, str]  # the contents of Compose's own secrets, by the name that the host keeps each under


def images(configuration: Tree) -> dict[str, str]:
    """Return the image of each service as the checkout calls it."""
    return {name: str(service["image"]) for name, service in configuration["services"].items()}


def resolve(
    configuration: Tree, tags: Mapping[str, tuple[str, str]], secrets: Mapping[str, Mapping[str, str]], root: Path
) -> Resolved:
    """Return what is to run, from what `docker compose config` says.

    tags: the immutable tag and the id of each service's image. secrets: values by service and name. root: the checkout.
    Problem if a service needs files of the checkout, which would not be there.
    """
    environment = {
        name: {**_environment(service), **secrets.get(name, {})} for name, service in configuration["services"].items()
    }
    shared = {key: configuration[key] for key in ("networks", "volumes") if key in configuration}
    if "configs" in configuration:
        msg = "compose: configs: files that a deploy does not bring: use secrets, or put them into the image"
        raise CommandError(msg)
    files, mounted = _files(configuration.get("secrets") or {})
    bodies, services = {}, {}
    for name, service in configuration["services"].items():
        tag, image_id = tags[name]
        body = {
            key: value
            for key, value in service.items()
            if key not in {"build", "environment", "image", "develop", "profiles"}
        }
        _needs_nothing_of(root, name, body)
        given = [mounted[str(one["source"])] for one in body.get("secrets") or ()]
        if ends_by_itself(body.get("labels")):
            bodies[name] = body | {"image": tag, "pull_policy": "never"}
            continue
        version, values = _hash([body, shared, given]), _hash(environment[name]) if environment[name] else ""
        fingerprint = _hash([image_id, version, values])
        services[name] = ServiceRecord(tag, image_id, fingerprint, version, values, tuple(sorted(environment[name])))
        labels = dict(body.get("labels") or {}) | {FINGERPRINT: fingerprint}
        # What has not been brought must not be pulled from a registry.
        bodies[name] = body | {"image": tag, "pull_policy": "never", "labels": labels}
    compose = {"name": configuration["name"], "services": bodies, **shared, "secrets": mounted}
    return Resolved(compose, environment, services, files)


def environment_file(service: str, values: Mapping[str, str]) -> str:
    """Return a Compose file with one service's environment. JSON is YAML in which nothing has to be guessed."""
    escaped = {name: value.replace("$", "$$") for name, value in values.items()}
    return json.dumps({"services": {service: {"environment": escaped}}})


def _environment(service: Tree) -> dict[str, str]:
    # `docker compose config` writes a $ as $$, so that its output may be read again.
    given = service.get("environment") or {}
    return {name: str(value).replace("$$", "$") for name, value in given.items() if value is not None}


def _files(secrets: Tree) -> tuple[dict[str, str], dict[str, Tree]]:
    """Return the files that Compose's secrets are, and the secrets as the host finds them.

    There, a file's name is its content's: a container that is not touched finds its own whatever comes later.
    """
    files: dict[str, str] = {}
    mounted: dict[str, Tree] = {}
    for name, secret in secrets.items():
        path = str(secret.get("file", ""))
        if path == NO_FILE:
            mounted[name] = {"file": NO_FILE}
            continue
        try:
            content = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            msg = f"compose: secret {name}: {path or 'it is no file'} cannot be read: {reason}"
            raise CommandError(msg) from None
        kept = _hash(content)
        files[kept] = content
        mounted[name] = {"file": f"../../{FILES}/{kept}"}
    return files, mounted


def _needs_nothing_of(root: Path, name: str, service: Tree) -> None:
    for volume in service.get("volumes", ()):
        if volume.get("type") == "bind" and Path(volume["source"]).is_relative_to(root):
            msg = f"compose: {name}: {volume['source']} is a folder of this machine, and not of the host: use a volume"
            raise CommandError(msg)


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
