"""`openbell host` follows newer folders: a new loop takes over from the old one, and the others do not notice."""

import json
import os
import shutil
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from openbell import heartbeat, reloads
from openbell.commands import gate, reload
from openbell.runner.multi import ManagedLoop, followed
from tests.process.runner.test_multi import HOLDS, PATIENCE, Machine, machine
from tests.unit.runner.fakes import wait_for

__all__ = ["machine"]

HOST = os.uname().nodename


class Newer:
    """An image with newer folders of two strategies, and the volume that a container's loops follow."""

    def __init__(self, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        two_of(machine)
        self._machine, self._capsys = machine, capsys
        self.image, self.volume = machine.root / "newer", machine.root / "reloads"
        self.volume.mkdir()
        shutil.copytree(machine.root / "strategies", self.image)
        machine.environment["OPENBELL_RELOADS"] = str(self.volume)
        monkeypatch.setenv("OPENBELL_RELOADS", str(self.volume))
        monkeypatch.setenv("OPENBELL_STRATEGIES", str(self.image))

    def place(self, name: str, code: str, release: str) -> str:
        """Change a strategy and place all folders; return the tree's name."""
        (self.image / name / "strategy.py").write_text(code)
        (self.image / name / "release").write_text(f"{release}\n")
        self._capsys.readouterr()
        assert reload.main(["place", HOST, f"of-{release}"]) == 0
        return str(json.loads(self._capsys.readouterr().out)["tree"])

    def point(self, *words: str) -> None:
        """Say which folders are wanted, and let the host follow if it runs."""
        assert reload.main(["point", HOST, *words]) == 0
        if self._machine.process and self._machine.process.poll() is None:
            self._machine.process.send_signal(reloads.SIGNAL)

    def shown(self) -> dict[str, Any]:
        """Return what `openbell reload show` prints."""
        self._capsys.readouterr()
        assert reload.main(["show"]) == 0
        found: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return found


@pytest.fixture
def newer(machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Newer:
    """Newer folders of what the machine has; nothing is started."""
    return Newer(machine, monkeypatch, capsys)


def two_of(machine: Machine) -> None:
    """Write two strategies with their releases."""
    for name in ("changed", "steady"):
        machine.write(name)
        (machine.root / "strategies" / name / "release").write_text("first\n")


def start(machine: Machine) -> None:
    """Start the host, and wait until both strategies run."""
    machine.start()
    for name in ("changed", "steady"):
        machine.wait_for_runs(name, 2)


def test_a_new_loop_takes_over(machine: Machine, newer: Newer) -> None:
    """It starts beside the old one, which goes on until the folders are handed over; no slot is lost, and it is what a restart runs."""
    start(machine)
    tree = newer.place("changed", HOLDS.replace("fine", "finer"), "second")
    newer.point("--beside", tree)
    wait_for(lambda: "waiting until it ends" in machine.errors.read_text(), "the new loop", PATIENCE)
    runs = len(machine.events("changed", "run_end"))
    machine.wait_for_runs("changed", runs + 2)
    assert len(machine.events("changed", "service_start")) == 1
    newer.point("--now", tree)
    wait_for(lambda: len(machine.events("changed", "service_start")) == 2, "the second start", PATIENCE)
    # The new loop has the lock before the old one's process is gone.
    ended = "openbell host: changed: the loop of first has ended"
    wait_for(lambda: ended in machine.errors.read_text(), "the old loop's end", PATIENCE)
    machine.wait_for_runs("changed", len(machine.events("changed", "run_end")) + 2)
    (sign,) = [heartbeat.read(machine.root / "journal" / "changed")]
    assert sign is not None
    assert sign.release == "second"
    assert machine.stop() == 0
    starts = machine.events("changed", "service_start")
    assert [(one["release"], one["previous_stop"]) for one in starts] == [("first", "clean"), ("second", "clean")]
    assert len(machine.events("steady", "service_start")) == 1
    assert {one["reason"] for one in machine.events("changed", "decision")} == {"fine", "finer"}
    slots = [datetime.fromisoformat(str(one["slot"])) for one in machine.events("changed", "run_end")]
    assert {(after - before).total_seconds() for before, after in pairwise(slots)} == {1.0}
    machine.start()
    wait_for(lambda: len(machine.events("changed", "service_start")) == 3, "a start of the container", PATIENCE)
    assert machine.events("changed", "service_start")[-1]["release"] == "second"
    assert machine.stop() == 0


def test_a_new_loop_that_cannot_start_and_is_taken_back(machine: Machine, newer: Newer) -> None:
    """The old one goes on all the time; a restart of the container does not know of the new one."""
    start(machine)
    newer.point("--beside", newer.place("changed", "no code\n", "bad"))
    wait_for(lambda: "changed: cannot start: " in machine.errors.read_text(), "its reason", PATIENCE)
    newer.point()
    machine.wait_for_runs("changed", len(machine.events("changed", "run_end")) + 2)
    assert machine.stop() == 0
    assert [one["release"] for one in machine.events("changed", "service_start")] == ["first"]


def test_a_start_knows_nothing_of_what_was_only_beside(machine: Machine, newer: Newer) -> None:
    """A deploy was cut off before it handed over: a stop ends the loop that waits, and a start runs the folders of before."""
    start(machine)
    newer.point("--beside", newer.place("changed", HOLDS, "second"))
    wait_for(lambda: "waiting until it ends" in machine.errors.read_text(), "the new loop", PATIENCE)
    assert machine.stop() == 0
    machine.start()
    wait_for(lambda: len(machine.events("changed", "service_start")) == 2, "the second start", PATIENCE)
    machine.wait_for_runs("changed", len(machine.events("changed", "run_end")) + 1)
    assert "waiting until it ends" not in machine.errors.read_text()
    assert machine.stop() == 0
    assert [one["release"] for one in machine.events("changed", "service_start")] == ["first", "first"]


def test_what_is_shown(machine: Machine, newer: Newer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders of the image, or the tree that `now` names; what is beside them is not run by a start."""
    tree = newer.place("changed", HOLDS, "second")
    monkeypatch.setenv("OPENBELL_STRATEGIES", str(machine.root / "strategies"))
    newer.point("--beside", tree)
    assert newer.shown() == {"now": "", "beside": tree, "releases": {"changed": "first", "steady": "first"}}
    newer.point("--now", tree)
    assert newer.shown() == {"now": tree, "beside": "", "releases": {"changed": "second", "steady": "first"}}
    assert (newer.volume / HOST / tree / "fingerprint").read_text() == "of-second\n"
    assert not (newer.volume / HOST / "beside").is_symlink()
    newer.point("--now", "image")
    assert newer.shown()["now"] == ""


def test_what_no_container_runs_is_removed(newer: Newer) -> None:
    """Trees that no link names, and all of containers that are gone."""
    reload.main(["place", "gone", "x"])
    trees = [newer.place("changed", HOLDS, release) for release in ("second", "third", "fourth")]
    newer.point("--now", trees[0])
    newer.point("--beside", trees[1])
    reload.main(["prune", HOST, "another"])
    assert [one.name for one in newer.volume.iterdir()] == [HOST]
    assert {one.name for one in (newer.volume / HOST).iterdir()} == {"now", "beside", *trees[:2]}


def test_a_link_to_nothing_is_none(tmp_path: Path) -> None:
    """The folders of the image are what is left."""
    environment = {"OPENBELL_RELOADS": str(tmp_path), "OPENBELL_STRATEGIES": "/strategies"}
    own = tmp_path / HOST
    own.mkdir()
    assert reloads.current(environment) == Path("/strategies")
    (own / "now").symlink_to("gone")
    assert reloads.current(environment) == Path("/strategies")
    assert reloads.wanted(environment, "beside") is None


def test_the_gate_asks_for_a_beat_of_the_folder_that_is_to_run(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The loop before a reload beats in the same container: that says nothing of the new one."""
    two_of(machine)
    start(machine)
    for name, value in machine.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(gate, "started", lambda: 0.0)
    assert gate.main(["--beat", "5"]) == 0
    (machine.root / "strategies" / "changed" / "release").write_text("second\n")
    assert gate.main(["--beat", "0.2", "--strategies", "changed"]) == 3
    assert "changed: no sign of life" in capsys.readouterr().err
    assert gate.main(["--beat", "0.2", "--strategies", "steady"]) == 0
    assert machine.stop() == 0


def test_a_loop_that_leaves_is_wanted_again(tmp_path: Path) -> None:
    """It drains all the same: another one of its folder is started, and waits for its lock."""
    leaving = ManagedLoop(tmp_path / "demo", {}, process=os.getpid(), release="a", leaves=True)
    wanted = ManagedLoop(tmp_path / "demo", {}, release="a")
    assert followed([leaving], [wanted]) == [leaving, wanted]
