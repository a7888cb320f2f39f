"""How lateness, memory, CPU and alerts grow with bots and strategies: `python -m tests.bench.growth [--quick]`.

The whole takes half an hour. `--only strategies --sizes 100` measures one piece of it; each figure is told as soon as it is there.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import docker
from docker.errors import DockerException
from docker.models.containers import Container

from tests.bench import machine, processes, supervised
from tests.bench.containers import Bench
from tests.bench.crowd import by_round
from tests.bench.figures import UNKNOWN, Table, duration, mebibytes, percentile
from tests.bench.fleet import idle_strategies
from tests.bench.progress import doing, say, wait_until
from tests.bench.receiver import receiving
from tests.bench.samples import our_run_starts
from tests.bench.watched import EVERY, GRACE, STEP, Live, WatchedBot, bots, write_manifests

PARTS = ("bots", "strategies", "supervisor")
SIZES = (10, 100, 1000)  # bots
FLEETS = (1, 10, 100)  # strategies of one bot each
PERIOD = 60  # seconds between two instants at which all bots are due
ROUNDS = 2
ROUND = 20.0  # seconds after which a round of a thousand bots is over
SETTLED = 5.0  # seconds after which a start is over, and for which an instant is kept free of work
BEND = 2.0  # a figure that grows so many times faster than what it is of has a bend there
READY = timedelta(seconds=60)  # a supervisor is ready and the first of its bots is due
MISSES = 5  # slots that are missed on purpose, to see when the channel knows


@dataclass(frozen=True)
class Growth:
    """The figures at one size: seconds of lateness (median and last of a round), KiB of memory, CPU seconds of a round.

    Beside it the CPU seconds of an idle hour, and those of the engine's processes over the containers.
    """

    size: int
    median: float
    last: float
    idle: float
    cpu: float
    idle_cpu: float
    engine_cpu: float


@dataclass(frozen=True)
class Watched:
    """The supervisor's figures at one size: seconds to the channel, KiB of memory, CPU seconds of an hour."""

    size: int
    latency: float
    pss: float
    cpu: float


def main() -> int:
    """Measure the parts that were asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the largest sizes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="these parts alone")
    parser.add_argument("--sizes", nargs="+", type=int, metavar="N", help="so many bots, or strategies, alone")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sizes, fleets = (SIZES[:2], FLEETS[:2]) if options.quick else (SIZES, FLEETS)
    if options.sizes:
        sizes = fleets = tuple(sorted(options.sizes))
    parts: dict[str, Callable[[], Table]] = {
        "bots": lambda: _bots(sizes),
        "strategies": lambda: _strategies(fleets),
        "supervisor": lambda: _supervisor(sizes),
    }
    os.environ.setdefault("COMPOSE_PARALLEL_LIMIT", "8")  # an old engine does not start a hundred at once
    started = time.monotonic()
    try:
        with closing(docker.from_env()) as client:
            print(machine.facts(client), flush=True)
        for name in options.only:
            print(parts[name](), flush=True)
    except (DockerException, RuntimeError) as error:
        say(f"ended early: {error}")
        return 1
    except KeyboardInterrupt:
        say("ended early; what was started is removed")
        return 130
    print(f"The whole run took {time.monotonic() - started:.0f} s.")
    return 0


def _bots(sizes: Sequence[int]) -> Table:
    """Measure one strategy with more and more bots."""
    with idle_strategies({f"bots_{size}": size for size in sizes}) as stand:
        found = [_measure(stand, size, [f"bots_{size}"]) for size in sizes]
        return _table("One strategy: bots that are all due in one instant", "bots", found)


def _strategies(fleets: Sequence[int]) -> Table:
    """Measure more and more strategies. Their code is the same, so they share one image: a hundred take minutes to build."""
    with idle_strategies({f"one_{number}": 1 for number in range(fleets[-1])}, one_image=True) as stand:
        found = [_measure(stand, size, [f"one_{number}" for number in range(size)]) for size in fleets]
        return _table("Strategies of one bot each, all due in one instant", "strategies", found)


def _measure(stand: Bench, size: int, services: Sequence[str]) -> Growth:
    """Start the services, and see some rounds."""
    with doing(f"starting {len(services)} strategies with {size} bots in all"):
        containers = stand.start(*services)
        time.sleep(SETTLED)
    begin = (time.time() // PERIOD + 1) * PERIOD
    wait_until(
        begin - SETTLED if begin - SETTLED > time.time() else begin + PERIOD - SETTLED, "waiting for a quiet moment"
    )
    begin = (time.time() // PERIOD + 1) * PERIOD
    idle = _memory(containers)
    before = _cpu(containers)
    wait_until(begin + ROUND, f"letting {size} bots be due")
    mains = [processes.main(one) for one in containers]
    loops, shims = [pid for main in mains for pid in processes.tree(main)], [processes.shim(one) for one in containers]
    idle_times = _CpuTime(loops), _CpuTime(shims)
    wait_until(begin + PERIOD - SETTLED, "letting nothing be due")
    idle_cpu, engine_cpu = (one.in_an_hour() for one in idle_times)
    wait_until(begin + (ROUNDS - 1) * PERIOD + ROUND, f"letting {size} bots be due again")
    cpu = (_cpu(containers) - before) / ROUNDS
    samples = [sample for one in containers for sample in our_run_starts(stand.lines(one))]
    rounds = by_round(samples, begin, begin + ROUNDS * PERIOD)
    stand.remove(containers)
    if not rounds:
        msg = f"no bot of {services[0]} was seen to run"
        raise RuntimeError(msg)
    medians, lasts = [percentile(late, 50) for late in rounds], [max(late) for late in rounds]
    found = Growth(size, percentile(medians, 50), percentile(lasts, 50), idle, cpu, idle_cpu, engine_cpu)
    say(f"{found}")
    return found


class _CpuTime:
    """The CPU time of processes from now on; one that has ended counts no more."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._began = time.monotonic()
        self._before = {pid: seconds for pid in pids if (seconds := _seconds(pid)) is not None}

    def in_an_hour(self) -> float:
        """Return the CPU seconds of an hour that goes on like this."""
        took = time.monotonic() - self._began
        used = (after - before for pid, before in self._before.items() if (after := _seconds(pid)) is not None)
        return sum(used) * 3600 / took


def _seconds(pid: int) -> float | None:
    try:
        return processes.running_seconds(pid)
    except OSError:
        return None


def _memory(containers: Sequence[Container]) -> float:
    if processes.why_unreadable(containers[0]):
        return float("nan")
    return sum(processes.of_container(one).pss for one in containers)


def _cpu(containers: Sequence[Container]) -> float:
    return sum(processes.cpu_of_container(one) for one in containers)


def _table(title: str, what: str, found: Sequence[Growth]) -> Table:
    figures: list[tuple[str, Callable[[Growth], float], Callable[[float], str]]] = [
        ("run_start, median", lambda one: one.median, duration),
        ("run_start, last", lambda one: one.last, duration),
        ("idle PSS", lambda one: one.idle, mebibytes),
        ("CPU of a round", lambda one: one.cpu, duration),
        ("CPU of an idle hour, without health checks", lambda one: one.idle_cpu, duration),
        ("the same of the engine's processes over them", lambda one: one.engine_cpu, duration),
    ]
    rows = tuple((name, *_curve([(one.size, of(one)) for one in found], written)) for name, of, written in figures)
    headings = ("", *(f"{one.size:,} {what}" for one in found), "bends at")
    return Table(
        title, headings, rows, (f"a bend: from there on a figure grows over {BEND:g} times as fast as the {what}",)
    )


def _curve(points: Sequence[tuple[int, float]], written: Callable[[float], str]) -> tuple[str, ...]:
    """Return the figures of a curve, and the size at which it bends upward."""
    bend = next(
        (
            f"{size:,}"
            for (smaller, before), (size, figure) in pairwise(points)
            if before > 0 and figure / before > BEND * size / smaller
        ),
        UNKNOWN,
    )
    return (*(UNKNOWN if figure != figure else written(figure) for _, figure in points), bend)  # noqa: PLR0124 - NaN


def _supervisor(sizes: Sequence[int]) -> Table:
    """Let the supervisor watch fleets of each size, with some slots that are missed."""
    with idle_strategies({"bots_1": 1}) as stand:  # the supervisor's image needs a strategy
        found = [_supervise(stand, size) for size in sizes]
    rows = (
        ("deadline to the channel, median", *_curve([(one.size, one.latency) for one in found], duration)),
        ("PSS", *_curve([(one.size, one.pss) for one in found], mebibytes)),
        ("CPU of an hour", *_curve([(one.size, one.cpu) for one in found], duration)),
    )
    headings = ("", *(f"{size:,} bots" for size in sizes), "bends at")
    return Table("The supervisor, each bot due every quarter of an hour", headings, rows)


def _supervise(stand: Bench, size: int) -> Watched:
    with supervised.home(stand, f"growth-{size}") as home, receiving() as receiver:
        since = datetime.now(UTC)
        fleet = _soon_due(bots(count=size), since + READY)
        write_manifests(home.strategies, fleet)
        journals = supervised.journals(home, fleet)
        journals.start(since - timedelta(hours=1))
        journals.history(since - timedelta(hours=1), since)
        supervisor = supervised.start(stand, home, {"OPENBELL_ALERT_URLS": receiver.url("json", "ours")})
        with Live(journals, since) as live:
            supervised.seconds_until_ready(supervisor, size)
            start = datetime.now(UTC) + timedelta(seconds=10)
            slots = sorted((next(bot.slots(start, start + timedelta(hours=1))), bot.id, bot) for bot in fleet)
            missed = [(bot, slot) for slot, _, bot in slots[:MISSES]]
            for bot, slot in missed:
                live.miss(bot, slot, slot + GRACE + timedelta(seconds=3.2))
            before, began = _cpu([supervisor]), time.monotonic()
            wait_until((missed[-1][1] + GRACE).timestamp() + 8, f"missing {MISSES} slots of {size} bots")
            cpu = (_cpu([supervisor]) - before) * 3600 / (time.monotonic() - began)
            pss = _memory([supervisor])
        supervised.stop(supervisor)
        latencies = [
            at - deadline
            for bot, slot in missed
            for deadline in [(slot + GRACE).timestamp()]
            if (at := receiver.first("ours", [bot.id], deadline)) is not None
        ]
        found = Watched(size, percentile(latencies, 50) if latencies else float("nan"), pss, cpu)
        say(f"{found}")
        return found


def _soon_due(fleet: Sequence[WatchedBot], at: datetime) -> list[WatchedBot]:
    """Move the fleet's slots, so that its first is the one at an instant: with few bots the next may be minutes away."""
    moved = (at - datetime.min.replace(tzinfo=UTC)) // STEP * STEP
    return [replace(bot, offset=(bot.offset + moved) % EVERY) for bot in fleet]


if __name__ == "__main__":
    sys.exit(main())
