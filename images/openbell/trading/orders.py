"""An order as it goes to a broker, and what the broker has made of it."""

from datetime import datetime

from openbell.order_terms import MARKET, Terms
from openbell.records import dataclass


@dataclass(frozen=True)
class Order:
    """What a strategy wants: to buy or sell a quantity of a symbol, at the next price unless its terms say otherwise."""

    client_order_id: str
    symbol: str
    side: str  # "buy" or "sell"
    quantity: float  # above zero
    is_exit: bool = False  # it takes nothing but what the bot holds: no limit keeps it back
    terms: Terms = MARKET
    reason: str = ""  # the strategy's own; no broker is told
    value: float | None = None  # what it is to be worth, where the venue takes that; `quantity` is then about as much

    @property
    def waits(self) -> str:
        """Return the order's time in force: day, gtc, ioc, opg or cls."""
        return self.terms.waits(self.symbol)


@dataclass(frozen=True)
class PlacedOrder:
    """What the broker made of an order."""

    order_id: str
    client_order_id: str
    symbol: str
    side: str
    quantity: float
    # filled, partially_filled, accepted, held, suspended, pending_cancel, rejected, cancelled, expired, refused (by openbell:
    # never sent), lost (never arrived) or uncertain (it is unknown whether it arrived)
    status: str
    filled_quantity: float
    filled_price: float | None  # the average; None while nothing is filled
    placed_at: datetime  # aware UTC
    reason: str  # why it was rejected or waits, else empty
    fee_quantity: float = 0.0  # how much of what was bought the broker kept as its fee
    fee_paid: float = 0.0  # the fee in the quote currency, where the broker says
    successor: str = ""  # the broker's own id of the order that has replaced this one
