"""How quick and how large the page is for 10, 45 and 1,000 bots with a year of history: `make bench-page`.

The supervisor is a real process over a store that is filled beforehand; its memory is measured after all requests.
"""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from openbell import heartbeat
from openbell.journal import Journal
from openbell.supervisor.model.records import AccountRecord, DecisionRecord, OrderRecord, RunRecord, SlotRecord
from openbell.supervisor.service.own_records import STORE
from openbell.supervisor.store.store import Store
from tests.bench.figures import Table, duration, percentile
from tests.browser.supervisor import Supervisor

SIZES = (10, 45, 1_000)
BOTS_EACH = 25  # of a strategy
DAYS = 365
SHOWN = 20  # slots and runs of each bot that are kept singly
TIMES = 15  # each page is asked for
LONGEST = {"first bytes": 0.100, "size": 300_000.0}  # seconds, bytes: the budget of the overview
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def main() -> int:
    """Print the table; return 1 if the overview of any size is beyond its budget."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows: list[tuple[str, ...]] = []
    within = True
    for bots in SIZES:
        with TemporaryDirectory() as folder:
            root = Path(folder) / "world"
            names = _world(root, bots, now)
            supervisor = Supervisor(root)
            _fill(root / f"state-{supervisor.port}" / STORE, names, now)
            with supervisor:
                for name, path in _paths(names):
                    # A search that differs is rendered anew: what is measured is not the cache.
                    samples = [_ask(supervisor.port, path.replace("q=bot", f"q=bot{'+' * n}")) for n in range(TIMES)]
                    first, size = [sample[0] for sample in samples], samples[-1][1]
                    middle = percentile(first, 50)
                    rows.append((str(bots), name, duration(middle), duration(max(first)), f"{size / 1000:.0f} kB"))
                    if name.startswith("overview"):
                        within = within and middle < LONGEST["first bytes"] and size < LONGEST["size"]
                rows.append(
                    (str(bots), "memory after these (PSS)", "", "", f"{_memory(supervisor.process.pid):.1f} MB")
                )
    headings = ("bots", "page", "first bytes", "at most", "size")
    print(Table("The page over a year of history", headings, tuple(rows), labels=2))
    return 0 if within else 1


def _paths(names: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    strategy, bots = next(iter(names.items()))
    yield "overview", "/?q=bot"
    yield "overview, sorted and grouped", "/?q=bot&sort=-equity&group=strategy"
    yield "timeline, a week", "/timeline?span=week"
    yield "money, a year", "/money?range=year&q=bot"
    yield "one strategy", f"/strategies/{strategy}"
    yield "a bot's year", f"/strategies/{strategy}/bots/{bots[0]}/year"
    yield "journal", "/journal"
    yield "GET /api/bots", "/api/bots"


def _world(root: Path, bots: int, now: datetime) -> dict[str, list[str]]:
    """Write the manifests and a sign of life of each loop; return the strategies with their bots."""
    names: dict[str, list[str]] = {}
    for number in range(bots):
        names.setdefault(f"strategy_{number // BOTS_EACH:02}", []).append(f"bot-{number:04}")
    for folder in ("strategies", "journal", "control"):
        (root / folder).mkdir(parents=True)
    for name, ids in names.items():
        rows = "".join(f'[[bot]]\nid = "{one}"\nsymbols = ["{one.upper()}"]\nevery = "1h"\n' for one in ids)
        (root / "strategies" / name).mkdir()
        (root / "strategies" / name / "strategy.toml").write_text(f'timezone = "UTC"\ntags = ["bench"]\n{rows}')
        writer = Journal(root / "journal", name, f"boot-{name}", echo=False)
        writer.write("service_start", now - DAY, {"release": "bench", "bots": ids, "previous_stop": "clean"})
        writer.close()
        heartbeat.write(root / "journal" / name, heartbeat.Heartbeat(datetime.now(UTC), f"boot-{name}", ()))
    return names


def _fill(path: Path, names: dict[str, list[str]], now: datetime) -> None:
    """Fill a store with a year: days of each bot, its newest runs, and the equity of each account."""
    path.parent.mkdir()
    with closing(Store(path)) as store:
        for strategy, bots in names.items():
            with store.transaction():
                for bot in bots:
                    _fill_bot(store, strategy, bot, now)
                for day in range(DAYS, 0, -1):
                    store.equity.put(strategy, _account(bots[0], now - day * DAY, 100_000.0 + 40 * (DAYS - day)))
                newest = _account(bots[0], now, 115_000.0)
                store.add(strategy, newest, {"event": "account", "n": strategy})


def _fill_bot(store: Store, strategy: str, bot: str, now: datetime) -> None:
    for day in range(DAYS, 1, -1):
        store.slot_days.count(strategy, bot, SlotRecord(now - day * DAY, now - day * DAY, 23, "succeeded"), 1)
        if day % 9 == 0:
            store.slot_days.count(strategy, bot, SlotRecord(now - day * DAY, now - day * DAY, 1, "missed"), 1)
    for back in range(SHOWN, 0, -1):
        slot, run = now - back * HOUR, f"{bot}-{back}"
        store.runs.put(
            strategy,
            RunRecord(run, bot, slot, "loop", 1, slot, slot, 1.4, slot, "succeeded", 31.0 + back, 0),
        )
        store.slots.put(strategy, bot, SlotRecord(slot, slot, 1, "succeeded", run_id=run))
        about = {"signal": 0.0123, "source": "bench"}
        decision = DecisionRecord(slot, bot, slot, run, bot.upper(), "hold", None, "nothing to do", about)
        store.add(strategy, decision, {"event": "decision", "n": run})
    for number, side in enumerate(("buy", "sell") * 5):
        at = now - (30 - number) * DAY
        store.orders.put(
            strategy,
            OrderRecord(
                f"{bot}-o{number}",
                bot,
                "r",
                bot.upper(),
                side,
                1.0,
                "filled",
                1.0,
                10.0 + number,
                0.1,
                at,
                at,
                "",
                "bench",
            ),
        )


def _account(bot: str, at: datetime, equity: float) -> AccountRecord:
    held = {f"S{number}": {"qty": 1.0, "average_price": 9.0, "price": 10.0, "value": 10.0} for number in range(5)}
    return AccountRecord(at, bot, "paper", equity, equity, "USD", held)


def _ask(port: int, path: str) -> tuple[float, int]:
    """Return the seconds until the first bytes of an answer, and how many bytes the answer has."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.perf_counter()
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        received = connection.recv(65_536)
        first = time.perf_counter() - began
        while chunk := connection.recv(65_536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0], head
    return first, len(body)


def _memory(pid: int) -> float:
    """Return a process's proportional set size in megabytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


if __name__ == "__main__":
    sys.exit(main())
