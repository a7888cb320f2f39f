"""What the ledger makes of fills: a row for each piece, and positions, fees and money that agree with them."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.ledger import Ledger, OrderRecord
from openbell.order_terms import Terms

SLOT = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
LATER = SLOT + timedelta(minutes=1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as one:
        yield one


def intend(
    ledger: Ledger, name: str, symbol: str = "AAPL", side: str = "buy", bot: str = "b", quantity: float = 4.0
) -> None:
    """Let an order be sent."""
    ledger.intend(OrderRecord(name, bot, SLOT, symbol, side, "", quantity), SLOT)


def fills(ledger: Ledger) -> list[tuple[object, ...]]:
    """Return the rows of the fills, without the order and the instant."""
    rows = ledger._database.execute("SELECT filled, quantity, price, fee, currency FROM fills ORDER BY at, filled")
    return [
        (float(filled), float(quantity), price and float(price), float(fee), currency)
        for filled, quantity, price, fee, currency in rows
    ]


def test_each_piece_of_a_share(ledger: Ledger) -> None:
    """With its own price, and what of the fee is new; the broker tells averages and sums."""
    intend(ledger, "a")
    ledger.settle("a", "partially_filled", "1", 1.0, 10.0, fee_paid=0.5, now=SLOT)
    ledger.settle("a", "partially_filled", "1", 2.0, 11.0, fee_paid=0.8, now=LATER)
    ledger.settle("a", "filled", "1", 4.0, None, fee_paid=0.8, now=LATER)
    assert fills(ledger) == [
        (1.0, 1.0, 10.0, 0.5, ""),
        (2.0, 1.0, 12.0, 0.3, ""),
        (4.0, 2.0, 11.0, 0.0, ""),
    ]
    order = ledger.order("a")
    assert order is not None
    assert order.price == 11.0
    assert ledger.flows() == {"": Decimal("-44.8")}
    assert ledger.position("b", "AAPL").cost == Decimal("44.8")


def test_each_piece_of_a_coin(ledger: Ledger) -> None:
    """A fee in the coin is its row's, else one in the quote currency."""
    intend(ledger, "a", "BTC/USD")
    ledger.settle("a", "accepted", "1", 0.0, None, fee=0.01, now=SLOT)
    ledger.settle("a", "partially_filled", "1", 1.0, 10.0, fee=0.03, fee_paid=0.5, now=SLOT)
    ledger.settle("a", "filled", "1", 2.0, 10.0, fee=0.03, fee_paid=0.7, now=LATER)
    assert fills(ledger) == [
        (0.0, 0.0, None, 0.01, "BTC"),
        (1.0, 1.0, 10.0, 0.02, "BTC"),
        (2.0, 1.0, 10.0, 0.7, "USD"),
    ]
    assert ledger.position("b", "BTC/USD").quantity == Decimal("1.97")


def test_a_sale_gives_the_fee_beside_what_it_sells(ledger: Ledger) -> None:
    """Where the venue keeps it in the coin."""
    ledger.hold({"BTC/USD": 3.0})
    intend(ledger, "a", "BTC/USD", "sell")
    ledger.settle("a", "filled", "1", 1.0, 10.0, fee=0.1, now=SLOT)
    assert ledger.holdings() == {"BTC/USD": pytest.approx(1.9)}
    assert ledger.flows() == {"USD": Decimal(10)}


def test_an_answer_without_a_price_moves_no_money(ledger: Ledger) -> None:
    """What it cost is in a later answer."""
    intend(ledger, "a")
    ledger.settle("a", "partially_filled", "1", 1.0, now=SLOT)
    assert (ledger.flows(), ledger.position("b", "AAPL").cost) == ({"": Decimal(0)}, Decimal(0))
    ledger.settle("a", "filled", "1", 2.0, 10.0, now=SLOT)
    assert ledger.flows() == {"": Decimal(-20)}


def test_an_answer_to_no_order_of_ours_changes_nothing(ledger: Ledger) -> None:
    """It is not in the ledger."""
    assert ledger.settle("other", "filled", "1", 1.0, 10.0) is None


def test_an_order_that_was_refused_has_no_id_of_a_broker(ledger: Ledger) -> None:
    """It never got there."""
    intend(ledger, "a")
    ledger.settle("a", "refused")
    order = ledger.order("a")
    assert order is not None
    assert order.order_id is None


def test_the_terms_of_an_order_are_kept(ledger: Ledger) -> None:
    """Those with which it was first intended."""
    for limit in (5.0, 6.0):
        ledger.intend(OrderRecord("a", "b", SLOT, "AAPL", "buy", "", 4.0, terms=Terms(limit=limit)), SLOT)
    assert [one.terms for one in ledger.open_orders()] == [Terms(limit=5.0)]


@pytest.mark.parametrize("held, adopted, expected", [
    ({"a": 3.0, "b": 5.0, "c": 1.0}, 12.0, {"a": 3.0, "b": 8.0, "c": 1.0}),
    ({"a": -6.0, "b": 5.0}, 0.0, {"a": -5.0, "b": 5.0}),
    ({"a": 2.0}, 0.0, {"a": 0.0}),
])  # fmt: skip
def test_a_difference_goes_to_the_bot_that_holds_most(
    ledger: Ledger, held: dict[str, float], adopted: float, expected: dict[str, float]
) -> None:
    """Long or short; the others keep what their own orders have made."""
    for bot, quantity in held.items():
        intend(ledger, bot, side="buy" if quantity > 0 else "sell", bot=bot, quantity=abs(quantity))
        ledger.settle(bot, "filled", "1", abs(quantity), 10.0, now=SLOT)
    ledger.hold({"AAPL": adopted}, LATER)
    assert {one.bot: float(one.quantity) for one in ledger.positions()} == expected


def test_what_no_bot_accounts_for_is_added_to_what_a_bot_has(ledger: Ledger) -> None:
    """With what it cost, and since when; nothing of it stays behind."""
    intend(ledger, "x", bot="")
    ledger.settle("x", "filled", "1", 4.0, 10.0, now=SLOT)
    intend(ledger, "y")
    ledger.settle("y", "filled", "1", 1.0, 20.0, now=LATER)
    taken = ledger.position("b", "AAPL", takes=True)
    assert (taken.quantity, taken.cost, taken.since) == (Decimal(5), Decimal(60), LATER)
    left = ledger.position("", "AAPL")
    assert (left.quantity, left.cost, left.since) == (Decimal(0), Decimal(0), None)


def test_fees_in_the_quote_currency_are_paid_once(ledger: Ledger) -> None:
    """Each answer tells the sum of all so far."""
    intend(ledger, "a", "BTC/USD")
    ledger.settle("a", "partially_filled", "1", 1.0, 10.0, fee_paid=0.5, now=SLOT)
    ledger.settle("a", "filled", "1", 2.0, 10.0, fee_paid=0.8, now=LATER)
    assert ledger.flows() == {"USD": Decimal("-20.8")}


def test_cash_that_is_booked_anew_adds_what_is_new(ledger: Ledger) -> None:
    """Also where the entry is taken back altogether."""
    assert [ledger.book_cash("d", "", Decimal(amount)) for amount in (1, 1, 3, 0)] == [1, 0, 2, -3]
    assert ledger.flows() == {"": Decimal(0)}


def test_what_an_older_version_has_sold_is_no_position(tmp_path: Path) -> None:
    """After a rollback only the sum of all bots was kept up to date: the difference goes to the bot that traded last."""
    path = tmp_path / "ledger.sqlite"
    with closing(Ledger(path)) as one:
        intend(one, "a")
        one.settle("a", "filled", "1", 4.0, 10.0, now=SLOT)
        one._database.execute("DELETE FROM holdings")
    with closing(Ledger(path)) as one:
        assert one.position("b", "AAPL").quantity == 0
