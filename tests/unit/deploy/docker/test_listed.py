"""What the engine lists of the project's containers, whatever became of them."""

from pathlib import Path

import pytest

from deploy.docker import engine
from deploy.errors import CommandError
from tests.unit.deploy.engine_socket import engine_behind


def _listing(service: str, status: str, **labels: str) -> dict[str, object]:
    return {
        "Id": service,
        "State": "running" if status.startswith("Up") else "exited",
        "Status": status,
        "Labels": {engine.SERVICE_LABEL: service, engine.FOLDER_LABEL: "/kit", **labels},
    }


@pytest.fixture(autouse=True)
def _engine_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine")


def test_containers_that_have_ended_are_listed(tmp_path: Path) -> None:
    """How one ended and its strategies come from the list; commands in containers of their own are left out."""
    answers = {
        "GET /version": (200, {"ApiVersion": "1.41"}),
        "GET /v1.41/containers/json": (
            200,
            [
                _listing("pulse", "Up 3 minutes"),
                _listing("volumes", "Exited (0) 2 hours ago", **{"openbell.once": "true"}),
                _listing("portfolio", "Exited (1) a minute ago", **{"openbell.strategies": "a b"}),
                _listing("pulse", "Exited (0) 2 hours ago", **{engine.ONE_OFF_LABEL: "True"}),
            ],
        ),
    }
    with engine_behind(tmp_path / "engine", answers):
        pulse, volumes, portfolio = engine.listed("openbell")
    assert (pulse.service, pulse.strategies, pulse.state) == ("pulse", ("pulse",), "running")
    assert pulse.folder == "/kit"
    assert [one.has_succeeded for one in (pulse, volumes, portfolio)] == [False, True, False]
    assert [one.ends_by_itself for one in (pulse, volumes, portfolio)] == [False, True, False]
    assert portfolio.strategies == ("a", "b")


def test_the_ids_of_images(tmp_path: Path) -> None:
    """A name that no image has is left out."""
    answers = {
        "GET /version": (200, {"ApiVersion": "1.41"}),
        "GET /v1.41/images/openbell/supervisor:local/json": (200, {"Id": "sha256:1234"}),
    }
    with engine_behind(tmp_path / "engine", answers):
        found = engine.image_ids(["openbell/supervisor:local", "openbell/pulse:local"])
    assert found == {"openbell/supervisor:local": "sha256:1234"}


def test_what_was_made_is_started(tmp_path: Path) -> None:
    """But for services that are not asked for now; one that cannot be started is told in one line."""

    def made(service: str) -> dict[str, object]:
        return {"Id": service, "Config": {"Labels": {engine.SERVICE_LABEL: service}}}

    answers: dict[str, tuple[int, object]] = {
        "GET /version": (200, {"ApiVersion": "1.41"}),
        "GET /v1.41/containers/json": (200, [{"Id": "pulse"}, {"Id": "kraken_trend"}]),
        "GET /v1.41/containers/pulse/json": (200, made("pulse")),
        "GET /v1.41/containers/kraken_trend/json": (200, made("kraken_trend")),
        "POST /v1.41/containers/pulse/start": (204, b""),
    }
    with engine_behind(tmp_path / "engine", answers) as asked:
        engine.start_created("openbell", {"pulse", "supervisor"})
        assert len(asked.asked) == 1
    answers["POST /v1.41/containers/pulse/start"] = (500, {"message": "port is already allocated"})
    with engine_behind(tmp_path / "second", answers), pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_HOST", f"unix://{tmp_path}/second")
        with pytest.raises(CommandError, match=r"could not be started .*port is already allocated.*make ps"):
            engine.start_created("openbell", {"pulse"})
