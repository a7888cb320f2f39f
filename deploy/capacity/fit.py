"""Whether what is to run fits a machine, and what to do if it does not. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.capacity.memory_needs import ENGINE, HOSTED, MB, SHIM, STRATEGY, TOGETHER, MemoryNeed
from deploy.docker.profiles import TOGETHER as SUFFIX
from deploy.hosts.facts import Facts
from deploy.hosts.requirements import megabytes
from deploy.table import aligned

HEADINGS = ("SERVICE", "NEEDS", "LIMIT", "KNOWN FROM")
SPARE = 0.1  # of the memory that stays free: for files that are read, and for a deploy
SIZES = tuple(size * 512 * MB for size in (1, 2, 4, 8, 16, 32, 64))  # machines as they are sold


@dataclass(frozen=True)
class MemoryPlan:
    """What is to run, and the machine that it is to run on. All in bytes."""

    needs: tuple[MemoryNeed, ...]
    memory: int
    others: int  # what the machine's own processes take, the engine among them

    @property
    def needed(self) -> int:
        """What our containers need, with the engine's part of each."""
        return sum(one.bytes + SHIM for one in self.needs)

    @property
    def room(self) -> int:
        """What there is for them."""
        return int(self.memory * (1 - SPARE)) - self.others


def plan(needs: Sequence[MemoryNeed], facts: Facts, running: int, containers: int) -> MemoryPlan:
    """Return the plan for a machine on which so many of our containers take `running` bytes already."""
    others = max(0, facts.memory - facts.memory_available - running - containers * SHIM)
    return MemoryPlan(tuple(needs), facts.memory, others + (0 if facts.engine else ENGINE))


def refusal(found: MemoryPlan, host: str = "this machine") -> str:
    """Return why it cannot fit and what to do, in one line, or nothing if it fits."""
    for one in found.needs:
        if one.limit and one.bytes > one.limit:
            key = f"OPENBELL_{'SUPERVISOR' if one.service == 'supervisor' else 'TOGETHER' if one.service == 'together' else 'STRATEGY'}_MEMORY"
            return f"{one.service} needs {megabytes(one.bytes)} and may take {megabytes(one.limit)}: set {key} to {_next(one.bytes)}m or more in .env"
    if found.needed <= found.room:
        return ""
    summary = f"{host} has room for {megabytes(max(0, found.room))}, and {megabytes(found.needed)} are needed"
    enough = next((size for size in SIZES if size * (1 - SPARE) - found.others >= found.needed), None)
    larger = (
        f"take a machine with {enough / 2**30:g} GB or more"
        if enough
        else "spread the strategies over several machines"
    )
    saved, profile = _saved(found.needs)
    if found.needed - saved <= found.room and saved > 0:
        return f"{summary}: PROFILE={profile}{SUFFIX} (one container for all) needs {megabytes(saved)} less and fits, or {larger}"
    return f"{summary}: {larger}, or run less"


def _next(size: int) -> int:
    return -(-size // (32 * MB)) * 32


def _saved(needs: Sequence[MemoryNeed]) -> tuple[int, str]:
    """Return what is saved if the portfolio's containers become one, and the profile that they have."""
    several = [one for one in needs if "portfolio" in one.profiles]
    saved = (len(several) - 1) * SHIM + len(several) * (STRATEGY - HOSTED) - TOGETHER
    return (saved if several else 0), "portfolio"


def table(found: MemoryPlan, host: str = "this machine") -> str:
    """Return the table, and what it comes to."""
    rows = [
        (one.service, megabytes(one.bytes), megabytes(one.limit) if one.limit else "none", one.source)
        for one in found.needs
    ]
    limits = sum(one.limit for one in found.needs)
    free = found.memory - found.others - found.needed
    lines = [
        f"Memory of {host}: {megabytes(found.memory)}, of which {megabytes(found.others)} are used by other programs, including the engine",
        f"Needed: {megabytes(found.needed)} (with {megabytes(SHIM)} of the engine's for each container); free then: "
        + (f"{megabytes(free)}, {100 * free // found.memory} %" if free > 0 else "nothing"),
        f"Limits: {megabytes(limits)} together"
        + (
            ", which is more than there is: they keep one strategy from taking everything, and promise none of them that much"
            if limits + found.others > found.memory
            else ", which fits even if all are used up"
        ),
    ]
    return aligned([HEADINGS, *rows]) + "\n\n" + "\n".join(lines)
