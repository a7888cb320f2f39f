"""Money that moves in an account without an order: dividends, and what borrowing costs. Pure."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol, runtime_checkable

from openbell.records import dataclass


@dataclass(frozen=True)
class CashEntry:
    """One entry of an account, in the currency that its symbol is paid in."""

    identity: str  # an entry that comes again with another amount has changed: only the difference is new
    kind: str  # dividend or borrowing
    symbol: str
    amount: Decimal  # below zero if it was taken
    units: Decimal | None = None  # of the symbol, for which the account got it; None if all of it is the strategy's
    held_before: datetime | None = None  # the instant before which the units were bought; None is now


@runtime_checkable
class TellsCashEntries(Protocol):
    """A broker that tells of such entries. cash_entries_every: how often it is asked at most."""

    cash_entries_every: timedelta

    def cash_entries(self, since: date) -> list[CashEntry]:
        """Return the entries of that day and later; BrokerError if it cannot be asked."""
        ...
