"""The gate of a venue's address: one rate for all runs of a strategy, or for all users of an account where hosts share a database."""

from typing import Protocol

from openbell.trading.run_services import RunServices
from openbell.trading.venues.rate_limiter import RateLimiter


class Gate(Protocol):
    """Says when a request may be sent."""

    def reserve(self, patience: float) -> float:
        """Take the next place and return in how many seconds it is; BusyError, without a place, if that is beyond `patience`."""
        ...

    def hold(self, seconds: float) -> None:
        """Let no call through for so long: the venue has asked for it."""
        ...


def gate(desk: RunServices, name: str, key: str, per_minute: float, burst: int) -> Gate:
    """Return the gate of a venue's address for one of its accounts. key: what names the account there, if anything does."""
    if desk.database and key:
        from openbell.trading.venues.shared_rate import SharedRateLimiter  # noqa: PLC0415 - its driver is where the database is used

        return SharedRateLimiter(desk.database, name, key, per_minute, burst)
    return RateLimiter(desk.state / f"{name}.rate", per_minute, burst)
