"""Hold while the supply of stablecoins grows faster than it did: money on its way in.

The supply is a figure that no free market gives: put your own into series/stablecoin_supply.csv, in billions.
"""

from datetime import timedelta

from talipp.indicators import EMA

from openbell.strategy import Context

OLDEST = timedelta(days=10)  # a supply that is older says nothing of today


def run(ctx: Context) -> None:
    """Decide about the bot's symbol on the growth of the supply, short against long."""
    (symbol,) = ctx.symbols
    supply = ctx.series("stablecoin_supply", ctx.params["long"] + 1)
    if len(supply) <= ctx.params["long"] or ctx.slot - supply[-1].timestamp > OLDEST:
        since = f"{len(supply)} values, the newest of {supply[-1].timestamp:%Y-%m-%d}" if supply else "there is none"
        ctx.hold(symbol, reason=f"no current supply ({since}): bring series/stablecoin_supply.csv up to date")
        return
    short, long = (
        (supply[-1].value / supply[-1 - count].value - 1) / count for count in (ctx.params["short"], ctx.params["long"])
    )
    closes, held = ctx.bars(symbol, "4h", 120).closes, ctx.position(symbol)
    trend = EMA(60, closes)[-1]
    if trend is None:
        ctx.hold(symbol, reason=f"only {len(closes)} bars")
        return
    ctx.signal(symbol, short - long, short=short, long=long, close=closes[-1], trend=trend)
    if short > max(long, 0) and closes[-1] > trend and not held:
        quantity = round(ctx.params["budget"] / ctx.price(symbol), 6)
        ctx.order(symbol, "buy", quantity, reason="the supply grows faster, and the price follows")
    elif held and short < 0:
        ctx.order(symbol, "sell", held, reason="the supply shrinks")
    else:
        ctx.hold(symbol, reason="the supply still grows" if held else "no new money, or no trend")
