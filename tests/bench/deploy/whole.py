"""A whole `make deploy` of one changed line: its seconds, its bytes, and for how long no loop had the strategy.

`python -m tests.bench.deploy.whole [--suite bookworm|trixie] [--runs N]`. The strategy is due every five seconds; once its
import takes 20 s. The journal tells when the old loop stopped and the new one began, and how late each slot was.
"""

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import cast

import docker

from tests.bench.deploy import line
from tests.bench.figures import Table
from tests.bench.progress import doing
from tests.deploy.site import Site, site, words_of
from tests.machine.machine import Suite, running_machine

SLOW = "import time\n\ntime.sleep(20)\n"


@dataclass(frozen=True)
class Figures:
    """What one deploy took."""

    seconds: float
    bytes: int
    gap: float  # seconds between the old loop's end and the new one's beginning
    latest: float  # seconds by which the latest slot of all was late
    not_run: int  # slots that were passed over


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.deploy.whole", description="Measure whole deploys.")
    parser.add_argument("--suite", choices=("bookworm", "trixie"), default="bookworm", help="engine 20.10 or 26.1")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    client = docker.from_env(timeout=120)
    with (
        tempfile.TemporaryDirectory(prefix="openbell-bench-") as folder,
        running_machine(client, cast(Suite, options.suite)) as machine,
        site(client, machine, Path(folder), ["fives", "daily"]) as one,
    ):
        with doing("the first deploy"):
            one.must("deploy")
        changes = [_measure(one, f"change {number}") for number in range(options.runs)]
        one.change("fives", "import time\n", SLOW)
        slow = [_measure(one, "an import of 20 s")]
    rows = (("one line", *_median(changes)), ("one line; the import takes 20 s", *_median(slow)))
    columns = ("", "seconds", "kB on the wire", "gap between loops, s", "latest slot, s", "slots not run")
    notes = (
        f"medians of {len(changes)} changes and {len(slow)} slow import; engine {options.suite}, no limit on the line",
        "seconds: the whole command, with check, build, preflight and gate; bytes as the server's network card counts them",
    )
    print(Table("A whole make deploy", columns, rows, notes))
    return 0


def _measure(one: Site, what: str) -> Figures:
    before, bytes_before = (
        datetime.fromisoformat(str(one.journal("fives")[-1]["timestamp"])),
        line.transferred(one.machine),
    )
    one.change("fives", words_of(one), f"changed at {time.time()}")
    with doing(what):
        started = time.monotonic()
        print(one.must("deploy"), file=sys.stderr)
        seconds = time.monotonic() - started
        transferred = line.transferred(one.machine) - bytes_before
    lines = [event for event in one.journal("fives") if datetime.fromisoformat(str(event["timestamp"])) > before]
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
    return (
        f"{statistics.median(one.seconds for one in found):.1f}",
        f"{statistics.median(one.bytes for one in found) / 1000:.1f}",
        f"{statistics.median(one.gap for one in found):.2f}",
        f"{max(one.latest for one in found):.2f}",
        str(sum(one.not_run for one in found)),
    )


if __name__ == "__main__":
    sys.exit(main())
