"""Orders as the journals tell of them: each with its newest status, so that what waits and what was traded is known."""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from openbell.instants import milliseconds
from openbell.order_terms import FINAL
from openbell.supervisor.model.records import DecisionRecord, OrderRecord

TURNED_AWAY = frozenset({"rejected", "expired", "lost", "uncertain"})  # a decision whose order ended so is none
KEEP_DAYS = 400
KEEP_EACH = 5_000  # orders of a bot that stay
_COLUMNS = ", ".join(OrderRecord._fields)
_FINAL = ", ".join(f"'{status}'" for status in FINAL)
# A line that comes late, or twice, changes nothing; what fills do not say stays as it was.
_PUT = f"""INSERT INTO orders (strategy, {_COLUMNS}) VALUES ({", ".join("?" * (1 + len(OrderRecord._fields)))})
    ON CONFLICT DO UPDATE SET status = excluded.status, changed_at = excluded.changed_at,
    filled = coalesce(excluded.filled, filled), price = coalesce(excluded.price, price),
    fee = coalesce(excluded.fee, fee), quantity = coalesce(excluded.quantity, quantity),
    reason = iif(excluded.reason = '', reason, excluded.reason), why = iif(why = '', excluded.why, why)
    WHERE excluded.changed_at > changed_at OR (excluded.changed_at = changed_at AND status NOT IN ({_FINAL}))"""  # noqa: S608


class OrderTable:
    """The table `orders`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def put(self, strategy: str, order: OrderRecord) -> None:
        """Store how far an order has come."""
        row = [milliseconds(value) if isinstance(value, datetime) else value for value in order]
        self._database.execute(_PUT, (strategy, *row))

    def count_open(self, strategy: str, bot: str) -> int:
        """Return how many of a bot's orders wait, or are of unknown fate."""
        (count,) = self._database.execute(
            f"SELECT count(*) FROM orders INDEXED BY open_orders WHERE strategy = ? AND bot = ? AND status NOT IN ({_FINAL})",  # noqa: S608
            (strategy, bot),
        ).fetchone()
        return int(count)

    def newest(self, strategy: str, bot: str = "", limit: int = 200, *, is_open: bool = False) -> list[OrderRecord]:
        """Return the newest orders of a strategy, or of one bot; is_open: only those that wait."""
        where, values = "strategy = ?", [strategy]
        if bot:
            where, values = f"{where} AND bot = ?", [*values, bot]
        if is_open:
            where = f"{where} AND status NOT IN ({_FINAL})"
        rows = self._database.execute(
            f"SELECT {_COLUMNS} FROM orders WHERE {where} ORDER BY at DESC LIMIT ?",  # noqa: S608
            (*values, limit),
        )
        return [OrderRecord(*row) for row in rows]

    def filled(self, strategy: str, limit: int) -> list[OrderRecord]:
        """Return the newest orders of a strategy of which anything was filled, oldest first."""
        rows = self._database.execute(
            f"SELECT {_COLUMNS} FROM orders WHERE strategy = ? AND filled > 0 ORDER BY at DESC LIMIT ?",  # noqa: S608
            (strategy, limit),
        )
        return [OrderRecord(*row) for row in rows][::-1]

    def followed(self, strategy: str, decisions: Iterable[DecisionRecord]) -> list[DecisionRecord]:
        """Return decisions with the newest status of their orders, which may have been filled or rejected since."""
        return [self._follow(strategy, one) for one in decisions]

    def _follow(self, strategy: str, decision: DecisionRecord) -> DecisionRecord:
        order_id, status = decision.about.get("client_order_id"), decision.about.get("status")
        if not isinstance(order_id, str) or not order_id or status in FINAL:
            return decision
        row = self._database.execute(
            "SELECT status, filled, price, side FROM orders WHERE strategy = ? AND client_order_id = ?",
            (strategy, order_id),
        ).fetchone()
        if row is None or row[0] == status:
            return decision
        now, filled, price, side = row
        known = {"status": now, "filled_qty": filled, "filled_price": price}
        about = {**decision.about, **{name: value for name, value in known.items() if value is not None}}
        if now in TURNED_AWAY:
            return decision._replace(action=now, about={"side": side, **about})
        return decision._replace(action=side, about=about)

    def prune(self, owner: Sequence[str], now: datetime) -> None:
        """Remove a bot's oldest orders; one that waits stays."""
        self._database.execute(
            f"DELETE FROM orders WHERE strategy = ? AND bot = ? AND status IN ({_FINAL}) AND at < max(?, coalesce("  # noqa: S608
            "(SELECT at FROM orders WHERE strategy = ? AND bot = ? ORDER BY at DESC LIMIT 1 OFFSET ?), 0))",
            (*owner, milliseconds(now - timedelta(days=KEEP_DAYS)), *owner, KEEP_EACH - 1),
        )
