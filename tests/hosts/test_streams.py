"""A stream runs where its strategy is owned, and nowhere else."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from openbell.postgres.lease import LONGEST_TAKEOVER
from tests.hosts.cluster import Cluster

MANIFEST = """
timezone = "UTC"
broker = "paper"
[[bot]]
id = "b"
kind = "stream"
symbols = ["AAPL"]
"""
CODE = """
import os, time

def stream(ctx):
    while True:
        ctx.beat()
        ctx.log("alive", process=os.getpid())
        time.sleep(0.2)
"""
SLOWNESS = 10.0  # seconds that a busy machine may add


@pytest.fixture
def cluster(tmp_path: Path, url: str) -> Iterator[Cluster]:
    """Two hosts; the stream runs on the first, and the second stands by."""
    one = Cluster(tmp_path, url)
    (one.folder / "strategy.toml").write_text(MANIFEST)
    (one.folder / "strategy.py").write_text(CODE)
    try:
        one.hosts["a"].start()
        one.wait(lambda: notes(one), 30, "the stream")
        one.hosts["b"].start()
        one.wait(lambda: b"standing by" in one.hosts["b"].said.read_bytes(), 30, "the standby")
        yield one
    finally:
        one.close()


def notes(cluster: Cluster) -> list[tuple[str, int]]:
    """Return who has written the stream's notes, in order: the loop's boot, and the process."""
    return [(str(line["boot_id"]), int(str(line["process"]))) for line in cluster.events("note")]


def is_alive(process: int) -> bool:
    """Tell whether a process goes on; one that has ended stays in the list while its parent is frozen."""
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("how", ["stopped", "its loop frozen"])
def test_a_stream_follows_the_ownership(cluster: Cluster, how: str) -> None:
    """The old process has ended before the new one begins, and writes nothing more."""
    host = cluster.hosts["a"]
    boot, process = notes(cluster)[-1]
    assert host.process is not None
    if how == "stopped":
        assert host.stop() == 0
    else:
        os.kill(host.process.pid, signal.SIGSTOP)
    cluster.wait(lambda: notes(cluster)[-1][0] != boot, LONGEST_TAKEOVER + SLOWNESS, "the stream elsewhere")
    assert not is_alive(process)
    if host.process is not None:
        os.kill(host.process.pid, signal.SIGCONT)
    other, _ = notes(cluster)[-1]
    seen = len(notes(cluster))
    cluster.wait(lambda: len(notes(cluster)) > seen + 5, 20, "more of the stream")
    boots = [one for one, _ in notes(cluster)]
    assert boots == sorted(boots, key=[boot, other].index)
