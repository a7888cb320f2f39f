"""What a host is and has: asked for in one command, and read while something else is done here."""

import base64
import threading
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from deploy import processes
from deploy.errors import CommandError
from deploy.remote.survey import SCRIPT
from deploy.ssh import program
from deploy.ssh.connection import Connection, Host

_TIMEOUT = 90  # seconds; its slowest parts have limits of their own
ENDS_WITHIN = 2.0  # seconds to wait for facts that are not needed any more


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


class EarlyFacts:
    """A connection to a host and its facts. Both begin when this is made; a `with` block closes the connection."""

    def __init__(self, host: Host) -> None:
        self._connection = Connection(host)
        self._facts: Future[Facts] = Future()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            self._connection.open()
            self._facts.set_result(read_facts(self._connection))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._facts.set_exception(error)

    def result(self) -> tuple[Connection, Facts]:
        """Return the connection and what the host is; CommandError says why there is none."""
        return self._connection, self._facts.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if wait([self._facts], ENDS_WITHIN).done:  # else the connection goes with this process, which is about to end
            self._connection.close()
