"""Says when its code began."""

import time

from openbell.strategy import Context


def run(ctx: Context) -> None:
    """Take the time, then write it down."""
    began = time.time()
    ctx.log("began", seconds=began)
