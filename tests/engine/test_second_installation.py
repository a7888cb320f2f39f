"""A second installation beside the first, in containers: it is told of the first one's name, port and page before anything is built."""

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator

import docker
import pytest

from tests.engine.kit import ROOT, any_image
from tests.ports import free_port


@pytest.fixture
def project(engine: docker.DockerClient) -> Iterator[str]:
    """The name of a project of which a container is there that another folder has made."""
    name = f"openbell-test-{uuid.uuid4().hex[:8]}"
    labels = {"com.docker.compose.project": name, "com.docker.compose.project.working_dir": "/srv/first"}
    image = any_image(engine)
    container = engine.containers.create(str(image.id), command="true", labels=labels)
    yield name
    container.remove(force=True)


def up(**environment: str) -> str:
    """Return the last line of a `make up` that is refused."""
    done = subprocess.run(
        (sys.executable, "-m", "deploy", "up"),
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("OPENBELL_")} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "building the images" not in done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_a_name_that_another_folder_has_is_refused(project: str) -> None:
    """Its containers would be replaced, and its data taken for ours."""
    said = up(COMPOSE_PROJECT_NAME=project, OPENBELL_PORT=str(free_port()), ENGINE="docker")
    assert said.startswith(
        f'openbell: another installation runs as "{project}", from /srv/first: set COMPOSE_PROJECT_NAME'
    )


def test_a_port_that_another_program_has_is_refused() -> None:
    """Its page would be offered as ours."""
    name = f"openbell-test-{uuid.uuid4().hex[:8]}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        said = up(COMPOSE_PROJECT_NAME=name, OPENBELL_PORT=port, ENGINE="docker")
    assert said.startswith(
        f"openbell: port {port} is in use by another program, or by another installation of openbell"
    )
