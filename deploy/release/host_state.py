"""What a host runs, and what it knows of its releases."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.docker.services import strategies
from deploy.release.release import Release, from_json
from deploy.release.resolve import FINGERPRINT
from deploy.ssh.connection import Connection, Host

REMOTE = Path(__file__).parent.parent / "remote"
SERVICE = "com.docker.compose.service"


@dataclass(frozen=True)
class Running:
    """A service's container on the host."""

    id: str
    state: str
    fingerprint: str  # empty if no deploy has made it
    strategies: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostState:
    """What is there."""

    containers: Mapping[str, Running] = field(default_factory=dict)  # by service
    releases: tuple[Release, ...] = ()  # oldest first
    current: Release | None = None
    untold: tuple[str, str] | None = None  # the last transaction and its state, if nobody was told how it ended

    def release(self, name: str) -> Release | None:
        """Return the release of that id."""
        return next((one for one in self.releases if one.id == name), None)


def folder(host: Host) -> str:
    """Return where a host's records are, below the user's home or absolute."""
    return f"{host.folder}/{host.project}"


def script(name: str) -> str:
    """Return a script that runs on hosts."""
    return (REMOTE / f"{name}.sh").read_text(encoding="utf-8")


def look(connection: Connection) -> HostState:
    """Ask the host."""
    host = connection.host
    command = ("sh", "-c", script("deployed"), "openbell", folder(host), host.project)
    return parse(connection.check(command, timeout=120, doing="looking at what runs there").text)


def parse(text: str) -> HostState:
    """Return what deployed.sh has printed."""
    containers: dict[str, Running] = {}
    releases: list[Release] = []
    current, untold = "", None
    for line in text.splitlines():
        word, _, value = line.partition(" ")
        match word:
            case "container":
                content = json.loads(value)
                labels = content["labels"] or {}
                service = str(labels.get(SERVICE, ""))
                # Two of a service are there where a swap was cut off: the one that runs counts.
                if service not in containers or content["state"] == "running":
                    fingerprint = str(labels.get(FINGERPRINT, ""))
                    containers[service] = Running(
                        content["id"], content["state"], fingerprint, strategies(service, labels)
                    )
            case "current":
                current = value
            case "release":
                if release := from_json(value):
                    releases.append(release)
            case "untold":
                name, _, state = value.partition(" ")
                untold = (name, state)
            case _:
                pass
    found = HostState(containers, tuple(sorted(releases, key=lambda one: one.id)), None, untold)
    return HostState(found.containers, found.releases, found.release(current), untold)
