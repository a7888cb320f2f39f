"""Hold what rises: the MACD above its signal line and the RSI strong; leave when either turns."""

from talipp.indicators import MACD, RSI

from openbell.strategy import Context


def run(ctx: Context) -> None:
    """Decide about the bot's symbol on closed bars."""
    (symbol,) = ctx.symbols
    closes = ctx.bars(symbol, ctx.params["timeframe"], 150).closes
    momentum, strength = MACD(12, 26, 9, closes)[-1], RSI(14, closes)[-1]
    if momentum is None or momentum.histogram is None or strength is None:
        ctx.hold(symbol, reason=f"only {len(closes)} bars")
        return
    held = ctx.position(symbol)
    ctx.signal(symbol, momentum.histogram / closes[-1], macd=momentum.macd, line=momentum.signal, rsi=strength)
    if momentum.histogram > 0 and strength > ctx.params["strong"] and not held:
        quantity = round(ctx.params["budget"] / ctx.price(symbol), 6)
        ctx.order(symbol, "buy", quantity, reason=f"MACD above its line, RSI {strength:.0f}")
    elif held and (momentum.histogram < 0 or strength < ctx.params["weak"]):
        ctx.order(symbol, "sell", held, reason=f"the momentum is gone: RSI {strength:.0f}")
    else:
        ctx.hold(symbol, reason="still rising" if held else "no momentum")
