"""Orders on their way: how far each has come since the last question, in the ledger and in the journal."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from openbell.journal import Journal
from openbell.ledger import Ledger, OrderRecord
from openbell.records import replace
from openbell.trading.brokers import Broker, PlacedOrder

LOST = timedelta(hours=1)  # after which an order that the broker does not have is one no more
LOST_REASON = "the broker does not know it"
UNCERTAIN_REASON = "the broker does not know it, and may have forgotten it: look there, then make reconcile ADOPT=1"


def follow(broker: Broker, ledger: Ledger, now: datetime) -> list[OrderRecord]:
    """Ask about every open order and about those without an answer; return those of which there is something new."""
    news: list[OrderRecord] = []
    for record in ledger.open_orders():
        placed = broker.find(record.client_order_id)
        if placed is not None:
            after = settle(ledger, placed, now)
            after = after and replace(after, fee_paid=placed.fee_paid)
        elif record.status != "uncertain" and record.at is not None and now - record.at > LOST:
            is_sure = record.status == "intended" and getattr(broker, "finds_every_order", True)
            status, reason = ("lost", LOST_REASON) if is_sure else ("uncertain", UNCERTAIN_REASON)
            after = ledger.settle(record.client_order_id, status, filled=record.filled, reason=reason)
        else:
            continue
        if after is not None and (after.status, after.filled) != (record.status, record.filled):
            news.append(after)
    return news


def settle(ledger: Ledger, placed: PlacedOrder, now: datetime) -> OrderRecord | None:
    """Record how far an order has come, by its broker's answer; None if the ledger knows of more already."""
    return ledger.settle(
        placed.client_order_id,
        placed.status,
        placed.order_id,
        placed.filled_quantity,
        placed.filled_price,
        placed.reason,
        placed.fee_quantity,
        placed.fee_paid,
        now,
    )


def write_events(news: Iterable[OrderRecord], journal: Journal, now: datetime) -> None:
    """Write one event `order` for each order of which there is something new."""
    for one in news:
        is_bad = one.status in {"rejected", "expired", "lost", "uncertain"}
        journal.write(
            "order",
            now,
            {"bot": one.bot, "slot": one.slot},
            level="warning" if is_bad else "info",
            symbol=one.symbol,
            side=one.side,
            client_order_id=one.client_order_id,
            order_id=one.order_id,
            status=one.status,
            qty=one.quantity,
            filled_qty=one.filled,
            filled_price=one.price,
            **({"fee": one.fee_paid} if one.fee_paid else {}),
            **({"broker_reason": one.reason} if one.reason else {}),
        )
