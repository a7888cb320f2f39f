"""What a host is and has, asked in one go. What is missing there is no error here: requirements.py and provision/ judge."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from deploy import processes
from deploy.errors import CommandError
from deploy.remote.survey import SCRIPT
from deploy.ssh import program
from deploy.ssh.connection import Connection

_TIMEOUT = 90  # seconds; its slowest parts have limits of their own


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers."""

    version: str
    live_restore: bool
    running: int  # containers
    swarm: bool


@dataclass(frozen=True)
class Facts:
    """A host as it is now."""

    system: str = ""  # as it calls itself: Debian GNU/Linux 12 (bookworm)
    ids: tuple[str, ...] = ()  # of the distribution, its own first, then those that it is like
    codename: str = ""
    machine: str = ""
    cpus: int = 0
    memory: int = 0  # bytes
    memory_available: int = 0
    disk: int = 0  # bytes, where the engine keeps its files
    disk_free: int = 0
    user: str = ""
    root: bool = False
    sudo: str = ""  # free, asks (for a password), or empty: there is none
    in_docker_group: bool = False  # now, or from the next login on
    systemd: bool = False
    container: str = ""  # what contains this host, if something does
    clock: str = ""  # what keeps its time right
    upgrades: bool = False  # whether unattended-upgrades is installed
    tmp: bool = True  # whether /tmp can be written
    python: str = ""  # version of python3
    podman: bool = False  # whether `docker` is Podman by another name
    client: bool = False  # whether there is a `docker`
    server: bool = False  # whether there is a `dockerd`
    compose: str = ""  # version of the v2 plugin
    engine: Engine | None = None
    refusal: str = ""  # what `docker` said instead of an answer of its engine
    daemon: str | None = None  # the text of /etc/docker/daemon.json; None if there is none


def read_facts(connection: Connection) -> Facts:
    """Return what the host at the other end of the connection is and has. The script is sent only if it is not there yet."""
    doing = "looking at the host"
    if program.is_kept(connection):
        answer = program.ask(connection, "facts", timeout=_TIMEOUT, doing=doing)
    else:
        answer = connection.check(("sh", "-s"), input=SCRIPT.encode(), timeout=_TIMEOUT, doing=doing).text
    facts = parse(answer)
    if not facts.user:
        msg = f"{connection.host.name}: cannot be inspected: openbell needs a host with a POSIX shell, such as Debian's or Ubuntu's"
        raise CommandError(msg)
    return facts


def read_own() -> Facts:
    """Return what this machine is and has, as any host would tell it."""
    return parse(processes.output(("sh", "-c", SCRIPT)))


def parse(text: str) -> Facts:
    """Return the facts that the script has printed."""
    lines = (line.partition("=") for line in text.splitlines())
    answer = {key: value.strip() for key, _, value in lines}
    free, size = _numbers(answer.get("disk", ""), 2)
    return Facts(
        system=answer.get("system", ""),
        ids=tuple(f"{answer.get('id', '')} {answer.get('like', '')}".split()),
        codename=answer.get("codename", ""),
        machine=answer.get("machine", ""),
        cpus=_numbers(answer.get("cpus", ""), 1)[0],
        memory=_numbers(answer.get("memory", ""), 1)[0] * 1024,
        memory_available=_numbers(answer.get("available", ""), 1)[0] * 1024,
        disk=size * 1024,
        disk_free=free * 1024,
        user=answer.get("user", ""),
        root=answer.get("uid") == "0",
        sudo=answer.get("sudo", ""),
        in_docker_group="docker" in f"{answer.get('groups', '')} {answer.get('member', '')}".split(),
        systemd="systemd" in answer,
        container=answer.get("container", ""),
        clock=answer.get("clock", ""),
        upgrades=answer.get("upgrades") == "installed",
        tmp=answer.get("tmp") != "unwritable",
        python=answer.get("python", ""),
        podman="podman" in answer,
        client="docker" in answer,
        server="dockerd" in answer,
        compose=answer.get("compose", "").removeprefix("v"),
        engine=_engine(answer),
        refusal=answer.get("refusal", ""),
        daemon=base64.b64decode(answer["daemon"]).decode(errors="replace") if "daemon" in answer else None,
    )


def _engine(answer: Mapping[str, str]) -> Engine | None:
    if not answer.get("engine", "|").partition("|")[0]:
        return None
    version, live_restore, running, swarm, _root = f"{answer['engine']}||||".split("|")[:5]
    return Engine(version, live_restore == "true", _numbers(running, 1)[0], swarm == "active")


def _numbers(text: str, count: int) -> tuple[int, ...]:
    words = [int(word) for word in text.split() if word.isdecimal()]
    return tuple((*words, *(0,) * count)[:count])
