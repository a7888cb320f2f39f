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

from openbell.strategy.target_context import TargetContext


class Context(TargetContext):
    """One run of one bot, as its strategy sees it. `slot` is the slot of the run."""
