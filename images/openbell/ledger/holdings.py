"""What the strategy holds: by bot with what it cost, and in sum as older versions kept it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from openbell.ledger.database import LedgerDatabase, instant_of, text_of
from openbell.ledger.schema import ALL_OF_ORDERS
from openbell.position import ZERO, Position, after_adoption, after_split, decimal
from openbell.records import replace

SHARED = ""  # the bot of positions that no bot's orders account for: the first bot that asks for the symbol takes them
_DUST = 1e-9  # what adding and taking away binary fractions leaves of nothing


class Holdings(LedgerDatabase):
    """The ledger's positions and money."""

    def _begin(self) -> None:
        self._begin_holdings()
        self._begin_positions()

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
                self._remember("holdings since", text_of(datetime.now(UTC)))

    def _begin_positions(self) -> None:
        """Give bots what a ledger without positions by bot says is held: an older version's, or one after a rollback."""
        if not self._unattributed():
            return
        with self._transaction():
            for symbol, quantity in self._unattributed().items():
                statement = f"SELECT bot FROM {ALL_OF_ORDERS} WHERE symbol = ? ORDER BY at DESC LIMIT 1"
                row = self._database.execute(statement, (symbol,)).fetchone()
                mine = self._position(str(row[0]) if row else SHARED, symbol)
                self._write_position(after_adoption(mine, mine.quantity + quantity, datetime.now(UTC)))

    def _unattributed(self) -> dict[str, Decimal]:
        """Return, by symbol, how much more is held than the positions of the bots add up to."""
        held = {symbol: decimal(quantity) for symbol, quantity in self.holdings().items()}
        for one in self.positions():
            held[one.symbol] = held.get(one.symbol, ZERO) - one.quantity
        return {symbol: quantity for symbol, quantity in held.items() if abs(quantity) > decimal(_DUST)}

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
        with self._transaction():
            self._write_holdings(quantities)
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

    def _write_holdings(self, quantities: Mapping[str, float]) -> None:
        statement = "INSERT INTO holdings VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET quantity = excluded.quantity"
        self._database.executemany(statement, list(quantities.items()))

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
        statement = "INSERT INTO facts VALUES (?, ?) ON CONFLICT DO NOTHING"
        return bool(self._database.execute(statement, (event, text_of(datetime.now(UTC)))).rowcount == 1)

    def positions(self) -> list[Position]:
        """Return what each bot's own orders have made of each symbol, closed positions included."""
        statement = "SELECT bot, symbol, quantity, cost, since, realised FROM positions ORDER BY bot, symbol"
        return [_as_position(row) for row in self._database.execute(statement)]

    def position(self, bot: str, symbol: str, *, takes: bool = False) -> Position:
        """Return what the bot's own orders have made of a symbol. takes: what no bot accounts for is the bot's from now on."""
        if takes and bot != SHARED and self._position(SHARED, symbol).quantity:
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
        since = text_of(one.since) if one.since else None
        row = (one.bot, one.symbol, f"{one.quantity:f}", f"{one.cost:f}", since, f"{one.realised:f}")
        self._database.execute(statement, row)

    def flows(self) -> dict[str, Decimal]:
        """Return, by currency, the money that the strategy's orders have brought in (above zero) or taken out."""
        rows = self._database.execute("SELECT currency, amount FROM flows")
        return {str(currency): Decimal(str(amount)) for currency, amount in rows}

    def _add_to_flows(self, currency: str, amount: Decimal) -> None:
        self._write_flow(currency, self.flows().get(currency, ZERO) + amount)

    def _write_flow(self, currency: str, amount: Decimal) -> None:
        statement = "INSERT INTO flows VALUES (?, ?) ON CONFLICT (currency) DO UPDATE SET amount = excluded.amount"
        self._database.execute(statement, (currency, f"{amount:f}"))

    def book_cash(self, identity: str, currency: str, amount: Decimal) -> Decimal:
        """Take up money that came (above zero) or went without an order; return how much of it is new.

        What was booked under the same identity before is not booked again: only a changed amount adds its difference.
        """
        fact = f"cash {identity}"
        if Decimal(self.fact(fact) or 0) == amount:
            return ZERO
        with self._transaction():
            new = amount - Decimal(self.fact(fact) or 0)
            self._add_to_flows(currency, new)
            self._remember(fact, f"{amount:f}")
        return new

    def held_before(self, symbol: str, at: datetime | None = None) -> Decimal:
        """Return how much of a symbol all bots held right before an instant, as far back as fills are kept; None is now."""
        held = sum((one.quantity for one in self.positions() if one.symbol == symbol), ZERO)
        if at is None:
            return held
        statement = (
            "SELECT orders.side, fills.quantity FROM fills JOIN orders ON orders.client_order_id = fills.client_order_id "
            "WHERE orders.symbol = ? AND fills.at >= ?"
        )
        for side, quantity in self._database.execute(statement, (symbol, text_of(at))):
            held -= Decimal(quantity) if side == "buy" else -Decimal(quantity)
        return held

    def _add_to_holdings(self, symbol: str, change: float) -> None:
        statement = "INSERT INTO holdings VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET quantity = holdings.quantity + excluded.quantity"
        self._database.execute(statement, (symbol, change))


def _as_position(row: tuple[Any, ...]) -> Position:
    bot, symbol, quantity, cost, since, realised = row
    return Position(
        bot, symbol, Decimal(quantity), Decimal(cost), instant_of(since) if since else None, Decimal(realised)
    )
