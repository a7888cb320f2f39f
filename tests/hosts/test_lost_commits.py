"""A database that has lost commits that it had confirmed: nothing goes on as if it had not, and no order is sent twice."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.paths import EPOCH
from openbell.postgres import history
from openbell.postgres.database import Database, Guard, OwnershipLostError
from openbell.postgres.history import History
from openbell.postgres.journal import OwnedJournal
from openbell.postgres.journal_copy import JournalCopy
from openbell.postgres.ledger import PostgresLedger
from openbell.postgres.ownership import Ownership
from tests.hosts.cluster import BROKER, Cluster, problems
from tests.hosts.replica import Replica
from tests.serverless.postgres import running_server

BEFORE = History("00000001", 1000.0, 16400)
# A venue that knows an order's id only as long as the order is open.
FORGETS = BROKER.replace(
    "    def find(self, client_order_id):\n",
    "    finds_every_order = False\n\n    def find(self, client_order_id):\n        return None\n",
)


@pytest.mark.parametrize(
    "now, has_lost",
    [
        (BEFORE, False),
        (BEFORE._replace(position=2000.0), False),
        (BEFORE._replace(timeline="00000002", position=2000.0), True),
        (BEFORE._replace(position=999.0), True),
        (BEFORE._replace(position=2000.0, tables=16500), True),
        (history.UNTOLD, True),
    ],
    ids=["the same", "more log", "a new timeline", "less log", "other tables", "a server that tells nothing"],
)
def test_another_history_is_noticed(now: History, has_lost: bool) -> None:
    """By any of the three; more log alone is the usual course."""
    assert now.has_lost(BEFORE) is has_lost
    assert not history.UNTOLD.has_lost(history.UNTOLD)


@pytest.mark.parametrize(
    "now, before, settled, is_uncertain",
    [
        (BEFORE, None, "", False),
        (BEFORE, None, BEFORE.timeline, False),
        (BEFORE, None, "00000002", True),
        (BEFORE, BEFORE, BEFORE.timeline, False),
        (BEFORE._replace(position=999.0), BEFORE, BEFORE.timeline, True),
        (BEFORE._replace(timeline="00000002"), BEFORE, BEFORE.timeline, True),
        (BEFORE._replace(timeline="00000003"), BEFORE, "00000002", True),
        (BEFORE._replace(timeline="00000002"), BEFORE, "00000002", False),
        (BEFORE._replace(timeline="00000002", tables=16500), BEFORE, "00000002", True),
        (BEFORE, BEFORE._replace(timeline="00000002"), BEFORE.timeline, True),
        (BEFORE, history.UNTOLD, BEFORE.timeline, True),
        (history.UNTOLD, history.UNTOLD, "", False),
    ],
)
def test_what_another_owner_has_compared_is_not_compared_again(
    now: History, before: History | None, settled: str, is_uncertain: bool
) -> None:
    """A host that remembers a timeline before a promotion takes over as usual once an owner was sure since then."""
    assert history.is_uncertain(now, before, settled) is is_uncertain


def test_a_host_remembers_the_history(database: Database, tmp_path: Path) -> None:
    """In a file, which no database loses; a real server tells all of it."""
    (tmp_path / "state").mkdir()
    assert history.known(tmp_path / "state") is None
    now = history.read(database)
    assert now.timeline == "00000001"
    assert now.position > 0
    history.keep(tmp_path / "state", now)
    assert history.known(tmp_path / "state") == now
    assert not history.read(database).has_lost(now)


@pytest.mark.parametrize("guard", [Guard("s", 1, "boot", "00000002"), Guard("s", 1, "other", "00000001")])
def test_no_write_passes_on_another_timeline(
    database: Database, url: str, guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor under the same epoch of another loop, which a database that has lost commits may have given twice."""
    assert Ownership(database, "s", "boot", "a").acquire() is not None
    right = PostgresLedger(url, "s", prepare=True, guard=Guard("s", 1, "boot", "00000001"))
    right.remember("a", "1")
    monkeypatch.setenv(EPOCH, f"{guard.epoch} {guard.owner} {guard.timeline}")
    with pytest.raises(OSError, match="not owned by this loop any more"):
        OwnedJournal(url, tmp_path, "s", "boot").write("note", datetime.now(UTC), message="late")
    with pytest.raises(OwnershipLostError):
        PostgresLedger(url, "s", guard=guard).remember("a", "2")
    assert right.fact("a") == "1"


def test_an_owner_that_was_settled_on_another_timeline_is_told(database: Database) -> None:
    """Whichever host it was on: the row tells on which timeline the strategy was last sure of its ledger."""
    first = Ownership(database, "s", "boot", "a")
    acquired = first.acquire()
    assert acquired is not None
    assert acquired[:3] == (1, "", "")
    first.settle(1, "00000001")
    first.release(1)
    second = Ownership(database, "s", "other", "b")
    acquired = second.acquire()
    assert acquired is not None
    assert acquired[:3] == (2, "", "00000001")
    first.settle(1, "00000009")  # by an older epoch: without effect
    second.release(2)
    acquired = first.acquire()
    assert acquired is not None
    assert acquired[:3] == (3, "", "00000001")


def test_lines_under_numbers_that_are_given_anew_are_copied(database: Database, url: str, tmp_path: Path) -> None:
    """The folder has lines that the database has lost; what it writes under their numbers comes too, once."""
    at = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    (tmp_path / "state" / "s").mkdir(parents=True)

    def write(*messages: str) -> None:
        for message in messages:
            line = json.dumps({"timestamp": at.isoformat(), "event": "note", "message": message})
            database.execute(
                "INSERT INTO journal (strategy, at, run_id, line) VALUES (?, ?, NULL, ?)", ("s", at.isoformat(), line)
            )

    def copied() -> list[str]:
        copy = JournalCopy(url, tmp_path / "journal", {"s": tmp_path / "state" / "s"})
        assert copy.copy_lines() is False
        text = (tmp_path / "journal" / "s" / "2026-11-20.jsonl").read_text()
        return [str(json.loads(line)["message"]) for line in text.splitlines()]

    write("kept", "lost 1", "lost 2")
    assert copied() == ["kept", "lost 1", "lost 2"]
    database.execute("DELETE FROM journal WHERE number > 1")
    database.execute("ALTER TABLE journal ALTER COLUMN number RESTART WITH 2")
    cursor = tmp_path / "state" / "s" / "copied"
    cursor.write_text(cursor.read_text().replace("00000001", "00000000"))
    write("new 2", "new 3")
    assert copied() == ["kept", "lost 1", "lost 2", "new 2", "new 3"]
    assert copied() == ["kept", "lost 1", "lost 2", "new 2", "new 3"]


def refused(cluster: Cluster) -> list[object]:
    """Return the orders that were refused because the broker holds what the ledger does not know of."""
    return [one for one in cluster.events("decision") if "unexplained difference" in str(one.get("reason"))]


def adopt(cluster: Cluster) -> None:
    """Take the broker's word, as a person would, where the strategy runs."""
    owner = cluster.owner()
    assert owner is not None
    words = [sys.executable, "-m", "openbell", "reconcile", "--adopt"]
    environment = cluster.hosts[owner.host].environment
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.hosts_long
@pytest.mark.parametrize("broker", [BROKER, FORGETS], ids=["ids are remembered", "ids are forgotten"])
def test_no_order_is_sent_twice_after_a_promotion_that_lost_commits(tmp_path: Path, broker: str) -> None:
    """What is due by then may have run: it is told as unknown. Then the account is compared, and all goes on."""
    with running_server() as primary:
        cluster = Cluster(tmp_path, primary.url())
        (cluster.folder / "log_broker.py").write_text(broker)
        replica = None
        try:
            cluster.hosts["a"].start()
            cluster.wait(cluster.orders, 30, "the first orders")
            cluster.hosts["b"].start()
            cluster.wait(lambda: b"standing by" in cluster.hosts["b"].said.read_bytes(), 30, "the standby")
            replica = Replica(primary)
            had = len(cluster.orders())
            cluster.wait(lambda: len(cluster.orders()) >= had + 4, 30, "orders that are to be forgotten")
            known = len(cluster.orders())
            replica.take_over()
            cluster.database.close()
            took = cluster.wait(lambda: refused(cluster), 60, "orders that wait for a person")
            print(f"\npromoted after lost commits: the account was compared after {took:.1f} s")
            assert len(cluster.orders()) == known
            adopt(cluster)
            cluster.wait(lambda: len(cluster.orders()) > known + 2, 15, "orders on the new timeline")
            cluster.wait(lambda: cluster.events("slot_skipped"), 10, "slots that are not known")
            assert "unknown" in {event["reason"] for event in cluster.events("slot_skipped")}
            lines = cluster.events("run_end")[-1]
            for host in cluster.hosts.values():
                cluster.wait(lambda host=host: lines in host.lines(), 15, f"the newest line at {host.name}")  # type: ignore[misc]
            assert [host.stop() for host in cluster.hosts.values()] == [0, 0]
            assert problems(cluster.events(), cluster.orders()) == []
        finally:
            cluster.close()
            if replica is not None:
                replica.close()
