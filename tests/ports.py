"""Ports for servers of tests that are started later than their port is chosen."""

import random
import socket
from contextlib import suppress

# Below those that Linux gives to connections and to servers without a port of their own: such a port could be gone in between.
_RANGE = range(20_000, 32_000)


def free_port() -> int:
    """Return a port of this machine that is free now, and that only a test that asks here can get."""
    while True:
        port = random.SystemRandom().choice(_RANGE)
        with suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            return port
