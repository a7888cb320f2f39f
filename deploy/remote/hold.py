"""Holds the images of what runs while it is replaced: `docker system prune --all` removes what no running container uses."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.remote.docker_client import Container, DockerClient

LABEL = "openbell.hold"
_ATTEMPTS = 5  # an engine that has crashed may still be busy with a container that it wants to remove itself


class Hold:
    """A container that does nothing for each image, with no network, until the transaction is over."""

    def __init__(self, docker: DockerClient, project: str) -> None:
        self._docker = docker
        self._project = project
        self._names: dict[str, list[str]] = {}  # image id: its names when it was held
        self._holders: list[str] = []

    def hold(self, containers: Sequence[Container]) -> None:
        """Hold the images of these containers; one without a `sleep` cannot be held, and is only remembered."""
        for image in sorted({one.image_id for one in containers if one.image_id}):
            held = self._docker.image(image)
            self._names[image] = held[1] if held else []
            options = ("--detach", "--rm", "--network", "none", "--memory", "16m", "--pull", "never")
            label = ("--label", f"{LABEL}={self._project}")
            answer = self._docker.ask("run", *options, *label, "--entrypoint", "sleep", image, "infinity")
            if answer.ok and answer.text.split():
                self._holders.append(answer.text.split()[-1])

    def name_again(self, image: str) -> None:
        """Give a held image the names that it has lost."""
        for name in self._names.get(image, ()):
            self._docker.ask("tag", image, name)

    def release(self) -> None:
        """Let go; what an engine cannot remove now, the next transaction removes."""
        for _ in range(_ATTEMPTS if self._holders else 0):
            answer = self._docker.ask("rm", "--force", *self._holders)
            if answer.ok or "No such container" in answer.text:
                break
            self._docker.sleep(1)
        self._holders = []
