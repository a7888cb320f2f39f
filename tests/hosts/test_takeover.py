"""Two real loops on one real PostgreSQL, with a bot that is due every second: the owner is killed, frozen, and stopped."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from openbell.postgres.lease import IN_FLIGHT, LEASE, LONGEST_TAKEOVER
from tests.hosts.cluster import Cluster, Host, problems

SLOWNESS = 6.0  # seconds that a busy machine may add


@pytest.fixture
def cluster(tmp_path: Path, url: str) -> Iterator[Cluster]:
    """Two hosts; the first runs the strategy, the second stands by."""
    one = Cluster(tmp_path, url)
    try:
        one.hosts["a"].start()
        one.wait(lambda: len(one.events("run_end")) >= 3, 30, "the first runs")
        one.hosts["b"].start()
        one.wait(lambda: b"standing by" in one.hosts["b"].said.read_bytes(), 30, "the standby")
        yield one
    finally:
        one.close()


def runs_of(cluster: Cluster, epoch: int, count: int = 3) -> bool:
    """Tell whether so many runs have ended since the strategy's newest owner began, and it has this epoch."""
    owner = cluster.owner()
    if owner is None or owner.epoch != epoch:
        return False
    boot = cluster.events("service_start")[-1]["boot_id"]
    ended = [event for event in cluster.events("run_end") if event["boot_id"] == boot]
    return len(cluster.events("service_start")) >= epoch and len(ended) >= count


def end(cluster: Cluster, host: Host) -> None:
    """Stop a host in order, and see that nothing was lost, and nothing done twice."""
    assert host.stop() == 0
    assert problems(cluster.events(), cluster.orders()) == []


def test_a_killed_owner_is_replaced_within_the_bound(cluster: Cluster) -> None:
    """After its lease, and the time that an order may be on its way; the runs that it missed run late or are told."""
    cluster.hosts["a"].kill()
    took = cluster.wait(lambda: runs_of(cluster, 2), LONGEST_TAKEOVER + SLOWNESS, "the takeover")
    print(f"\nkilled: the other host has run the strategy after {took:.1f} s")
    end(cluster, cluster.hosts["b"])


@pytest.mark.hosts_long
def test_an_owner_that_was_frozen_has_no_effect_when_it_wakes(cluster: Cluster) -> None:
    """It was replaced meanwhile: it writes nothing, sends nothing, and its process gives up."""
    frozen = cluster.hosts["a"]
    frozen.signal_all(signal.SIGSTOP)
    took = cluster.wait(lambda: runs_of(cluster, 2), LONGEST_TAKEOVER + SLOWNESS, "the takeover")
    print(f"\nfrozen: the other host has run the strategy after {took:.1f} s")
    old = cluster.events("run_start")[0]["boot_id"]
    before = [event for event in cluster.events() if event["boot_id"] == old]
    frozen.signal_all(signal.SIGCONT)
    cluster.wait(
        lambda: frozen.process is not None and frozen.process.poll() is not None, 10, "the end of what was frozen"
    )
    cluster.wait(lambda: runs_of(cluster, 2, 6), 15, "more runs")
    assert [event for event in cluster.events() if event["boot_id"] == old] == before
    end(cluster, cluster.hosts["b"])


def test_an_owner_that_stops_in_order_is_replaced_at_once(cluster: Cluster) -> None:
    """It lets go of what it owns: no lease has to be waited for."""
    assert cluster.hosts["a"].stop() == 0
    took = cluster.wait(lambda: runs_of(cluster, 2, 1), LEASE, "the takeover")
    print(f"\nstopped: the other host has run the strategy after {took:.1f} s")
    assert took < LEASE - IN_FLIGHT
    end(cluster, cluster.hosts["b"])


def test_each_host_has_the_lines_of_the_runs_elsewhere(cluster: Cluster) -> None:
    """So the supervisor of each host, its page and its commands see all of them; and the heartbeat."""
    cluster.wait(lambda: len(cluster.events("run_end")) >= 5, 15, "some runs")
    ran = list(cluster.events("run_end"))
    for host in cluster.hosts.values():
        cluster.wait(lambda host=host: all(event in host.lines() for event in ran), 5, f"the lines at {host.name}")  # type: ignore[misc]
    beats = [(host.folder / "journal" / "demo" / "beat.json") for host in cluster.hosts.values()]
    cluster.wait(lambda: beats[0].exists() and beats[1].exists(), 15, "the heartbeats")
    end(cluster, cluster.hosts["a"])
