"""Alerts of the real kit: a strategy's container is gone, and a web server hears of it; alert-test and the canary in the container."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network

import docker
import pytest
from docker.models.containers import Container
from testcontainers.compose import DockerCompose

from tests.engine.kit import Kit, ask, container_of, make_kit, removed_afterwards, wait_until
from tests.unit.supervisor.alerts.webhook import Hook, hook

TOKEN = "t0k3n-4c1d7e"
PATH = f"ok/{TOKEN}"


@dataclass(frozen=True)
class Scene:
    """The kit with one strategy, whose supervisor's channel is our web server."""

    kit: Kit
    webhook: Hook
    supervisor: Container
    ticker: Container


@pytest.fixture(scope="module")
def scene(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The running kit; the channel's address comes in a file, as a secret."""
    bridge = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
    gateway = bridge.get("Gateway") or str(ip_network(bridge["Subnet"])[1])
    # What is started here waits for the engine's first check.
    kit = make_kit(tmp_path_factory.mktemp("alerts"), ["ticker"], OPENBELL_HEALTH_INTERVAL="5s")
    with hook("0.0.0.0") as webhook, removed_afterwards(engine, kit.project):  # noqa: S104 - containers come from elsewhere
        secret = kit.folder / "alert-urls"
        secret.write_text(f"# where we hear of it\nphone={webhook.url(PATH, gateway)}\n")
        secret.chmod(0o644)
        with (kit.folder / ".env").open("a") as file:
            file.write(f"OPENBELL_ALERT_URLS_FILE={secret}\n")
        DockerCompose(kit.folder, services=["supervisor", "ticker"], build=True, wait=True).start()
        yield Scene(kit, webhook, container_of(engine, kit, "supervisor"), container_of(engine, kit, "ticker"))


def test_alert_test_in_the_container(scene: Scene) -> None:
    """The one channel takes its message, and no line shows its address."""
    output = ask(scene.supervisor, "openbell", "alert-test")
    assert output.startswith("phone  ok (json, ")
    assert scene.webhook.titles(PATH)[-1] == "INFO: openbell alert test"
    assert TOKEN not in output


def test_the_canary_in_the_container(scene: Scene) -> None:
    """A slot that is missed on purpose arrives, on a read-only file system and without any capability."""
    assert "The path from a missed slot to you works." in ask(scene.supervisor, "openbell", "canary")
    assert scene.webhook.titles(PATH)[-1] == "INFO: canary (a test)"


def test_a_stopped_strategy_is_heard_of(scene: Scene) -> None:
    """Its slots are missed: an alert; it runs again: a recovery. No secret is in the container's settings or its log."""
    heard = scene.webhook.titles
    with _stopped(scene.ticker):
        wait_until(lambda: "CRITICAL: ticker missed a slot" in heard(PATH), "the alert", 60, scene.supervisor)
    wait_until(lambda: heard(PATH)[-1].startswith("OK: "), "the recovery", 60, scene.supervisor)
    scene.supervisor.reload()
    logs = scene.supervisor.logs().decode(errors="replace")
    assert '"event": "delivery.sent"' in logs
    assert TOKEN not in logs
    assert TOKEN not in repr(scene.supervisor.attrs)


@contextmanager
def _stopped(container: Container) -> Iterator[None]:
    container.stop()
    try:
        yield
    finally:
        container.start()
