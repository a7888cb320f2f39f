"""What the containers take of their machine: memory, CPU, disk, restarts, once."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deploy.docker.engine import PROJECT_LABEL, SERVICE_LABEL, client
from deploy.hosts.facts import Facts
from deploy.hosts.requirements import megabytes
from deploy.table import aligned

if TYPE_CHECKING:
    from docker import DockerClient

HEADINGS = ("SERVICE", "MEMORY", "LIMIT", "CPU", "PROCESSES", "RESTARTS", "DISK")
NO_ANSWER = "the Docker engine did not report what the containers use ({error}): try again"
ENGINE_TIMEOUT = 60  # seconds
NO_VOLUMES = f"Volumes: the Docker engine did not report their sizes within {ENGINE_TIMEOUT} s (its disk is busy): try again later"
VOLUME_HEADINGS = ("VOLUME", "DISK")


@dataclass(frozen=True)
class Usage:
    """One container's share."""

    service: str
    memory: int  # bytes, without what the kernel may take back
    limit: int
    cpu: float  # percent of one CPU
    processes: int
    restarts: int
    disk: int  # bytes that it wrote outside its volumes


@dataclass(frozen=True)
class ContainerStats:
    """All containers, by service, and the project's volumes with their bytes; None if the engine did not say in time."""

    usages: tuple[Usage, ...]
    volumes: Mapping[str, int] | None


def read(address: str | None, project: str) -> ContainerStats:
    """Ask the engine at that address; it takes about two seconds, in which the CPU is measured."""
    label = {"label": f"{PROJECT_LABEL}={project}"}
    with client(address, ENGINE_TIMEOUT, NO_ANSWER) as engine:
        listed = engine.api.containers(all=True, size=True, filters=label)
        with ThreadPoolExecutor(max_workers=max(1, len(listed))) as pool:
            usages = pool.map(lambda one: _ask(engine, one), listed)
            volumes = _volumes(engine, project)
            return ContainerStats(tuple(sorted(usages, key=lambda usage: usage.service)), volumes)


def _volumes(engine: "DockerClient", project: str) -> Mapping[str, int] | None:
    from requests.exceptions import Timeout  # noqa: PLC0415 - with Docker's library, when an engine is asked

    try:
        # The engine measures all its images for this answer too: on a busy disk with many images that takes minutes.
        volumes = engine.df()["Volumes"] or []
    except Timeout:
        return None
    ours = {
        str(one["Name"]): max(0, int(_of(one, "UsageData", "Size") or 0))
        for one in volumes
        if _of(one, "Labels", PROJECT_LABEL) == project
    }
    return dict(sorted(ours.items()))


def _ask(engine: "DockerClient", listed: Mapping[str, Any]) -> Usage:
    inspected = engine.api.inspect_container(listed["Id"])
    running = listed["State"] == "running"
    return usage(listed, inspected, engine.api.stats(listed["Id"], stream=False) if running else {})


def usage(listed: Mapping[str, Any], inspected: Mapping[str, Any], measured: Mapping[str, Any]) -> Usage:
    """Return the share that the engine's three answers about a container describe."""
    # As `docker stats` counts: pages of files that are not in use (its name depends on the version of cgroups) are not the container's.
    spare = (
        _of(measured, "memory_stats", "stats", "total_inactive_file")
        or _of(measured, "memory_stats", "stats", "inactive_file")
        or 0
    )
    memory = int(_of(measured, "memory_stats", "usage") or 0)
    return Usage(
        service=str(_of(listed, "Labels", SERVICE_LABEL) or ""),
        memory=memory - int(spare) if spare < memory else memory,
        limit=int(_of(inspected, "HostConfig", "Memory") or 0),
        cpu=_cpu(measured),
        processes=int(_of(measured, "pids_stats", "current") or 0),
        restarts=int(inspected.get("RestartCount") or 0),
        disk=int(listed.get("SizeRw") or 0),
    )


def _cpu(measured: Mapping[str, Any]) -> float:
    """Return the CPU's use between the two measurements, as percent of one CPU."""
    now, before = _of(measured, "cpu_stats") or {}, _of(measured, "precpu_stats") or {}
    used = int(_of(now, "cpu_usage", "total_usage") or 0) - int(_of(before, "cpu_usage", "total_usage") or 0)
    elapsed = int(_of(now, "system_cpu_usage") or 0) - int(_of(before, "system_cpu_usage") or 0)
    cpus = int(_of(now, "online_cpus") or 1)
    return 100 * used / elapsed * cpus if used > 0 and elapsed > 0 else 0.0


def _of(content: Mapping[str, Any], *keys: str) -> Any:
    found: Any = content
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def table(stats: ContainerStats, facts: Facts) -> str:
    """Return the whole text: containers, volumes, and what the machine has left."""
    parts = []
    if stats.usages:
        parts.append(aligned([HEADINGS, *map(_row, stats.usages)]))
    if stats.volumes is None:
        parts.append(NO_VOLUMES)
    elif stats.volumes:
        parts.append(aligned([VOLUME_HEADINGS, *((name, _size(size)) for name, size in stats.volumes.items())]))
    if facts.memory:
        total = sum(usage.memory for usage in stats.usages)
        parts.append(
            f"Memory: {megabytes(facts.memory_available)} of {megabytes(facts.memory)} available; the containers take {megabytes(total)}\n"
            f"Disk:   {megabytes(facts.disk_free)} of {megabytes(facts.disk)} free where Docker keeps its files"
        )
    return "\n\n".join(parts)


def _row(one: Usage) -> Sequence[str]:
    limit = _size(one.limit) if one.limit else "none"
    return (
        one.service,
        _size(one.memory),
        limit,
        f"{one.cpu:.1f}%",
        str(one.processes),
        str(one.restarts),
        _size(one.disk),
    )


def _size(size: int) -> str:
    return f"{size / 2**20:.1f} MB" if size < 2**30 else megabytes(size)
