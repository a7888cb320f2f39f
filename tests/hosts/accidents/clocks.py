"""Clocks that are wrong by seconds or minutes, ahead or behind, and are set right later: of a host, or of the database's machine."""

import random
import time
from collections.abc import Callable

from tests.hosts.accidents.nodes import Node
from tests.hosts.accidents.stage import LONG, Stage

SKEWS = (-300, -40, -7, 7, 40, 300)  # seconds


def set_clock(node: Node, skew: int) -> None:
    """Set a machine's clock so many seconds ahead, as its containers and its PostgreSQL see it."""
    node.shell(f"echo {skew:+d} >/faketime/now")


def owners(skew: int) -> Callable[[Stage, random.Random], str]:
    """Return the accident that sets the clock of the owner's host."""

    def happen(stage: Stage, _: random.Random) -> str:
        owner = stage.owners_host()
        set_clock(owner, skew)
        time.sleep(LONG)
        set_clock(owner, 0)
        return f"clock of {owner.name} {skew:+d} s"

    return happen


def waiting(skew: int) -> Callable[[Stage, random.Random], str]:
    """Return the accident that sets the clocks of the hosts that wait: one of them takes over, and is set right later."""

    def happen(stage: Stage, _: random.Random) -> str:
        owner, others = stage.owners_host(), stage.waiting_hosts()
        for host in others:
            set_clock(host, skew)
        with owner.frozen():
            time.sleep(LONG)
        for host in others:
            set_clock(host, 0)
        return f"clocks of {others[0].name} and {others[1].name} {skew:+d} s, and {owner.name} frozen"

    return happen


def databases(skew: int) -> Callable[[Stage, random.Random], str]:
    """Return the accident that sets the clock of the database's machine, which judges all ownership."""

    def happen(stage: Stage, _: random.Random) -> str:
        machine = stage.databases.primary
        set_clock(machine, skew)
        time.sleep(LONG)
        set_clock(machine, 0)
        return f"clock of the database {skew:+d} s"

    return happen


ACCIDENTS = {
    f"clock of the {place} {skew:+d} s": of(skew)
    for place, of in (("owner", owners), ("waiting hosts", waiting), ("database", databases))
    for skew in SKEWS
}
