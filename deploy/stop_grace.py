"""How long a stop must wait, so that no run is cut off by it."""

from collections.abc import Iterable

from openbell.manifest import Manifest

MARGIN = 5  # seconds in which a run that was killed at its timeout is written down


def needed(manifests: Iterable[Manifest]) -> int:
    """Return the seconds that a stop must wait for every run of these strategies."""
    longest = max((bot.timeout.total_seconds() for one in manifests for bot in one.bots), default=0.0)
    return int(longest) + MARGIN


def too_short(manifests: Iterable[Manifest], stop_grace: int) -> str | None:
    """Return what is wrong with a stop grace of so many seconds, or None if every bot's timeout fits into it."""
    longest = max((bot for manifest in manifests for bot in manifest.bots), key=lambda bot: bot.timeout, default=None)
    if longest is None or longest.timeout.total_seconds() + MARGIN <= stop_grace:
        return None
    needed = int(longest.timeout.total_seconds()) + MARGIN
    return f"a stop waits {stop_grace} s, but a run of bot {longest.id} may take {needed - MARGIN} s: set OPENBELL_STOP_GRACE={needed}s in .env"
