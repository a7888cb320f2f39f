"""What the engine has not asked a container yet, or was told wrongly a while ago, is asked now."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from deploy.docker import engine
from deploy.remote import host_queries
from deploy.remote.docker_client import Answer

TEST = ["CMD-SHELL", "test -n beat"]


def _inspection(health: str, state: str = "running") -> dict[str, object]:
    return {
        "Id": "c1",
        "State": {"Status": state, "ExitCode": 0, "StartedAt": "now", "Health": {"Status": health}},
        "Config": {
            "Image": "openbell/pulse:local",
            "Labels": {engine.SERVICE_LABEL: "pulse"},
            "Healthcheck": {"Test": TEST},
        },
        "RestartCount": 0,
    }


CASES = [
    ("starting", True, "healthy"),
    ("starting", False, "starting"),
    ("unhealthy", True, "healthy"),
    ("unhealthy", False, "unhealthy"),
    ("healthy", False, "healthy"),
]


@pytest.mark.parametrize("health,passes,told", CASES)
def test_here(monkeypatch: pytest.MonkeyPatch, health: str, passes: bool, told: str) -> None:
    """A container that is healthy is not asked; one that was unhealthy is asked each time."""
    asked: list[list[str]] = []

    def exec_run(words: list[str]) -> SimpleNamespace:
        asked.append(words)
        return SimpleNamespace(exit_code=0 if passes else 1)

    container = SimpleNamespace(
        id="c1",
        attrs=_inspection(health),
        labels={engine.SERVICE_LABEL: "pulse"},
        exec_run=exec_run,
        logs=lambda **_: b"a line",
    )
    listed = SimpleNamespace(containers=SimpleNamespace(list=lambda **_: [container]))
    monkeypatch.setattr(engine, "client", lambda _: nullcontext(listed))
    monkeypatch.setattr(engine, "address", lambda: "")
    (found,) = engine.services("bells", set())
    assert found.health == told
    assert asked == ([] if health == "healthy" else [["/bin/sh", "-c", TEST[1]]])


@pytest.mark.parametrize("health,passes,told", CASES)
def test_on_a_server(health: str, passes: bool, told: str) -> None:
    """The same there."""
    asked: list[tuple[str, ...]] = []

    def execute(_: str, *words: str) -> Answer:
        asked.append(words)
        return Answer(0 if passes else 1, "")

    docker = SimpleNamespace(inspect_project=lambda _: [_inspection(health)], execute=execute, logs=lambda *_: "a line")
    (found,) = host_queries.containers(docker, "bells")  # type: ignore[arg-type]
    assert found["attributes"]["State"]["Health"]["Status"] == told
    assert found["last_line"] == ("a line" if told == "unhealthy" else "")
    assert asked == ([] if health == "healthy" else [("/bin/sh", "-c", TEST[1])])
