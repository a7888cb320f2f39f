"""Says when its code began, then is busy for a while."""

import time

from openbell.strategy import Context


def run(ctx: Context) -> None:
    """Take the time, write it down, and wait as if for an exchange."""
    began = time.time()
    ctx.log("began", seconds=began)
    time.sleep(ctx.params["busy"])
