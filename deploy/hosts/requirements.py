"""Whether a host can run what is deployed to it, from what is known about it. Pure."""

import re

from deploy.hosts.facts import Facts
from deploy.ssh.connection import Host

ENGINE = "20.10"  # the oldest that openbell is tested with
COMPOSE = "2.20"  # the first that knows `include`
PYTHON = "3.9"  # what the program that a deploy sends needs there
SPARE = 256 * 2**20  # bytes that must stay free on the engine's disk: journals and logs grow there


def unready(host: Host, facts: Facts, needed: int = 0) -> str | None:
    """Return why nothing can be deployed to the host, and the next step, or None; `needed` is what is to arrive, in bytes."""
    name, provision = host.name, f"`make provision HOST={host.name}`"
    if not facts.client:
        return f"{name}: Docker is not installed there: {provision} sets it up"
    if facts.podman:
        return f"{name}: `docker` there is Podman under Docker's name (podman-docker), which openbell is not made for: remove podman-docker, then {provision} installs Docker's engine"
    if facts.engine is None or facts.refusal:
        return f"{name}: {_refused(facts, provision)}"
    if older(facts.engine.version, ENGINE):
        return (
            f"{name}: the Docker engine there is {facts.engine.version}; openbell needs {ENGINE} or newer: upgrade it "
            "(its restart ends containers, unless live-restore is on)"
        )
    if not facts.compose:
        return f"{name}: Docker Compose v2 is not installed there: {provision} sets it up"
    if older(facts.compose, COMPOSE):
        return f"{name}: Docker Compose there is {facts.compose}; openbell needs {COMPOSE} or newer: {provision} sets it up"
    if not facts.tmp:
        return f"{name}: /tmp cannot be written there (read-only, or full): Docker needs it for every command in a container: see `df /tmp` and `mount` there"
    if not facts.python or older(facts.python, PYTHON):
        found = f"Python there is {facts.python}" if facts.python else "Python 3 is not installed there"
        return f"{name}: {found}; openbell needs {PYTHON} or newer: {provision} installs it"
    if facts.disk_free < needed + SPARE:
        return (
            f"{name}: the disk is nearly full: {megabytes(facts.disk_free)} free where Docker keeps its files, "
            f"{megabytes(needed + SPARE)} needed: see `make stats HOST={name}` and `docker system df` there"
        )
    return None


def advice(host: Host, facts: Facts) -> str | None:
    """Return what would make a host that can be deployed to a safer one, or None."""
    if facts.engine is None or facts.engine.live_restore or facts.engine.swarm:
        return None
    return (
        f"{host.name}: live-restore is off there: containers end when the Docker engine restarts, and stay stopped if it was "
        f"killed: `make provision HOST={host.name}` turns it on"
    )


def _refused(facts: Facts, provision: str) -> str:
    """Return why the engine did not answer this user."""
    if not re.search(r"permission denied", facts.refusal, re.IGNORECASE):
        said = f" (docker says: {facts.refusal})" if facts.refusal else ""
        return f"the Docker engine there does not answer{said}: start it, with systemd by `sudo systemctl start docker`; {provision} does so, too"
    if facts.in_docker_group:
        return f"{facts.user} is in the group docker there, but was not at the login: end all connections to the host (ssh -O exit, too), and try again"
    if facts.sudo == "free":
        return f"{facts.user} may not use Docker there: {provision} adds {facts.user} to the group docker"
    return f"{facts.user} may not use Docker there: as root there run `usermod -aG docker {facts.user}`, or use HOST=root@..."


def older(version: str, least: str) -> bool:
    """Tell whether a version such as 2.26.1-4 is older than the least one; an unreadable one is not."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return found is not None and _parts(found[1]) < _parts(least)


def megabytes(size: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size // 2**20} MB"


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
