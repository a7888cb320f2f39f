"""A project at rest: all its containers are stopped at a quiet moment, and start again unless they are to stay stopped."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.remote.docker_client import Container, DockerClient
from deploy.remote.plan import DATABASE, SUPERVISOR

SOON = 5  # seconds; a slot that is due within them is let pass before its strategy is stopped
PATIENCE = 180  # seconds for a quiet moment; then a strategy is stopped all the same: its runs end, and no slot is lost
STOP_WITHIN = 4000.0  # seconds; the engine ends what does not stop within its own grace


class Rest:
    """The containers that were stopped."""

    def __init__(self, docker: DockerClient) -> None:
        self._docker = docker
        self._stopped: Sequence[Container] = ()
        self._stays = False

    def begin(self, project: str) -> None:
        """Stop all that runs; DockerError if that fails."""
        # The database stays: data may be moved into it.
        running = [one for one in self._docker.containers(project) if one.running and one.service != DATABASE]
        for one in running:
            if one.service != SUPERVISOR:
                words = ("exec", one.id, "openbell", "idle", "--within", str(SOON), "--for", str(PATIENCE))
                self._docker.ask(*words, seconds=PATIENCE + 30)
        self._stopped = running
        for one in running:
            # Should the machine go down meanwhile, they are started with it.
            self._docker.ask("update", "--restart", "always", one.id)
        if running:
            self._docker.must("stop", *(one.id for one in running), seconds=STOP_WITHIN)

    def stay(self) -> None:
        """Let what was stopped stay so, also after a restart of the machine."""
        for one in self._stopped:
            self._docker.must("update", "--restart", "no", one.id)
        self._stays = True

    def end(self) -> None:
        """Start again what was stopped."""
        for one in self._stopped:
            self._docker.must("start", one.id)
            self._docker.ask("update", "--restart", one.restart_policy, one.id)
        self._stopped = ()

    def leave(self) -> None:
        """Start again what was stopped, unless it is to stay so."""
        if not self._stays:
            self.end()
        self._stopped, self._stays = (), False
