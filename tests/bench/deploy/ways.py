"""The ways to bring images to a server that are measured. Each opens its own SSH connection, and ends when the server has the images."""

import contextlib
import http.client
import io
import subprocess
import time
import unittest.mock
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from deploy.log import log_to_stdout
from deploy.release.lock import HostLock
from deploy.ssh.connection import Connection, Host
from deploy.transfer import export_push
from deploy.transfer import shipment as preparation
from tests.deploy.shipping.blocks import ship
from tests.engine.kit import wait_until
from tests.machine.machine import Machine
from tests.ports import free_port

REGISTRY = 5000  # its port on the server's loopback


@dataclass(frozen=True)
class Way:
    """One way: `bring` is given the images of a release and those that have changed since the last time."""

    name: str
    bring: Callable[[Machine, Sequence[str], Sequence[str]], None]
    registry: bool = False  # whether a registry must run on the server


def ours(machine: Machine, release: Sequence[str], _changed: Sequence[str]) -> None:
    """Ship the whole release; what has changed is for the tool to find out.

    The local engine does not pack the base for the next change meanwhile: on a server of its own that takes nothing from
    the load there, but here both share their processors. It has done so before, and that is told apart.
    """
    with (
        unittest.mock.patch.object(preparation, "priming", _no_priming),
        contextlib.redirect_stdout(io.StringIO()),
        Connection(Host(machine.host, machine.ssh_config)) as connection,
        HostLock(connection, "alice@laptop", "measuring", ""),  # as in a deploy; the server keeps our program with it
    ):
        ship(connection, release, log_to_stdout("text"))


def ours_by_save(machine: Machine, release: Sequence[str], changed: Sequence[str]) -> None:
    """Ship where the local engine cannot be pushed from, or has never packed the base."""
    possible = export_push.possible
    export_push.possible = lambda: False
    try:
        ours(machine, release, changed)
    finally:
        export_push.possible = possible


@contextlib.contextmanager
def _no_priming(*_: object) -> Iterator[None]:
    yield


def piped(pack: str, unpack: str) -> Callable[[Machine, Sequence[str], Sequence[str]], None]:
    """Return the way of `docker save | ssh docker load`, packed or not, for the images that have changed."""

    def bring(machine: Machine, _release: Sequence[str], changed: Sequence[str]) -> None:
        line = (
            f"docker save {' '.join(changed)} {pack}| ssh -F {machine.ssh_config} {machine.host} '{unpack}docker load'"
        )
        subprocess.run(("bash", "-o", "pipefail", "-c", line), check=True, capture_output=True)

    return bring


def through_registry(machine: Machine, _release: Sequence[str], changed: Sequence[str]) -> None:
    """Push the images that have changed through a tunnel to a registry on the server, and pull them there."""
    port = free_port()
    tunnel = ("ssh", "-F", str(machine.ssh_config), "-N", "-L", f"127.0.0.1:{port}:127.0.0.1:{REGISTRY}", machine.host)
    names = {reference: f"{reference.rpartition(':')[0]}:{time.time_ns()}" for reference in changed}
    with subprocess.Popen(tunnel) as process:
        try:
            wait_until(lambda: _answers(port), "the tunnel", 30, machine.container)
            for reference, name in names.items():
                subprocess.run(("docker", "tag", reference, f"localhost:{port}/{name}"), check=True)
            for name in names.values():  # one after the other: then the registry has what they share only once
                push_one = ("docker", "push", "--quiet", f"localhost:{port}/{name}")
                subprocess.run(push_one, check=True, capture_output=True)
            pulls = " & ".join(f"docker pull --quiet localhost:{REGISTRY}/{name}" for name in names.values())
            machine.ssh(f"{pulls} & wait")
        finally:
            process.terminate()
            subprocess.run(
                ("docker", "image", "rm", *(f"localhost:{port}/{name}" for name in names.values())),
                check=True,
                capture_output=True,
            )


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


WAYS = (
    Way("openbell", ours),
    Way("openbell, before the engine has packed the base", ours_by_save),
    Way("docker save | ssh docker load", piped("", "")),
    Way("docker save | gzip | ssh docker load", piped("| gzip ", "gzip -dc | ")),
    Way("docker save | zstd -3 | ssh docker load", piped("| zstd -q -3 -T0 ", "zstd -dc | ")),
    Way("docker push to a registry behind ssh -L, pull there", through_registry, registry=True),
)
