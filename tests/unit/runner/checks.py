"""What must hold after a simulation, whatever happened in it; each problem is one line."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from openbell.journal import Event, instant, since
from openbell.ledger import SLOTLESS
from openbell.manifest import Bot, Manifest
from openbell.slots import slots_between
from openbell.strategy.run_state import order_identity
from tests.unit.runner.simulated import TICK, CountingBroker

Slot = tuple[str, datetime]


class Record:
    """The journal of a whole simulation, read once."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self.ends: defaultdict[Slot, list[Event]] = defaultdict(list)
        self.skips: Counter[Slot] = Counter()
        self.run_ids: defaultdict[Slot, set[str]] = defaultdict(set)
        self.run_ends: Counter[str] = Counter()
        self.succeeded: Counter[str] = Counter()
        self.starts: list[Event] = []
        self.outcomes: Counter[str] = Counter()
        self.problems: list[str] = []
        bots = {bot.id: bot for bot in manifest.bots}
        for line in since(folder, date(2000, 1, 1)):
            bot, slot = bots.get(str(line.get("bot"))), instant(line.get("slot"))
            if bot is None or slot is None:
                continue
            if line["event"] == "slot_skipped":
                self._skip(bot, slot, line)
            elif "run_id" in line:
                self._run(bot, slot, line)

    def _skip(self, bot: Bot, slot: datetime, line: Event) -> None:
        first = instant(line.get("first")) or slot
        slots = list(slots_between(bot.schedule, first - TICK, slot))
        self.skips.update((bot.id, one) for one in slots)
        self.outcomes[f"{line['outcome']} ({line['reason']})"] += len(slots)
        if len(slots) != line["count"] or not slots or slots[0] != first or slots[-1] != slot:
            self.problems.append(f"a skip's range is not its slots: {line}")

    def _run(self, bot: Bot, slot: datetime, line: Event) -> None:
        run_id = str(line["run_id"])
        self.run_ids[bot.id, slot].add(run_id)
        if line["event"] == "run_start":
            self.starts.append(line)
        if line["event"] == "run_end":
            self.run_ends[run_id] += 1
            self.succeeded[bot.id] += line["outcome"] == "succeeded"
            if line["trigger"] not in SLOTLESS:
                self.ends[bot.id, slot].append(line)
                self.outcomes[str(line["outcome"])] += 1


def problems(
    manifest: Manifest,
    record: Record,
    begin: datetime,
    end: datetime,
    rewound: list[tuple[datetime, datetime]],
    ledger: Path,
    broker: CountingBroker,
) -> Iterator[str]:
    """Yield what is wrong."""
    yield from record.problems
    expected = {(bot.id, slot) for bot in manifest.bots for slot in slots_between(bot.schedule, begin, end)}
    yield from _outcomes(expected, record, begin, rewound)
    yield from _runs(manifest, record)
    with sqlite3.connect(ledger) as database:
        yield from _claims(database, record)
        yield from _orders(manifest, database, broker)
        yield from _states(manifest, database, record)
    database.close()


def _outcomes(
    expected: set[Slot], record: Record, begin: datetime, rewound: list[tuple[datetime, datetime]]
) -> Iterator[str]:
    # A clock that is set back to before the first boot makes slots of that time due: they are not expected.
    told = {slot for slot in {*record.skips, *record.ends} if slot[1] > begin}
    yield from (f"a slot without an outcome: {_shown(slot)}" for slot in sorted(expected - told))
    yield from (f"an outcome without a slot: {_shown(slot)}" for slot in sorted(told - expected))
    for slot in sorted(told):
        runs, skips = len(record.ends[slot]), record.skips[slot]
        if runs + skips == 1:
            continue
        # What a clock that was ahead passed over may have run after all, or be passed over once more.
        may_be_superseded = any(to < slot[1] <= before for to, before in rewound)
        if runs > 1 or not may_be_superseded:
            yield f"a slot with {runs} ends and {skips} skips: {_shown(slot)}"


def _runs(manifest: Manifest, record: Record) -> Iterator[str]:
    yield from (
        f"a slot with several runs: {_shown(slot)} {ids}" for slot, ids in record.run_ids.items() if len(ids) > 1
    )
    yield from (f"a run with {count} ends: {run_id}" for run_id, count in record.run_ends.items() if count > 1)
    for line in record.starts:
        bot, lateness = manifest.bot(str(line["bot"])), timedelta(milliseconds=float(str(line["lateness_ms"])))
        if lateness < timedelta(0):
            yield f"a start before its slot: {line}"
        if line["trigger"] in SLOTLESS:
            continue
        if line["attempt"] == 1 and bot.catch_up != "latest" and lateness > bot.shift + bot.grace + TICK:
            yield f"a start past its grace: {line}"
        if line["attempt"] != 1 and lateness > bot.shift + max(bot.grace, bot.timeout) + TICK:
            yield f"an attempt past its deadline: {line}"
        if line["attempt"] not in range(1, bot.retries + 2):
            yield f"an attempt too many: {line}"


def _claims(database: sqlite3.Connection, record: Record) -> Iterator[str]:
    claimed: set[str] = set()
    ended = {str(line["run_id"]): str(line["outcome"]) for lines in record.ends.values() for line in lines}
    for bot, slot, run_id, trigger, outcome in database.execute(
        "SELECT bot, slot, run_id, trigger, outcome FROM claims"
    ):
        claimed.add(run_id)
        if outcome is None:
            yield f"a claim that is still open: {bot} {slot}"
        elif trigger not in SLOTLESS and ended.get(run_id) != outcome:
            yield f"ledger and journal differ: {bot} {slot} {outcome} and {ended.get(run_id)}"
    yield from (f"a run without a claim: {run_id}" for run_id in record.run_ends if run_id not in claimed)


def _orders(manifest: Manifest, database: sqlite3.Connection, broker: CountingBroker) -> Iterator[str]:
    yield from (f"an order sent {count} times: {one}" for one, count in broker.submissions.items() if count > 1)
    known: dict[str, str] = {}
    columns = "client_order_id, bot, slot, symbol, side, leg, status, order_id"
    for client_order_id, bot, slot, symbol, side, leg, status, order_id in database.execute(
        f"SELECT {columns} FROM orders"  # noqa: S608 - constants
    ):
        known[client_order_id] = status
        if client_order_id != order_identity(bot, datetime.fromisoformat(slot), symbol, side, leg):
            yield f"an order under a foreign id: {client_order_id}"
        placed = broker.orders.get(client_order_id)
        if status == "refused" and placed is None:
            continue  # never sent: the bot has no more to sell
        if status != "intended" and (placed is None or (placed.status, placed.order_id) != (status, order_id)):
            yield f"an order that the broker does not have so: {client_order_id} {status} {placed}"
    yield from (f"an order that the ledger does not have: {one}" for one in broker.orders if one not in known)


def _states(manifest: Manifest, database: sqlite3.Connection, record: Record) -> Iterator[str]:
    for bot in (bot for bot in manifest.bots if not bot.is_stream):
        row = database.execute("SELECT value FROM state WHERE bot = ? AND key = 'runs'", (bot.id,)).fetchone()
        counted = int(row[0]) if row else 0
        if counted != record.succeeded[bot.id]:
            yield f"{bot.id} remembers {counted} runs, and {record.succeeded[bot.id]} succeeded"


def _shown(slot: Slot) -> str:
    return f"{slot[0]} {slot[1].isoformat()}"
