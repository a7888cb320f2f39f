"""How long a supervisor takes to start on a gigabyte of journals, and what it takes in memory and CPU with 1,000 bots."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from docker.models.containers import Container

from tests.bench import processes, supervised
from tests.bench.containers import Bench
from tests.bench.figures import UNKNOWN, Budget, Report, Table, duration, mebibytes
from tests.bench.progress import doing, wait_until
from tests.bench.watched import BOTS, Live, bots, write_manifests, write_quiet_manifests

DAY = timedelta(days=1)
DAYS = 8.0  # a day of 1,000 bots that run every quarter of an hour is 127 MB
QUICK_DAYS = 0.5
STARTS = 3
SETTLED = 5.0  # seconds after which a start is over
SWEPT = 75.0  # and after which its first housekeeping is, too


@dataclass
class _Found:
    rows: list[tuple[str, ...]] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)

    def add(self, what: str, seconds: float, container: Container | None, note: str = "") -> None:
        pss = UNKNOWN
        if container is not None and not processes.why_unreadable(container):
            pss = mebibytes(processes.of_container(container).pss)
        self.rows.append((what, duration(seconds), pss, note))


def measure(bench: Bench, *, quick: bool) -> Report:
    """Write the history, and start on it again and again."""
    length = DAY * (QUICK_DAYS if quick else DAYS)
    found = _Found()
    with supervised.home(bench, "history") as home:
        fleet = bots()
        write_manifests(home.strategies, fleet)
        journals = supervised.journals(home, fleet)
        now = datetime.now(UTC)
        with doing(f"writing {length / DAY:g} days of journals of {BOTS:,} bots"):
            journals.start(now - length - DAY)
            older = journals.history(now - length - DAY, now - DAY)
        with doing("reading them for the first time"):
            seconds, container = _start(bench, home)
            found.add("first start: reads all", seconds, container, f"{older / 1e6:,.0f} MB of journals")
            supervised.stop(container)
        again = []
        with doing("starting again"):
            for _ in range(STARTS):
                seconds, container = _start(bench, home)
                again.append(seconds)
                found.add("start with nothing new", seconds, container)
                supervised.stop(container)
        size = older / 1e9
        middle = sorted(again)[len(again) // 2]
        found.budgets.append(
            Budget(f"supervisor's start on {size:.2f} GB of journals", duration(middle), "<= 500 ms", middle <= 0.5)
        )
        with doing("writing and reading one day's news"):
            news = journals.history(now - DAY, datetime.now(UTC))
            seconds, container = _start(bench, home)
            found.add("start with a day's news", seconds, container, f"{news / 1e6:,.0f} MB of them new")
            found.budgets.append(
                Budget(f"reading {news / 1e6:,.0f} MB of news", duration(seconds), "<= 10 s", seconds <= 10)
            )
        with Live(journals, datetime.now(UTC)):
            found.budgets.append(_memory(container))
            wait_until(time.time() + (SWEPT / 3 if quick else SWEPT), "letting the first housekeeping end")
            busy = _cpu(container, 20 if quick else 60, "watching 1,000 bots of which 67 run a minute")
        supervised.stop(container)
    idle = _idle(bench, 20 if quick else 60)
    found.rows += [
        ("CPU in an hour, nothing due", f"{idle:.1f} s", "", f"{idle / 36:.2f} % of a CPU; 25 loops beat"),
        ("CPU in an hour, 4,000 runs", f"{busy:.1f} s", "", f"{busy / 36:.2f} % of a CPU"),
    ]
    title = f"The supervisor of {BOTS:,} bots in 25 strategies, 1 CPU"
    notes = (
        "start: from the container's process to the first judgement on the page; the files are in the machine's cache",
        "PSS: of the container's processes, right after that",
    )
    return Report((Table(title, ("", "time", "PSS", ""), tuple(found.rows), notes),), tuple(found.budgets))


def _start(bench: Bench, home: supervised.Home) -> tuple[float, Container]:
    container = supervised.start(bench, home)
    return supervised.seconds_until_ready(container), container


def _memory(container: Container) -> Budget:
    time.sleep(SETTLED)
    what = f"PSS of the supervisor, {BOTS:,} bots, full history"
    if processes.why_unreadable(container):
        return Budget(what, UNKNOWN, "<= 64 MB", met=False)
    pss = processes.of_container(container).pss
    return Budget(what, mebibytes(pss), "<= 64 MB", pss <= 64 * 1024)


def _cpu(container: Container, seconds: float, what: str) -> float:
    """Return the CPU seconds that a container takes in an hour like this one."""
    supervised_pid = int(container.attrs["State"]["Pid"])
    time.sleep(SETTLED)
    before, began = _cpu_of(supervised_pid), time.monotonic()
    wait_until(time.time() + seconds, what)
    return (_cpu_of(supervised_pid) - before) * 3600 / (time.monotonic() - began)


def _cpu_of(pid: int) -> float:
    return sum(processes.cpu_seconds(one) for one in processes.tree(pid))


def _idle(bench: Bench, seconds: float) -> float:
    with supervised.home(bench, "idle") as home:
        write_quiet_manifests(home.strategies, datetime.now(UTC))
        journals = supervised.journals(home, bots())
        journals.start(datetime.now(UTC))
        container = supervised.start(bench, home)
        supervised.seconds_until_ready(container)
        with Live(journals, datetime.now(UTC), runs=False):
            taken = _cpu(container, seconds, "watching 1,000 bots of which none is due")
        supervised.stop(container)
        return taken
