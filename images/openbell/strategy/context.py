"""What a strategy function is given: `def run(ctx: Context) -> None`.

    def run(ctx):
        for symbol in ctx.symbols:
            closes = ctx.bars(symbol, "1d", 50).closes
            ...
            ctx.signal(symbol, strength, fast=fast, slow=slow)
            ctx.order(symbol, "buy", 10, reason="fast above slow")

Everything that a strategy computes, decides and orders passes through here, and so into the journal. A strategy that is
always running has `def stream(ctx: StreamContext) -> None` instead, see stream_context.py.
"""

from collections.abc import Mapping

from openbell.strategy.run_state import State, StrategyError
from openbell.strategy.target_context import TargetContext
from openbell.trading.brokers import Order, PlacedOrder


class BotContext(TargetContext):
    """What scheduled and streaming strategies have in common, with what the loop asks of them."""

    def record_opening_equity(self) -> None:
        """Take the day's first look at the account, if a limit of the manifest counts from there."""
        self._checks.record_opening_equity(self.slot, self._clock())

    def leave_out(self, symbol: str, reason: str) -> bool:
        """Go on without a symbol that the market does not know, from the beginning; tell whether it was one of the bot's."""
        if symbol not in self.symbols:
            return False
        self._warn("symbol_unavailable", symbol=symbol, reason=reason)
        self.symbols = tuple(one for one in self.symbols if one != symbol)
        self.state = State(self._ledger.state(self.bot))
        self._sent.clear()
        self.decisions[symbol] = "hold"
        self.hold(symbol, reason=f"left out: {reason}")
        return True

    @property
    def decides(self) -> bool:
        """Tell whether the run decides about symbols; prepare does not."""
        return self._run.bot.function == "run"

    def check_files(self) -> None:
        """Raise StrategyError if the strategy's files are more than they may be."""
        if self._files is None or not self._files.is_dir():
            return
        held = sum(path.lstat().st_size for path in self._files.rglob("*") if not path.is_dir())
        if held > self._files_bound:
            msg = (
                f"ctx.files holds {held / 1e6:,.0f} MB, and {self._files_bound / 1e6:,.0f} MB are allowed: delete what is "
                'old, or set [container] files = "1g" in strategy.toml'
            )
            raise StrategyError(msg)

    def end_threads(self, seconds: float) -> None:
        """Let an order that another thread is sending get its answer and its line, and no thread send any more."""
        self._one_thread.acquire(timeout=seconds)


class Context(BotContext):
    """One run of one bot, as its strategy sees it. `slot` is the slot of the run."""

    def _send(self, order: Order, reason: str, leg: str, told: Mapping[str, object]) -> PlacedOrder:
        with self._one_thread:
            if order.client_order_id in self._sent:
                msg = f'this run has an order to {order.side} {order.symbol} already: tell a second one apart with leg="2"'
                raise StrategyError(msg)
            placed = super()._send(order, reason, leg, told)
            self._sent.add(order.client_order_id)  # an order that the broker gave no answer to may be tried again
            return placed
