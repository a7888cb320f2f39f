"""What hosts that share a database ask of it: `python -m tests.bench.hosts [--quick]`.

Each loop is a process with a connection of its own that does to a real PostgreSQL, with durable commits, what a loop does:
own its strategy, renew, follow control and journal, and claim a slot for each of its bots. No run is started, so that the
machine's processors are the database's.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from openbell.ledger import Claim
from openbell.postgres import history
from openbell.postgres.control import RecentControl
from openbell.postgres.database import Database, Guard
from openbell.postgres.journal_copy import JournalCopy
from openbell.postgres.lease import RENEW
from openbell.postgres.ledger import PostgresLedger
from openbell.postgres.ownership import Ownership
from openbell.postgres.tables import SHARED, SHARED_SCHEMA
from tests.bench import hosts_supervisor
from tests.bench.figures import Table, percentile
from tests.hosts.cluster import descendants
from tests.serverless.postgres import Server, running_server

LOOPS = 100
SIZES = (100, 1_000, 10_000)  # bots of all loops together
IDLE = 10.0  # seconds
HEADINGS = ("bots", "claims a second", "claim, median", "claim, p99", "idle: CPU of the database", "CPU of a loop")
SLOT = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


def main() -> int:
    """Print the curve."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the two smaller sizes only")
    options = parser.parse_args()
    rows = []
    sizes = SIZES[:2] if options.quick else SIZES
    for size in sizes:
        print(f"measuring {size} bots in {LOOPS} loops", file=sys.stderr, flush=True)
        with running_server(durable=True) as server:
            rows.append(tuple(measured(server, size)))
    title = f"Bots of {LOOPS} loops on one PostgreSQL: all claim a slot at once, and before that all are idle"
    print(Table(title, HEADINGS, tuple(rows), (f"load average {os.getloadavg()[0]:.1f} at the end",)))
    print(hosts_supervisor.measured(sizes))
    return 0


def measured(server: Server, bots: int) -> Iterator[str]:
    """Yield the figures of one size."""
    database = Database(server.url(), SHARED_SCHEMA)
    database.make(SHARED)
    for number in range(LOOPS):
        PostgresLedger(server.url(), f"s{number}", prepare=True)
    database.close()
    context = get_context("fork")
    pipes = []
    for number in range(LOOPS):
        here, there = context.Pipe()
        context.Process(target=loop, args=(server.url(), number, bots // LOOPS, there), daemon=True).start()
        pipes.append(here)
    for pipe in pipes:
        pipe.recv()  # it owns its strategy
    main_process = int((server.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    before = cpu(main_process)
    told = [pipe.recv() for pipe in pipes]  # it has been idle
    idle = (cpu(main_process) - before) / IDLE
    began = time.monotonic()
    for pipe in pipes:
        pipe.send("claim")
    latencies = sorted(one for pipe in pipes for one in pipe.recv())
    took = time.monotonic() - began
    yield f"{bots:,}"
    yield f"{len(latencies) / took:,.0f}"
    yield f"{1000 * percentile(latencies, 50):.1f} ms"
    yield f"{1000 * percentile(latencies, 99):.0f} ms"
    yield f"{100 * idle:.1f} %"
    yield f"{100 * sum(told) / len(told) / IDLE:.2f} %"


def loop(url: str, number: int, bots: int, pipe: Connection) -> None:
    """Be one loop."""
    name, boot = f"s{number}", os.urandom(4).hex()
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "state" / name).mkdir(parents=True)
        database = Database(url, SHARED_SCHEMA)
        row = Ownership(database, name, boot, "bench")
        acquired = row.acquire()
        assert acquired is not None
        ledger = PostgresLedger(url, name, guard=Guard(name, acquired.epoch, boot))
        control = RecentControl(database, name)
        copy = JournalCopy(url, root / "journal", {name: root / "state" / name})
        pipe.send("ready")
        started, used = time.monotonic(), time.process_time()
        renew_at = started + RENEW * number / LOOPS  # hosts start at different times
        while time.monotonic() - started < IDLE:
            if time.monotonic() >= renew_at:
                row.renew(acquired.epoch, "")
                history.read(database)
                renew_at = time.monotonic() + RENEW
            control.halted()
            copy.copy_lines()
            time.sleep(1.0)
        pipe.send(time.process_time() - used)
        pipe.recv()
        latencies = []
        for bot in range(bots):
            begun = time.monotonic()
            ledger.claim([Claim(f"b{bot}", SLOT, f"{number} {bot}", 1, "loop", SLOT)])
            latencies.append(time.monotonic() - begun)
            if time.monotonic() >= renew_at:
                row.renew(acquired.epoch, "")
                renew_at = time.monotonic() + RENEW
        pipe.send(latencies)


def cpu(process: int) -> float:
    """Return the seconds of a processor that a process and its children have used."""
    ticks = 0
    for one in (process, *descendants(process)):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
