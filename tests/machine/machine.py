"""Starts a stand-in server, brings images to it, and does to it what happens to servers."""

import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import docker
from docker.models.containers import Container

from tests.engine.kit import ask, wait_until
from tests.machine.keys import HOST, Keys

IMAGE = "openbell-test-machine"
# What an engine inside a container needs; less than --privileged, which asks for more than some hosts can give.
PRIVILEGES = (
    *("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE", "--cgroupns", "private"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--security-opt", "systempaths=unconfined", "--device-cgroup-rule", "a *:* rwm"),
    *("--tmpfs", "/run:exec", "--volume", "/var/lib/containerd"),
)
ENGINE_FILES = "/var/lib/docker"
FILLER = f"{ENGINE_FILES}/filler"

Suite = Literal["bookworm", "trixie", "bookworm-bare", "trixie-bare"]  # engine 20.10, engine 26.1, and without Docker
Store = Literal["classic", "containerd"]  # the engine's image store; only 26.1 has the second
Missing = Literal["compose", "zstd", "engine"]  # what the server lacks; "engine": Docker is installed and does not run


class Machine:
    """A container with sshd and an engine of its own; its `docker` is run inside it.

    `ssh -F ssh_config vps` reaches it as root, with keys that were made for it alone.
    """

    host = HOST

    def __init__(self, container: Container, keys: Keys) -> None:
        self.container = container
        self.keys = keys
        self.ssh_config: Path = keys.config

    def docker(self, *command: str) -> str:
        """Return what a docker command prints in the machine; fail with it if the command fails."""
        return ask(self.container, "docker", *command)

    def shell(self, script: str) -> str:
        """Return what a line of shell prints in the machine; fail with it if it fails."""
        return ask(self.container, "sh", "-c", script)

    def ssh(self, *command: str) -> str:
        """Return what a command prints that is run over SSH, as a user would do it."""
        words = ["ssh", "-F", str(self.ssh_config), self.host, *command]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout

    def engine_answers(self) -> bool:
        """Tell whether the machine's engine is up."""
        return self.container.exec_run(["docker", "version"]).exit_code == 0

    def sshd_listens(self) -> bool:
        """Tell whether a connection to the machine would be answered."""
        return self.container.exec_run(["test", "-s", "/run/sshd.pid"]).exit_code == 0

    def bring(self, image: str) -> None:
        """Copy an image of the engine outside to the machine."""
        load = f"docker save {image} | docker exec -i {self.container.id} docker load"
        subprocess.run(["bash", "-o", "pipefail", "-c", load], check=True, capture_output=True)

    @contextmanager
    def engine_here(self, folder: Path) -> Iterator[str]:
        """Lead a socket in a folder here to the machine's engine, for as long as the block lasts; give its path."""
        socket = folder / "engine"
        with self._forwarding("-L", f"{socket}:/var/run/docker.sock"):
            wait_until(socket.exists, "the engine's socket", 30, self.container)
            yield str(socket)

    @contextmanager
    def port_there(self, port: int) -> Iterator[None]:
        """Lead a port of the machine's loopback to the same one here, for as long as the block lasts."""
        listens = f"ss -Hltn sport = :{port} | grep -q ."
        with self._forwarding("-R", f"{port}:127.0.0.1:{port}"):
            wait_until(
                lambda: self.container.exec_run(["sh", "-c", listens]).exit_code == 0, "the port", 30, self.container
            )
            yield

    @contextmanager
    def _forwarding(self, *option: str) -> Iterator[None]:
        with subprocess.Popen(("ssh", "-F", str(self.ssh_config), "-N", *option, self.host)) as process:
            try:
                yield
            finally:
                process.terminate()

    def kill_engine(self) -> None:
        """Kill the engine and its containerd, as a crash would, and wait until it is back."""
        ask(self.container, "pkill", "-KILL", "dockerd")
        self.container.exec_run(["pkill", "-KILL", "-x", "containerd"])
        wait_until(self.engine_answers, "the engine to come back", 60, self.container)

    def cut_power(self) -> None:
        """Kill every process but the first, as a power cut would, and let the machine come up again."""
        self.container.exec_run(["sh", "-c", "kill -KILL -1"])
        self.container.exec_run(
            ["sh", "-c", "rm -f /run/sshd.pid; while true; do /usr/sbin/sshd -D -e; sleep 0.2; done"], detach=True
        )
        wait_until(self.sshd_listens, "the machine's sshd", 60, self.container)

    def restart_engine(self) -> None:
        """Stop the engine in good order, as an upgrade would, and wait until it is back."""
        before = self.shell("pidof dockerd").strip()
        ask(self.container, "pkill", "-TERM", "dockerd")
        gone = f"p=$(pidof dockerd) && test $p != {before}"
        wait_until(
            lambda: self.container.exec_run(["sh", "-c", gone]).exit_code == 0, "a new engine", 60, self.container
        )
        wait_until(self.engine_answers, "the engine to come back", 60, self.container)

    def cut_connections(self) -> int:
        """End all SSH connections that are open, at once and without a word; return how many there were."""
        # A connection has one process or two, and their names depend on sshd's age: all but the one that listens.
        script = "l=$(cat /run/sshd.pid); pgrep -c -P $l; pgrep '^sshd' | grep -vx $l | xargs -r kill -KILL"
        return int(self.shell(script))

    def cut_network(self) -> None:
        """Drop all packets of SSH, as a network that is gone does, without an answer."""
        self.shell("iptables -I INPUT -p tcp --dport 22 -j DROP")

    def mend_network(self) -> None:
        """Let the packets of SSH through again."""
        self.shell("iptables -D INPUT -p tcp --dport 22 -j DROP")

    def fill_disk(self, leave_megabytes: int = 0) -> None:
        """Take all of the engine's disk but so much; the machine must have been started with a disk of its own."""
        free = int(self.shell(f"df --output=avail -B 1M {ENGINE_FILES} | tail -n 1"))
        total = int(self.shell(f"df --output=size -B 1M {ENGINE_FILES} | tail -n 1"))
        assert total < 20_000, (
            "this is the disk of the machine that tests: start with running_machine(disk_megabytes=...)"
        )
        self.shell(f"fallocate -l {max(1, free - leave_megabytes)}M {FILLER}")

    def free_disk(self) -> None:
        """Give back what `fill_disk` took."""
        self.shell(f"rm -f {FILLER}")


@contextmanager
def running_machine(
    engine: docker.DockerClient,
    suite: Suite = "bookworm",
    *,
    store: Store = "classic",
    missing: Sequence[Missing] = (),
    disk_megabytes: int | None = None,
) -> Iterator[Machine]:
    """Start a stand-in server; remove it afterwards. Its image is built once.

    With `disk_megabytes` the engine's files have a disk of that size, which is memory of the machine that tests.
    """
    build = [str(Path(__file__).with_name("build")), IMAGE, suite]
    image = subprocess.run(build, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    disk = (
        ("--tmpfs", f"{ENGINE_FILES}:exec,dev,suid,size={disk_megabytes}m")
        if disk_megabytes
        else ("--volume", ENGINE_FILES)
    )
    name = f"{IMAGE}-{uuid.uuid4().hex[:6]}"
    with tempfile.TemporaryDirectory(prefix="openbell-test-") as folder:
        keys = Keys(Path(folder))
        settings = {"AUTHORIZED_KEY": keys.public(), "STORE": store, "MISSING": " ".join(missing)}
        environment = [word for key, value in settings.items() for word in ("--env", f"{key}={value}")]
        # The command line, not the SDK: it alone knows systempaths, without which a container mounts no /proc of its own.
        command = [
            *("docker", "run", "--detach", "--name", name, "--hostname", HOST, "--publish", "127.0.0.1::22"),
            *(*PRIVILEGES, *disk, *environment, image),
        ]
        started = subprocess.run(command, check=True, capture_output=True, text=True)
        container = engine.containers.get(started.stdout.strip())
        try:
            machine = Machine(container, keys)
            wait_until(machine.sshd_listens, "the machine's sshd", 60, container)
            if "engine" not in missing and not suite.endswith("-bare"):
                wait_until(machine.engine_answers, "the machine's engine", 60, container)
            container.reload()
            port = int(container.attrs["NetworkSettings"]["Ports"]["22/tcp"][0]["HostPort"])
            # Asked until there is an answer: an engine under load has been seen to give the output of a command as empty.
            host_key = wait_until(
                lambda: machine.shell("cat /etc/ssh/ssh_host_ed25519_key.pub"), "its key", 30, container
            )
            keys.know(port, host_key)
            yield machine
        finally:
            container.remove(force=True, v=True)
