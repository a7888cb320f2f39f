"""What the ledger keeps: claims of slots, and orders."""

from datetime import datetime

from openbell.order_terms import MARKET, Terms
from openbell.position import total
from openbell.records import dataclass, field

LOST_AT = "commits lost"  # a fact: when a database was found to have lost commits, orders perhaps among them
NOT_COMPARED = (
    "commits lost, not compared"  # a fact: the account was not compared with the ledger since; empty once it was
)
MOVED = "moved"  # a fact: where what this ledger holds has gone on since; no loop starts with it
SLOTLESS = frozenset({"manual", "stream"})  # triggers of runs that are for no slot of the schedule


class EpochLostError(Exception):
    """Another attempt of the run has taken over, or the run has ended: this one may write and send nothing more."""


@dataclass(frozen=True)
class Claim:
    """A slot that a run has taken. `outcome` is None while the run is in progress."""

    bot: str
    slot: datetime
    run_id: str
    attempt: int
    trigger: str  # loop, cron, serverless, manual, stream
    started_at: datetime
    outcome: str | None = None


@dataclass(frozen=True)
class OrderRecord:
    """An order that a run has decided on. `status` is "intended" until the broker's answer is known."""

    client_order_id: str
    bot: str
    slot: datetime
    symbol: str
    side: str
    leg: str
    quantity: float
    status: str = "intended"
    order_id: str | None = None
    at: datetime | None = field(default=None, compare=False)  # when it was about to be sent
    filled: float = 0.0
    fee: float = 0.0  # how much of what was bought was kept
    price: float | None = None
    reason: str = ""
    terms: Terms = MARKET
    fee_paid: float = field(default=0.0, compare=False)  # in the quote currency, as the broker's last answer said

    @property
    def left(self) -> float:
        """How much of the order is not filled yet."""
        return max(0.0, total(self.quantity, -self.filled))
