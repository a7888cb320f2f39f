"""Hold in the cheap part of the cycle, leave in the euphoric one: net unrealised profit and loss (NUPL) decides.

NUPL is a figure of the chain, from -1 to 1, that no free market gives: put your own into series/nupl.csv.
"""

from datetime import timedelta

from talipp.indicators import EMA

from openbell.strategy import Context

OLDEST = timedelta(days=10)  # a figure of the cycle that is older says nothing of today


def run(ctx: Context) -> None:
    """Decide about the bot's symbol on the newest NUPL and the symbol's own trend."""
    (symbol,) = ctx.symbols
    figures = ctx.series("nupl", 1)
    if not figures or ctx.slot - figures[-1].timestamp > OLDEST:
        since = f"the newest is of {figures[-1].timestamp:%Y-%m-%d}" if figures else "there is none"
        ctx.hold(symbol, reason=f"no current NUPL ({since}): bring series/nupl.csv up to date")
        return
    nupl, closes = figures[-1].value, ctx.bars(symbol, "4h", 250).closes
    trend, held = EMA(180, closes)[-1], ctx.position(symbol)
    if trend is None:
        ctx.hold(symbol, reason=f"only {len(closes)} bars")
        return
    ctx.signal(symbol, nupl, trend=trend, close=closes[-1])
    if held and nupl > ctx.params["euphoria"]:
        ctx.order(symbol, "sell", held, reason=f"euphoria: NUPL {nupl:.2f}")
    elif not held and nupl < ctx.params["cheap"] and closes[-1] > trend:
        quantity = round(ctx.params["budget"] / ctx.price(symbol), 6)
        ctx.order(symbol, "buy", quantity, reason=f"NUPL {nupl:.2f} and above its average")
    elif held and closes[-1] < trend * (1 - ctx.params["slack"]):
        ctx.order(symbol, "sell", held, reason="well below its average")
    else:
        ctx.hold(symbol, reason=f"NUPL {nupl:.2f}, {'in' if held else 'out'}")
