"""What happens to the stage: each accident lasts for a while, and is over when it returns. All of its choices are the dice's."""

import random
import time
from collections.abc import Callable, Iterator, Sequence

from tests.engine.kit import wait_until
from tests.hosts.accidents.nodes import Node
from tests.hosts.accidents.stage import LONGEST, Stage

LONG = 25.0  # seconds: longer than a lease, and the time that an order may be on its way
DIRECTIONS = ((True, True), (True, False), (False, True))
SKEWS = ("-40", "-7", "+7", "+40")  # seconds that a host's clock is wrong


class Accidents:
    """All accidents, by chance or by name."""

    def __init__(self, stage: Stage, seed: int, done: int) -> None:
        self.stage, self._seed, self._done = stage, seed, done
        self.dice = random.Random(f"{seed}.{done}")
        self.all: Sequence[Callable[[], str]] = (
            *(self.host_killed, self.engine_killed, self.host_frozen, self.loop_frozen, self.run_frozen),
            *(self.host_cut_off, self.broker_cut_off, self.host_from_host, self.standby_cut_off, self.pooler_cut_off),
            *(self.clock_wrong, self.database_killed, self.pooler_killed, self.commits_lost, self.promoted),
            *(self.rolling_deploy, self.deploy_with_a_host_gone),
        )

    def some(self, count: int) -> Iterator[Callable[[], str]]:
        """Yield so many: each comes once before any comes again, in an order by chance."""
        for number in range(self._done, self._done + count):
            turn, place = divmod(number, len(self.all))
            yield random.Random(f"{self._seed}.{turn}").sample(self.all, len(self.all))[place]

    # Hosts

    def host_killed(self) -> str:
        """The owner's host loses its power, and comes back later."""
        owner = self._owner()
        owner.die()
        self._pass(LONG + 10)
        owner.come_back()
        return f"host {owner.name} killed"

    def engine_killed(self) -> str:
        """The engine of the owner's host crashes, with all containers."""
        owner = self._owner()
        owner.kill_engine()
        return f"engine of {owner.name} killed"

    def host_frozen(self) -> str:
        """Everything on the owner's host stands still for longer than a lease."""
        owner = self._owner()
        owner.container.pause()
        try:
            self._pass(LONG)
        finally:
            owner.container.unpause()
        return f"host {owner.name} frozen"

    def loop_frozen(self) -> str:
        """The owner's loop is stopped; its run is not."""
        owner = self._owner()
        self._freeze(owner, self.stage.processes(owner)[:1])
        return f"loop on {owner.name} frozen"

    def run_frozen(self) -> str:
        """A run is stopped between any two of its steps; its loop is not."""
        owner = self._owner()
        runs = wait_until(lambda: self.stage.processes(owner)[1:], "a run", 30)
        self._freeze(owner, runs)
        return f"run on {owner.name} frozen"

    # Networks

    def host_cut_off(self) -> str:
        """The owner's host and the database do not reach each other, in one direction or both."""
        return self._cut(self._owner(), self.stage.nodes["pooler"])

    def broker_cut_off(self) -> str:
        """The owner's host and the broker do not reach each other: an order may arrive whose answer does not."""
        return self._cut(self._owner(), self.stage.nodes["broker"])

    def host_from_host(self) -> str:
        """Two hosts do not reach each other, which they need not."""
        one, other = self.dice.sample(sorted(self.stage.hosts), 2)
        return self._cut(self.stage.hosts[one], self.stage.hosts[other])

    def pooler_cut_off(self) -> str:
        """The pooler and the database do not reach each other."""
        return self._cut(self.stage.nodes["pooler"], self.stage.databases.primary)

    def standby_cut_off(self) -> str:
        """The database and its standby do not reach each other."""
        return self._cut(self.stage.databases.standby, self.stage.databases.primary)

    # Clocks

    def clock_wrong(self) -> str:
        """The clock of the owner's host steps, and steps back later."""
        owner, skew = self._owner(), self.dice.choice(SKEWS)
        owner.shell(f"echo {skew} >/faketime/now")
        self._pass(LONG)
        owner.shell("echo +0 >/faketime/now")
        return f"clock of {owner.name} {skew} s"

    # Databases

    def database_killed(self) -> str:
        """The database is killed, and started again."""
        self.stage.databases.kill()
        self._pass(self.dice.choice((1.0, LONG)))
        self.stage.databases.start()
        return "database killed"

    def pooler_killed(self) -> str:
        """The pooler is killed, and started again."""
        self.stage.databases.pooler.shell("pkill -KILL pgbouncer; rm -f /pooler/pid")
        self._pass(self.dice.choice((1.0, LONG)))
        self.stage.databases.start_pooler()
        return "pooler killed"

    def promoted(self) -> str:
        """The database is killed, and its standby, which has all, takes over."""
        wait_until(self.stage.databases.follows, "the standby to have all", 60)
        self.stage.databases.promote()
        self.stage.databases.copy()
        return "standby promoted"

    def commits_lost(self) -> str:
        """The standby is cut off for a while, and then it takes over without what was committed meanwhile."""
        databases = self.stage.databases
        databases.standby.cut(databases.primary, outward=True, inward=True)
        self._pass(12)
        databases.promote()
        databases.primary.mend()
        databases.copy()
        return "promoted with lost commits"

    # Deploys

    def rolling_deploy(self) -> str:
        """A change is deployed to all hosts, one after the other."""
        self.stage.deploy()
        return "rolling deploy"

    def deploy_with_a_host_gone(self) -> str:
        """The owner's host is killed in the middle of a rolling deploy, which ends there; the next one goes through."""
        owner = self._owner()
        command = self.stage.begin_deploy()
        self._pass(self.dice.uniform(1, 8))
        owner.die()
        command.communicate(timeout=LONGEST)
        self._pass(LONG)
        owner.come_back()
        self.stage.deploy()
        return f"host {owner.name} killed in a deploy"

    # What they need

    def _owner(self) -> Node:
        return self.stage.hosts[self.stage.owner()]

    def _pass(self, seconds: float) -> None:
        """Let time pass: the accident goes on."""
        time.sleep(seconds)

    def _cut(self, one: Node, other: Node) -> str:
        outward, inward = self.dice.choice(DIRECTIONS)
        one.cut(other, outward=outward, inward=inward)
        self._pass(LONG)
        one.mend()
        arrow = "to and from" if outward and inward else "to" if outward else "from"
        return f"{one.name} cut off {arrow} {other.name}"

    def _freeze(self, host: Node, processes: Sequence[int]) -> None:
        numbers = " ".join(map(str, processes))
        host.shell(f"kill -STOP {numbers}")
        self._pass(LONG)
        host.shell(f"kill -CONT {numbers} 2>/dev/null; true")
