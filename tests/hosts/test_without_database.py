"""A database that is gone: its owner stops in time, nothing trades, and all goes on when it is back."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from openbell.postgres.lease import END_BEFORE, LEASE
from tests.hosts.cluster import Cluster, descendants, problems
from tests.serverless.postgres import Server, running_server

SLOWNESS = 6.0  # seconds that a busy machine may add
LONG = "import time\ndef run(ctx):\n    ctx.order('AAPL', 'buy', 1, reason='due')\n    time.sleep(60)\n"


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server that these tests may stop."""
    with running_server() as one:
        yield one


def send(server: Server, number: signal.Signals) -> None:
    """Send a signal to all of the server's processes."""
    main = int((server.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    for process in [main, *descendants(main)]:
        os.kill(process, number)


def test_a_silent_database_ends_the_runs_in_time(own: Server, tmp_path: Path) -> None:
    """Also a run that would take much longer; the host stands by, and runs the strategy again when there are answers."""
    cluster = Cluster(tmp_path, own.url(), ("a",))
    host = cluster.hosts["a"]
    (cluster.folder / "strategy.py").write_text(LONG)
    manifest = (cluster.folder / "strategy.toml").read_text().replace('timeout = "5s"', 'timeout = "90s"\nretries = 0')
    (cluster.folder / "strategy.toml").write_text(manifest)
    try:
        host.start()
        cluster.wait(lambda: cluster.events("decision"), 30, "an order that is settled")
        assert host.process is not None
        loop = host.process.pid
        assert descendants(loop)
        send(own, signal.SIGSTOP)
        try:
            took = cluster.wait(lambda: not descendants(loop), LEASE - END_BEFORE / 2 + SLOWNESS, "the end of the run")
            print(f"\nwithout an answer: the runs had ended after {took:.1f} s")
            assert len(cluster.orders()) == 1
        finally:
            send(own, signal.SIGCONT)
        if host.process.poll() is not None:  # it hung for too long, and what starts it would start it again
            host.start()
        cluster.wait(lambda: len(cluster.events("service_start")) >= 2, 45, "the next ownership")
        cluster.wait(lambda: cluster.events("run_end"), 30, "an outcome of the run that was cut off")
        assert cluster.events("run_end")[0]["outcome"] == "interrupted"
        assert problems([], cluster.orders()) == []
    finally:
        cluster.close()
