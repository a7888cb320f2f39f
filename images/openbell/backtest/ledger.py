"""The ledger of a backtest: the live one's code on a database in memory, which is read again only after it has changed.

Between two orders nothing changes, and most slots have none: their positions and states need no query.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from openbell.ledger import Ledger
from openbell.position import Position


class BacktestLedger(Ledger):
    """Decides and answers as `Ledger` does. A backtest that is cut off is run again from its beginning."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the backtest's own; nothing is kept in it."""
        self._known: dict[tuple[str, str], Position] = {}
        self._held: dict[tuple[str, str, bool], Position] = {}  # the answers of `position`
        self._stateless: set[str] = set()  # bots without a state; one that is there is a new copy for each run
        super().__init__(folder / "ledger.sqlite", in_memory=True)

    def state(self, bot: str) -> dict[str, object]:
        """Return the bot's own state."""
        if bot in self._stateless:
            return {}
        state = super().state(bot)
        if not state and not self._database.in_transaction:
            self._stateless.add(bot)
        return state

    def position(self, bot: str, symbol: str, *, takes: bool = False) -> Position:
        """Return what the bot's own orders have made of a symbol, as `Ledger.position` does."""
        held = self._held.get((bot, symbol, takes))
        if held is None:
            held = super().position(bot, symbol, takes=takes)
            if not self._database.in_transaction:
                self._held[bot, symbol, takes] = held
        return held

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Let orders be decided on at once: no other process has this ledger."""
        yield

    def _position(self, bot: str, symbol: str) -> Position:
        known = self._known.get((bot, symbol))
        if known is None:
            known = super()._position(bot, symbol)
            if not self._database.in_transaction:  # what a transaction sees may be rolled back
                self._known[bot, symbol] = known
        return known

    def _transaction(self) -> AbstractContextManager[None]:
        # Every write is in a transaction.
        self._known.clear()
        self._held.clear()
        self._stateless.clear()
        return super()._transaction()
