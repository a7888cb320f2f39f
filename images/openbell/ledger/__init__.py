"""The ledger: what must survive a crash. Claims of slots, orders and what they bought, a bot's own state, what is accounted for.

One SQLite file for a strategy, written durably (a commit survives a power cut). The loop and the runs' processes each
open their own: a connection must not be carried over a fork.
"""

import json
from collections.abc import Mapping
from datetime import datetime

from openbell.ledger.claims import Claims
from openbell.ledger.database import Transaction as Transaction
from openbell.ledger.database import text_of
from openbell.ledger.orders import Orders
from openbell.ledger.records import SLOTLESS as SLOTLESS
from openbell.ledger.records import Claim as Claim
from openbell.ledger.records import EpochLostError as EpochLostError
from openbell.ledger.records import OrderRecord as OrderRecord
from openbell.ledger.schema import ALL_OF_ORDERS
from openbell.order_terms import FINAL

KEEP_DAYS = 90  # days of claims, and of journal, that stay


class Ledger(Claims, Orders):
    """The ledger of one strategy. Every method raises sqlite3.Error if the file cannot be read or written."""

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
            self._database.execute("UPDATE claims SET completed = 1 WHERE bot = ? AND slot = ?", (bot, text_of(slot)))

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
        row = self._database.execute(statement, (bot, text_of(slot))).fetchone()
        return bool(row and row[0])

    def forget_before(self, slot: datetime) -> None:
        """Remove finished claims and settled orders of slots before this one, so that the file stays small."""
        with self._transaction():
            self._database.execute("DELETE FROM claims WHERE outcome IS NOT NULL AND slot < ?", (text_of(slot),))
            # By the instant at which they were sent: a stream's slot is its beginning, perhaps months ago.
            old = f"SELECT orders.client_order_id FROM {ALL_OF_ORDERS} WHERE slot < ? AND (at IS NULL OR at < ?)"
            marks = ", ".join("?" for _ in FINAL)
            statement = f"DELETE FROM orders WHERE status IN ({marks}) AND client_order_id IN ({old})"
            self._database.execute(statement, (*FINAL, text_of(slot), text_of(slot)))
            for table in ("sent", "fills", "terms"):
                statement = f"DELETE FROM {table} WHERE client_order_id NOT IN (SELECT client_order_id FROM orders)"
                self._database.execute(statement)
