"""What an idle container costs in CPU time, watched while the lateness of others is measured."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from docker.models.containers import Container

from openbell import heartbeat
from tests.bench import processes
from tests.bench.containers import Bench
from tests.bench.figures import UNKNOWN, Budget, Report, Table
from tests.bench.progress import doing

SETTLED = 3.0  # seconds after which a start is over
PEERS = {
    f"the limit: a loop that wakes every {heartbeat.INTERVAL:g} s": (
        "runtime",
        "python",
        "-c",
        f"import time\nwhile True: time.sleep({heartbeat.INTERVAL})",
    ),
    "schedule, sleep(60)": ("schedule", "quiet", "60"),
    "schedule, sleep(1)": ("schedule", "quiet", "1"),
    "APScheduler, background": ("apscheduler", "background", "quiet"),
    "APScheduler, asyncio": ("apscheduler", "asyncio", "quiet"),
}
REPEATS = 10  # of the health check, to see what one costs
CHECKED, UNCHECKED = "openbell", "openbell without its health check"


@dataclass(frozen=True)
class Usage:
    """CPU seconds at an instant: inside the container, and of the engine's process over it (None where it cannot be seen)."""

    at: float  # monotonic
    inside: float
    shim: float | None


@dataclass(frozen=True)
class Checks:
    """What a health check costs in seconds: inside the container all of it and the engine's way in, and outside the engine's own."""

    interval: float
    whole: float
    entry: float
    engine: float | None  # None where it cannot be seen

    def in_an_hour(self, of_one: float) -> float:
        """Return what an hour's checks cost."""
        return of_one * 3600 / self.interval


def seconds_needed(*, quick: bool) -> float:
    """Return how long the containers are watched."""
    return 20 if quick else 120


def begin(bench: Bench) -> Callable[[], Report]:
    """Start one container of each kind; the answer, called later, says what they have used since."""
    with doing("starting those whose idle CPU time is measured"):
        # The engine's first check comes minutes after the start: what one costs is measured apart.
        (checked,) = bench.start("quiet_1")
        watched = {UNCHECKED: bench.start_without_health_check("quiet_2")}
        for name, (image, *command) in PEERS.items():
            watched[name] = bench.start_peer(image, *command)
        time.sleep(SETTLED)
        before = _usages(bench, watched)

    def collect() -> Report:
        with doing("reading CPU times and repeating the health check"):
            after = _usages(bench, watched)
            checks = _checks(bench, checked)
            bench.remove([checked, *watched.values()])
        return _report(before, after, checks)

    return collect


def _usages(bench: Bench, watched: Mapping[str, Container]) -> dict[str, Usage]:
    # The engine takes up to a second for an answer.
    with ThreadPoolExecutor(len(watched)) as pool:
        usages = pool.map(partial(_usage, bench), watched.values())
        return dict(zip(watched, usages, strict=True))


def _usage(bench: Bench, container: Container) -> Usage:
    # The engine reads the container's control group, version 1 or 2; one_shot spares the wait for a second reading.
    stats = bench.client.api.stats(str(container.id), stream=False, one_shot=True)
    inside = int(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9
    now = time.monotonic()
    try:
        return Usage(now, inside, processes.cpu_seconds(processes.shim(container)))
    except OSError:
        return Usage(now, inside, None)


def _checks(bench: Bench, container: Container) -> Checks:
    """Run the container's own health check, and `true`, a few times each, as the engine does."""

    def cost(command: list[str]) -> tuple[float, float | None]:
        before = _usage(bench, container)
        for _ in range(REPEATS):
            container.exec_run(command)
        after = _usage(bench, container)
        engine = None if before.shim is None or after.shim is None else (after.shim - before.shim) / REPEATS
        return (after.inside - before.inside) / REPEATS, engine

    check = container.attrs["Config"]["Healthcheck"]
    kind, *words = check["Test"]
    whole, engine = cost(["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words)
    return Checks(int(check["Interval"]) / 1e9, whole, cost(["true"])[0], engine)


def _report(before: Mapping[str, Usage], after: Mapping[str, Usage], checks: Checks) -> Report:
    rows: list[tuple[str, ...]] = []
    per_hour: dict[str, float] = {}
    seconds = 0.0
    for name, then in before.items():
        now = after[name]
        seconds = now.at - then.at
        per_hour[name] = (now.inside - then.inside) * 3600 / seconds
        shim = None if then.shim is None or now.shim is None else (now.shim - then.shim) * 3600 / seconds
        rows.append((name, f"{per_hour[name]:.2f} s", _told(shim)))
        if name == UNCHECKED:
            per_hour[CHECKED] = per_hour[name] + checks.in_an_hour(checks.whole)
            engine = None if shim is None or checks.engine is None else shim + checks.in_an_hour(checks.engine)
            rows.insert(0, (CHECKED, f"{per_hour[CHECKED]:.2f} s", _told(engine)))
    notes = (
        f"CPU seconds in an hour, from {seconds:.0f} s in which nothing was due; beside it those of the engine's processes over the container (shim, runc)",
        f"schedule with sleep(n) wakes every n seconds, openbell every {heartbeat.INTERVAL:g} s for its beat (the kernel tells it of a changed clock), APScheduler for its job only",
        f"a health check, every {checks.interval:g} s, takes {checks.whole * 1000:.1f} ms inside the container; {checks.entry * 1000:.1f} ms of them the engine needs to enter it, whatever is run; the first row is the second with an hour of them",
    )
    budgets = (
        Budget("idle CPU of the loop", f"{per_hour[UNCHECKED]:.2f} s/h", "<= 0.6 s/h", per_hour[UNCHECKED] <= 0.6),
        Budget(
            "idle CPU with the health check", f"{per_hour[CHECKED]:.2f} s/h", "<= 0.6 s/h", per_hour[CHECKED] <= 0.6
        ),
    )
    table = Table("CPU time of an idle container", ("", "in an hour", "engine, in an hour"), tuple(rows), notes)
    return Report((table,), budgets)


def _told(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds:.1f} s"
