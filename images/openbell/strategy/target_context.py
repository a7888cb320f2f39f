"""Orders as portfolios are written: what is to be held, and openbell sends the differences."""

import math
from collections.abc import Mapping
from decimal import Decimal

from openbell.costs import expected
from openbell.order_terms import MARKET
from openbell.position import ZERO, decimal
from openbell.strategy.order_context import OrderContext
from openbell.strategy.run_state import StrategyError
from openbell.trading import targets
from openbell.trading.brokers import PlacedOrder
from openbell.trading.order_size import sizes_of
from openbell.trading.targets import TargetOrder, Trade
from openbell.trading.waiting_orders import left_to_fill

LEG = "target"  # of orders towards a target


class TargetContext(OrderContext):
    """Targets of a run. Quantities below zero are short positions, which need [limits] short = true."""

    def target(
        self,
        symbol: str,
        *,
        reason: str,
        quantity: float | None = None,
        value: float | None = None,
        weight: float | None = None,
        tolerance: float = 0.0,
        event: str = "",
    ) -> PlacedOrder | None:
        """Hold so much of `symbol` from now on: a quantity, a value, or a part of what the strategy is worth.

        The order is the difference to what the bot holds and what its open orders will add; None if there is none to send.
        tolerance: a difference below this part of what the strategy is worth is left. It is never more than the cash pays.
        """
        given = [one for one in (quantity, value, weight) if one is not None]
        if len(given) != 1 or isinstance(given[0], bool) or not math.isfinite(given[0]):
            msg = "a target is one of quantity, value and weight, a number each"
            raise StrategyError(msg)
        if quantity is not None:
            wanted = decimal(quantity)
        else:
            worth = value if value is not None else (weight or 0.0) * self._checks.equity(self.slot)
            wanted = decimal(worth) / decimal(self.price(symbol))
        return self._towards({symbol: wanted}, reason, tolerance, event).get(symbol)

    def rebalance(
        self, weights: Mapping[str, float], *, reason: str, tolerance: float = 0.0, event: str = ""
    ) -> dict[str, PlacedOrder]:
        """Hold each symbol at its weight, a part of what the strategy is worth, and nothing else that this bot holds.

        Sales are sent before purchases; where the cash does not pay all purchases, each is smaller by the same part.
        Returns the orders by symbol.
        """
        for symbol, weight in weights.items():
            if isinstance(weight, bool) or not math.isfinite(weight):
                msg = f"the weight of {symbol} is a part such as 0.25, not {weight!r}"
                raise StrategyError(msg)
        held = {one.symbol for one in self._ledger.positions() if one.bot == self.bot and one.quantity}
        equity = decimal(self._checks.equity(self.slot)) if weights else ZERO
        wanted = {symbol: decimal(weight) * equity / decimal(self.price(symbol)) for symbol, weight in weights.items()}
        return self._towards({**dict.fromkeys(sorted(held - set(weights)), ZERO), **wanted}, reason, tolerance, event)

    def _towards(
        self, wanted: Mapping[str, Decimal], reason: str, tolerance: float, event: str
    ) -> dict[str, PlacedOrder]:
        placed = self._sent_before(wanted, reason, event)
        smallest = decimal(tolerance * self._checks.equity(self.slot)) if tolerance else ZERO
        rest = [self._wanted(symbol, target) for symbol, target in wanted.items() if symbol not in placed]
        for trade in targets.sales(rest, smallest):
            self._trade(trade, reason, event, placed)
        buys = [one for one in rest if one.difference >= 0]
        # Asked for now: what was sold and has filled is cash.
        cash = decimal(self.cash) if any(one.difference > 0 for one in buys) else ZERO
        for trade in targets.purchases(buys, smallest, cash, expected(self._manifest.costs, self._manifest.broker)):
            self._trade(trade, reason, event, placed)
        return placed

    def _sent_before(self, wanted: Mapping[str, Decimal], reason: str, event: str) -> dict[str, PlacedOrder]:
        """Send again, under its own id and as it was, what an earlier attempt meant to send and may not have sent."""
        found = {}
        for one in self._ledger.orders(self.bot, self._progress.run.slot):
            if one.leg == LEG and one.status == "intended" and one.symbol in wanted:
                if one.client_order_id != self._identity(one.symbol, one.side, LEG, event):
                    continue
                found[one.symbol] = self._decide(
                    one.symbol, one.side, one.quantity, None, one.terms, reason, LEG, event
                )
        return found

    def _wanted(self, symbol: str, target: Decimal) -> TargetOrder:
        waiting = [one for one in self._ledger.open_orders() if one.bot == self.bot and one.symbol == symbol]
        adds = left_to_fill(waiting, "buy") - left_to_fill(waiting, "sell")
        held = self._ledger.position(self.bot, symbol, takes=symbol in self.symbols).quantity
        return TargetOrder(symbol, target, held, adds, decimal(self.price(symbol)), sizes_of(self._broker, symbol))

    def _trade(self, trade: Trade, reason: str, event: str, placed: dict[str, PlacedOrder]) -> None:
        if not trade.side:
            self._progress.decisions.setdefault(trade.symbol, "hold")
            told = {"symbol": trade.symbol, "action": "hold", "reason": trade.reason, "qty": 0}
            self._progress.write("decision", {**told, **trade.told, "wanted_reason": reason})
            return
        why = f"{reason} ({trade.reason})" if trade.reason else reason
        quantity = float(trade.quantity)
        placed[trade.symbol] = self._decide(
            trade.symbol, trade.side, quantity, None, MARKET, why, LEG, event, trade.told
        )
