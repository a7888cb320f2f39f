"""Hold as much as trend, momentum and calm together justify, and change that only when it pays to."""

from statistics import stdev

from talipp.indicators import EMA, ROC

from openbell.strategy import Context

HOURS_A_YEAR = 24 * 365


def run(ctx: Context) -> None:
    """Move the bot's symbol towards its target value."""
    (symbol,) = ctx.symbols
    closes = ctx.bars(symbol, "1h", 300).closes
    fast, slow, change = EMA(50, closes)[-1], EMA(200, closes)[-1], ROC(24, closes)[-1]
    if fast is None or slow is None or change is None:
        ctx.hold(symbol, reason=f"only {len(closes)} bars")
        return
    hourly = [later / earlier - 1 for earlier, later in zip(closes[-73:], closes[-72:], strict=False)]
    volatility = stdev(hourly) * HOURS_A_YEAR**0.5
    score = 0.5 * (fast > slow) + 0.3 * (change > 0) + 0.2 * (closes[-1] > fast)
    # What swings more is held less: the same risk for every symbol, up to the leverage that is allowed.
    target = score * min(ctx.params["leverage"], ctx.params["volatility"] / volatility)
    price, held = ctx.price(symbol), ctx.position(symbol)
    wanted = round(target * ctx.params["budget"] / price, 6)
    ctx.signal(symbol, target, score=score, volatility=volatility, fast=fast, slow=slow, change=change)
    missing = round(wanted - held, 6)
    if abs(missing) * price < ctx.params["smallest"]:
        ctx.hold(symbol, reason=f"holds {held:.6g}, wants {wanted:.6g}: too little to trade")
    elif missing > 0:
        ctx.order(symbol, "buy", missing, reason=f"exposure up to {target:.2f}")
    else:
        ctx.order(symbol, "sell", min(-missing, held), reason=f"exposure down to {target:.2f}")
