"""Splits, renames and dividends of shares, as brokers and markets tell them. Pure.

Splits and renames explain a difference between an account and our orders; dividends are cash.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Protocol, runtime_checkable

from openbell.position import ZERO, decimal
from openbell.records import dataclass

ONE = Decimal(1)
_EXACT = 1e-6  # of a quantity, which brokers round


@dataclass(frozen=True)
class CorporateAction:
    """What has become of each unit of a symbol: `ratio` units, under the name `named` if that is not empty, and `cash`."""

    symbol: str
    day: date
    ratio: Decimal = ONE
    named: str = ""
    cash: Decimal = ZERO

    @property
    def identity(self) -> str:
        """Return what tells it from others, so that none is taken up twice."""
        if self.cash:
            return f"dividend of {self.day} {self.symbol} {self.cash.normalize():f}"
        return f"corporate action of {self.day} {self.symbol} {self.named or self.ratio}"

    def explains(self, symbol: str, own: float, others: Iterable[float], theirs: float, named: str) -> bool:
        """Tell whether it makes of a symbol just what the broker holds. named: what it seems to be called now.

        own: our quantity before it. others: those of other strategies on the account, which may have taken it up already.
        """
        if symbol != self.symbol or self.cash:
            return False
        if self.named:
            return named == self.named
        possible = {float(decimal(own) * self.ratio)}
        for other in others:
            possible = {before + after for before in possible for after in (other, float(decimal(other) * self.ratio))}
        return not named and any(abs(one - theirs) <= _EXACT * max(abs(theirs), 1e-3) for one in possible)

    def fields(self) -> dict[str, object]:
        """Return what the journal says of it."""
        told: dict[str, object] = {"symbol": self.symbol, "day": self.day.isoformat()}
        return {**told, "named": self.named} if self.named else {**told, "ratio": float(self.ratio)}


@runtime_checkable
class TellsCorporateActions(Protocol):
    """A broker that tells of splits and renames."""

    def corporate_actions(self, symbols: Iterable[str], since: date) -> list[CorporateAction]:
        """Return the splits and renames of these symbols from that day on; BrokerError if it cannot be asked."""
        ...
