"""Says when its code began. Its import takes as long as that of pandas does."""

import time

from openbell.strategy import Context

time.sleep(0.5)


def run(ctx: Context) -> None:
    """Take the time, then write it down."""
    began = time.time()
    ctx.log("began", seconds=began)
