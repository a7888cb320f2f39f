"""The ledger: what must survive a crash. Claims of slots, orders and what they bought, a bot's own state, what is accounted for.

One SQLite file for a strategy, written durably (a commit survives a power cut). The loop and the runs' processes each
open their own: a connection must not be carried over a fork.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from openbell.database_version import found_version
from openbell.group_commit import GroupCommit, use_group_commit
from openbell.ledger_schema import SCHEMA, VERSION
from openbell.order_terms import FINAL, MARKET, Terms, decoded
from openbell.position import ZERO, Position, after_adoption, after_fill, after_split, decimal

SLOTLESS = frozenset({"manual", "stream"})  # triggers of runs that are for no slot of the schedule
KEEP_DAYS = 90  # days of claims, and of journal, that stay
_ORDER = "client_order_id, bot, slot, symbol, side, leg, quantity, status, order_id"
_NAMED = "orders.client_order_id, bot, slot, symbol, side, leg, quantity, status, order_id, at, filled, fee, price, reason, terms"
_BOTH = (
    "orders LEFT JOIN sent ON sent.client_order_id = orders.client_order_id "
    "LEFT JOIN terms ON terms.client_order_id = orders.client_order_id"
)
_DUST = 1e-9  # what adding and taking away binary fractions leaves of nothing
_TODAY_COUNTS = ("refused", "lost")  # states of orders that never reached the broker
SHARED = ""  # the bot of positions that no bot's orders account for: the first bot that asks for the symbol takes them


class EpochLostError(Exception):
    """Another attempt of the run has taken over, or the run has ended: this one may write and send nothing more."""


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
    terms: Terms = MARKET

    @property
    def left(self) -> float:
        """How much of the order is not filled yet."""
        return max(0.0, self.quantity - self.filled)


class Ledger:
    """The ledger of one strategy. Every method raises sqlite3.Error if the file cannot be read or written."""

    def __init__(self, path: Path, *, in_memory: bool = False) -> None:
        """in_memory: nothing is kept beyond this object, for a backtest."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._group = None if in_memory else GroupCommit(path)
        self._owner: Claim | None = None
        # Threads of a strategy may order. A context lets one of them in at a time.
        self._database = sqlite3.connect(
            ":memory:" if in_memory else path, timeout=10, isolation_level=None, check_same_thread=False
        )
        try:
            found = found_version(self._database, path, VERSION)
            use_group_commit(self._database)
            self._database.executescript(SCHEMA)
            self._begin_holdings()
            self._begin_positions()
            if found < VERSION:
                self._database.execute(f"PRAGMA user_version = {VERSION}")
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
        statement = "UPDATE claims SET attempt = ? WHERE bot = ? AND slot = ? AND run_id = ? AND attempt = ? AND outcome IS NULL"
        key = (claim.attempt, claim.bot, _text(claim.slot), claim.run_id, claim.attempt - 1)
        is_ours = self._database.execute(statement, key).rowcount == 1
        if not is_ours and self._epoch(claim) not in (None, (claim.run_id, claim.attempt, None)):
            msg = f"run {claim.run_id} of {claim.bot} goes on elsewhere"
            raise EpochLostError(msg)

    def tell_if_owned(self, claim: Claim, tell: Callable[[], None]) -> None:
        """Write what `tell` writes in one step with a check of the claim; EpochLostError if its attempt was replaced."""
        with self._transaction():
            if self._epoch(claim) not in (None, (claim.run_id, claim.attempt, None)):
                msg = f"run {claim.run_id} of {claim.bot} goes on elsewhere"
                raise EpochLostError(msg)
            tell()

    def act_for(self, claim: Claim) -> None:
        """Make every later write of this object one of the claim's attempt: EpochLostError once another has taken over."""
        self._owner = claim

    def check_epoch(self) -> None:
        """Raise EpochLostError if the attempt that this object acts for is not the run's newest, or the run has ended."""
        owner = self._owner
        epoch = self._epoch(owner) if owner is not None else None
        # Without a claim there is no other attempt: a claim is only forgotten months after its end.
        if owner is not None and epoch not in (None, (owner.run_id, owner.attempt, None)):
            msg = f"attempt {owner.attempt} of run {owner.run_id} was replaced by another: it sends and writes nothing more"
            raise EpochLostError(msg)

    def _epoch(self, claim: Claim) -> tuple[str, int, str | None] | None:
        statement = "SELECT run_id, attempt, outcome FROM claims WHERE bot = ? AND slot = ?"
        row = self._database.execute(statement, (claim.bot, _text(claim.slot))).fetchone()
        return (str(row[0]), int(row[1]), row[2]) if row else None

    def finish(self, outcomes: Iterable[tuple[Claim, str]]) -> None:
        """Close claims with their outcomes in one durable step."""
        with self._transaction():
            for claim, outcome in outcomes:
                statement = (
                    "UPDATE claims SET outcome = ? WHERE bot = ? AND slot = ? AND run_id = ? AND outcome IS NULL"
                )
                self._database.execute(statement, (outcome, claim.bot, _text(claim.slot), claim.run_id))

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

    def outcome_of(self, bot: str, slot: datetime) -> str | None:
        """Return how the run of a slot ended, "running" if it has not; None if no run has claimed the slot."""
        row = self._database.execute(
            "SELECT outcome FROM claims WHERE bot = ? AND slot = ?", (bot, _text(slot))
        ).fetchone()
        return None if row is None else str(row[0] or "running")

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
                self._remember("holdings since", _text(datetime.now(UTC)))

    def _begin_positions(self) -> None:
        """Give bots what a ledger without positions by bot says is held: an older version's, or one after a rollback."""
        if not self._unattributed():
            return
        with self._transaction():
            for symbol, quantity in self._unattributed().items():
                statement = f"SELECT bot FROM {_BOTH} WHERE symbol = ? ORDER BY at DESC LIMIT 1"
                row = self._database.execute(statement, (symbol,)).fetchone()
                mine = self._position(str(row[0]) if row else SHARED, symbol)
                self._write_position(after_adoption(mine, mine.quantity + quantity, datetime.now(UTC)))

    def _unattributed(self) -> dict[str, Decimal]:
        """Return, by symbol, how much more is held than the positions of the bots add up to."""
        held = {symbol: decimal(quantity) for symbol, quantity in self.holdings().items()}
        for one in self.positions():
            held[one.symbol] = held.get(one.symbol, ZERO) - one.quantity
        return {symbol: quantity for symbol, quantity in held.items() if abs(quantity) > decimal(_DUST)}

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Let no other run of the strategy decide on an order until this one is sent; a run that dies lets go."""
        file = os.open(self._path.with_name("orders.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def intend(self, order: OrderRecord, now: datetime | None = None) -> OrderRecord | None:
        """Record durably that an order is about to be sent `now`; return the earlier record if there is one."""
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
            self.check_epoch()
            statement = f"INSERT OR IGNORE INTO orders ({_ORDER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)"
            is_new = self._database.execute(statement, row).rowcount == 1
            statement = "INSERT OR IGNORE INTO sent (client_order_id, at) VALUES (?, ?)"
            self._database.execute(statement, (order.client_order_id, _text(now or datetime.now(UTC))))
            if text := order.terms.encoded():
                statement = "INSERT OR IGNORE INTO terms VALUES (?, ?)"
                self._database.execute(statement, (order.client_order_id, text))
        return None if is_new else self.order(order.client_order_id)

    def send_again(self, client_order_id: str, now: datetime) -> None:
        """Record durably that an order is about to be sent `now`, whatever came of it earlier."""
        with self._transaction():
            self.check_epoch()
            self._database.execute(
                "UPDATE orders SET status = 'intended' WHERE client_order_id = ?", (client_order_id,)
            )
            self._database.execute("UPDATE sent SET at = ? WHERE client_order_id = ?", (_text(now), client_order_id))

    def amend(self, client_order_id: str, quantity: float, terms: Terms) -> None:
        """Record that an order goes on with another quantity in all and other terms."""
        statement = "INSERT INTO terms VALUES (?, ?) ON CONFLICT (client_order_id) DO UPDATE SET terms = excluded.terms"
        with self._transaction():
            self.check_epoch()
            self._database.execute(
                "UPDATE orders SET quantity = ? WHERE client_order_id = ?", (quantity, client_order_id)
            )
            self._database.execute(statement, (client_order_id, terms.encoded()))

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

    def sent_since(self, at: datetime, without: Sequence[str] = ()) -> int:
        """Return how many orders went to the broker from then on. without: ids that do not count while they have no answer."""
        marks = ", ".join("?" for _ in without)
        mine = f" AND NOT (status = 'intended' AND orders.client_order_id IN ({marks}))" if without else ""
        statement = f"SELECT COUNT(*) FROM {_BOTH} WHERE at >= ? AND status NOT IN (?, ?){mine}"
        return int(self._database.execute(statement, (_text(at), *_TODAY_COUNTS, *without)).fetchone()[0])

    def holdings(self) -> dict[str, float]:
        """Return what the strategy's own orders have bought and not sold, by symbol."""
        rows = self._database.execute("SELECT symbol, quantity FROM holdings ORDER BY symbol")
        return {symbol: quantity for symbol, quantity in rows if abs(quantity) > _DUST}

    def hold(
        self, quantities: Mapping[str, float], now: datetime | None = None, lost: Iterable[str] = (), reason: str = ""
    ) -> None:
        """Replace what is held of these symbols: a person has decided that the broker is right.

        The difference goes to the bot that holds most of the symbol, or to the first one that asks for it. lost: orders of
        unknown fate that are given up in the same step, for this reason: what they have filled is in the quantities.
        """
        statement = "INSERT INTO holdings VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET quantity = excluded.quantity"
        with self._transaction():
            self._database.executemany(statement, list(quantities.items()))
            for client_order_id in lost:
                self._database.execute(
                    "UPDATE orders SET status = 'lost' WHERE client_order_id = ? AND status = 'uncertain'",
                    (client_order_id,),
                )
                self._database.execute(
                    "UPDATE sent SET reason = ? WHERE client_order_id = ?", (reason, client_order_id)
                )
            for symbol, quantity in quantities.items():
                held = [one for one in self.positions() if one.symbol == symbol]
                most = max(held, key=lambda one: abs(one.quantity), default=Position(SHARED, symbol))
                others = sum((one.quantity for one in held if one.bot != most.bot), ZERO)
                self._write_position(after_adoption(most, decimal(quantity) - others, now or datetime.now(UTC)))

    def split(self, symbol: str, ratio: Decimal, event: str) -> bool:
        """Take up that each unit of a symbol has become `ratio` units, once for an event; tell whether this was the time."""
        with self._transaction():
            if not self._is_first(event):
                return False
            for one in self.positions():
                if one.symbol == symbol:
                    self._write_position(after_split(one, ratio))
            statement = "UPDATE holdings SET quantity = quantity * ? WHERE symbol = ?"
            self._database.execute(statement, (float(ratio), symbol))
        return True

    def rename(self, symbol: str, named: str, event: str) -> bool:
        """Take up that a symbol has another name from now on, once for an event; tell whether this was the time."""
        with self._transaction():
            if not self._is_first(event):
                return False
            for one in self.positions():
                if one.symbol == symbol and one.quantity:
                    there = self._position(one.bot, named)
                    cost, held = one.cost + there.cost, one.quantity + there.quantity
                    self._write_position(replace(there, quantity=held, cost=cost, since=one.since))
                    self._write_position(replace(one, quantity=ZERO, cost=ZERO, since=None))
            row = self._database.execute("SELECT quantity FROM holdings WHERE symbol = ?", (symbol,)).fetchone()
            if row:
                self._add_to_holdings(named, float(row[0]))
                self._database.execute("UPDATE holdings SET quantity = 0 WHERE symbol = ?", (symbol,))
        return True

    def _is_first(self, event: str) -> bool:
        statement = "INSERT OR IGNORE INTO facts VALUES (?, ?)"
        return bool(self._database.execute(statement, (event, _text(datetime.now(UTC)))).rowcount == 1)

    def positions(self) -> list[Position]:
        """Return what each bot's own orders have made of each symbol, closed positions included."""
        statement = "SELECT bot, symbol, quantity, cost, since, realised FROM positions ORDER BY bot, symbol"
        return [_as_position(row) for row in self._database.execute(statement)]

    def position(self, bot: str, symbol: str, *, takes: bool = False) -> Position:
        """Return what the bot's own orders have made of a symbol. takes: what no bot accounts for is the bot's from now on."""
        if takes and self._position(SHARED, symbol).quantity:
            with self._transaction():
                self.check_epoch()
                mine, shared = self._position(bot, symbol), self._position(SHARED, symbol)
                cost, held = mine.cost + shared.cost, mine.quantity + shared.quantity
                self._write_position(replace(mine, quantity=held, cost=cost, since=mine.since or shared.since))
                self._write_position(replace(shared, quantity=ZERO, cost=ZERO, since=None))
        return self._position(bot, symbol)

    def _position(self, bot: str, symbol: str) -> Position:
        statement = "SELECT bot, symbol, quantity, cost, since, realised FROM positions WHERE bot = ? AND symbol = ?"
        row = self._database.execute(statement, (bot, symbol)).fetchone()
        return _as_position(row) if row else Position(bot, symbol)

    def _write_position(self, one: Position) -> None:
        statement = (
            "INSERT INTO positions VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (bot, symbol) DO UPDATE SET "
            "quantity = excluded.quantity, cost = excluded.cost, since = excluded.since, realised = excluded.realised"
        )
        since = _text(one.since) if one.since else None
        row = (one.bot, one.symbol, f"{one.quantity:f}", f"{one.cost:f}", since, f"{one.realised:f}")
        self._database.execute(statement, row)

    def flows(self) -> dict[str, Decimal]:
        """Return, by currency, the money that the strategy's orders have brought in (above zero) or taken out."""
        rows = self._database.execute("SELECT currency, amount FROM flows")
        return {str(currency): Decimal(str(amount)) for currency, amount in rows}

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
        fee_paid: float = 0.0,
        now: datetime | None = None,
    ) -> OrderRecord | None:
        """Record the broker's answer to an order; what it has filled since the last answer is held from now on.

        filled: how much in all so far. fee: how much of what was bought was kept as a fee; fee_paid: in the quote currency.
        An answer that knows of less than an earlier one, or that an order is open which was done, came out of order and
        changes nothing: then None is returned, else the order as it is now.
        """
        with self._transaction():
            self.check_epoch()
            before = self.order(client_order_id)
            if before is None or filled < before.filled or (before.status in FINAL and status not in FINAL):
                return None
            statement = "UPDATE orders SET status = ?, order_id = ? WHERE client_order_id = ?"
            self._database.execute(statement, (status, order_id or before.order_id, client_order_id))
            fee = max(fee, before.fee)  # not every answer tells it
            statement = "UPDATE sent SET filled = ?, fee = ?, price = ?, reason = ? WHERE client_order_id = ?"
            price = before.price if price is None else price
            self._database.execute(statement, (filled, fee, price, reason, client_order_id))
            after = replace(
                before,
                status=status,
                order_id=order_id or before.order_id,
                filled=filled,
                fee=fee,
                price=price,
                reason=reason,
            )
            if (filled, fee) != (before.filled, before.fee):
                self._book(before, after, fee_paid, now or datetime.now(UTC))
        return after

    def _book(self, before: OrderRecord, after: OrderRecord, fee_paid: float, now: datetime) -> None:
        """Enter what an order has filled since the last answer into positions, fills and flows."""
        sign = 1 if before.side == "buy" else -1
        quantity, fee = decimal(after.filled) - decimal(before.filled), decimal(after.fee) - decimal(before.fee)
        value = decimal(after.filled) * decimal(after.price or 0) - decimal(before.filled) * decimal(before.price or 0)
        paid = max(ZERO, decimal(fee_paid) - self._fees_paid(before.client_order_id))
        change, cost = sign * (quantity - fee if sign > 0 else quantity + fee), sign * value + paid
        self._write_position(after_fill(self._position(before.bot, before.symbol), change, cost, now))
        self._add_to_holdings(before.symbol, float(change))
        base, _, quote = before.symbol.partition("/")
        statement = "INSERT OR IGNORE INTO fills VALUES (?, ?, ?, ?, ?, ?, ?)"
        each = f"{value / quantity:f}" if quantity else None
        told = (f"{fee:f}", base) if fee else (f"{paid:f}", quote)
        key = (before.client_order_id, f"{after.filled:.12f}")
        self._database.execute(statement, (*key, f"{quantity:f}", each, *told, _text(now)))
        flow = self.flows().get(quote, ZERO) - cost
        statement = "INSERT INTO flows VALUES (?, ?) ON CONFLICT (currency) DO UPDATE SET amount = excluded.amount"
        self._database.execute(statement, (quote, f"{flow:f}"))

    def _add_to_holdings(self, symbol: str, change: float) -> None:
        statement = "INSERT INTO holdings VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET quantity = quantity + excluded.quantity"
        self._database.execute(statement, (symbol, change))

    def _fees_paid(self, client_order_id: str) -> Decimal:
        statement = "SELECT orders.symbol, fills.fee, fills.currency FROM fills JOIN orders ON orders.client_order_id = fills.client_order_id WHERE fills.client_order_id = ?"
        rows = self._database.execute(statement, (client_order_id,))
        return sum((Decimal(str(fee)) for symbol, fee, currency in rows if currency == symbol.partition("/")[2]), ZERO)

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
            self.check_epoch()
            self._replace_state(bot, state)
            self._database.execute("UPDATE claims SET completed = 1 WHERE bot = ? AND slot = ?", (bot, _text(slot)))

    def keep_state(self, bot: str, state: Mapping[str, object]) -> None:
        """Replace the state of a bot that goes on running, a stream; TypeError or ValueError if a value is not JSON."""
        with self._transaction():
            self.check_epoch()
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
        self.remember_all({name: value})

    def remember_all(self, facts: Mapping[str, str]) -> None:
        """Keep several facts in one durable step."""
        with self._transaction():
            for name, value in facts.items():
                self._remember(name, value)

    def _remember(self, name: str, value: str) -> None:
        statement = "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        self._database.execute(statement, (name, value))

    def forget_before(self, slot: datetime) -> None:
        """Remove finished claims and settled orders of slots before this one, so that the file stays small."""
        with self._transaction():
            self._database.execute("DELETE FROM claims WHERE outcome IS NOT NULL AND slot < ?", (_text(slot),))
            # By the instant at which they were sent: a stream's slot is its beginning, perhaps months ago.
            old = f"SELECT orders.client_order_id FROM {_BOTH} WHERE slot < ? AND (at IS NULL OR at < ?)"
            marks = ", ".join("?" for _ in FINAL)
            statement = f"DELETE FROM orders WHERE status IN ({marks}) AND client_order_id IN ({old})"
            self._database.execute(statement, (*FINAL, _text(slot), _text(slot)))
            for table in ("sent", "fills", "terms"):
                statement = f"DELETE FROM {table} WHERE client_order_id NOT IN (SELECT client_order_id FROM orders)"
                self._database.execute(statement)

    def _transaction(self) -> "Transaction":
        return Transaction(self._database, self._group)


class Transaction:
    """BEGIN IMMEDIATE, so that a writer waits at the start rather than fails in the middle; COMMIT or ROLLBACK."""

    def __init__(self, database: sqlite3.Connection, group: GroupCommit | None) -> None:
        self._database = database
        self._group = group

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._changes = self._database.total_changes if self._group is not None else 0

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._database.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        if kind is None and self._group is not None and self._database.total_changes > self._changes:
            self._group.sync()


def _order(row: tuple[Any, ...]) -> OrderRecord:
    client_order_id, bot, slot, symbol, side, leg, quantity, status, order_id, at, filled, fee, price, reason, terms = (
        row
    )
    told = (_instant(at) if at else None, filled or 0.0, fee or 0.0, price, reason or "", decoded(terms))
    return OrderRecord(client_order_id, bot, _instant(slot), symbol, side, leg, quantity, status, order_id, *told)


def _as_position(row: tuple[Any, ...]) -> Position:
    bot, symbol, quantity, cost, since, realised = row
    return Position(
        bot, symbol, Decimal(quantity), Decimal(cost), _instant(since) if since else None, Decimal(realised)
    )


def _text(at: datetime) -> str:
    # One fixed width, so that texts sort as instants do.
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
