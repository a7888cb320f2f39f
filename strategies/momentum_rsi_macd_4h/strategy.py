"""The slow momentum: only above the long average, and out at a trailing stop that follows the highest close."""

from talipp.indicators import ATR, EMA, MACD, RSI
from talipp.ohlcv import OHLCV

from openbell.strategy import Context


def run(ctx: Context) -> None:
    """Decide about the bot's symbol on closed bars; the highest close since the purchase is kept in the state."""
    (symbol,) = ctx.symbols
    bars = ctx.bars(symbol, "4h", 300)
    closes = bars.closes
    candles = [OHLCV(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]
    momentum, strength = MACD(12, 26, 9, closes)[-1], RSI(14, closes)[-1]
    trend, spread = EMA(200, closes)[-1], ATR(14, candles)[-1]
    if momentum is None or momentum.histogram is None or strength is None or trend is None or spread is None:
        ctx.hold(symbol, reason=f"only {len(closes)} bars")
        return
    close, held = closes[-1], ctx.position(symbol)
    peak = max(close, float(str(ctx.state.get("peak", close)))) if held else close
    stop = peak - ctx.params["trail"] * spread
    ctx.signal(symbol, momentum.histogram / close, rsi=strength, trend=trend, stop=stop, peak=peak)
    if held and (close < stop or momentum.histogram < 0):
        ctx.order(symbol, "sell", held, reason="below its trailing stop" if close < stop else "the momentum is gone")
        ctx.state.pop("peak", None)
    elif not held and close > trend and momentum.histogram > 0 and strength > ctx.params["strong"]:
        quantity = round(ctx.params["budget"] / ctx.price(symbol), 6)
        ctx.order(symbol, "buy", quantity, reason=f"rising above its long average, RSI {strength:.0f}")
        ctx.state["peak"] = close
    else:
        ctx.state["peak"] = peak
        ctx.hold(symbol, reason=f"stop at {stop:.6g}" if held else "no momentum above the long average")
