"""What is measured: strategies in the containers that users start, and peers under the same limits. All is removed again."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import docker
from docker.models.containers import Container

from openbell.strategy_user import user_id
from tests.bench.progress import doing, say
from tests.engine.kit import SERVICE, Kit, make_kit, removed_afterwards

HERE = Path(__file__).parent
CROWD = 45  # bots that are due in one instant
BUSY = 0.5  # seconds that each of them takes
QUIET = 7  # strategies of which the idle memory is measured
STRATEGIES = ("punctual", "fresh", "crowd", *(f"quiet_{number}" for number in range(1, QUIET + 1)))
PEERS = ("schedule", "apscheduler", "limit", "cron", "deadman")
# What compose/base.yaml gives a strategy.
MEMORY_LIMIT = "256m"
CPU_LIMIT = 1_000_000_000

START_WITHIN = 60.0  # seconds


@dataclass(frozen=True)
class Line:
    """One line that a container wrote, and when the engine had it, in seconds since 1970."""

    at: float
    text: str


class Bench:
    """Builds, starts and removes what is measured."""

    def __init__(self, client: docker.DockerClient, kit: Kit, strategies: Sequence[str] = STRATEGIES) -> None:
        self.client = client
        self.kit = kit
        self.strategies = strategies
        self.missing: dict[str, str] = {}  # images that could not be built, and why

    def build_ours(self) -> None:
        """Build the images of the strategies and of the supervisor, by compose as for a user."""
        with doing("building the images of openbell"):
            # One after the other: an engine 20.10 ended with "failed to get edge" while it built eleven at once for a fleet of 100.
            services = [*self.strategies, "supervisor"]
            for number, service in enumerate(services):
                if number % 10 == 0 and number:
                    say(f"{number} of {len(services)} images are built")
                self._must(["docker", "compose", "build", "--quiet", service])

    def build(self) -> None:
        """Build all images: ours, and the peers' from their own file."""
        self.build_ours()
        with doing("building the image of all strategies' runtime"):
            dockerfile = str(self.kit.folder / "images" / "Dockerfile")
            target = ["--target", "runtime", "--tag", self.kit.image("runtime")]
            self._must(["docker", "build", "--quiet", "--file", dockerfile, *target, str(self.kit.folder)])
        for peer in PEERS:
            with doing(f"building the image of {peer}"):
                command = ["docker", "build", "--target", peer, "--tag", self.kit.image(peer), str(HERE / "peers")]
                failure = self._try(command)
                if failure:
                    self.missing[peer] = failure

    def start(self, *services: str, ready: str = '"service_start"') -> list[Container]:
        """Start our services, and return their containers once each has written `ready`."""
        self._must(["docker", "compose", "up", "--detach", "--no-build", *services])
        found = [self._container(service) for service in services]
        for container in found:
            self._wait_for(container, ready)
        return found

    def start_peer(self, image: str, *command: str) -> Container:
        """Start a peer under the limits of a strategy's container."""
        return self.client.containers.run(
            self.kit.image(image),
            list(command),
            detach=True,
            init=True,
            mem_limit=MEMORY_LIMIT,
            nano_cpus=CPU_LIMIT,
            labels={"com.docker.compose.project": self.kit.project},
        )

    def start_without_health_check(self, service: str) -> Container:
        """Start a strategy as its service does, but without the health check, to tell apart what that costs."""
        name, owned = f"{self.kit.project}-unchecked", f"uid={user_id(service)}"
        container = self.client.containers.run(
            self.kit.image(service),
            name=name,
            detach=True,
            init=True,
            read_only=True,
            tmpfs={"/tmp": "", "/journal": owned, "/state": owned, "/control": owned},  # noqa: S108
            mem_limit=MEMORY_LIMIT,
            nano_cpus=CPU_LIMIT,
            healthcheck={"test": ["NONE"]},
            labels={"com.docker.compose.project": self.kit.project},
        )
        self._wait_for(container, '"service_start"')
        return container

    def once(self, image: str, source: Path, *arguments: str) -> str:
        """Run a script in a fresh container of the image, with its own python, and return what it printed."""
        output: bytes = self.client.containers.run(
            self.kit.image(image),
            ["-c", source.read_text(), *arguments],
            entrypoint="/opt/openbell/bin/python" if image == "runtime" else f"/opt/{image}/bin/python",
            remove=True,
            labels={"com.docker.compose.project": self.kit.project},
        )
        return output.decode()

    def lines(self, container: Container) -> list[Line]:
        """Return what the container has written so far."""
        lines: list[Line] = []
        for raw in container.logs(timestamps=True).decode(errors="replace").splitlines():
            stamp, _, text = raw.partition(" ")
            lines.append(Line(datetime.fromisoformat(stamp).timestamp(), text))
        return lines

    def remove(self, containers: Sequence[Container]) -> None:
        """Remove containers, several at a time; one that is named twice is removed once."""
        different = {container.id: container for container in containers}.values()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda container: container.remove(force=True, v=True), different))

    def _container(self, service: str) -> Container:
        labels = [f"com.docker.compose.project={self.kit.project}", f"com.docker.compose.service={service}"]
        return self.client.containers.list(all=True, filters={"label": labels})[0]

    def _wait_for(self, container: Container, text: str) -> None:
        end = time.monotonic() + START_WITHIN
        while text.encode() not in container.logs():
            container.reload()
            if time.monotonic() > end or container.status == "exited":
                msg = f"{container.name} did not start:\n{container.logs(tail=20).decode(errors='replace')}"
                raise RuntimeError(msg)
            time.sleep(0.1)

    def _must(self, command: Sequence[str]) -> None:
        failure = self._try(command)
        if failure:
            msg = f"{' '.join(command)}: {failure}"
            raise RuntimeError(msg)

    def _try(self, command: Sequence[str]) -> str:
        """Run a command in the kit's folder; return why it failed, or an empty text."""
        done = subprocess.run(command, cwd=self.kit.folder, check=False, capture_output=True, text=True)
        return "" if done.returncode == 0 else (done.stderr.strip() or f"exit code {done.returncode}")[-2000:]


@contextmanager
def bench() -> Iterator[Bench]:
    """Give a bench with a unique project name; leave nothing of it behind."""
    client = docker.from_env()
    with tempfile.TemporaryDirectory(prefix="openbell-bench-") as folder:
        kit = make_kit(Path(folder), [])
        _write_strategies(kit.folder)
        try:
            with removed_afterwards(client, kit.project):
                yield Bench(client, kit)
        finally:
            client.close()


def _write_strategies(root: Path) -> None:
    for name in STRATEGIES:
        folder = root / "strategies" / name
        shutil.copytree(HERE / "strategies" / name.partition("_")[0], folder)
        if name == "crowd":
            with (folder / "strategy.toml").open("a") as manifest:
                manifest.writelines(_crowd_bot(number) for number in range(CROWD))
    services = "".join(SERVICE.format(name=name) for name in STRATEGIES)
    (root / "compose" / "strategies.yaml").write_text(f"services:\n{services}")


def _crowd_bot(number: int) -> str:
    return f'\n[[bot]]\nid = "crowd-{number}"\nsymbols = ["AAPL"]\nevery = "10s"\nparams = {{ busy = {BUSY} }}\n'
