"""What a server's engine is asked over its socket, against an engine that answers as Docker's does."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.remote.docker_client import TIMED_OUT, Answer, DockerClient
from deploy.remote.engine_api import EngineApi, is_default, output
from tests.unit.deploy.engine_socket import Engine, engine_behind

RUNNING = {"Id": "c1", "State": {"Status": "running"}, "RestartCount": 2, "Config": {"Labels": {}}, "Image": "sha256:i"}


def piece(stream: int, text: str) -> bytes:
    """Return a piece of an output as the engine sends it."""
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text.encode()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Engine]]:
    """An engine behind a socket in tmp_path, to which nothing else than the default leads."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with engine_behind(tmp_path / "socket", {"GET /_ping": (200, b"OK")}) as handler:
        yield handler


def client(folder: Path, *, cli: Answer | None = None) -> tuple[DockerClient, list[str]]:
    """Return a client, and what Docker's command line was started for meanwhile."""
    calls: list[str] = []

    def run(words: object, _seconds: float) -> Answer:
        calls.append(" ".join(words[1:]))  # type: ignore[index]
        return cli or Answer(1, "Cannot connect to the Docker daemon")

    return DockerClient(lambda _: None, run, api=EngineApi(str(folder / "socket"))), calls


def test_questions_start_no_command_line(engine: type[Engine], tmp_path: Path) -> None:
    """Whether the engine is there, what it runs, in which state, and what that has said."""
    docker, calls = client(tmp_path)
    engine.answers |= {
        "GET /containers/json": (200, [{"Id": "c1"}, {"Id": "c2"}]),  # the second is gone when it is asked for
        "GET /containers/c1/json": (200, RUNNING),
        "GET /containers/c1/logs": (200, piece(1, "one\n") + piece(2, "two\n")),
        "GET /images/a:1/json": (200, {"Id": "sha256:i", "RepoTags": ["a:1"], "RootFS": {"Layers": ["l"]}}),
        "GET /images/json": (200, [{"Id": "a:1"}]),
        "GET /info": (200, {"ServerVersion": "26.1"}),
    }
    assert docker.answers()
    assert [one.id for one in docker.containers("bells")] == docker.labelled("x") == ["c1"]
    assert docker.states(["c1", "c2"]) == {"c1": "running"}
    assert (docker.state("c1"), docker.state("c2")) == (("running", 2), ("gone", 0))
    assert docker.logs("c1", 5) == "one\ntwo\n"
    assert (docker.image("a:1"), docker.image("b:1")) == (("sha256:i", ["a:1"]), None)
    assert docker.images() == [{"id": "sha256:i", "tags": ["a:1"], "layers": ["l"]}]
    assert docker.info() == {"ServerVersion": "26.1"}
    assert calls == []


@pytest.mark.usefixtures("engine")
def test_an_engine_that_was_away_is_waited_for_once(tmp_path: Path) -> None:
    """What is started when it is back finds it there, and does not wait for it again."""
    docker, calls = client(tmp_path)  # each command finds no engine, and the socket has one again
    docker.ask("stop", "c1")
    docker.on_return = lambda: calls.append("back")
    docker.ask("start", "c1")
    assert calls == ["stop c1", "back", "start c1"]
    calls.clear()

    def revive() -> None:
        docker.ask("start", "c2")

    docker.on_return = revive
    assert not docker.ask("start", "c1").ok
    assert calls == ["start c2", "start c1"]


def test_a_container_and_a_name_come_and_go(engine: type[Engine], tmp_path: Path) -> None:
    """Without a network; what is there already or cannot be removed is for the command line to tell of."""
    docker, calls = client(tmp_path)
    engine.answers |= {
        "POST /containers/create": (201, {"Id": "c9"}),
        "DELETE /containers/probe": (204, b""),
        "DELETE /images/a:1-unchecked": (200, []),
    }
    assert docker.create("probe", "a:1").ok
    docker.remove("probe")
    docker.untag("a:1-unchecked")
    assert json.loads(engine.asked[0]) == {"Image": "a:1", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}
    assert engine.asked[1:] == ["DELETE /containers/probe?v=1&force=1", "DELETE /images/a:1-unchecked"]
    assert calls == []
    engine.answers["POST /containers/create"] = (409, {"message": "the name is in use"})
    assert not docker.create("probe", "a:1").ok
    docker.untag("b:1", "b:2")
    assert calls == ["create --pull never --name probe --network none a:1 true", "image rm b:1 b:2"]


def test_a_command_in_a_container_is_run_once(engine: type[Engine], tmp_path: Path) -> None:
    """Its exit code and both of its outputs come back."""
    docker, calls = client(tmp_path)
    engine.answers |= {
        "POST /containers/c1/exec": (201, {"Id": "e1"}),
        "POST /exec/e1/start": (200, piece(1, "judged\n") + piece(2, "badly\n")),
        "GET /exec/e1/json": (200, {"ExitCode": 3}),
    }
    assert docker.execute("c1", "openbell", "gate") == Answer(3, "judged\nbadly\n")
    assert json.loads(engine.asked[0])["Cmd"] == ["openbell", "gate"]
    assert calls == []


def test_a_command_that_may_have_begun_is_not_begun_again(engine: type[Engine], tmp_path: Path) -> None:
    """The engine died in the middle of it: the command line is not asked to run it once more."""
    docker, calls = client(tmp_path)
    engine.answers |= {"POST /containers/c1/exec": (201, {"Id": "e1"}), "POST /exec/e1/start": (0, b"")}
    answer = docker.execute("c1", "openbell", "gate")
    assert (answer.ok, calls) == (False, [])


def test_a_command_that_takes_too_long(engine: type[Engine], tmp_path: Path) -> None:
    """As Docker's command line is ended then."""
    docker, calls = client(tmp_path)
    late = threading.Event()
    engine.answers |= {"POST /containers/c1/exec": (201, {"Id": "e1"}), "POST /exec/e1/start": (200, late)}
    assert docker.execute("c1", "sleep", seconds=0.05).code == TIMED_OUT
    late.set()
    assert calls == []


@pytest.mark.parametrize("status", [404, 409, 500])
def test_what_the_engine_does_not_do_the_command_line_is_asked_for(
    engine: type[Engine], status: int, tmp_path: Path
) -> None:
    """It says why, in the words that people know."""
    engine.answers["POST /containers/c1/exec"] = (status, {"message": "no"})
    docker, calls = client(tmp_path, cli=Answer(1, "Error: No such container: c1"))
    assert docker.execute("c1", "true").reason == "Error: No such container: c1"
    assert calls == ["exec c1 true"]


def test_without_a_socket_the_command_line_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is elsewhere, or not there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    docker, calls = client(tmp_path)
    assert not docker.answers()
    assert docker.state("c1") == ("unknown", 0)
    assert calls[0] == "version"


@pytest.mark.parametrize(
    "environment,config,default",
    [
        ({}, None, True),
        ({}, {"auths": {}}, True),
        ({}, {"currentContext": "default"}, True),
        ({}, {"currentContext": "rootless"}, False),
        ({"DOCKER_HOST": "tcp://elsewhere:2375"}, None, False),
        ({"DOCKER_CONTEXT": "rootless"}, None, False),
    ],
)
def test_only_the_engine_that_docker_itself_talks_to_is_asked(
    environment: dict[str, str], config: dict[str, object] | None, default: bool, tmp_path: Path
) -> None:
    """A context or DOCKER_HOST leads to another one."""
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    assert is_default({"DOCKER_CONFIG": str(tmp_path), **environment}) is default


@pytest.mark.parametrize("raw,text", [(b"", ""), (b"a terminal's line\n", "a terminal's line\n")])
def test_an_output_without_pieces(raw: bytes, text: str) -> None:
    """A container with a terminal sends its output as it is."""
    assert output(raw) == text
