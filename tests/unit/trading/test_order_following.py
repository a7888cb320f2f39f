"""Orders on their way: what the broker's answers make of them in the ledger, and what the journal says of it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.journal import Journal, since
from openbell.ledger import Ledger, OrderRecord
from openbell.trading.brokers import PlacedOrder
from openbell.trading.order_following import LOST, LOST_REASON, UNCERTAIN_REASON, follow, write_events
from tests.unit.trading.reconciliation.desk import ABroker

SLOT = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
LATER = SLOT + timedelta(minutes=1)
DAY = timedelta(days=1)


@dataclass
class ForgetfulBroker(ABroker):
    """A broker that may have forgotten an order."""

    finds_every_order: bool = False
    asked_for: list[str] = field(default_factory=list)

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return an order that it remembers."""
        self.asked_for.append(client_order_id)
        return super().find(client_order_id)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as one:
        yield one


def intend(ledger: Ledger, name: str = "ob-1", status: str = "intended", filled: float = 0.0) -> None:
    """Let an order be sent at the slot."""
    ledger.intend(OrderRecord(name, "b", SLOT, "BTC/USD", "buy", "", 4.0), SLOT)
    if status != "intended":
        ledger.settle(name, status, "o", filled, 100.0, now=SLOT)


def placed(status: str, filled: float, name: str = "ob-1") -> PlacedOrder:
    """Return what a broker says of an order."""
    return PlacedOrder("v-7", name, "BTC/USD", "buy", 4.0, status, filled, 101.0, SLOT, "a reason", 0.01, 0.5)


def test_an_answer_is_in_the_books(ledger: Ledger) -> None:
    """Status, id, price, reason and both kinds of fees; what was filled is held from then on."""
    intend(ledger)
    (told,) = follow(ABroker(orders={"ob-1": placed("filled", 4.0)}), ledger, LATER)
    kept = ledger.order("ob-1")
    assert kept == told
    for one in (told, kept):
        assert one is not None
        assert (one.status, one.order_id, one.filled, one.price, one.reason, one.fee) == (
            "filled", "v-7", 4.0, 101.0, "a reason", 0.01,
        )  # fmt: skip
    assert told.fee_paid == 0.5
    position = ledger.position("b", "BTC/USD")
    assert (float(position.quantity), float(position.cost), position.since) == (3.99, 404.5, LATER)


@pytest.mark.parametrize("before, filled_before, status, filled, is_news", [
    ("intended", 0.0, "accepted", 0.0, True),
    ("accepted", 0.0, "accepted", 0.0, False),
    ("partially_filled", 1.0, "partially_filled", 2.0, True),
    ("partially_filled", 1.0, "partially_filled", 1.0, False),
    ("partially_filled", 2.0, "partially_filled", 1.0, False),  # an older answer came late
    ("accepted", 0.0, "cancelled", 0.0, True),
])  # fmt: skip
def test_what_is_news(
    ledger: Ledger, before: str, filled_before: float, status: str, filled: float, *, is_news: bool
) -> None:
    """Another status, or more that is filled."""
    intend(ledger, status=before, filled=filled_before)
    news = follow(ABroker(orders={"ob-1": placed(status, filled)}), ledger, LATER)
    assert [one.status for one in news] == ([status] if is_news else [])


@pytest.mark.parametrize("status", ["accepted", "held", "suspended", "pending_cancel", "partially_filled"])
def test_what_may_still_fill_is_followed_to_its_last_share(ledger: Ledger, status: str) -> None:
    """Suspended with 3 of 4, and filled a day later: the books have all four (T21)."""
    intend(ledger)
    broker = ABroker(orders={"ob-1": placed(status, 3.0)})
    follow(broker, ledger, LATER)
    assert float(ledger.position("b", "BTC/USD").quantity) == pytest.approx(2.99)
    broker.orders["ob-1"] = placed("filled", 4.0)
    assert [(one.status, one.filled) for one in follow(broker, ledger, LATER + DAY)] == [("filled", 4.0)]
    assert float(ledger.position("b", "BTC/USD").quantity) == pytest.approx(3.99)
    assert follow(broker, ledger, LATER + 2 * DAY) == []


@pytest.mark.parametrize("before, is_sure, after, status, reason", [
    ("intended", True, LOST, "intended", ""),  # it may be on its way for an hour
    ("intended", True, LOST + timedelta(seconds=1), "lost", LOST_REASON),
    ("intended", None, DAY, "lost", LOST_REASON),  # a broker that does not say otherwise finds every order
    ("intended", False, DAY, "uncertain", UNCERTAIN_REASON),
    ("partially_filled", True, DAY, "uncertain", UNCERTAIN_REASON),  # it had arrived
    ("uncertain", False, DAY, "uncertain", ""),
])  # fmt: skip
def test_an_order_that_the_broker_does_not_know(
    ledger: Ledger, before: str, after: timedelta, status: str, reason: str, *, is_sure: bool | None
) -> None:
    """What it had filled stays; only one that never had an answer, at a broker that forgets none, never arrived."""
    filled = 1.0 if before == "partially_filled" else 0.0
    intend(ledger, status=before, filled=filled)
    broker = ABroker() if is_sure is None else ForgetfulBroker(finds_every_order=is_sure)
    news = follow(broker, ledger, SLOT + after)
    assert [(one.status, one.reason) for one in news] == ([(status, reason)] if status != before else [])
    kept = ledger.order("ob-1")
    assert kept is not None
    assert (kept.status, kept.filled) == (status, filled)


def test_one_that_is_not_known_keeps_no_other_from_being_followed(ledger: Ledger) -> None:
    """All that are open are asked about."""
    for name in ("ob-1", "ob-2", "ob-3"):
        intend(ledger, name, "uncertain" if name == "ob-1" else "accepted")
    broker = ForgetfulBroker(orders={"ob-3": placed("filled", 4.0, "ob-3")})
    news = follow(broker, ledger, LATER)
    assert broker.asked_for == ["ob-1", "ob-2", "ob-3"]
    assert [one.client_order_id for one in news] == ["ob-3"]


BASE = {"event": "order", "bot": "b", "slot": "2026-03-02T09:05:00.000Z", "timestamp": "2026-03-02T09:06:00.000Z"}
ORDER = {"symbol": "BTC/USD", "side": "buy", "client_order_id": "ob-1", "order_id": "o", "qty": 4.0}


@pytest.mark.parametrize("status, level", [
    ("accepted", "info"), ("partially_filled", "info"), ("filled", "info"), ("cancelled", "info"),
    ("rejected", "warning"), ("expired", "warning"), ("lost", "warning"), ("uncertain", "warning"),
])  # fmt: skip
@pytest.mark.parametrize("reason, fee", [("", 0.0), ("no such symbol", 0.5)])
def test_what_the_journal_says(tmp_path: Path, status: str, level: str, reason: str, fee: float) -> None:
    """One line for each order; a reason and a fee where there are some."""
    record = OrderRecord(
        "ob-1", "b", SLOT, "BTC/USD", "buy", "", 4.0, status, "o", SLOT, 1.5, 0.0, 101.0, reason, fee_paid=fee
    )
    journal = Journal(tmp_path, "demo", "boot", echo=False)
    write_events([record], journal, LATER)
    journal.close()
    (line,) = since(journal.folder, SLOT.date())
    told = {name: value for name, value in line.items() if name not in {"v", "strategy", "boot_id", "seq"}}
    expected = {**BASE, **ORDER, "level": level, "status": status, "filled_qty": 1.5, "filled_price": 101.0}
    if reason:
        expected |= {"broker_reason": reason, "fee": fee}
    assert told == expected
