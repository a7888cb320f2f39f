"""What an idle strategy's container keeps in memory: each kind seven times, and nothing else of ours beside it."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from docker.models.containers import Container

from tests.bench import processes
from tests.bench.containers import QUIET, Bench
from tests.bench.figures import UNKNOWN, Budget, Report, Table, mebibytes, percentile, ratio
from tests.bench.processes import Memory
from tests.bench.progress import doing

SETTLED = 3.0  # seconds after which a start is over
OURS = "openbell"
SUPERVISOR = "openbell, supervisor over the seven"
PEERS = {
    "the limit: Python asleep with schedule, pytz, sqlite3": (
        "runtime",
        "python",
        "-c",
        "import schedule, pytz, sqlite3, time; time.sleep(1e6)",
    ),
    "schedule, sleep(60)": ("schedule", "quiet", "60"),
    "APScheduler, background": ("apscheduler", "background", "quiet"),
    "APScheduler, asyncio": ("apscheduler", "asyncio", "quiet"),
}
HEADINGS = ("", "containers", "PSS", "largest", "private", "RSS", "shim PSS", "PSS / ours")

# Per container: its own processes, and the engine's process over it.
Measured = Sequence[tuple[Memory, Memory]]


def measure(bench: Bench) -> Report:
    """Measure kind by kind, so that none shares pages with another kind."""
    title = f"Memory of an idle container, {QUIET} of its kind up"
    found: dict[str, Measured] = {}
    with doing(f"measuring the memory of {QUIET} strategies"):
        ours = bench.start(*(f"quiet_{number}" for number in range(1, QUIET + 1)))
        refusal = processes.why_unreadable(ours[0])
        if refusal:
            bench.remove(ours)
            return Report((Table(title, HEADINGS, ((OURS, *[UNKNOWN] * 7),), (refusal,)),))
        found[OURS] = _look(ours)
        notes, supervisor = _supervisor(bench, found)
        bench.remove([*ours, *supervisor])
    for name, (image, *command) in PEERS.items():
        with doing(f"measuring the memory of {QUIET} times {name}"), ThreadPoolExecutor(4) as pool:
            starts = [pool.submit(bench.start_peer, image, *command) for _ in range(QUIET)]
            containers = [start.result() for start in starts]
            found[name] = _look(containers)
            bench.remove(containers)
    rows = tuple(_row(name, measured, found[OURS]) for name, measured in found.items())
    pss = _median([memory.pss for memory, _ in found[OURS]])
    budgets = [Budget("idle PSS of a strategy", mebibytes(pss), "<= 12 MB", pss <= 12 * 1024)]
    if SUPERVISOR in found:
        pss = found[SUPERVISOR][0][0].pss
        budgets.append(Budget("idle PSS of the supervisor", mebibytes(pss), "<= 64 MB", pss <= 64 * 1024))
    return Report((Table(title, HEADINGS, rows, notes),), tuple(budgets))


def _supervisor(bench: Bench, found: dict[str, Measured]) -> tuple[tuple[str, ...], list[Container]]:
    notes = (
        "PSS: a container's processes, shared pages divided among those that share them; medians. private: what no other process shares",
        "openbell: durable ledger, journal, beat, watchdog and the strategy itself are loaded; the peers: their library and one function",
        "shim: the engine's own process over each container, the same for all",
    )
    try:
        supervisor = bench.start("supervisor", ready='"timestamp"')
    except RuntimeError as error:
        return (*notes, f"no supervisor: {str(error).splitlines()[-1]}"), []
    found[SUPERVISOR] = _look(supervisor)
    return notes, supervisor


def _look(containers: Sequence[Container]) -> Measured:
    time.sleep(SETTLED)
    return [(processes.of_container(one), processes.of_process(processes.shim(one))) for one in containers]


def _row(name: str, measured: Measured, ours: Measured) -> tuple[str, ...]:
    own = [memory for memory, _ in measured]
    pss = _median([memory.pss for memory in own])
    figures = (
        pss,
        max(memory.pss for memory in own),
        _median([memory.private for memory in own]),
        _median([memory.rss for memory in own]),
        _median([shim.pss for _, shim in measured]),
    )
    times = ratio(pss, _median([memory.pss for memory, _ in ours]))
    return (name, str(len(own)), *map(mebibytes, figures), times)


def _median(figures: Sequence[float]) -> float:
    return percentile(figures, 50)
