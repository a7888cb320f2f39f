"""Two servers that share a PostgreSQL: one release for both, a strategy that moves, and deploys while the other holds it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import docker
import pytest

from tests.deploy.site import LONGEST, Site, assert_no_slot_is_lost_or_doubled, site
from tests.engine.kit import wait_until
from tests.hosts.own_database import OwnDatabase, own_database
from tests.machine.machine import Machine, running_machine

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(1200)]

EVERY = timedelta(seconds=5)
FIVES = "fives"
BUSY = ("overlap", "coalesced")  # on a slow machine a run lasts longer than five seconds
HOMES = '[vps]\nhome = ["fives"]\n[other]\nstandby = ["fives"]\n'


class OtherMachine(Machine):
    """A second server in the configuration of ssh, by another name."""

    host = "other"


class BothMachines(Machine):
    """The two of them, as HOST= names them."""

    host = "vps,other"


@dataclass(frozen=True)
class Hosts:
    """Two servers, what is said to each and to both, and the database."""

    both: Site
    first: Site
    second: Site
    database: OwnDatabase

    def journal(self) -> list[dict[str, object]]:
        """Return what the first server's page shows of the strategy, wherever it ran."""
        return self.first.journal(FIVES)

    def more_runs(self, host: str) -> None:
        """Wait until the strategy runs on a host, and has run there twice more."""
        line = f"{FIVES}  runs on {host} "
        until = time.monotonic() + 60
        while line not in (said := self.both.run("ps")[1]):
            assert time.monotonic() < until, said
        before = self.ended()
        wait_until(lambda: self.ended() >= before + 2, "two more runs", 60, self.first.machine.container)

    def ended(self) -> int:
        """Return how many runs have succeeded."""
        return sum(line["event"] == "run_end" and line["outcome"] == "succeeded" for line in self.journal())


@pytest.fixture(scope="module")
def hosts(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """A release on both servers, whose database has a certificate of its own."""
    folder = tmp_path_factory.mktemp("site")
    with (
        own_database() as database,
        running_machine(engine) as one,
        running_machine(engine) as two,
        site(engine, one, folder, [FIVES]) as first,
    ):
        database.start()
        text = two.ssh_config.read_text().replace("Host vps", "Host other")
        one.ssh_config.write_text(one.ssh_config.read_text() + text)
        root = folder / "database-root.pem"
        root.write_bytes((database.folder / "cluster" / "tls" / "certificate.pem").read_bytes())
        reached = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
        with (folder / ".env").open("a") as file:
            file.write(f"OPENBELL_DATABASE={database.url('sslmode=verify-ca', reached)}\n")
            file.write(f"OPENBELL_DATABASE_ROOT_FILE={root}\n")
        (folder / "deploy" / "hosts.toml").write_text(HOMES)
        second, both = OtherMachine(two.container, two.keys), BothMachines(one.container, one.keys)
        second.ssh_config = both.ssh_config = one.ssh_config
        found = Hosts(replace(first, machine=both), first, replace(first, machine=second), database)
        command = found.both.start("deploy")
        said = command.end(2 * LONGEST)
        assert command.code == 0, said
        yield found


def test_both_have_one_release_and_each_strategy_one_home(hosts: Hosts) -> None:
    """The standby's loop waits; `make status` says where each strategy runs and is at home, and the page of both shows its runs."""
    assert hosts.first.current() == hosts.second.current() != ""
    for one in (hosts.first, hosts.second):
        assert sorted(one.containers()) == [FIVES, "supervisor"]
        assert [line["action"] for line in one.audit()].count("deploy") == 1, one.audit()
    hosts.more_runs("vps")
    assert "at home on vps" in hosts.both.run("ps")[1]
    wait_until(lambda: hosts.second.journal(FIVES)[-1:], "the runs on the other page", 30)


def test_a_strategy_moves_between_two_runs(hosts: Hosts) -> None:
    """To the host that is named, and stays there when a deploy to each of them replaces its loop and the standby."""
    assert "runs on other" in hosts.second.must("move", f"STRATEGY={FIVES}")
    hosts.more_runs("other")
    hosts.both.change(FIVES, "as it was at first", "as it is now")
    hosts.first.must("deploy")  # the other host holds the strategy meanwhile
    assert hosts.first.current() != hosts.second.current()
    hosts.more_runs("other")
    hosts.second.must("deploy")  # now the standby runs it until its home is back
    hosts.more_runs("other")
    assert assert_no_slot_is_lost_or_doubled(hosts.journal(), EVERY, reasons=BUSY) >= 10
    reasons = {str(line["reason"]) for line in hosts.journal() if line["event"] == "decision"}
    assert reasons == {"as it was at first", "as it is now"}
