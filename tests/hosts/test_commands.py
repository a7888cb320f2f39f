"""What people want reaches the loop that owns the strategy, from whichever host they ask."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.cluster import Cluster, problems


@pytest.fixture
def cluster(tmp_path: Path, url: str) -> Iterator[Cluster]:
    """A host that runs the strategy, and another whose loop is not started."""
    one = Cluster(tmp_path, url)
    try:
        one.hosts["a"].start()
        one.wait(lambda: one.events("run_end"), 30, "the first run")
        yield one
    finally:
        one.close()


def command(cluster: Cluster, *arguments: str) -> str:
    """Run a command as on the other host, and return what it prints."""
    host = cluster.hosts["b"]
    process = subprocess.run(
        [sys.executable, "-m", "openbell", *arguments],
        env=host.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_a_pause_a_halt_and_a_request_reach_the_owner(cluster: Cluster) -> None:
    """Each within seconds; and each is over when it is taken back."""
    assert "paused until it is resumed" in command(cluster, "pause", "b", "--reason", "looks odd")
    cluster.wait(lambda: cluster.events("slot_skipped"), 10, "a slot that is passed over")
    assert {event["reason"] for event in cluster.events("slot_skipped")} == {"paused"}
    assert "resumed" in command(cluster, "resume", "b")
    ran = len(cluster.events("run_end"))
    cluster.wait(lambda: len(cluster.events("run_end")) > ran, 10, "a run after the pause")
    assert command(cluster, "owners") == "demo  runs on a (epoch 1)\n"
    command(cluster, "halt", "--reason", "enough")
    cluster.wait(lambda: cluster.events("trading_halted"), 10, "the halt")
    ordered = len(cluster.orders())
    cluster.wait(lambda: len(refused(cluster)) >= 2, 10, "orders that are not sent")
    assert len(cluster.orders()) <= ordered + 1  # one may have been on its way
    assert command(cluster, "unhalt") == "strategies may send orders again\n"
    cluster.wait(lambda: cluster.events("trading_resumed"), 10, "the end of the halt")
    assert cluster.hosts["a"].stop() == 0
    assert problems(cluster.events(), cluster.orders()) == []


def refused(cluster: Cluster) -> list[object]:
    """Return the orders that the halt kept back."""
    return [event for event in cluster.events("decision") if "halted" in str(event.get("reason"))]


def test_what_the_loop_has_paused_by_itself_stays_so_elsewhere(cluster: Cluster) -> None:
    """Its answers go to the next owner: a bot that failed too often is not started anew by a takeover."""
    (cluster.folder / "strategy.py").write_text("def run(ctx):\n    raise ValueError('no')\n")
    manifest = (cluster.folder / "strategy.toml").read_text()
    (cluster.folder / "strategy.toml").write_text(manifest + "halt_after = 2\nretries = 0\n")
    assert cluster.hosts["a"].stop() == 0
    cluster.hosts["a"].start()
    cluster.wait(lambda: cluster.events("bot_paused"), 30, "the loop's own pause")
    cluster.hosts["b"].start()
    cluster.wait(lambda: b"standing by" in cluster.hosts["b"].said.read_bytes(), 30, "the standby")
    assert cluster.hosts["a"].stop() == 0
    ended = len(cluster.events("run_end"))
    skipped = len(cluster.events("slot_skipped"))
    cluster.wait(lambda: len(cluster.events("service_start")) >= 3, 20, "the takeover")
    cluster.wait(lambda: len(cluster.events("slot_skipped")) > skipped + 1, 10, "slots that are passed over")
    assert len(cluster.events("run_end")) == ended
