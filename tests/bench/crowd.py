"""Many bots that are due in one instant, each busy for half a second: how many start, and how late the last one is."""

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

from docker.models.containers import Container

from tests.bench.containers import BUSY, CROWD, Bench
from tests.bench.figures import UNKNOWN, Budget, Report, Table, duration, percentile, ratio
from tests.bench.progress import doing, wait_until
from tests.bench.samples import Contender, Sample, our_code, our_run_starts, peer_jobs

PERIOD = 10  # seconds between two rounds; each contender has its own part of them
SLOWEST = 25  # seconds for the loop that runs one job after the other


def measure(bench: Bench, *, quick: bool) -> Report:
    """Let each contender have its instants, apart from the others'."""
    with doing(f"starting those who have {CROWD} bots due at once"):
        ours = bench.start("crowd")
        contenders = [
            Contender("openbell, run_start", ours, our_run_starts),
            Contender("openbell, first statement of the strategy", ours, our_code),
            Contender("APScheduler, background", [_apscheduler(bench, "background", "2", "default")], peer_jobs),
            Contender("APScheduler, background, grace 60 s", [_apscheduler(bench, "background", "4", "60")], peer_jobs),
            Contender("APScheduler, asyncio", [_apscheduler(bench, "asyncio", "7.5", "default")], peer_jobs),
            Contender(
                "the limit: fork alone", [bench.start_peer("limit", "crowd", "9", str(PERIOD), str(CROWD))], peer_jobs
            ),
        ]
        begin = math.ceil((time.time() + 3) / PERIOD) * PERIOD
        if not quick:
            second = str((begin + 1) % 60)
            alone = bench.start_peer("schedule", "crowd", second, str(CROWD), str(BUSY))
            contenders.append(Contender("schedule, idle_seconds", [alone], peer_jobs))
    end = begin + PERIOD * (1 if quick else 4)
    wait_until(max(end, begin + (0 if quick else SLOWEST)) + 1, f"letting {CROWD} bots be due at once")
    report = _report(bench, contenders, begin, end, quick=quick)
    bench.remove([container for one in contenders for container in one.containers])
    return report


def _apscheduler(bench: Bench, kind: str, phase: str, grace: str) -> Container:
    return bench.start_peer("apscheduler", kind, "crowd", phase, str(PERIOD), str(CROWD), str(BUSY), grace)


def by_round(samples: Iterable[Sample], begin: float, end: float) -> list[list[float]]:
    """Return how late the jobs of each instant within begin <= due < end were, instant by instant."""
    rounds: dict[float, list[float]] = defaultdict(list)
    for sample in samples:
        if begin <= sample.due < end:
            rounds[sample.due].append(sample.late)
    return [rounds[due] for due in sorted(rounds)]


def _report(bench: Bench, contenders: Sequence[Contender], begin: float, end: float, *, quick: bool) -> Report:
    rows: list[tuple[str, ...]] = []
    budgets: tuple[Budget, ...] = ()
    ours = 0.0
    for one in contenders:
        samples = [sample for container in one.containers for sample in one.read(bench.lines(container))]
        rounds = by_round(samples, begin, end)
        if not rounds:
            rows.append((one.name, "0", *[UNKNOWN] * 5))
            continue
        started = sum(map(len, rounds)) / len(rounds)
        dropped = CROWD - started
        lasts = [max(late) for late in rounds]
        median, worst = percentile(lasts, 50), max(lasts)
        if one.read is our_run_starts:
            ours = median
            budgets = (
                Budget(f"{CROWD} bots at once: dropped", f"{dropped:g}", "0", dropped == 0),
                Budget(f"{CROWD} bots at once: last run_start", duration(worst), "< 100 ms", worst < 0.1),
            )
        elif one.read is our_code:
            budgets += (
                Budget(f"{CROWD} bots at once: last first statement", duration(median), "<= 25 ms", median <= 0.025),
            )
        counts = (str(len(rounds)), f"{started:g}", f"{dropped:g}")
        rows.append((one.name, *counts, duration(median), duration(worst), ratio(median, ours)))
    notes = (
        f"each job is busy for {BUSY:g} s (asleep, as if it waited for an exchange); max_parallel = {CROWD}; one CPU each, as in compose/base.yaml",
        "last: how late the last job of a round that was not dropped began, in the median round and in the worst",
        *(("--quick leaves out schedule, which needs 22 s for a round",) if quick else ()),
    )
    headings = ("", "rounds", "started", "dropped", "last, median", "last, max", "median / ours")
    return Report((Table(f"{CROWD} bots due in one instant", headings, tuple(rows), notes),), budgets)
