"""What happens to the stage: each accident lasts for a while, and is over when it returns. All of its choices are the dice's."""

import random
import time
from collections.abc import Callable, Mapping, Sequence

from tests.engine.kit import wait_until
from tests.hosts.accidents import clocks, networks
from tests.hosts.accidents.nodes import Node
from tests.hosts.accidents.stage import LONG, LONGEST, Stage

Accident = Callable[[Stage, random.Random], str]  # returns what has happened, with the names of hosts


def host_killed(stage: Stage, _: random.Random) -> str:
    """The owner's host loses its power, and comes back later."""
    owner = stage.owners_host()
    owner.die()
    time.sleep(LONG + 10)
    owner.come_back()
    return f"host {owner.name} killed"


def engine_killed(stage: Stage, _: random.Random) -> str:
    """The engine of the owner's host crashes, with all containers."""
    owner = stage.owners_host()
    owner.kill_engine()
    return f"engine of {owner.name} killed"


def host_frozen(stage: Stage, _: random.Random) -> str:
    """Everything on the owner's host stands still for longer than a lease."""
    owner = stage.owners_host()
    with owner.frozen():
        time.sleep(LONG)
    return f"host {owner.name} frozen"


def loop_frozen(stage: Stage, _: random.Random) -> str:
    """The owner's loop is stopped; its run is not."""
    owner = stage.owners_host()
    _freeze(owner, stage.processes(owner)[:1])
    return f"loop on {owner.name} frozen"


def run_frozen(stage: Stage, _: random.Random) -> str:
    """A run is stopped between any two of its steps; its loop is not."""
    owner = stage.owners_host()
    _freeze(owner, wait_until(lambda: stage.processes(owner)[1:], "a run", 30))
    return f"run on {owner.name} frozen"


def database_restarted(stage: Stage, _: random.Random) -> str:
    """The database is killed, and started again at once."""
    stage.databases.kill()
    stage.databases.start()
    return "database killed"


def database_gone(stage: Stage, _: random.Random) -> str:
    """The database is killed, and started again after longer than a lease."""
    stage.databases.kill()
    time.sleep(LONG)
    stage.databases.start()
    return f"database gone for {LONG:g} s"


def pooler_killed(stage: Stage, _: random.Random) -> str:
    """The pooler is killed, and started again."""
    stage.databases.pooler.shell("pkill -KILL pgbouncer; rm -f /pooler/pid")
    time.sleep(1)
    stage.databases.start_pooler()
    return "pooler killed"


def promoted(stage: Stage, _: random.Random) -> str:
    """The database is killed, and its standby, which has all, takes over."""
    wait_until(stage.databases.follows, "the standby to have all", 60)
    stage.databases.promote()
    stage.databases.copy()
    return "standby promoted"


def commits_lost(stage: Stage, _: random.Random) -> str:
    """The standby is cut off for a while, and then it takes over without what was committed meanwhile."""
    databases = stage.databases
    databases.standby.cut(databases.primary, outward=True, inward=True)
    time.sleep(12)
    databases.promote()
    databases.primary.mend()
    databases.copy()
    return "promoted with lost commits"


def rolling_deploy(stage: Stage, _: random.Random) -> str:
    """A change is deployed to all hosts, one after the other."""
    stage.deploy()
    return "rolling deploy"


def killed_in_a_deploy(stage: Stage, dice: random.Random) -> str:
    """The owner's host is killed in the middle of a rolling deploy, which ends there; the next one goes through."""
    owner = stage.owners_host()
    command = stage.begin_deploy()
    time.sleep(dice.uniform(1, 8))
    owner.die()
    command.communicate(timeout=LONGEST)
    time.sleep(LONG)
    owner.come_back()
    stage.deploy()
    return f"host {owner.name} killed in a deploy"


def _freeze(host: Node, processes: Sequence[int]) -> None:
    numbers = " ".join(map(str, processes))
    host.shell(f"kill -STOP {numbers}")
    time.sleep(LONG)
    host.shell(f"kill -CONT {numbers} 2>/dev/null; true")


ACCIDENTS: Mapping[str, Accident] = {
    "host killed": host_killed,
    "engine killed": engine_killed,
    "host frozen": host_frozen,
    "loop frozen": loop_frozen,
    "run frozen": run_frozen,
    **networks.ACCIDENTS,
    **clocks.ACCIDENTS,
    "database killed, back at once": database_restarted,
    "database killed, back later": database_gone,
    "pooler killed": pooler_killed,
    "standby promoted": promoted,
    "promoted with lost commits": commits_lost,
    "rolling deploy": rolling_deploy,
    "host killed in a deploy": killed_in_a_deploy,
}
