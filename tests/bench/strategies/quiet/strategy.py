"""Decides to hold."""

from openbell.strategy import Context


def run(ctx: Context) -> None:
    """Hold."""
    for symbol in ctx.symbols:
        closes = ctx.bars(symbol, "1d", 20).closes
        ctx.signal(symbol, sum(closes) / len(closes))
        ctx.hold(symbol, reason="only quiet")
