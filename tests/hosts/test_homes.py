"""Where strategies run if they can: homes, standbys, and a strategy that is moved between two real loops."""

import subprocess
import sys
from pathlib import Path

import pytest

from openbell.postgres import homes
from openbell.postgres.database import Database
from openbell.postgres.homes import PRESENT, TRUSTED, Home
from openbell.postgres.ownership import Ownership
from tests.hosts.cluster import Cluster, problems


@pytest.fixture
def database(database: Database) -> Database:
    """A database in which strategy s is at home on a, and c is its standby."""
    homes.keep(database, {"s": Home("a", "c")})
    return database


def loop(database: Database, host: str) -> Ownership:
    """Return the row as a loop of a host has it."""
    return Ownership(database, "s", f"boot {host}", host)


def age(database: Database, seconds: float) -> None:
    """Move the time at which each loop began to wait into the past, and let each have said just now that it waits."""
    database.execute("UPDATE waiting SET since = since - ? * interval '1 second'", (seconds,))


@pytest.mark.parametrize(
    "host, better, is_free",
    [("b", "a", False), ("b", "c", False), ("c", "a", False), ("c", "b", True), ("a", "c", True), ("a", "b", True)],
)
def test_a_loop_of_a_better_place_goes_first(database: Database, host: str, better: str, is_free: bool) -> None:
    """While it waits: home before standby, before all others. One that has gone holds up no other for long."""
    homes.wait(database, "s", better)
    assert (loop(database, host).acquire() is not None) is is_free
    database.execute("UPDATE waiting SET until = until - ? * interval '1 second'", (PRESENT,))
    if not is_free:
        assert loop(database, host).acquire() is not None


def test_an_owner_gives_way_to_a_loop_that_has_waited_long_enough(database: Database) -> None:
    """Not to one that has just started, which may be one that crashes again and again."""
    owner = loop(database, "b")
    assert owner.acquire() is not None
    homes.wait(database, "s", "a")
    assert owner.renew(1, "")
    assert owner.awaited_by == ""
    age(database, TRUSTED + 1)
    homes.wait(database, "s", "a")
    assert owner.renew(1, "")
    assert owner.awaited_by == "a"
    homes.wait_no_more(database, "s", "a")
    assert owner.renew(1, "")
    assert owner.awaited_by == ""


def test_without_homes_all_hosts_are_equal(database: Database) -> None:
    """And no loop has to say that it waits."""
    homes.forget(database, "s")
    homes.wait(database, "s", "a")
    assert not homes.waits(database, "s", "a")
    assert loop(database, "b").acquire() is not None


@pytest.mark.parametrize(
    "fixed, before, expected",
    [
        ({}, {}, {"big": ("a", "b"), "mid": ("b", "a"), "tiny": ("b", "a")}),
        ({"big": ("b", "")}, {}, {"big": ("b", "a"), "mid": ("a", "b"), "tiny": ("a", "b")}),
        ({}, {"tiny": ("a", "b")}, {"tiny": ("a", "b"), "big": ("b", "a"), "mid": ("a", "b")}),
        ({}, {"tiny": ("gone", "a")}, {"tiny": ("a", "b"), "big": ("b", "a"), "mid": ("a", "b")}),
        ({"mid": ("", "a")}, {}, {"mid": ("b", "a"), "big": ("a", "b"), "tiny": ("b", "a")}),
    ],
    ids=["by memory", "a fixed home", "as before", "a host that is not there any more", "a fixed standby"],
)
def test_strategies_are_placed(
    fixed: dict[str, tuple[str, str]], before: dict[str, tuple[str, str]], expected: dict[str, tuple[str, str]]
) -> None:
    """As they are named, else as before, else so that hosts need the same memory."""
    needs = {"big": 100, "mid": 60, "tiny": 20}
    given = [{name: Home(*one) for name, one in some.items()} for some in (fixed, before)]
    assert homes.placed(needs, ["a", "b"], *given) == expected


def test_on_one_host_there_is_no_standby() -> None:
    """The home is all that there is."""
    assert homes.placed({"s": 1}, ["a"], {}, {}) == {"s": ("a", "")}


def move(cluster: Cluster, host: str) -> "subprocess.CompletedProcess[str]":
    """Move the strategy, by the command that `make move` runs there."""
    return subprocess.run(
        [sys.executable, "-m", "openbell", "move", "demo", host, "--for", "60"],
        env=cluster.hosts["a"].environment, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


@pytest.mark.hosts_long
def test_a_strategy_is_moved_between_two_runs(tmp_path: Path, url: str) -> None:
    """And back: the owner lets go in order, the other takes it at once, and nothing is lost or done twice."""
    cluster = Cluster(tmp_path, url)
    (cluster.folder / "strategy.toml").write_text(
        (cluster.folder / "strategy.toml").read_text().replace('every = "1s"', 'every = "5s"')
    )
    try:
        cluster.hosts["a"].start()
        cluster.wait(lambda: cluster.events("run_end"), 30, "the first run")
        refused = move(cluster, "b")
        assert (refused.returncode, refused.stderr) == (
            1,
            "openbell move: no loop of demo stands by on b: deploy there first\n",
        )
        cluster.hosts["b"].start()
        cluster.wait(lambda: b"standing by" in cluster.hosts["b"].said.read_bytes(), 30, "the standby")
        for host, epoch in (("b", 2), ("a", 3)):
            done = move(cluster, host)
            assert done.returncode == 0, done.stderr
            owner = cluster.owner()
            assert owner is not None
            assert (owner.host, owner.epoch) == (host, epoch)
        ran = len(cluster.events("run_end"))
        cluster.wait(lambda: len(cluster.events("run_end")) > ran + 1, 20, "runs after it")
        assert all(host.process is not None and host.process.poll() is None for host in cluster.hosts.values())
        assert {event["outcome"] for event in cluster.events("run_end")} == {"succeeded"}
        assert [event["reason"] for event in cluster.events("service_stop")] == ["moved", "moved"]
        assert cluster.hosts["a"].stop() == 0
        assert problems(cluster.events(), cluster.orders(), seconds=5) == []
    finally:
        cluster.close()
