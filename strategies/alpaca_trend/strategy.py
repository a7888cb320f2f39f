"""Long while the last close is above the average of `days` days, with `amount` dollars."""

from statistics import fmean

from openbell.strategy import Context


def run(ctx: Context) -> None:
    """Decide about every symbol once."""
    for symbol in ctx.symbols:
        closes = ctx.bars(symbol, "1d", ctx.params["days"]).closes
        average = fmean(closes)
        ctx.signal(symbol, closes[-1] / average - 1, close=closes[-1], average=average)
        held = ctx.position(symbol)
        if ctx.open_orders(symbol):
            ctx.hold(symbol, reason="an order waits")
        elif closes[-1] > average and not held:
            quantity = int(ctx.params["amount"] / ctx.price(symbol))
            ctx.order(symbol, "buy", quantity, reason="above its average")
        elif closes[-1] <= average and held:
            ctx.order(symbol, "sell", held, reason="below its average")
        else:
            ctx.hold(symbol, reason="nothing has changed")
