"""Buys one share at each slot, and takes a moment before and after the order."""

import time

import venue  # type: ignore[import-not-found] # in this folder

from openbell.strategy import Context

WORDS = "as it was at first"


def run(ctx: Context) -> None:
    """Buy."""
    venue.occasion = f"{ctx.bot} {ctx.slot.isoformat()}"
    time.sleep(0.3)
    ctx.order("AAPL", "buy", 1, reason=WORDS)
    time.sleep(0.7)
