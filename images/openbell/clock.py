"""The clock: the machine's, or for a demonstration one that runs faster.

OPENBELL_CLOCK="20@2026-11-21T09:35:00Z" is a clock that showed the right time at that instant and has run twenty times as
fast since. All processes that are given the same value agree. Nothing that trades is ever given one.
"""

import math
import os
import sys
import time
from datetime import UTC, datetime

FASTEST = 1000.0


def read(setting: str) -> tuple[float, datetime]:
    """Return how fast the clock runs and since when; ValueError says what was found and what is allowed."""
    real = datetime.now(UTC)
    if not setting:
        return 1.0, real
    text, _, since = setting.partition("@")
    try:
        speed, origin = float(text), datetime.fromisoformat(since)
        is_good = math.isfinite(speed) and 1 <= speed <= FASTEST and origin + (real - origin) * speed >= origin
    except (ValueError, TypeError, OverflowError):  # no number, no instant, one without a zone, or one long ago
        is_good = False
    if not is_good:
        msg = (
            f'OPENBELL_CLOCK: found "{setting}"; allowed: a speed from 1 to {FASTEST:.0f} and a past instant with '
            'its zone, such as "20@2026-11-21T09:35:00Z"'
        )
        raise ValueError(msg)
    return speed, origin


try:
    SPEED, _ORIGIN = read(os.environ.get("OPENBELL_CLOCK", ""))
except ValueError as error:
    sys.exit(f"openbell: {error}")


def now() -> datetime:
    """Return the instant, aware UTC."""
    real = datetime.now(UTC)
    return real if SPEED == 1.0 else _ORIGIN + (real - _ORIGIN) * SPEED


def elapsed() -> float:
    """Return seconds that no clock step disturbs."""
    return time.monotonic() * SPEED
