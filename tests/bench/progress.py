"""Lines that say what the benchmark is doing. They go to standard error, so that standard output holds the tables alone."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SIGN_EVERY = 8.0  # seconds between two signs of life


def say(text: str) -> None:
    """Write one line."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Say what begins, and every few seconds that it still goes on."""
    say(f"{what} ...")
    done = threading.Event()
    started = time.monotonic()

    def tell() -> None:
        while not done.wait(SIGN_EVERY):
            say(f"    still {what} ({time.monotonic() - started:.0f} s)")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def wait_until(at: float, what: str) -> None:
    """Return at the instant `at` (seconds since 1970), with signs of life."""
    with doing(f"{what} for {max(0.0, at - time.time()):.0f} s"):
        while (left := at - time.time()) > 0:
            time.sleep(min(left, 1.0))
