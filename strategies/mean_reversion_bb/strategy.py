"""Buy what has fallen out of its Bollinger band while it is oversold; sell it when it is back at the middle."""

from talipp.indicators import BB, RSI

from openbell.strategy import Context


def run(ctx: Context) -> None:
    """Decide about the bot's symbol on closed bars."""
    (symbol,) = ctx.symbols
    closes = ctx.bars(symbol, ctx.params["timeframe"], 120).closes
    band, strength = BB(ctx.params["window"], ctx.params["width"], closes)[-1], RSI(14, closes)[-1]
    if band is None or strength is None:
        ctx.hold(symbol, reason=f"only {len(closes)} bars")
        return
    close, held = closes[-1], ctx.position(symbol)
    ctx.signal(
        symbol, (close - band.cb) / (band.ub - band.lb), close=close, lower=band.lb, middle=band.cb, rsi=strength
    )
    if close < band.lb and strength < ctx.params["oversold"] and not held:
        quantity = round(ctx.params["budget"] / ctx.price(symbol), 6)
        ctx.order(symbol, "buy", quantity, reason=f"below its lower band with an RSI of {strength:.0f}")
    elif close >= band.cb and held:
        ctx.order(symbol, "sell", held, reason="back at the middle of its band")
    else:
        ctx.hold(symbol, reason="waiting for the middle" if held else "inside its band, or not oversold")
