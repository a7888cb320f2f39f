"""The beginning of the random walk, and what it counts."""

from collections.abc import Sequence
from pathlib import Path

import docker
import pytest

from tests.deploy.counted import Piece, count
from tests.deploy.walk import walk


def run(slot: str, outcome: str = "succeeded", trigger: str = "loop") -> dict[str, object]:
    """Return the line of a run's end."""
    return {"event": "run_end", "trigger": trigger, "slot": f"2026-11-27T09:{slot}+00:00", "outcome": outcome}


def skipped(slot: str, number: int) -> dict[str, object]:
    """Return the line of slots that were passed over, of which this is the last."""
    slot = f"2026-11-27T09:{slot}+00:00"
    return {"event": "slot_skipped", "slot": slot, "count": number, "outcome": "missed", "reason": "late"}


COUNTS: list[tuple[Sequence[dict[str, object]], int, int, int]] = [
    ([run("00:00"), run("00:05"), run("00:10")], 3, 0, 0),
    ([run("00:00"), run("00:10", "failed")], 3, 1, 0),
    ([run("00:00"), run("00:05"), run("00:05")], 2, 0, 1),
    ([run("00:00"), skipped("00:15", 3), run("00:20")], 5, 0, 0),
    ([run("00:00"), skipped("00:15", 3), run("00:10")], 4, 0, 1),
    ([run("00:00"), run("00:01", trigger="manual"), run("00:05")], 2, 0, 0),
]


@pytest.mark.parametrize("lines, slots, lost, doubled", COUNTS)
def test_slots_are_counted(lines: Sequence[dict[str, object]], slots: int, lost: int, doubled: int) -> None:
    """What is told of none is lost, what is told of twice is doubled."""
    found = count(lines)
    assert (found.slots, len(found.lost), len(found.doubled)) == (slots, lost, doubled)


def test_a_walk_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its seed and for the same sources; otherwise it begins anew."""
    monkeypatch.setattr("tests.deploy.counted.KEPT", tmp_path / "cache" / "walk.json")
    assert Piece.kept(1, "sources") == Piece(1, "sources")
    first = Piece(1, "sources").after({"deploy": 5, "prune": 2}, count([run("00:00"), run("00:05", "failed")]), 60.0)
    first.keep()
    second = Piece.kept(1, "sources").after({"prune": 5}, count([run("00:00")]), 30.0)
    assert (second.pieces, second.steps, second.slots, second.outcomes) == (2, 12, 3, {"succeeded": 2, "failed": 1})
    assert second.table().splitlines() == ["STEPS  KIND", "7      prune", "5      deploy"]
    for seed, of in ((2, "sources"), (1, "others"), (1, "")):
        assert Piece.kept(seed, of).steps == 0


@pytest.mark.deploy_long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_eight_steps_at_random(engine: docker.DockerClient, tmp_path: Path, suite: str) -> None:
    """After each a healthy release runs, and every slot so far is told of once."""
    with walk(engine, tmp_path, seed=8, suite="trixie" if suite == "trixie" else "bookworm") as one:
        for _ in range(8):
            one.take()
        assert count(one.lines()).outcomes["succeeded"] > 8
