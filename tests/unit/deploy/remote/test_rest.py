"""A project at rest for as long as the other end holds the lock: whatever becomes of that, one end of it is clear."""

import os
from pathlib import Path

import pytest

from deploy.remote.docker_client import Answer
from deploy.remote.rest import Rest
from deploy.remote.session import Lines, hold_lock
from tests.unit.deploy.remote.engine import FakeEngine


@pytest.fixture
def engine() -> FakeEngine:
    """An engine on which a strategy and the supervisor run, and a strategy that a person has stopped."""
    made = FakeEngine()
    made.add("pulse")
    made.add("supervisor")
    made.add("idle", state="exited").stopped_by_hand = True
    return made


def session(engine: FakeEngine, root: Path, *lines: str) -> None:
    """Hold the lock for a peer that says these lines and then is gone, as one whose connection is lost."""
    reading, writing = os.pipe()
    os.write(writing, "".join(f"{line}\n" for line in ("{}", *lines)).encode())
    os.close(writing)
    assert hold_lock(root, "", Lines(reading), Rest(engine.client())) == 0
    os.close(reading)


def states(engine: FakeEngine) -> dict[str, str]:
    """Return the state of each container, by service."""
    return {one.service: one.state for one in engine.containers.values()}


def policies(engine: FakeEngine) -> set[str]:
    """Return what the engine does with containers that end."""
    return {one.policy for one in engine.containers.values()}


def test_what_was_stopped_runs_again_when_the_peer_is_gone(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a person had stopped stays so; meanwhile a reboot would have started the others."""
    seen = []
    engine.after = lambda: seen.append((states(engine), [one.comes_back for one in engine.containers.values()]))
    session(engine, tmp_path, "stop bells")
    assert capsys.readouterr().out.splitlines() == ["locked", "stopped"]
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


def test_what_is_to_stay_stopped_stays_so_after_a_reboot_too(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It runs elsewhere by then."""
    session(engine, tmp_path, "stop bells", "stay")
    assert capsys.readouterr().out.splitlines() == ["locked", "stopped", "stays"]
    assert set(states(engine).values()) == {"exited"}
    assert not any(one.comes_back for one in engine.containers.values())


def test_what_was_to_stay_stopped_can_be_started_after_all(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it was before."""
    session(engine, tmp_path, "stop bells", "stay", "again")
    assert capsys.readouterr().out.splitlines()[-1] == "runs"
    assert states(engine)["pulse"] == "running"
    assert policies(engine) == {"unless-stopped"}


def test_a_stop_that_fails_is_told_and_everything_runs(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the engine's own word."""
    engine.answers["stop "] = lambda _: Answer(1, "permission denied")
    session(engine, tmp_path, "stop bells")
    assert capsys.readouterr().out.splitlines() == ["locked", "failed permission denied"]
    assert states(engine)["pulse"] == "running"
    assert policies(engine) == {"unless-stopped"}
