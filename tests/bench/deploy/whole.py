"""A whole `make deploy` of one changed line: its seconds, its bytes, and for how long no loop had the strategy.

`python -m tests.bench.deploy.whole [--suite bookworm|trixie] [--runs N] [--minutes M]`. One strategy is due every five seconds,
and a deploy waits for its slots; once its import takes 20 s. The other one is due once a day. The journal tells when the old loop
stopped and the new one began, and how late each slot was. Each deploy is a piece that is kept, as in the other tables.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from datetime import datetime
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import cast

import docker

from tests.bench.deploy import line
from tests.bench.figures import UNKNOWN, Table
from tests.bench.kept import Kept
from tests.bench.progress import doing, say
from tests.deploy.site import Site, site
from tests.machine.machine import Suite, running_machine

SLOW = "import time\n\ntime.sleep(20)\n"
OFTEN, DAILY = "fives", "daily"
COLUMNS = ("", "seconds", "kB on the wire", "gap between loops, s", "latest slot, s", "slots not run")


@dataclass(frozen=True)
class Figures:
    """What one deploy took."""

    seconds: float
    bytes: float
    gap: float  # seconds between the old loop's end and the new one's beginning
    latest: float  # seconds by which the latest slot of all was late
    not_run: float  # slots that were passed over


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.deploy.whole", description="Measure whole deploys.")
    parser.add_argument("--suite", choices=("bookworm", "trixie"), default="bookworm", help="engine 20.10 or 26.1")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=1000.0, help="no piece begins after so many")
    options = parser.parse_args()
    kept = Kept("bench-whole-deploy", options.minutes)
    with ExitStack() as stack:
        # The server is started when the first piece needs it.
        place = cache(lambda: stack.enter_context(_deployed(cast(Suite, options.suite))))
        wanted = (
            ("one line of a strategy that is due once a day", DAILY, options.runs),
            ("one line of one that is due every five seconds", OFTEN, options.runs),
            ("the same, and the import takes 20 s", OFTEN, 1),
        )
        rows = []
        for words, strategy, runs in wanted:
            found = []
            for number in range(runs):
                name = f"engine {options.suite}: {words}, {number + 1} of {runs}"
                slow = words.endswith("20 s")
                found += kept.piece(name, partial(_piece, name, place, strategy, slow=slow))
            rows.append((words, *_median([Figures(*one) for one in found])))
    notes = (
        f"medians of up to {options.runs} deploys each; engine {options.suite}, no limit on the line",
        "seconds: the whole command, with check, build, preflight and gate; bytes as the server's network card counts them",
    )
    print(Table("A whole make deploy", COLUMNS, tuple(rows), notes))
    kept.tell()
    return 0


@contextmanager
def _deployed(suite: Suite) -> Iterator[Site]:
    """Give a server to which both strategies were deployed once."""
    client = docker.from_env(timeout=120)
    with (
        tempfile.TemporaryDirectory(prefix="openbell-bench-") as folder,
        running_machine(client, suite) as machine,
        site(client, machine, Path(folder), [OFTEN, DAILY]) as one,
    ):
        with doing("the first deploy"):
            one.must("deploy")
        yield one


def _piece(name: str, place: Callable[[], Site], strategy: str, *, slow: bool) -> list[list[float]]:
    one = place()
    code = one.kit.folder / "strategies" / strategy / "strategy.py"
    text = "".join(line for line in code.read_text().splitlines(keepends=True) if not line.startswith("CHANGED = "))
    code.write_text(f"{SLOW if slow else ''}{text}CHANGED = {time.time()}\n")
    figures = _measure(one, strategy, name)
    say(f"    {figures.seconds:.1f} s, {figures.bytes / 1000:.1f} kB")
    return [[float(figure) for figure in astuple(figures)]]


def _measure(one: Site, strategy: str, what: str) -> Figures:
    before = [str(event["timestamp"]) for event in one.journal(strategy)[-1:]]
    bytes_before = line.transferred(one.machine)
    with doing(what):
        started = time.monotonic()
        print(one.must("deploy"), file=sys.stderr)
        seconds = time.monotonic() - started
        transferred = line.transferred(one.machine) - bytes_before
    lines = [event for event in one.journal(strategy) if str(event["timestamp"]) > max(before, default="")]
    marks = [event for event in lines if event["event"] in {"service_stop", "service_start"}]
    gaps = [
        (datetime.fromisoformat(str(new["timestamp"])) - datetime.fromisoformat(str(old["timestamp"]))).total_seconds()
        for old, new in pairwise(marks)
        if (old["event"], new["event"]) == ("service_stop", "service_start")
    ]
    late = [float(str(event["lateness_ms"])) / 1000 for event in lines if event["event"] == "run_start"]
    passed = sum(int(str(event["count"])) for event in lines if event["event"] == "slot_skipped")
    return Figures(seconds, transferred, max(gaps, default=0.0), max(late, default=0.0), passed)


def _median(found: list[Figures]) -> tuple[str, ...]:
    if not found:
        return (UNKNOWN,) * (len(COLUMNS) - 1)
    return (
        f"{statistics.median(one.seconds for one in found):.1f}",
        f"{statistics.median(one.bytes for one in found) / 1000:.1f}",
        f"{statistics.median(one.gap for one in found):.2f}",
        f"{max(one.latest for one in found):.2f}",
        f"{sum(one.not_run for one in found):.0f}",
    )


if __name__ == "__main__":
    sys.exit(main())
