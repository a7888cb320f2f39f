"""What 1,000 registered bots cost a loop in which nothing is due."""

import json

from tests.bench.containers import HERE, Bench
from tests.bench.figures import Budget, Report, Table, duration, ratio, summary
from tests.bench.progress import doing

BOTS = 1000


def measure(bench: Bench, *, quick: bool) -> Report:
    """Time the passes inside the images, in one process each."""
    arguments = (str(BOTS), "500" if quick else "2000")
    with doing(f"timing idle passes over {BOTS} bots"):
        series: dict[str, list[float]] = json.loads(
            bench.once("runtime", HERE / "inside" / "idle_pass.py", *arguments).splitlines()[-1]
        )
        peer = bench.once("apscheduler", HERE / "inside" / "apscheduler_pass.py", *arguments)
        series |= json.loads(peer.splitlines()[-1])
    rows: list[tuple[str, ...]] = []
    budgets: tuple[Budget, ...] = ()
    ours = 0.0
    for name, seconds in series.items():
        figures = summary(seconds)
        if figures is None:
            continue
        times = [duration(figure) for figure in (figures.median, figures.p99, figures.largest)]
        if not rows:
            ours = figures.median
            budgets = (Budget(f"idle pass over {BOTS} bots, p99", times[1], "< 1 ms", figures.p99 < 0.001),)
        rows.append((name, str(figures.count), *times, ratio(figures.median, ours)))
    notes = (
        "ours looks for requests, a changed clock and runs in progress too, and writes its beat once in 5 s (the max)",
    )
    headings = ("", "passes", "median", "p99", "max", "median / ours")
    return Report((Table(f"An idle pass over {BOTS:,} bots", headings, tuple(rows), notes),), budgets)
