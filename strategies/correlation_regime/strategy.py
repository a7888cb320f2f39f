"""Follow the leader while the symbol moves with it; follow the symbol's own trend while it does not."""

import itertools
from statistics import correlation

from talipp.indicators import EMA

from openbell.strategy import Context

LOOK_BACK = 60  # bars of 4 hours: ten days


def run(ctx: Context) -> None:
    """Decide about the bot's symbol; the leader is only watched."""
    (symbol,) = ctx.symbols
    own = ctx.bars(symbol, "4h", 120).closes
    leader = ctx.bars(ctx.params["leader"], "4h", 120).closes
    if min(len(own), len(leader)) < LOOK_BACK + 1:
        ctx.hold(symbol, reason=f"only {min(len(own), len(leader))} bars")
        return
    together = correlation(_changes(own[-LOOK_BACK - 1 :]), _changes(leader[-LOOK_BACK - 1 :]))
    follows = together > ctx.params["together"]
    watched = leader if follows else own
    average = EMA(30, watched)[-1] or watched[-1]
    rises, held = watched[-1] > average, ctx.position(symbol)
    regime = "with the leader" if follows else "on its own"
    ctx.signal(symbol, watched[-1] / average - 1, correlation=together, regime=regime)
    if rises and not held:
        quantity = round(ctx.params["budget"] / ctx.price(symbol), 6)
        ctx.order(symbol, "buy", quantity, reason=f"rises, {regime} (correlation {together:.2f})")
    elif not rises and held:
        ctx.order(symbol, "sell", held, reason=f"falls, {regime} (correlation {together:.2f})")
    else:
        ctx.hold(symbol, reason=f"{'rises' if rises else 'falls'}, {regime}")


def _changes(closes: tuple[float, ...]) -> list[float]:
    return [later / earlier - 1 for earlier, later in itertools.pairwise(closes)]
