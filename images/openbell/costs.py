"""What trading costs in a backtest and on the paper account: commission, slippage, borrowing. Pure.

A basis point is a hundredth of a per cent.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from types import MappingProxyType

from openbell.records import dataclass

ZERO = Decimal(0)
MONEY = Decimal("0.000001")
_BASIS_POINT = Decimal(10_000)
_YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Costs:
    """What an order costs beside its price."""

    commission: Decimal = ZERO  # basis points of the amount
    slippage: Decimal = ZERO  # basis points of the price, against the order
    per_unit: Decimal = ZERO  # of each share or coin
    minimum: Decimal = ZERO  # of one order's commission
    maximum: Decimal | None = None  # of one order's commission, in basis points of the amount
    borrow: Decimal = ZERO  # per cent a year of what short positions are worth
    volume: Decimal | None = None  # the part of a bar's volume that one order may take; None is all that it wants

    def commission_of(self, quantity: Decimal, amount: Decimal, paid: Decimal = ZERO) -> Decimal:
        """Return the commission of a whole order of so much, less what was paid for parts of it already."""
        whole = max(amount * self.commission / _BASIS_POINT + quantity * self.per_unit, self.minimum)
        if self.maximum is not None:
            whole = min(whole, amount * self.maximum / _BASIS_POINT)
        return max(ZERO, whole.quantize(MONEY) - paid)

    def slipped(self, price: Decimal, side: str) -> Decimal:
        """Return the price at which an order fills when the market is at `price`."""
        part = self.slippage / _BASIS_POINT
        return price * (1 + part if side == "buy" else 1 - part)

    def room(self, volume: float, *, is_whole: bool) -> Decimal | None:
        """Return how much of a bar's volume an order may take; None if there is no bound, or the bar has no volume."""
        if self.volume is None or not volume > 0:
            return None
        step = Decimal(1) if is_whole else Decimal("0.000000001")
        return (Decimal(repr(volume)) * self.volume).quantize(step, ROUND_DOWN)

    def borrowing(self, worth: Decimal, held_for: timedelta) -> Decimal:
        """Return what it costs to be short of so much for a time."""
        return (worth * self.borrow / 100 * Decimal(held_for / _YEAR)).quantize(MONEY)


FREE = Costs()
# Published schedules of real brokers for small accounts, as they stood in 2025; a taker's fees where there are two.
SCHEDULES: Mapping[str, Costs] = MappingProxyType({
    "free": FREE,
    "alpaca-shares": FREE,
    "alpaca-crypto": Costs(commission=Decimal(25)),
    "ibkr-fixed": Costs(per_unit=Decimal("0.005"), minimum=Decimal(1), maximum=Decimal(100)),
    "ibkr-tiered": Costs(per_unit=Decimal("0.0035"), minimum=Decimal("0.35"), maximum=Decimal(100)),
    "binance": Costs(commission=Decimal(10)),
    "bybit": Costs(commission=Decimal(10)),
    "okx": Costs(commission=Decimal(10)),
    "kraken": Costs(commission=Decimal(40)),
    "coinbase": Costs(commission=Decimal(60)),
})  # fmt: skip


def expected(costs: Costs, broker: str) -> Costs:
    """Return what orders at a broker cost: as the manifest says, or else as an exchange publishes it."""
    return SCHEDULES.get(broker.partition(":")[2], FREE) if costs == FREE else costs
