"""Containers in a network of their own: each keeps its address, and what passes between two of them can be cut in either direction."""

import random
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from tests.engine.kit import wait_until
from tests.machine.keys import Keys
from tests.machine.machine import PRIVILEGES, Machine

NAMES = ("a", "b", "c", "first", "second", "pooler", "broker")  # hosts, databases, and what stands between
HOSTS = NAMES[:3]
SSH = """\
Host {name}
    HostName {address}
    User root
    IdentityFile {folder}/id
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
"""


class Node(Machine):
    """One of the containers; hosts have an engine of their own."""

    def __init__(self, machine: Machine, name: str, address: str) -> None:
        super().__init__(machine.container, machine.keys)
        self.name, self.address = name, address

    def cut(self, other: "Node", *, outward: bool, inward: bool) -> None:
        """Drop what goes to another node, what comes from it, or both; without an answer, as a network that is gone does."""
        if outward:
            self.shell(f"iptables -t mangle -I POSTROUTING -d {other.address} -j DROP")
        if inward:
            self.shell(f"iptables -t raw -I PREROUTING -s {other.address} -j DROP")

    def mend(self) -> None:
        """Let everything pass."""
        self.shell("iptables -t mangle -F POSTROUTING; iptables -t raw -F PREROUTING")

    def die(self) -> None:
        """End all that runs here at once, and do not come back."""
        self.container.kill()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let everything here stand still for the block. On a busy machine runc gives up at times: then it is asked again."""
        wait_until(self._pause, f"{self.name} to stand still", 60)
        try:
            yield
        finally:
            self.container.unpause()

    def _pause(self) -> bool:
        try:
            self.container.pause()
        except APIError:
            return False
        return True

    def come_back(self) -> None:
        """Start again as after a power cut: with the disk as it was."""
        self.container.start()
        wait_until(self.engine_answers, f"the engine of {self.name}", 90, self.container)


@contextmanager
def running_nodes(engine: docker.DockerClient, folder: Path) -> Iterator[dict[str, Node]]:
    """Start all nodes; remove them and their network afterwards. The folder gets what reaches the hosts by SSH."""
    name, keys = f"openbell-test-hosts-{uuid.uuid4().hex[:6]}", Keys(folder)
    subnet = f"10.{random.randrange(100, 250)}.{random.randrange(250)}"
    pool = IPAMPool(subnet=f"{subnet}.0/24", gateway=f"{subnet}.1")
    network = engine.networks.create(name, ipam=IPAMConfig(pool_configs=[pool]))
    image = subprocess.run(
        [Path(__file__).with_name("image")], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    nodes: dict[str, Node] = {}
    try:
        for number, one in enumerate(NAMES, 10):
            address = f"{subnet}.{number}"
            container = _started(name, one, address, image, keys)
            nodes[one] = Node(Machine(engine.containers.get(container), keys), one, address)
        _introduce(nodes, keys)
        yield nodes
    finally:
        for node in nodes.values():
            node.container.remove(force=True, v=True)
        network.remove()


def _started(network: str, name: str, address: str, image: str, keys: Keys) -> str:
    missing = () if name in HOSTS else ("--env", "MISSING=engine")
    disk = ("--volume", "/var/lib/docker")
    where: Sequence[str] = ("--name", f"{network}-{name}", "--hostname", name, "--network", network, "--ip", address)
    key = ("--env", f"AUTHORIZED_KEY={keys.public()}")
    command = ["docker", "run", "--detach", "--init", *where, *PRIVILEGES, *disk, *key, *missing, image]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _introduce(nodes: dict[str, Node], keys: Keys) -> None:
    """Write how SSH reaches the hosts, and the keys by which it knows them."""
    known, settings = "", ""
    for name in HOSTS:
        node = nodes[name]
        wait_until(node.sshd_listens, "sshd", 60, node.container)
        wait_until(node.engine_answers, "the engine", 60, node.container)
        kind, key, *_ = node.shell("cat /etc/ssh/ssh_host_ed25519_key.pub").split()
        known += f"{node.address} {kind} {key}\n"
        settings += SSH.format(name=name, address=node.address, folder=keys.folder)
    keys.known_hosts.write_text(known)
    keys.config.write_text(settings)
