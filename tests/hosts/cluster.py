"""Two or more hosts on this machine: each has folders of its own and a real loop; the database and the broker are shared."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from openbell.journal import Event, instant
from openbell.postgres.database import Database
from openbell.postgres.ownership import Owner, Ownership
from openbell.postgres.tables import SHARED, SHARED_SCHEMA

STRATEGY = "demo"
MANIFEST = """
timezone = "UTC"
broker = "log_broker:LogBroker"
[[bot]]
id = "b"
symbols = ["AAPL"]
every = "1s"
grace = "40s"
timeout = "5s"
"""
CODE = "def run(ctx):\n    ctx.order('AAPL', 'buy', 1, reason='due')\n"
# The broker's memory is a file that no database and no epoch protects: what is sent twice is in it twice.
BROKER = """
import json, os, time
from pathlib import Path
from openbell.trading.brokers import Account, PlacedOrder, Position

LOG = Path(__file__).with_name("orders.log")


class LogBroker:
    def __init__(self, desk, market, at):
        self._at = at

    def account(self):
        return Account(1_000_000.0, "USD")

    def positions(self):
        held = sum(one["quantity"] for one in self._log())
        return {"AAPL": Position("AAPL", held, 10.0)} if held else {}

    def find(self, client_order_id):
        found = [one for one in self._log() if one["id"] == client_order_id]
        return self._placed(found[0]) if found else None

    def submit(self, order):
        one = {"id": order.client_order_id, "quantity": order.quantity, "process": os.getpid(), "at": time.time()}
        with LOG.open("a") as file:
            file.write(json.dumps(one) + chr(10))
        return self._placed(one)

    def cancel(self, client_order_id):
        pass

    def _log(self):
        return [json.loads(line) for line in LOG.read_text().splitlines()] if LOG.exists() else []

    def _placed(self, one):
        return PlacedOrder(one["id"], one["id"], "AAPL", "buy", one["quantity"], "filled", one["quantity"], 10.0, self._at, "")
"""


@dataclass
class Host:
    """One host: its folders, and its loop's process while it runs."""

    name: str
    folder: Path
    environment: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    said: Path = field(init=False)

    def __post_init__(self) -> None:
        """Make the folders."""
        for name in ("journal", "state", "control"):
            (self.folder / name).mkdir(parents=True)
            self.environment[f"OPENBELL_{name.upper()}"] = str(self.folder / name)
        self.said = self.folder / "said"

    def start(self) -> None:
        """Start the loop."""
        with self.said.open("ab") as file:
            command = [sys.executable, "-m", "openbell", "run"]
            # In a group of its own, so that a signal can reach all of a host's processes at once.
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=file, stderr=file, start_new_session=True
            )

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the loop and to all that it has started, as if the machine itself were meant."""
        assert self.process is not None
        for process in [self.process.pid, *descendants(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def kill(self) -> None:
        """End the loop and its runs at once."""
        if self.process is not None:
            self.signal_all(signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def stop(self) -> int:
        """Ask the loop to end, and return its exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(20)
        self.process = None
        return code

    def lines(self) -> list[Event]:
        """Return the journal in this host's own folder."""
        files = sorted((self.folder / "journal" / STRATEGY).glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


class Cluster:
    """Hosts that share a strategy and a database."""

    def __init__(self, folder: Path, url: str, names: tuple[str, ...] = ("a", "b")) -> None:
        self.folder = folder / "strategies" / STRATEGY
        self.folder.mkdir(parents=True)
        for name, text in (("strategy.toml", MANIFEST), ("strategy.py", CODE), ("log_broker.py", BROKER)):
            (self.folder / name).write_text(text)
        given = {"OPENBELL_STRATEGY": STRATEGY, "OPENBELL_FOLDER": str(self.folder), "OPENBELL_DATABASE": url}
        self.hosts = {name: Host(name, folder / name, {**os.environ, **given, "OPENBELL_HOST": name}) for name in names}
        self.database = Database(url, SHARED_SCHEMA)
        self.database.make(SHARED)

    def owner(self) -> Owner | None:
        """Return who owns the strategy."""
        return Ownership(self.database, STRATEGY, "test", "test").current()

    def events(self, *names: str) -> list[Event]:
        """Return the journal as the database has it."""
        lines = [json.loads(str(line)) for (line,) in self.database.execute("SELECT line FROM journal ORDER BY number")]
        return [line for line in lines if not names or line["event"] in names]

    def orders(self) -> list[str]:
        """Return the ids that the broker was sent, in order."""
        log = self.folder / "orders.log"
        return [str(json.loads(line)["id"]) for line in log.read_text().splitlines()] if log.exists() else []

    def wait(self, until: Callable[[], object], seconds: float, what: str) -> float:
        """Wait until something holds, and return how long that took."""
        began = time.monotonic()
        while not until():
            if time.monotonic() - began > seconds:
                said = "\n".join(f"{host.name}: {host.said.read_text()[-1500:]}" for host in self.hosts.values())
                msg = f"{what} did not come within {seconds:g} s:\n{said}"
                raise TimeoutError(msg)
            time.sleep(0.05)
        return time.monotonic() - began

    def close(self) -> None:
        """End all that runs."""
        for host in self.hosts.values():
            host.kill()
        self.database.close()


def problems(events: list[Event], orders: list[str], seconds: int = 1) -> list[str]:
    """Return what is wrong with a history: slots without exactly one outcome, runs without an end, orders sent twice."""
    found = [f"order {one} was sent {count} times" for one, count in Counter(orders).items() if count > 1]
    outcomes: Counter[datetime] = Counter()
    for event in events:
        if event["event"] == "run_end":
            outcomes[_slot(event, "slot")] += 1
        elif event["event"] == "slot_skipped":
            first = _slot(event, "first") if "first" in event else _slot(event, "slot")
            for second in range(int(first.timestamp()), int(_slot(event, "slot").timestamp()) + 1, seconds):
                outcomes[datetime.fromtimestamp(second, UTC)] += 1
    started = [event for event in events if event["event"] == "run_start"]
    attempts = Counter((_slot(event, "slot"), event["attempt"]) for event in started)
    starts = {_slot(event, "slot") for event in started}
    found += [f"slot {slot} has {count} outcomes" for slot, count in outcomes.items() if count > 1]
    found += [f"attempt {key[1]} of {key[0]} began {count} times" for key, count in attempts.items() if count > 1]
    runs = {(_slot(event, "slot"), event["run_id"]) for event in started}
    found += ["a slot has two runs"] if len(runs) > len(starts) else []
    if starts:
        first, last = min(starts), max([*starts, *outcomes])
        every = {
            datetime.fromtimestamp(second, UTC)
            for second in range(int(first.timestamp()), int(last.timestamp()), seconds)
        }
        found += [f"slot {slot} is not accounted for" for slot in sorted(every - set(outcomes))]
    return found


def descendants(process: int) -> list[int]:
    """Return the processes that a process has started, and what those have started."""
    found: list[int] = []
    for thread in Path(f"/proc/{process}/task").glob("*/children"):
        for child in thread.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def _slot(event: Event, name: str) -> datetime:
    at = instant(event[name])
    assert at is not None, event
    return at
