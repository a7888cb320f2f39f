"""What a host runs, and what it knows of its releases."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from deploy.docker.services import ends_by_itself, strategies
from deploy.release.release import Release, from_json
from deploy.remote.plan import BASE, FINGERPRINT
from deploy.ssh import program
from deploy.ssh.connection import Connection, Host

SERVICE = "com.docker.compose.service"


@dataclass(frozen=True)
class Running:
    """A service's container on the host."""

    id: str
    state: str
    fingerprint: str  # empty if no deploy has made it
    strategies: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # states of more containers that the service has: a deploy that was cut off left them
    base: str = ""  # what it was made from apart from its strategies' folders; empty if it cannot follow newer ones


@dataclass(frozen=True)
class UnreportedTransaction:
    """A transaction whose end was not reported."""

    transaction: str
    state: str
    rebooted: bool = False  # whether the server was restarted since it began


@dataclass(frozen=True)
class HostState:
    """What is there."""

    containers: Mapping[str, Running] = field(default_factory=dict)  # by service
    releases: tuple[Release, ...] = ()  # in the order in which they took over, by the server's own count
    current: Release | None = None
    untold: UnreportedTransaction | None = None  # the last transaction, if its end was not reported

    def release(self, name: str) -> Release | None:
        """Return the release of that id."""
        return next((one for one in self.releases if one.id == name), None)


def folder(host: Host) -> str:
    """Return where a host's records are, below the user's home or absolute."""
    return f"{host.folder}/{host.project}"


def fetch(connection: Connection, *, releases: Literal["all", "current"] = "all") -> HostState:
    """Ask the host; of its releases the one that runs may be enough."""
    host = connection.host
    words = ("state", folder(host), host.project, releases)
    return parse(program.ask(connection, *words, timeout=120, doing="looking at what runs there"))


def parse(text: str) -> HostState:
    """Return what the program on the host has printed."""
    content = json.loads(text)
    by_service: dict[str, list[Mapping[str, Any]]] = {}
    for one in content["containers"]:
        if not ends_by_itself(one["labels"]):
            by_service.setdefault(str(one["labels"].get(SERVICE, "")), []).append(one)
    containers = {name: _running(name, own) for name, own in by_service.items()}
    found = [release for one in content["releases"] if (release := from_json(one["record"]))]
    current = next((one for one in found if one.id == content["current"]), None)
    last = content.get("untold")
    untold = UnreportedTransaction(last["transaction"], last["state"], last["rebooted"]) if last else None
    return HostState(containers, tuple(found), current, untold)


def _running(service: str, containers: Sequence[Mapping[str, Any]]) -> Running:
    """Return the container that counts, of those that a service has: one that runs, if any does."""
    one, *others = sorted(containers, key=lambda each: each["state"] != "running")
    fingerprint = str(one["labels"].get(FINGERPRINT, ""))
    states = tuple(str(other["state"]) for other in others)
    base = str(one["labels"].get(BASE, ""))
    return Running(one["id"], one["state"], fingerprint, strategies(service, one["labels"]), states, base)
