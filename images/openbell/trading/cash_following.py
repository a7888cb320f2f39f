"""Takes up dividends and the cost of borrowing: the strategy's part of them is in its own cash, and the journal tells of it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from openbell.ledger import Ledger
from openbell.position import ZERO
from openbell.trading.brokers import Broker, BrokerError
from openbell.trading.capital import quote_of
from openbell.trading.cash_entries import CashEntry, TellsCashEntries

_SINCE = "cash entries since"  # the ledger's fact: the day of the first question; what was paid earlier is no news
_ASKED = "cash entries asked at"
_LATE = timedelta(days=7)  # by which a broker may book an entry after its day
_MONEY = Decimal("0.000001")


def book_new(broker: Broker, ledger: Ledger, now: datetime) -> list[dict[str, object]]:
    """Book the strategy's part of what is new, and return what the journal says of it."""
    if not isinstance(broker, TellsCashEntries):
        return []
    asked = ledger.fact(_ASKED)
    if asked is not None and timedelta(0) <= now - datetime.fromisoformat(asked) < broker.cash_entries_every:
        return []
    today = now.astimezone(UTC).date()
    first = date.fromisoformat(ledger.fact(_SINCE) or today.isoformat())
    since = first if asked is None else max(first, datetime.fromisoformat(asked).date() - _LATE)
    try:
        told = broker.cash_entries(since)
    except BrokerError:
        return []  # the next reconciliation asks again
    booked = [(one, ledger.book_cash(one.identity, quote_of(one.symbol), own_part(one, ledger))) for one in told]
    ledger.remember_all({_SINCE: first.isoformat(), _ASKED: now.astimezone(UTC).isoformat()})
    return [{"kind": one.kind, "symbol": one.symbol, "amount": float(new)} for one, new in booked if new]


def own_part(one: CashEntry, ledger: Ledger) -> Decimal:
    """Return the part of an entry that belongs to the strategy: as large as its part of the units that it was paid for."""
    if one.units is None:
        return one.amount
    held = ledger.held_before(one.symbol, one.held_before)
    if not one.units or held * one.units <= 0:
        return ZERO
    return one.amount if abs(held) >= abs(one.units) else (one.amount * held / one.units).quantize(_MONEY)
