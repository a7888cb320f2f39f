"""Starts a stand-in machine, brings images to it, and kills its engine."""

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.models.containers import Container

from tests.engine.kit import ask, wait_until

IMAGE = "openbell-test-machine"
# What an engine inside a container needs; less than --privileged, which asks for more than some hosts can give.
PRIVILEGES = (
    *("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE", "--cgroupns", "private"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--security-opt", "systempaths=unconfined", "--device-cgroup-rule", "a *:* rwm"),
    *("--tmpfs", "/run:exec", "--volume", "/var/lib/docker", "--volume", "/var/lib/containerd"),
)


class Machine:
    """A container with an engine of its own; its `docker` is run inside it."""

    def __init__(self, container: Container) -> None:
        self.container = container

    def docker(self, *command: str) -> str:
        """Return what a docker command prints in the machine; fail with it if the command fails."""
        return ask(self.container, "docker", *command)

    def engine_answers(self) -> bool:
        """Tell whether the machine's engine is up."""
        return self.container.exec_run(["docker", "version"]).exit_code == 0

    def bring(self, image: str) -> None:
        """Copy an image of the engine outside to the machine."""
        load = f"docker save {image} | docker exec -i {self.container.id} docker load"
        subprocess.run(["bash", "-o", "pipefail", "-c", load], check=True, capture_output=True)

    def kill_engine(self) -> None:
        """Kill the engine and its containerd, as a crash would, and wait until it is back."""
        ask(self.container, "pkill", "-KILL", "dockerd")
        self.container.exec_run(["pkill", "-KILL", "-x", "containerd"])
        wait_until(self.engine_answers, "the engine to come back", 60, self.container)


@contextmanager
def running_machine(engine: docker.DockerClient, suite: str = "bookworm") -> Iterator[Machine]:
    """Start a stand-in machine; remove it afterwards. Its image is built once."""
    image = f"{IMAGE}:{suite}"
    subprocess.run([str(Path(__file__).with_name("build")), image, suite], check=True)
    # The command line, not the SDK: it alone knows systempaths, without which a container mounts no /proc of its own.
    command = ["docker", "run", "--detach", "--name", f"{IMAGE}-{uuid.uuid4().hex[:6]}", *PRIVILEGES, image]
    started = subprocess.run(command, check=True, capture_output=True, text=True)
    container = engine.containers.get(started.stdout.strip())
    try:
        machine = Machine(container)
        wait_until(machine.engine_answers, "the machine's engine", 60, container)
        yield machine
    finally:
        container.remove(force=True, v=True)
