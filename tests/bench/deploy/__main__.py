"""The benchmark's command line: `python -m tests.bench.deploy [--quick] [--suite bookworm|trixie] [--runs N] [--minutes M]`.

It is measured in pieces of a minute or two, and what they came to is kept: after --minutes it ends, and the next call goes on.
"""

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import docker
from docker.errors import DockerException

from deploy.transfer import images, warm_up
from tests.bench import machine as facts
from tests.bench.deploy import line, registry
from tests.bench.deploy.stand import Stand, stand
from tests.bench.deploy.ways import WAYS, Way
from tests.bench.figures import UNKNOWN, Table
from tests.bench.kept import Kept
from tests.bench.progress import doing, say
from tests.machine.machine import Machine, Store, Suite, running_machine


@dataclass(frozen=True)
class Sample:
    """What one deploy took."""

    bytes: int
    seconds: float


Samples = Mapping[str, Sequence[Sample]]  # by way


def main() -> int:
    """Measure every way on both lines, and print a table for each; return the exit code."""
    options = _options()
    client = docker.from_env(timeout=120)
    started = time.monotonic()
    try:
        print(facts.facts(client), flush=True)
        program = registry.fetch()
        if program is None:
            say("without the registry: this distribution has no package docker-registry")
        with contextlib.ExitStack() as stack:
            with doing("building the images"):
                one = stack.enter_context(stand(client))
            _learn(one)
            ways = [way for way in WAYS if program or not way.registry]
            kept = Kept("bench-deploy", options.minutes)
            for megabits in options.megabits:
                print(_measure(one, ways, program, options, megabits, kept), flush=True)
            kept.tell()
    except (DockerException, RuntimeError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None)
        say(f"ended early: {error}{f': {said.decode()}' if said else ''}")
        return 1
    except KeyboardInterrupt:
        say("ended early; what was started is removed")
        return 130
    print(f"The whole run took {time.monotonic() - started:.0f} s.")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.deploy", description="Measure the ways to bring images to a server, in one run."
    )
    parser.add_argument("--suite", choices=("bookworm", "trixie"), default="trixie", help="engine 20.10 or 26.1")
    parser.add_argument("--store", choices=("classic", "containerd"), default="classic", help="of the server's engine")
    parser.add_argument("--runs", type=int, default=3, help="first deploys of each way; changes are twice as many")
    parser.add_argument("--megabits", type=float, nargs="+", default=[0.0, line.MEGABITS], help="0: as fast as it goes")
    parser.add_argument("--minutes", type=float, default=1000.0, help="no piece begins after so many")
    parser.add_argument("--quick", action="store_true", help="one run of each")
    options = parser.parse_args()
    if options.quick:
        options.runs = 1
    return options


def _learn(one: Stand) -> None:
    """Let the local engine pack the layers, as it does while the first deploy waits for its gate."""
    begin = threading.Event()
    started = time.monotonic()
    with warm_up.priming(one.client, images.look_up(one.client, one.references), begin) as done:
        begin.set()
        done.wait()
    say(f"the local engine packed all layers once, in {time.monotonic() - started:.1f} s")


def _measure(
    one: Stand, ways: Sequence[Way], program: bytes | None, options: argparse.Namespace, megabits: float, kept: Kept
) -> Table:
    firsts: dict[str, list[Sample]] = {way.name: [] for way in ways}
    changes: dict[str, list[Sample]] = {way.name: [] for way in ways}
    speed = f"{megabits:g} Mbit/s" if megabits else "no limit"
    for run in range(options.runs):
        for way in ways:  # in turns, so that what else the machine does meets all of them
            name = f"{options.suite}, {options.store}, {speed}, run {run + 1} of {options.runs}: {way.name}"
            found = kept.piece(name, partial(_piece, name, way, one, program, options, megabits))
            samples = [Sample(int(count), seconds) for count, seconds in found]
            firsts[way.name] += samples[:1]
            changes[way.name] += samples[1:]
    return _table(f"engine {options.suite}, {options.store} store, {speed}", ways, firsts, changes)


def _piece(
    name: str, way: Way, one: Stand, program: bytes | None, options: argparse.Namespace, megabits: float
) -> list[list[float]]:
    """Return what one way took on a server of its own: the bytes and seconds of a first deploy, then those of changes."""
    with (
        doing(name),
        contextlib.redirect_stdout(io.StringIO()),
        running_machine(one.client, cast(Suite, options.suite), store=cast(Store, options.store)) as machine,
    ):
        if way.registry and program:
            registry.start(machine, program)
        if megabits:
            line.limit(machine, megabits)
        samples = [_sample(way, machine, one, one.references)]
        for _ in range(1 if options.quick else 2):
            one.change()
            samples.append(_sample(way, machine, one, [one.changed]))
    say("    " + "; ".join(f"{sample.bytes / 1e6:.3f} MB in {sample.seconds:.2f} s" for sample in samples))
    return [[sample.bytes, sample.seconds] for sample in samples]


def _sample(way: Way, machine: Machine, one: Stand, changed: Sequence[str]) -> Sample:
    before = line.transferred(machine)
    started = time.monotonic()
    way.bring(machine, one.references, changed)
    seconds = time.monotonic() - started
    return Sample(line.transferred(machine) - before, seconds)


def _table(title: str, ways: Sequence[Way], firsts: Samples, changes: Samples) -> Table:
    rows = tuple((way.name, *_median(firsts[way.name]), *_median(changes[way.name])) for way in ways)
    most = [max(map(len, samples.values())) for samples in (firsts, changes)]
    notes = (
        f"medians of {most[0]} first deploys (three images) and {most[1]} changes of one line",
        "bytes as the server's network card counts them, both ways",
        "each includes opening SSH; openbell also looks what is there and checks what has arrived, the others do not",
        "a change: openbell is given all images, the others only the one that has changed",
    )
    return Table(f"Deploy: {title}", ("", "first, MB", "s", "change, MB", "s"), rows, notes)


def _median(samples: Sequence[Sample]) -> tuple[str, str]:
    if not samples:
        return UNKNOWN, UNKNOWN
    megabytes = statistics.median(sample.bytes for sample in samples) / 1e6
    return (
        f"{megabytes:.3f}" if megabytes < 1 else f"{megabytes:.1f}",
        f"{statistics.median(sample.seconds for sample in samples):.2f}",
    )


if __name__ == "__main__":
    sys.exit(main())
