"""What is deployed in the benchmark: the project's own images, built anew after each change of a line."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from tests.engine.kit import ROOT, SERVICE, Kit, make_kit, removed_afterwards

STRATEGIES = ("pulse", "ma_crossover")


class Stand:
    """A copy of the project, and its images on the local engine."""

    def __init__(self, kit: Kit, client: docker.DockerClient) -> None:
        self.kit = kit
        self.client = client
        self._changes = 0

    @property
    def references(self) -> list[str]:
        """All images of a release."""
        return [self.kit.image(name) for name in (*STRATEGIES, "supervisor")]

    @property
    def changed(self) -> str:
        """The image that a change of a line changes."""
        return self.kit.image(STRATEGIES[0])

    def change(self) -> None:
        """Change one line of a strategy, and build its image."""
        self._changes += 1
        code = self.kit.folder / "strategies" / STRATEGIES[0] / "strategy.py"
        kept = [line for line in code.read_text().splitlines() if not line.startswith("CHANGE = ")]
        code.write_text("\n".join([*kept, f"CHANGE = {self._changes}", ""]))
        self.build(STRATEGIES[0])

    def build(self, *services: str) -> None:
        """Build images as a user does."""
        command = ("docker", "compose", "build", "--quiet", *services)
        subprocess.run(command, cwd=self.kit.folder, check=True, capture_output=True)


@contextmanager
def stand(client: docker.DockerClient) -> Iterator[Stand]:
    """Build everything in a folder of its own; remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="openbell-bench-") as folder:
        kit = make_kit(Path(folder), [])
        for name in STRATEGIES:
            shutil.copytree(ROOT / "strategies" / name, kit.folder / "strategies" / name)
        services = "".join(SERVICE.format(name=name) for name in STRATEGIES)
        (kit.folder / "compose" / "strategies.yaml").write_text(f"services:\n{services}")
        with removed_afterwards(client, kit.project):
            one = Stand(kit, client)
            one.build()
            yield one
