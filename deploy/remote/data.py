"""A project's data on the server: written as a backup to standard output while everything runs, or replaced from standard input."""

from __future__ import annotations

import json
import subprocess
import sys

from deploy.remote.docker_client import DockerClient
from deploy.remote.files import read_text
from deploy.remote.records import Records
from deploy.remote.services import Services

STATE = "/var/lib/openbell"  # of the supervisor, in containers
SERVICE = "volumes"  # which has all others' volumes
MOVE = "move-data"  # the command for which a container has to reach the database
MOVER = "supervisor"  # the service that reaches it
POWERS = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID")  # as `prepare-volumes` has them


def mover(volumes: dict[str, str], words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words for Compose that run a command where all volumes and the database are. volumes: their names."""
    folders = [f"--volume={volumes[one]}:/data/{one}" for one in ("journal", "state", "control")]
    places = [f"--env=OPENBELL_{one.upper()}=/data/{one}" for one in ("journal", "state", "control")]
    powers = [f"--cap-add={one}" for one in POWERS]
    options = ("run", "--rm", "--no-deps", "--no-TTY", "--user=0:0", *powers, *folders, *places)
    return (*options, MOVER, "openbell", *words)


def handle(records: Records, docker: DockerClient, project: str, release: str, *words: str) -> int:
    """Run `openbell backup`, `restore` or `move-data` in a container with all volumes of a release, the current one's by default."""
    release = release or records.current()
    try:
        content = json.loads(read_text(records.release(release) / "compose.yaml"))
        volumes = {name: str(one["name"]) for name, one in content["volumes"].items()}
        store = volumes["supervisor"]
        content["services"][SERVICE]
    except (ValueError, KeyError, TypeError):
        print("openbell: no release is there that a backup could be made of: deploy first", file=sys.stderr)
        return 1
    services = Services(docker, project, records.release)
    options = ("run", "--rm", "--no-deps", "--no-TTY", f"--volume={store}:{STATE}", SERVICE, "openbell", *words)
    if words[0] == MOVE:
        options = mover(volumes, words)
    done = subprocess.run(("docker", *services.compose(release, *options)), stderr=subprocess.PIPE, check=False)
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    if done.returncode:
        ours = [line for line in lines if line.startswith("openbell ")]
        print((ours or lines or [f"exit code {done.returncode}"])[-1], file=sys.stderr)
    elif words[0] == "restore":
        services.prepare(release)  # each strategy's files are its own again
    return done.returncode
