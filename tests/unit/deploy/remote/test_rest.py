"""A project at rest for as long as the other end holds the lock: whatever becomes of that, one end of it is clear."""

import io
import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from deploy.remote import main
from deploy.remote.docker_client import Answer
from deploy.remote.rest import Rest
from deploy.remote.session import ALIVE, Lines
from tests.unit.deploy.remote.engine import FakeEngine


@pytest.fixture
def engine() -> FakeEngine:
    """An engine on which a strategy and the supervisor run, and a strategy that a person has stopped."""
    made = FakeEngine()
    made.add("pulse")
    made.add("supervisor")
    made.add("idle", state="exited").stopped_by_hand = True
    return made


def session(engine: FakeEngine, root: Path, *lines: str) -> list[str]:
    """Hold the lock for a peer that asks for these and then is gone, as one whose connection is lost; return the answers."""
    asked = [{"words": ["lock", str(root)], "input": "{}"}]
    asked += [{"words": line.split(), "input": ""} for line in lines]
    reading, writing = os.pipe()
    os.write(writing, "".join(f"{line}\n" for line in (ALIVE, *map(json.dumps, asked))).encode())
    os.close(writing)
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(main, "_docker", engine.client)
        patch.setattr(main, "Lines", lambda: Lines(reading))
        patch.setattr(sys, "stdin", None)
        assert main.serve_peer("") == 0
    os.close(reading)
    answers = map(json.loads, printed.getvalue().splitlines())
    return [f"{one['code']} {one['out']}{one['err']}".strip() for one in answers]


def states(engine: FakeEngine) -> dict[str, str]:
    """Return the state of each container, by service."""
    return {one.service: one.state for one in engine.containers.values()}


def policies(engine: FakeEngine) -> set[str]:
    """Return what the engine does with containers that end."""
    return {one.policy for one in engine.containers.values()}


def test_what_was_stopped_runs_again_when_the_peer_is_gone(engine: FakeEngine, tmp_path: Path) -> None:
    """What a person had stopped stays so; meanwhile a reboot would have started the others."""
    seen = []
    engine.after = lambda: seen.append((states(engine), [one.comes_back for one in engine.containers.values()]))
    assert session(engine, tmp_path, "stop bells") == ["0 locked", "0"]
    assert ({"pulse": "exited", "supervisor": "exited", "idle": "exited"}, [True, True, False]) in seen
    assert states(engine) == {"pulse": "running", "supervisor": "running", "idle": "exited"}
    assert policies(engine) == {"unless-stopped"}


def test_a_quiet_moment_is_waited_for_before_a_strategy_stops(engine: FakeEngine, tmp_path: Path) -> None:
    """The supervisor has no runs."""
    session(engine, tmp_path, "stop bells")
    asked = [call for call in engine.calls if call.startswith(("exec", "stop"))]
    assert [call.split()[0] for call in asked] == ["exec", "stop"]
    assert "pulse" in asked[0]
    assert "openbell idle" in asked[0]


def test_what_is_to_stay_stopped_stays_so_after_a_reboot_too(engine: FakeEngine, tmp_path: Path) -> None:
    """It runs elsewhere by then."""
    assert session(engine, tmp_path, "stop bells", "stay") == ["0 locked", "0", "0"]
    assert set(states(engine).values()) == {"exited"}
    assert not any(one.comes_back for one in engine.containers.values())


def test_what_was_to_stay_stopped_can_be_started_after_all(engine: FakeEngine, tmp_path: Path) -> None:
    """As it was before."""
    assert set(session(engine, tmp_path, "stop bells", "stay", "again")[1:]) == {"0"}
    assert states(engine)["pulse"] == "running"
    assert policies(engine) == {"unless-stopped"}


def test_a_stop_that_fails_is_told_and_everything_runs(engine: FakeEngine, tmp_path: Path) -> None:
    """With the engine's own word."""
    engine.answers["stop "] = lambda _: Answer(1, "permission denied")
    assert session(engine, tmp_path, "stop bells") == ["0 locked", "1 openbell: permission denied"]
    assert states(engine)["pulse"] == "running"
    assert policies(engine) == {"unless-stopped"}


def test_what_stays_stopped_is_forgotten_with_the_lock(engine: FakeEngine) -> None:
    """Another lock of the same session stops and starts again."""
    rest = Rest(engine.client())
    rest.begin("bells")
    rest.stay()
    rest.leave()
    for one in engine.containers.values():
        one.state = "running"
    rest.begin("bells")
    assert set(states(engine).values()) == {"exited"}
    rest.leave()
    assert set(states(engine).values()) == {"running"}
