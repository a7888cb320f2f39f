"""The profile `metrics` on a server: a deploy brings Prometheus, its configuration, and the token with which it reads."""

import json
import re
import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.deploy.site import Site, site
from tests.engine.kit import wait_until
from tests.installed import Installed
from tests.machine.machine import running_machine

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(900)]

TOKEN = "a-token-for-reading-7d1f"
# A stand-in for the registry's image: the same program, which runs as the same user.
DOCKERFILE = """\
FROM python:3.13-slim-trixie
COPY prometheus /bin/prometheus
RUN install -d -o 65534 -g 65534 /prometheus
USER 65534
"""
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"


@pytest.fixture(scope="module")
def measured(
    engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, installed: Installed
) -> Iterator[Site]:
    """A server with a strategy, the supervisor, and Prometheus; reading needs a token that .env has."""
    installed("prometheus")
    folder = tmp_path_factory.mktemp("site")
    with running_machine(engine) as machine, site(engine, machine, folder, ["fives"]) as one:
        context = tmp_path_factory.mktemp("prometheus")
        (context / "Dockerfile").write_text(DOCKERFILE)
        shutil.copy(Path(str(shutil.which("prometheus"))), context / "prometheus")
        image = one.kit.image("prometheus")
        engine.images.build(path=str(context), tag=image)
        metrics = folder / "compose" / "metrics.yaml"
        text = re.sub(r"image: prom/prometheus:\S+", f"image: {image}", metrics.read_text())
        head, grafana, tail = text.partition("  grafana:\n    profiles: [metrics]")
        assert grafana
        metrics.write_text(f"{head}  grafana:\n    profiles: [pictures]{tail}")
        with (folder / ".env").open("a") as file:
            file.write(f"COMPOSE_PROFILES=metrics\nOPENBELL_READ_TOKEN='{TOKEN}'\nOPENBELL_PROMETHEUS_PORT=9091\n")
        one.must("deploy")
        yield one


def ask(one: Site, path: str) -> dict[str, list[dict[str, object]]]:
    """Return an answer of the Prometheus on the server; empty as long as there is none."""
    container = one.containers()["prometheus"]
    try:
        said = one.machine.docker("exec", container, "python", "-c", FETCH, f"http://127.0.0.1:9090/api/v1/{path}")
    except AssertionError:
        return {}
    found = json.loads(said)["data"]
    return found if isinstance(found, dict) else {}


def assert_it_scrapes(one: Site) -> None:
    """Prometheus reads the supervisor's metrics."""

    def health() -> bool:
        targets = ask(one, "targets").get("activeTargets", [])
        return [target["health"] for target in targets] == ["up"]

    wait_until(health, "Prometheus to read the metrics", 60)
    query = urllib.parse.quote('openbell_bot_healthy{strategy="fives"}')
    assert ask(one, f"query?query={query}")["result"]


def test_a_deploy_brings_the_token_that_env_has(measured: Site) -> None:
    """Neither a file nor a hand on the server is needed; the rules are there too."""
    assert_it_scrapes(measured)
    groups = ask(measured, "rules")["groups"]
    assert [group["name"] for group in groups] == ["openbell"]


def test_a_deploy_brings_a_token_that_is_in_a_file(measured: Site) -> None:
    """Prometheus runs as another user than the supervisor, and can read it all the same."""
    folder = measured.kit.folder
    (folder / "token").write_text("another-token-for-reading\n")
    text = (folder / ".env").read_text()
    (folder / ".env").write_text(re.sub("OPENBELL_READ_TOKEN=.*", f"OPENBELL_READ_TOKEN_FILE={folder}/token", text))
    before = measured.containers()["prometheus"]
    measured.must("deploy")
    assert measured.containers()["prometheus"] != before
    assert_it_scrapes(measured)
