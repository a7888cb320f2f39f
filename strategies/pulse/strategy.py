"""Buy what fell yesterday and sell it after the first day on which it rises: a pulse to watch, not a plan to get rich."""

from math import floor

from openbell.strategy import Context


def run(ctx: Context) -> None:
    """Trade every symbol on the change between its last two closes."""
    for symbol in ctx.symbols:
        before, last = ctx.bars(symbol, "1d", 2).closes
        held = ctx.position(symbol)
        affordable = floor(0.45 * ctx.cash / ctx.price(symbol))
        ctx.signal(symbol, last / before - 1, before=before, last=last)
        if last < before and not held and affordable:
            ctx.order(symbol, "buy", affordable, reason="fell yesterday")
        elif last > before and held:
            ctx.order(symbol, "sell", held, reason="rose yesterday")
        else:
            ctx.hold(symbol, reason="waiting for a rise" if held else "waiting for a fall")
