"""The kit under test: the project's own files, with other strategies, built and run on the real engine."""

import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import docker
from docker.models.containers import Container
from docker.models.images import Image

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "strategies"

T = TypeVar("T")

SERVICE = """\
  {name}:
    extends:
      file: compose/base.yaml
      service: strategy
    image: ${{COMPOSE_PROJECT_NAME:-openbell}}/{name}:${{OPENBELL_TAG:-local}}
    build:
      args:
        STRATEGY: {name}
"""


@dataclass(frozen=True)
class Kit:
    """A copy of the project in a folder of its own, with a project name and a port of its own."""

    folder: Path
    project: str
    port: int

    @property
    def page(self) -> str:
        """The status page's address."""
        return f"http://127.0.0.1:{self.port}"

    def image(self, name: str) -> str:
        """Return the name of a strategy's image, or of the supervisor's."""
        return f"{self.project}/{name}:local"


def make_kit(folder: Path, strategies: list[str], source: Path = FIXTURES, **settings: str) -> Kit:
    """Copy what the images are made of, with these of the fixtures' strategies instead of the examples, and settings in .env."""
    for name in ("compose.yaml", ".dockerignore"):
        shutil.copy(ROOT / name, folder / name)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "compose", folder / "compose")
    shutil.copytree(ROOT / "images", folder / "images", ignore=ignore)
    for name in strategies:
        shutil.copytree(source / name, folder / "strategies" / name, ignore=ignore)
    services = "".join(SERVICE.format(name=name) for name in strategies)
    for file in (folder / "compose").glob("*.yaml"):
        if " STRATEGY: " in file.read_text():  # services of strategies that are not here
            file.write_text("services: {}\n")
    (folder / "compose" / "strategies.yaml").write_text(f"services:\n{services}")
    kit = Kit(folder, f"openbell-test-{uuid.uuid4().hex[:8]}", free_port())
    lines = {"COMPOSE_PROJECT_NAME": kit.project, "OPENBELL_PORT": str(kit.port), "NOT_FOR_IMAGES": SECRET}
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in (lines | settings).items()))
    return kit


SECRET = "secret-8c1f0d2b7a"


def wait_until(
    get: Callable[[], T | None],
    what: str,
    seconds: float = 60,
    container: Container | None = None,
    every: float = 0.1,
) -> T:
    """Return the first true answer of `get`, which takes half of the time at most; after `seconds` fail with the container's logs."""
    end = time.monotonic() + seconds
    while (asked := time.monotonic()) < end:
        if answer := get():
            return answer
        time.sleep(max(every, time.monotonic() - asked))
    logs = container.logs(tail=40).decode(errors="replace") if container else ""
    msg = f"waited {seconds:g} s for {what}\n{logs}"
    raise AssertionError(msg)


def container_of(client: docker.DockerClient, kit: Kit, service: str) -> Container:
    """Return the container of one of the kit's services."""
    labels = [f"com.docker.compose.project={kit.project}", f"com.docker.compose.service={service}"]
    return client.containers.list(all=True, filters={"label": labels})[0]


def start(
    engine: docker.DockerClient,
    image: str,
    name: str,
    volumes: dict[str, str],
    *,
    tmpfs: dict[str, str] | None = None,
    restart: bool = False,
) -> Container:
    """Start a strategy's container outside Compose, with these volumes (name → where) and the memory that Compose gives it."""
    container = engine.containers.create(
        image,
        name=name,
        init=True,
        network_mode="none",
        mem_limit="256m",
        memswap_limit="256m",
        tmpfs=tmpfs or {},
        restart_policy={"Name": "unless-stopped" if restart else "no"},  # type: ignore[arg-type]
        volumes=[f"{volume}:{where}" for volume, where in volumes.items()],
    )
    container.start()
    return container


def ask(container: Container, *command: str) -> str:
    """Return what a command prints in a container; fail with it if the command fails."""
    code, output = answer(container, *command)
    assert code == 0, output
    return output


def answer(container: Container, *command: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
    """Return the exit code and all that a command prints in a container.

    options: of `docker exec`. By the command line of Docker: its SDK loses what comes in the same breath as the head of the engine's answer.
    """
    words = ["docker", "exec", *options, str(container.id), *command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


def operate(container: Container, *command: str) -> tuple[int, str]:
    """Run an operator's command in a strategy's container that was started outside Compose, as who may write its control folder."""
    return answer(container, *command, options=("--user", "10001:10001"))


def run_now(engine: docker.DockerClient, kit: Kit, strategy: str) -> tuple[int, str]:
    """Run a strategy as `make run` does, and return the exit code and what it prints."""
    place = ("--env", f"OPENBELL_STRATEGY={strategy}", "--env", f"OPENBELL_FOLDER=/strategies/{strategy}")
    return answer(container_of(engine, kit, "supervisor"), "openbell", "run-now", options=place)


def journal(engine: docker.DockerClient, kit: Kit, strategy: str) -> list[dict[str, object]]:
    """Return a strategy's journal, as the supervisor's container sees it: the strategy's own may be down."""
    output = ask(container_of(engine, kit, "supervisor"), "openbell", "journal", strategy, "--since", "1d")
    return [json.loads(line) for line in output.splitlines()]


def events(lines: list[dict[str, object]], event: str) -> list[dict[str, object]]:
    """Return the journal's lines of one kind."""
    return [line for line in lines if line["event"] == event]


def any_image(client: docker.DockerClient) -> Image:
    """Return an image that is there, rather one that no other test is about to remove."""
    names = [name for one in client.api.images() for name in one["RepoTags"] or () if name != "<none>:<none>"]
    return client.images.get(min(names, key=lambda name: name.startswith("openbell-test-")))


@contextmanager
def removed_afterwards(client: docker.DockerClient, project: str) -> Iterator[None]:
    """Remove all that a project has left on the engine: containers, volumes, networks and images."""
    try:
        yield
    finally:
        label: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={project}"}
        for container in client.containers.list(all=True, filters=label):
            container.remove(force=True, v=True)
        for volume in client.volumes.list(filters={"label": str(label["label"])}):
            volume.remove(force=True)
        for network in client.networks.list(filters={"label": str(label["label"])}):
            network.remove()
        for image in client.images.list(filters={"reference": f"{project}/*"}):
            # By its names: under another one it may be what another project's container runs.
            for name in image.tags:
                if name.startswith(f"{project}/"):
                    client.images.remove(name, force=True)
