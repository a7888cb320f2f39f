"""The supervisor of hosts that share a database, which brings all journals from there: memory, CPU, and when an alert arrives."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from openbell import heartbeat
from openbell.postgres.database import Database
from openbell.postgres.ownership import Ownership
from openbell.postgres.tables import SHARED, SHARED_SCHEMA
from openbell.supervisor.service.own_records import STORE
from tests.bench import processes
from tests.bench.figures import UNKNOWN, Table, duration, mebibytes, percentile
from tests.bench.progress import say, wait_until
from tests.bench.receiver import Receiver, receiving
from tests.bench.watched import BOOT, EVERY, GRACE, Journals, Live, WatchedBot, bots, write_manifests
from tests.ports import free_port
from tests.serverless.postgres import Server, running_server

LOOPS = 100
HISTORY = timedelta(hours=1)
MISSES = 12  # slots that are missed on purpose
LEAD = timedelta(seconds=12)  # until the first of them
READY_WITHIN = 180.0  # seconds
MOST_LINES = 4_000  # in one statement
HEADINGS = ("bots", "knows an hour", "PSS", "and of what sends", "CPU of an hour", "deadline to the channel", "p99")
_LINES = (
    "INSERT INTO journal (strategy, at, run_id, line) SELECT ?, (line::json->>'timestamp')::timestamptz, "
    "line::json->>'run_id', line FROM unnest(string_to_array(?, chr(10))) AS line WHERE line <> ''"
)
_BEAT = "UPDATE owners SET until = clock_timestamp() + interval '1 minute', beat = ? WHERE owner = 'bench'"


def measured(sizes: Sequence[int]) -> Table:
    """Return the figures of each size."""
    rows = []
    for size in sizes:
        say(f"letting a supervisor watch {size} bots of {LOOPS} loops through the database")
        with running_server(durable=True) as server, TemporaryDirectory() as folder:
            rows.append(_of_size(server, Path(folder), size))
    title = f"The supervisor of {LOOPS} loops on other machines, each bot due every quarter of an hour"
    notes = ("one process of Python 3.11 without a container; an hour of journals before, which it has to fetch first",)
    return Table(title, HEADINGS, tuple(rows), notes)


def _of_size(server: Server, root: Path, size: int) -> tuple[str, ...]:
    now = datetime.now(UTC).replace(microsecond=0)
    begin = now - now.replace(hour=0, minute=0, second=0)  # the first are due at once, also where few are due at all
    fleet = [replace(bot, offset=(begin + bot.offset) % EVERY) for bot in bots(count=size, strategies=LOOPS)]
    write_manifests(root / "strategies", fleet)
    database = Database(server.url(), SHARED_SCHEMA)
    database.make(SHARED)
    for strategy in sorted({bot.strategy for bot in fleet}):
        Ownership(database, strategy, "bench", "elsewhere").acquire()
    journals = SharedJournals(database, root, fleet)
    since = datetime.now(UTC)
    journals.start(since - HISTORY)
    journals.history(since - HISTORY, since)
    journals.beat(since)
    with receiving() as receiver, Live(journals, since) as live:
        began = time.monotonic()
        with _supervisor(server, root, receiver) as process:
            _wait_for_all(root / "state" / STORE, size * (HISTORY // EVERY))
            ready = time.monotonic() - began
            found = _figures(live, fleet, process, receiver)
    database.close()
    return (f"{size:,}", duration(ready), *found)


class SharedJournals(Journals):
    """The same lines and signs of life, in the database, as the loops of hosts write them."""

    def __init__(self, database: Database, root: Path, fleet: Sequence[WatchedBot]) -> None:
        super().__init__(root / "nowhere", fleet)
        self._database = database

    def beat(self, at: datetime) -> None:
        """Let all loops renew their ownership, and beat."""
        folder = self.root / "any"
        folder.mkdir(parents=True, exist_ok=True)
        heartbeat.write(folder, heartbeat.Heartbeat(at, BOOT, ()))
        self._database.execute(_BEAT, ((folder / heartbeat.FILE).read_text(),))

    def _append(self, strategy: str, at: datetime, text: str) -> None:
        lines = text.splitlines()
        for first in range(0, len(lines), MOST_LINES):
            self._database.execute(_LINES, (strategy, "\n".join(lines[first : first + MOST_LINES])))


@contextmanager
def _supervisor(server: Server, root: Path, receiver: Receiver) -> Iterator[int]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBELL_")} | {
        "OPENBELL_DATABASE": server.url(),
        "OPENBELL_COPY_JOURNALS": "1",
        "OPENBELL_HOST": "here",
        "OPENBELL_STRATEGIES": str(root / "strategies"),
        "OPENBELL_LISTEN": f"127.0.0.1:{free_port()}",
        "OPENBELL_ALERT_URLS": f"json://127.0.0.1:{receiver.server_address[1]}/ours",
    }
    for name, folder in (("JOURNAL", "journal"), ("CONTROL", "control"), ("SUPERVISOR_STATE", "state")):
        (root / folder).mkdir()
        environment[f"OPENBELL_{name}"] = str(root / folder)
    with (root / "said").open("wb") as said:
        command = (sys.executable, "-m", "openbell", "supervise")
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    try:
        yield process.pid
        for line in (root / "said").read_text().splitlines():
            if '"level": "error"' in line:
                print(f"the supervisor: {line[:300]}", file=sys.stderr)
    finally:
        process.terminate()
        process.wait(30)


def _wait_for_all(store: Path, runs: int) -> None:
    """Wait until the supervisor knows all runs of the hour before."""
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as known:
            if known.execute("SELECT count(*) FROM runs").fetchone()[0] >= runs:
                return
        time.sleep(0.2)
    msg = f"the supervisor did not know all {runs} runs within {READY_WITHIN:g} s"
    raise TimeoutError(msg)


def _figures(live: Live, fleet: Sequence[WatchedBot], process: int, receiver: Receiver) -> tuple[str, ...]:
    start = datetime.now(UTC) + LEAD
    first: dict[datetime, WatchedBot] = {}
    for bot in fleet:
        first.setdefault(next(bot.slots(start, start + HISTORY)), bot)
    missed = sorted(first.items())[:MISSES]
    for slot, bot in missed:
        live.miss(bot, slot, slot + GRACE + timedelta(seconds=3))
    before, began = _cpu(process), time.monotonic()
    wait_until((missed[-1][0] + GRACE).timestamp() + 8, f"missing {MISSES} slots")
    cpu = (_cpu(process) - before) * 3600 / (time.monotonic() - began)
    own = processes.of_process(process).pss
    sends = 0
    for one in list(processes.tree(process))[1:]:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has sent what there was, and ended
            sends += processes.of_process(one).pss
    deadlines = [((slot + GRACE).timestamp(), bot.id) for slot, bot in missed]
    late = [at - due for due, bot in deadlines if (at := receiver.first("ours", [bot], due)) is not None]
    told = (
        (UNKNOWN, UNKNOWN) if len(late) < MISSES else (duration(percentile(late, 50)), duration(percentile(late, 99)))
    )
    return (mebibytes(own), mebibytes(sends), duration(cpu), *told)


def _cpu(process: int) -> float:
    return sum(processes.cpu_seconds(one) for one in processes.tree(process))
