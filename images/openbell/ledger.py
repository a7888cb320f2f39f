"""The ledger: what must survive a crash. Claims of slots, orders and what they bought, a bot's own state, what is accounted for.

One SQLite file for a strategy, written durably (a commit survives a power cut). The loop and the runs' processes each
open their own: a connection must not be carried over a fork.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS claims (
    bot TEXT NOT NULL, slot TEXT NOT NULL, run_id TEXT NOT NULL, attempt INTEGER NOT NULL, trigger TEXT NOT NULL,
    started_at TEXT NOT NULL, outcome TEXT, completed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (bot, slot)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS open_claims ON claims (bot) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS accounted (bot TEXT PRIMARY KEY, until TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    client_order_id TEXT PRIMARY KEY, bot TEXT NOT NULL, slot TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
    leg TEXT NOT NULL, quantity REAL NOT NULL, status TEXT NOT NULL, order_id TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS orders_of_a_slot ON orders (bot, slot);
CREATE TABLE IF NOT EXISTS sent (
    client_order_id TEXT PRIMARY KEY, at TEXT NOT NULL, filled REAL NOT NULL DEFAULT 0, fee REAL NOT NULL DEFAULT 0, price REAL,
    reason TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holdings (symbol TEXT PRIMARY KEY, quantity REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (bot TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (bot, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

SLOTLESS = frozenset({"manual", "stream"})  # triggers of runs that are for no slot of the schedule
FINAL = ("filled", "rejected", "cancelled", "expired", "refused", "lost")  # of an order: nothing more becomes of it
_ORDER = "client_order_id, bot, slot, symbol, side, leg, quantity, status, order_id"
_NAMED = (
    "orders.client_order_id, bot, slot, symbol, side, leg, quantity, status, order_id, at, filled, fee, price, reason"
)
_BOTH = "orders LEFT JOIN sent ON sent.client_order_id = orders.client_order_id"
_DUST = 1e-9  # what adding and taking away binary fractions leaves of nothing


@dataclass(frozen=True)
class Claim:
    """A slot that a run has taken. `outcome` is None while the run is in progress."""

    bot: str
    slot: datetime
    run_id: str
    attempt: int
    trigger: str  # loop, cron, serverless, manual, stream
    started_at: datetime
    outcome: str | None = None


@dataclass(frozen=True)
class OrderRecord:
    """An order that a run has decided on. `status` is "intended" until the broker's answer is known."""

    client_order_id: str
    bot: str
    slot: datetime
    symbol: str
    side: str
    leg: str
    quantity: float
    status: str = "intended"
    order_id: str | None = None
    at: datetime | None = field(default=None, compare=False)  # when it was about to be sent
    filled: float = 0.0
    fee: float = 0.0  # how much of what was bought was kept
    price: float | None = None
    reason: str = ""


class Ledger:
    """The ledger of one strategy. Every method raises sqlite3.Error if the file cannot be read or written."""

    def __init__(self, path: Path, *, in_memory: bool = False) -> None:
        """in_memory: nothing is kept beyond this object, for a backtest."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        # Threads of a strategy may order. A context lets one of them in at a time.
        self._database = sqlite3.connect(
            ":memory:" if in_memory else path, timeout=10, isolation_level=None, check_same_thread=False
        )
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(SCHEMA)
            self._begin_holdings()
        except sqlite3.Error:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def claim(self, claims: Iterable[Claim]) -> list[Claim]:
        """Take slots in one durable step; return the claims that were taken. One that exists is never taken again.

        A claim that exists under the same run_id is the caller's own, from a step whose commit failed after it was durable.
        """
        taken: list[Claim] = []
        with self._transaction():
            for claim in claims:
                row = (
                    claim.bot,
                    _text(claim.slot),
                    claim.run_id,
                    claim.attempt,
                    claim.trigger,
                    _text(claim.started_at),
                )
                statement = "INSERT OR IGNORE INTO claims (bot, slot, run_id, attempt, trigger, started_at) VALUES (?, ?, ?, ?, ?, ?)"
                inserted = self._database.execute(statement, row).rowcount == 1
                if inserted or self._run_id(claim) == claim.run_id:
                    taken.append(claim)
                    if claim.trigger not in SLOTLESS:
                        self._account(claim.bot, claim.slot)
        return taken

    def _run_id(self, claim: Claim) -> str | None:
        statement = "SELECT run_id FROM claims WHERE bot = ? AND slot = ?"
        row = self._database.execute(statement, (claim.bot, _text(claim.slot))).fetchone()
        return str(row[0]) if row else None

    def next_attempt(self, claim: Claim) -> None:
        """Record that the run goes on with the claim's (higher) attempt."""
        self._database.execute(
            "UPDATE claims SET attempt = ? WHERE bot = ? AND slot = ?", (claim.attempt, claim.bot, _text(claim.slot))
        )

    def finish(self, outcomes: Iterable[tuple[Claim, str]]) -> None:
        """Close claims with their outcomes in one durable step."""
        with self._transaction():
            for claim, outcome in outcomes:
                statement = "UPDATE claims SET outcome = ? WHERE bot = ? AND slot = ? AND outcome IS NULL"
                self._database.execute(statement, (outcome, claim.bot, _text(claim.slot)))

    def open_claims(self) -> list[Claim]:
        """Return the claims whose runs have no outcome yet, oldest first."""
        columns = "bot, slot, run_id, attempt, trigger, started_at, outcome"
        rows = self._database.execute(f"SELECT {columns} FROM claims WHERE outcome IS NULL ORDER BY slot")
        return [
            Claim(bot, _instant(slot), run_id, attempt, trigger, _instant(at), outcome)
            for bot, slot, run_id, attempt, trigger, at, outcome in rows
        ]

    def failures_in_a_row(self, bot: str, most: int, after: datetime | None = None) -> int:
        """Return how many of the bot's newest runs, up to `most`, ended badly one after the other; only slots later than `after`."""
        statement = (
            "SELECT outcome FROM claims WHERE bot = ? AND outcome IS NOT NULL AND slot > ? ORDER BY slot DESC LIMIT ?"
        )
        count = 0
        for (outcome,) in self._database.execute(statement, (bot, _text(after) if after else "", most)):
            if outcome == "succeeded":
                break
            count += 1
        return count

    def accounted_until(self, bot: str) -> datetime | None:
        """Return the newest slot of the bot that is accounted for, with all before it; None if the bot is new."""
        row = self._database.execute("SELECT until FROM accounted WHERE bot = ?", (bot,)).fetchone()
        return _instant(row[0]) if row else None

    def account(self, slots: Iterable[tuple[str, datetime]]) -> None:
        """Record, for bots, the newest slot that is accounted for; it never moves back."""
        with self._transaction():
            for bot, slot in slots:
                self._account(bot, slot)

    def account_back(self, slots: Iterable[tuple[str, datetime]]) -> None:
        """Record, for bots, that no slot later than this one is accounted for: the clock was ahead when it was."""
        with self._transaction():
            for bot, slot in slots:
                statement = "UPDATE accounted SET until = ? WHERE bot = ? AND until > ?"
                self._database.execute(statement, (_text(slot), bot, _text(slot)))

    def newest_claim(self, bot: str, until: datetime) -> datetime | None:
        """Return the newest slot of the bot, not later than `until`, that was claimed; None if there is none."""
        marks = ", ".join("?" for _ in SLOTLESS)
        where = f"bot = ? AND slot <= ? AND trigger NOT IN ({marks})"
        statement = f"SELECT slot FROM claims WHERE {where} ORDER BY slot DESC LIMIT 1"
        row = self._database.execute(statement, (bot, _text(until), *SLOTLESS)).fetchone()
        return _instant(row[0]) if row else None

    def claimed_slots(self, bot: str, first: datetime, last: datetime) -> list[datetime]:
        """Return the claimed slots of the bot from `first` to `last`, in order."""
        statement = "SELECT slot FROM claims WHERE bot = ? AND slot BETWEEN ? AND ? ORDER BY slot"
        rows = self._database.execute(statement, (bot, _text(first), _text(last)))
        return [_instant(slot) for (slot,) in rows]

    def _account(self, bot: str, slot: datetime) -> None:
        statement = (
            "INSERT INTO accounted VALUES (?, ?) ON CONFLICT (bot) DO UPDATE SET until = max(until, excluded.until)"
        )
        self._database.execute(statement, (bot, _text(slot)))

    def _begin_holdings(self) -> None:
        """Count what the orders of a ledger from before there were holdings have bought and sold."""
        if self.fact("holdings since") is not None:
            return
        with self._transaction():
            if self.fact("holdings since") is None:
                signed = "SUM(CASE side WHEN 'buy' THEN quantity ELSE -quantity END)"
                statement = (
                    f"INSERT INTO holdings SELECT symbol, {signed} FROM orders WHERE status = 'filled' GROUP BY symbol"
                )
                self._database.execute(statement)
                self.remember("holdings since", _text(datetime.now(UTC)))

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Let no other run of the strategy decide on an order until this one is sent; a run that dies lets go."""
        file = os.open(self._path.with_name("orders.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def intend(self, order: OrderRecord, now: datetime | None = None) -> OrderRecord | None:
        """Record durably that an order is about to be sent `now`; return the record of before if there is one."""
        row = (
            order.client_order_id,
            order.bot,
            _text(order.slot),
            order.symbol,
            order.side,
            order.leg,
            order.quantity,
            order.status,
        )
        with self._transaction():
            statement = f"INSERT OR IGNORE INTO orders ({_ORDER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)"
            is_new = self._database.execute(statement, row).rowcount == 1
            statement = "INSERT OR IGNORE INTO sent (client_order_id, at) VALUES (?, ?)"
            self._database.execute(statement, (order.client_order_id, _text(now or datetime.now(UTC))))
        return None if is_new else self.order(order.client_order_id)

    def send_again(self, client_order_id: str, now: datetime) -> None:
        """Record durably that an order of before, which never arrived, is about to be sent `now`."""
        with self._transaction():
            self._database.execute(
                "UPDATE orders SET status = 'intended' WHERE client_order_id = ?", (client_order_id,)
            )
            self._database.execute("UPDATE sent SET at = ? WHERE client_order_id = ?", (_text(now), client_order_id))

    def order(self, client_order_id: str) -> OrderRecord | None:
        """Return what is known of an order, or None if it was never intended."""
        statement = f"SELECT {_NAMED} FROM {_BOTH} WHERE orders.client_order_id = ?"
        row = self._database.execute(statement, (client_order_id,)).fetchone()
        return _order(row) if row else None

    def open_orders(self) -> list[OrderRecord]:
        """Return the orders of which more may become, and those whose answer is not known."""
        marks = ", ".join("?" for _ in FINAL)
        rows = self._database.execute(f"SELECT {_NAMED} FROM {_BOTH} WHERE status NOT IN ({marks})", FINAL)
        return [_order(row) for row in rows]

    def sent_since(self, at: datetime) -> int:
        """Return how many orders went to the broker from then on."""
        statement = f"SELECT COUNT(*) FROM {_BOTH} WHERE at >= ? AND status NOT IN ('refused', 'lost')"
        return int(self._database.execute(statement, (_text(at),)).fetchone()[0])

    def holdings(self) -> dict[str, float]:
        """Return what the strategy's own orders have bought and not sold, by symbol."""
        rows = self._database.execute("SELECT symbol, quantity FROM holdings ORDER BY symbol")
        return {symbol: quantity for symbol, quantity in rows if abs(quantity) > _DUST}

    def hold(self, quantities: Mapping[str, float]) -> None:
        """Replace what is held of these symbols: somebody has looked, and takes the broker's word for it."""
        statement = "INSERT INTO holdings VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET quantity = excluded.quantity"
        with self._transaction():
            self._database.executemany(statement, list(quantities.items()))

    def orders(self, bot: str, slot: datetime) -> list[OrderRecord]:
        """Return the orders that were decided on for one slot."""
        rows = self._database.execute(f"SELECT {_NAMED} FROM {_BOTH} WHERE bot = ? AND slot = ?", (bot, _text(slot)))
        return [_order(row) for row in rows]

    def settle(
        self,
        client_order_id: str,
        status: str,
        order_id: str,
        filled: float = 0.0,
        price: float | None = None,
        reason: str = "",
        fee: float = 0.0,
    ) -> None:
        """Record the broker's answer to an order; what it has filled since the last answer is held from now on.

        filled: how much in all so far. fee: how much of what was bought was kept as a fee. An answer that knows of less than an
        earlier one, or that an order is open which was done, came out of order and changes nothing.
        """
        with self._transaction():
            before = self.order(client_order_id)
            if before is None or filled < before.filled or (before.status in FINAL and status not in FINAL):
                return
            statement = "UPDATE orders SET status = ?, order_id = ? WHERE client_order_id = ?"
            self._database.execute(statement, (status, order_id, client_order_id))
            fee = max(fee, before.fee)  # not every answer tells it
            statement = "UPDATE sent SET filled = ?, fee = ?, price = ?, reason = ? WHERE client_order_id = ?"
            self._database.execute(statement, (filled, fee, price, reason, client_order_id))
            change = (filled - fee - before.filled + before.fee) * (1 if before.side == "buy" else -1)
            if change:
                statement = "INSERT INTO holdings VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET quantity = quantity + excluded.quantity"
                self._database.execute(statement, (before.symbol, change))

    def state(self, bot: str) -> dict[str, object]:
        """Return the bot's own state."""
        return {
            key: json.loads(value)
            for key, value in self._database.execute("SELECT key, value FROM state WHERE bot = ?", (bot,))
        }

    def save_state(self, bot: str, slot: datetime, state: Mapping[str, object]) -> None:
        """Replace the bot's own state; TypeError or ValueError if a value is not JSON.

        In the same durable step the slot's run counts as completed: whatever happens to it from here on, it is not
        tried again on a state that is its own result.
        """
        with self._transaction():
            self._replace_state(bot, state)
            self._database.execute("UPDATE claims SET completed = 1 WHERE bot = ? AND slot = ?", (bot, _text(slot)))

    def keep_state(self, bot: str, state: Mapping[str, object]) -> None:
        """Replace the state of a bot that goes on running, a stream; TypeError or ValueError if a value is not JSON."""
        with self._transaction():
            self._replace_state(bot, state)

    def _replace_state(self, bot: str, state: Mapping[str, object]) -> None:
        rows = [(bot, key, json.dumps(value, allow_nan=False)) for key, value in state.items()]
        self._database.execute("DELETE FROM state WHERE bot = ?", (bot,))
        self._database.executemany("INSERT INTO state VALUES (?, ?, ?)", rows)

    def is_completed(self, bot: str, slot: datetime) -> bool:
        """Tell whether the slot's run has saved its state, and so has done all that it was to do."""
        statement = "SELECT completed FROM claims WHERE bot = ? AND slot = ?"
        row = self._database.execute(statement, (bot, _text(slot))).fetchone()
        return bool(row and row[0])

    def fact(self, name: str) -> str | None:
        """Return what `remember` was last told under this name."""
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def remember(self, name: str, value: str) -> None:
        """Keep one small fact about the strategy, such as how it last stopped."""
        self._database.execute(
            "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
        )

    def forget_before(self, slot: datetime) -> None:
        """Remove finished claims and settled orders of slots before this one, so that the file stays small."""
        with self._transaction():
            self._database.execute("DELETE FROM claims WHERE outcome IS NOT NULL AND slot < ?", (_text(slot),))
            self._database.execute("DELETE FROM orders WHERE status <> 'intended' AND slot < ?", (_text(slot),))
            self._database.execute("DELETE FROM sent WHERE client_order_id NOT IN (SELECT client_order_id FROM orders)")

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._database)


class _Transaction:
    """BEGIN IMMEDIATE, so that a writer waits at the start rather than fails in the middle; COMMIT or ROLLBACK."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._database.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise


def _order(row: tuple[Any, ...]) -> OrderRecord:
    client_order_id, bot, slot, symbol, side, leg, quantity, status, order_id, at, filled, fee, price, reason = row
    told = (_instant(at) if at else None, filled or 0.0, fee or 0.0, price, reason or "")
    return OrderRecord(client_order_id, bot, _instant(slot), symbol, side, leg, quantity, status, order_id, *told)


def _text(at: datetime) -> str:
    # One fixed width, so that texts sort as instants do.
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
