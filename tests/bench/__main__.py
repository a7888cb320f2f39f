"""The benchmark's command line: `python -m tests.bench [--quick] [--only TOPIC ...]`."""

import argparse
import signal
import sys
import time
from collections.abc import Callable

from docker.errors import DockerException

from tests.bench import (
    cpu,
    crowd,
    first_table,
    idle_pass,
    imports,
    lateness,
    machine,
    memory,
    sizes,
    supervisor_history,
    supervisor_latency,
)
from tests.bench.containers import Bench, bench
from tests.bench.figures import Budget, Report, Table, budget_table
from tests.bench.progress import say, wait_until

TOPICS = {
    "lateness": "how late a job begins on an idle machine",
    "crowd": "45 bots due in one instant",
    "pass": "an idle pass over 1,000 bots",
    "memory": "memory of an idle container (as root)",
    "cpu": "CPU time of an idle container",
    "imports": "what the loop's imports cost",
    "sizes": "sizes of the images",
    "history": "the supervisor of 1,000 bots: its starts, memory and CPU time",
    "start": "from built images to the table of `make up`",
    "alerts": "from a missed slot's deadline to the channel, with 1,000 bots",
}


def main() -> int:
    """Measure the topics that were asked for, one after the other, and print their tables; return the exit code."""
    options = _options()
    # Whatever ends the benchmark, what it has started is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    budgets: list[Budget] = []
    try:
        with bench() as stand:
            print(machine.facts(stand.client), flush=True)
            stand.build()
            budgets = _measure(stand, options.only, quick=options.quick)
            say("removing what was built and started")
    except (DockerException, RuntimeError) as error:
        say(f"ended early: {error}")
        if budgets:  # what could not be removed is no reason to lose what was measured
            print(budget_table(budgets))
        return 1
    except KeyboardInterrupt:
        say("ended early; what was started is removed")
        return 130
    if budgets:
        print(budget_table(budgets))
    print(f"The whole run took {time.monotonic() - started:.0f} s.")
    return 0


def _options() -> argparse.Namespace:
    topics = "\n".join(f"  {name:<10}{text}" for name, text in TOPICS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure openbell beside schedule, APScheduler and cron, in one run.",
        epilog=f"topics:\n{topics}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="short times, without what needs minutes (5 min in all)")
    parser.add_argument(
        "--only", nargs="+", metavar="TOPIC", choices=TOPICS, default=list(TOPICS), help="these topics alone"
    )
    return parser.parse_args()


def _measure(stand: Bench, topics: list[str], *, quick: bool) -> list[Budget]:
    """Print each topic's tables as soon as they are there; return the budgets that they speak of."""
    budgets: list[Budget] = []

    def show(report: Report) -> None:
        for table in report.tables:
            _print(table)
        budgets.extend(report.budgets)

    if "memory" in topics:
        show(memory.measure(stand))
    for report in _watch(stand, topics, quick=quick):
        show(report)
    alone: dict[str, Callable[[], Report]] = {
        "crowd": lambda: crowd.measure(stand, quick=quick),
        "pass": lambda: idle_pass.measure(stand, quick=quick),
        "imports": lambda: imports.measure(stand),
        "sizes": lambda: sizes.measure(stand),
        "history": lambda: supervisor_history.measure(stand, quick=quick),
        "start": lambda: first_table.measure(stand, quick=quick),
        "alerts": lambda: supervisor_latency.measure(stand, quick=quick),
    }
    for name, measure in alone.items():
        if name in topics:
            show(measure())
    return budgets


def _watch(stand: Bench, topics: list[str], *, quick: bool) -> list[Report]:
    """Measure what takes its time side by side: idle containers disturb no other measurement."""
    collect: list[Callable[[], Report]] = []
    seconds = 0.0
    if "cpu" in topics:
        collect.append(cpu.begin(stand))
        seconds = cpu.seconds_needed(quick=quick)
    if "lateness" in topics:
        collect.append(lateness.begin(stand, quick=quick))
        seconds = max(seconds, lateness.seconds_needed(quick=quick))
    if collect:
        wait_until(time.time() + seconds, "watching idle containers")
    return [one() for one in collect]


def _print(table: Table) -> None:
    print(table, flush=True)


if __name__ == "__main__":
    sys.exit(main())
