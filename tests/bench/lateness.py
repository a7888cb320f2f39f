"""How late a job begins on an idle machine: all contenders at the same time, each at its own part of the second."""

from collections.abc import Callable, Sequence

from tests.bench.containers import Bench
from tests.bench.figures import UNKNOWN, Budget, Report, Table, duration, ratio, summary
from tests.bench.progress import doing
from tests.bench.samples import Contender, cron_jobs, our_code, our_lines_at_engine, our_run_starts, peer_jobs

WARM_UP = 3  # first samples that do not count, where there is one every second
CRON_STARTS = ("0.2", "0.45", "0.7", "0.95")  # where in the second the daemons start


def seconds_needed(*, quick: bool) -> float:
    """Return how long the contenders must run: the loop that sleeps for a minute has to wake twice."""
    return 20 if quick else 126


def begin(bench: Bench, *, quick: bool) -> Callable[[], Report]:
    """Start all contenders; the answer, called later, collects what they have shown."""
    with doing("starting those whose lateness is measured"):
        contenders = _ours(bench) + _per_second(bench)
        if not quick:
            contenders += _per_minute(bench)

    def collect() -> Report:
        report = _report(bench, contenders, quick=quick)
        bench.remove([container for one in contenders for container in one.containers])
        return report

    return collect


def _ours(bench: Bench) -> list[Contender]:
    ours = bench.start("punctual")
    fresh = bench.start("fresh")
    return [
        Contender("openbell, run_start", ours, our_run_starts, WARM_UP),
        Contender("openbell, run_start seen by the engine", ours, our_lines_at_engine, WARM_UP),
        Contender("openbell, first statement of the strategy", ours, our_code, WARM_UP),
        Contender('openbell, the same with start = "fresh"', fresh, our_code, 1),
    ]


def _per_second(bench: Bench) -> list[Contender]:
    sleep_1 = bench.start_peer("schedule", "lateness", "1", "5", "0.1", "0.3", "0.5", "0.7", "0.9")
    idle_seconds = bench.start_peer("schedule", "lateness", "idle", "1", "0")
    background = bench.start_peer("apscheduler", "background", "lateness", "0.5")
    asyncio = bench.start_peer("apscheduler", "asyncio", "lateness", "0.75")
    limit = bench.start_peer("limit", "lateness", "0.85")
    sync = bench.start_peer("limit", "sync", "0.4")
    return [
        Contender("the limit: an empty loop that wakes", [limit], peer_jobs, WARM_UP),
        Contender("the same, and a sync of the disk", [sync], peer_jobs, WARM_UP),
        Contender("schedule, sleep(1)", [sleep_1], peer_jobs, WARM_UP),
        Contender("schedule, idle_seconds", [idle_seconds], peer_jobs, WARM_UP),
        Contender("APScheduler, background", [background], peer_jobs, WARM_UP),
        Contender("APScheduler, asyncio", [asyncio], peer_jobs, WARM_UP),
    ]


def _per_minute(bench: Bench) -> list[Contender]:
    sleep_60 = bench.start_peer("schedule", "lateness", "60", "5", "0", "1.7", "3.3")
    cron = [] if "cron" in bench.missing else [bench.start_peer("cron", start) for start in CRON_STARTS]
    return [
        Contender("schedule, sleep(60)", [sleep_60], peer_jobs),
        Contender("Debian cron", cron, cron_jobs),
    ]


def _report(bench: Bench, contenders: Sequence[Contender], *, quick: bool) -> Report:
    rows: list[tuple[str, ...]] = []
    budgets: tuple[Budget, ...] = ()
    ours = 0.0
    for one in contenders:
        samples = [sample for container in one.containers for sample in one.read(bench.lines(container))[one.skip :]]
        figures = summary([sample.late for sample in samples])
        if figures is None:
            rows.append((one.name, "0", *[UNKNOWN] * 4))
            continue
        times = [duration(figure) for figure in (figures.median, figures.p99, figures.largest)]
        if one.read is our_run_starts:
            ours = figures.median
            budgets = (
                Budget("lateness of run_start, median", times[0], "< 2 ms", figures.median < 0.002),
                Budget("lateness of run_start, p99", times[1], "< 10 ms", figures.p99 < 0.010),
            )
        elif one.read is our_code and one.skip == WARM_UP:
            budgets += (
                Budget("first statement, median", times[0], "<= 1.5 ms", figures.median <= 0.0015),
                Budget("first statement, p99", times[1], "<= 8 ms", figures.p99 <= 0.008),
            )
        rows.append((one.name, str(figures.count), *times, ratio(figures.median, ours)))
    headings = ("", "samples", "median", "p99", "max", "median / ours")
    notes = _notes(bench, quick=quick)
    return Report((Table("Lateness of a job, idle", headings, tuple(rows), notes),), budgets)


def _notes(bench: Bench, *, quick: bool) -> tuple[str, ...]:
    notes = [
        "lateness: the job's first action minus the instant it was due; all run at the same time, each in its own part of the second",
        "a tenth of a second before its slot, openbell claims it durably; a process of the run's own waits for it. The peers' jobs run in the scheduler's process",
        'start = "fresh": each run has a new interpreter, whose imports take half a second; it is there before the slot',
        "sleep(n): several processes or jobs at different distances from the wake-up, so that the median is not one start's luck",
    ]
    if quick:
        notes.append("--quick leaves out schedule with sleep(60) and cron: they need two minutes")
    if "cron" in bench.missing:
        notes.append(f"no cron, its package could not be installed: {bench.missing['cron'].splitlines()[-1]}")
    return tuple(notes)
