"""What each service needs of the memory: as it is measured where it runs, else as the benchmark has measured its kind."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.docker.services import ends_by_itself, strategies
from openbell.manifest import Manifest

MB = 2**20

# Measured by `make bench-portfolio` (Debian 12, engine 20.10) as `docker stats` counts; the figure seen, and one to plan with.
STRATEGY = 14 * MB  # 12.8: an idle strategy with its loop, in a container of its own
TOGETHER = 14 * MB  # a container that hosts strategies, before the first of them
HOSTED = 8 * MB  # 7.2: each strategy in it (seven of them and their host: 64.4)
RUN = (
    10 * MB
)  # 5: a run under way, the pages that its process does not share with its loop; a strategy may hold more bars
SUPERVISOR_BUDGET = 64 * MB  # 30 with the portfolio alone; this is its budget with 1,000 bots
SHIM = 7 * MB  # 6.1: the engine's own process over each container
ENGINE = 100 * MB  # 74: docker and containerd, where they are not there yet
# A venue's library, loaded once in the loop of a strategy with several bots, or in each run.
LIBRARIES = {"alpaca": 70 * MB, "ccxt": 34 * MB}


@dataclass(frozen=True)
class MemoryNeed:
    """One service's share of the memory, in bytes."""

    service: str
    limit: int  # 0 is none
    bytes: int
    source: str  # what the figure is known from
    profiles: tuple[str, ...] = ()


def needs(
    configuration: Mapping[str, Any], manifests: Iterable[Manifest], measured: Mapping[str, int]
) -> tuple[MemoryNeed, ...]:
    """Return what the services of a resolved Compose configuration need. `measured`: service → bytes, of those that run."""
    known = {manifest.name: manifest for manifest in manifests}
    return tuple(
        _need(name, one, known, measured.get(name, 0))
        for name, one in sorted(configuration["services"].items())
        if not ends_by_itself(one.get("labels"))
    )


def _need(name: str, service: Mapping[str, Any], known: Mapping[str, Manifest], measured: int) -> MemoryNeed:
    limit, profiles = int(service.get("mem_limit") or 0), tuple(service.get("profiles") or ())
    names = [one for one in strategies(name, service.get("labels")) if one in known]
    runs = sum(_runs(known[one]) for one in names)
    if measured:  # an idle moment most likely: the runs come on top of it
        return MemoryNeed(name, limit, measured + runs, "measured here now", profiles)
    if names:
        loops = STRATEGY if names == [name] else TOGETHER + len(names) * HOSTED
        libraries = sum(_library(known[one]) for one in names)
        return MemoryNeed(name, limit, loops + libraries + runs, "benchmark", profiles)
    if name == "supervisor":
        return MemoryNeed(name, limit, SUPERVISOR_BUDGET, "benchmark", profiles)
    return MemoryNeed(name, limit, limit, "its limit", profiles)


def _runs(manifest: Manifest) -> int:
    """Return what the runs that are under way together take; bots that are staggered mostly come one after the other."""
    scheduled = [bot for bot in manifest.bots if not bot.is_stream]
    staggered = len({bot.shift for bot in scheduled}) > 1
    together = 1 if staggered else min(manifest.max_parallel, len(scheduled))
    return RUN * (together + len(manifest.bots) - len(scheduled))


def _library(manifest: Manifest) -> int:
    names = {name.partition(":")[0] for name in (manifest.market, manifest.broker)}
    return sum(size for name, size in LIBRARIES.items() if name in names)
