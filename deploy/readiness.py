"""Waits until what was started works, judged by each loop's sign of life and not by the engine's rare health checks."""

import time
from collections.abc import Iterable

from deploy.docker.engine import Service
from deploy.log import Log
from deploy.target import Target

LIMIT = 180.0  # seconds until a start that is not ready counts as failed
TURN, SIGN_EVERY = 0.1, 5.0  # seconds between two queries, and between two lines that say what is still awaited
TOO_OFTEN = 3  # restarts after which a service counts as failed


def wait(where: Target, log: Log) -> bool:
    """Return whether every service is ready."""
    until, sign = time.monotonic() + LIMIT, time.monotonic() + SIGN_EVERY
    while True:
        found = where.services()
        waiting = [one.name for one in found if not one.ready]
        if not waiting:
            return True
        now = time.monotonic()
        if has_failed(found) or now >= until:
            return False
        if now >= sign:
            log.info("waiting for the first sign of life", services=", ".join(waiting))
            sign = now + SIGN_EVERY
        time.sleep(TURN)


def has_failed(services: Iterable[Service]) -> bool:
    """Tell whether one of them will not become ready by itself."""
    return any(one.state in {"exited", "dead"} or (not one.ready and one.restarts >= TOO_OFTEN) for one in services)
