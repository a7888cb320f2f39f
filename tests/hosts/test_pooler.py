"""Two hosts behind a PgBouncer that gives each transaction another connection, as Neon's and Supabase's poolers do."""

from pathlib import Path

from openbell.postgres.lease import IN_FLIGHT, LEASE
from tests.hosts.cluster import Cluster, problems
from tests.serverless.pooler import running_pooler

CONNECTIONS = 3  # fewer than there are processes: loops, runs, and the test itself


def test_ownership_holds_behind_a_pooler(tmp_path: Path, url: str) -> None:
    """Runs, a standby, and a takeover after a stop in order: no slot is lost, and nothing is done twice."""
    with running_pooler(url, CONNECTIONS) as pooled:
        cluster = Cluster(tmp_path, pooled)
        first, second = cluster.hosts.values()
        try:
            first.start()
            cluster.wait(lambda: len(cluster.events("run_end")) >= 2, 30, "runs")
            second.start()
            cluster.wait(lambda: b"standing by" in second.said.read_bytes(), 30, "the standby")
            assert first.stop() == 0
            ran = len(cluster.events("run_end"))
            took = cluster.wait(lambda: len(cluster.events("run_end")) >= ran + 2, LEASE, "the takeover")
            assert took < LEASE - IN_FLIGHT
            assert second.stop() == 0
            assert problems(cluster.events(), cluster.orders()) == []
        finally:
            cluster.close()
