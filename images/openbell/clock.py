"""The clock: the machine's, or for a demonstration one that runs faster.

OPENBELL_CLOCK="20@2026-11-21T09:35:00Z" is a clock that showed the right time at that instant and has run twenty times as
fast since. All processes that are given the same value agree. Nothing that trades is ever given one.
"""

import os
import time
from datetime import UTC, datetime

_setting = os.environ.get("OPENBELL_CLOCK", "")
_speed, _, _origin = _setting.partition("@")
SPEED = float(_speed) if _setting else 1.0
_ORIGIN = datetime.fromisoformat(_origin) if _setting else datetime.now(UTC)


def now() -> datetime:
    """Return the instant, aware UTC."""
    real = datetime.now(UTC)
    return real if SPEED == 1.0 else _ORIGIN + (real - _ORIGIN) * SPEED


def elapsed() -> float:
    """Return seconds that no clock step disturbs."""
    return time.monotonic() * SPEED
