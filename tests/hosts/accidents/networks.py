"""Cuts between every two of the stage's seven machines: what goes one way, the other way, or both is dropped without an answer.

Pairs that talk are cut one at a time. Those that never should are cut all at once: if any of them did, it would show.
"""

import random
import time
from collections.abc import Callable, Mapping
from itertools import combinations

from tests.hosts.accidents.nodes import Node
from tests.hosts.accidents.stage import LONG, Stage

# What the stage's machines are at the moment; the other host that waits is as the first one.
TALKING = (
    ("owner", "pooler"),
    ("waiting host", "pooler"),
    ("owner", "broker"),
    ("pooler", "database"),
    ("standby", "database"),
)
ROLES = ("owner", "waiting host", "other waiting host", "database", "standby", "pooler", "broker")
DIRECTIONS = {"to": (True, False), "from": (False, True), "to and from": (True, True)}


def roles(stage: Stage) -> dict[str, Node]:
    """Return which machine is what now."""
    databases, hosts = stage.databases, (stage.owners_host(), *stage.waiting_hosts())
    machines = (*hosts, databases.primary, databases.standby, databases.pooler, stage.nodes["broker"])
    return dict(zip(ROLES, machines, strict=True))


def silent_pairs(of: Mapping[str, Node]) -> list[tuple[Node, Node]]:
    """Return the pairs that need not talk: all but those that do, and the other waiting host with the pooler."""
    talking = {frozenset(pair) for pair in (*TALKING, ("other waiting host", "pooler"))}
    return [(of[one], of[other]) for one, other in combinations(of, 2) if frozenset((one, other)) not in talking]


def cut(one: str, other: str, direction: str) -> Callable[[Stage, random.Random], str]:
    """Return the accident that cuts one pair in one direction."""

    def happen(stage: Stage, _: random.Random) -> str:
        outward, inward = DIRECTIONS[direction]
        of = roles(stage)
        of[one].cut(of[other], outward=outward, inward=inward)
        time.sleep(LONG)
        of[one].mend()
        return f"{of[one].name} cut off {direction} {of[other].name}"

    return happen


def cut_silent(direction: str) -> Callable[[Stage, random.Random], str]:
    """Return the accident that cuts all pairs at once that need not talk."""

    def happen(stage: Stage, _: random.Random) -> str:
        outward, inward = DIRECTIONS[direction]
        pairs = silent_pairs(roles(stage))
        for one, other in pairs:
            one.cut(other, outward=outward, inward=inward)
        time.sleep(LONG)
        for node in stage.nodes.values():
            node.mend()
        return f"{len(pairs)} pairs cut {direction} each other"

    return happen


ACCIDENTS = {
    f"network cut: {one} {direction} {other}": cut(one, other, direction)
    for one, other in TALKING
    for direction in DIRECTIONS
} | {f"network cut: all other pairs, {direction}": cut_silent(direction) for direction in DIRECTIONS}
