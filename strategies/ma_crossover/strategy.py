"""Hold a share while its short average is above its long one."""

from math import floor

from openbell.strategy import Context


def run(ctx: Context) -> None:
    """Buy on a cross from below, sell on a cross from above, and hold in between."""
    fast, slow, share = ctx.params["fast"], ctx.params["slow"], ctx.params["share"]
    for symbol in ctx.symbols:
        closes = ctx.bars(symbol, "1d", slow).closes
        if len(closes) < slow:
            ctx.hold(symbol, reason=f"only {len(closes)} of {slow} days")
            continue
        short, long = sum(closes[-fast:]) / fast, sum(closes) / slow
        ctx.signal(symbol, short / long - 1, short=short, long=long)
        held = ctx.position(symbol)
        affordable = floor(ctx.cash * share / ctx.price(symbol))
        if short > long and not held and affordable:
            ctx.order(symbol, "buy", affordable, reason=f"{fast}-day average rose above the {slow}-day average")
        elif short < long and held:
            ctx.order(symbol, "sell", held, reason=f"{fast}-day average fell below the {slow}-day average")
        else:
            ctx.hold(symbol, reason="in position" if held else "out of the market")
