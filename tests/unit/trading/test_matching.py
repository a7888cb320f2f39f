"""The matching engine: what a few bars make of one order, of a bracket and of a pair, as tables."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from openbell.costs import SCHEDULES, Costs
from openbell.order_terms import MARKET, Terms, leg_id
from openbell.trading.brokers.paper_tables import decoded, encoded
from openbell.trading.markets import Bar
from openbell.trading.matching import Book, Fill
from openbell.trading.orders import Order
from openbell.trading.price_comparison import Prices, closed_bar, first_of

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Ohlc = tuple[float, float, float, float]


def bars(*figures: Ohlc, volume: float = 1000.0, sessions: int = 0) -> list[Prices]:
    """Return bars of a minute from START on; sessions: how many bars a session has, 0 for one that never ends."""
    found = []
    for index, (open_, high, low, close) in enumerate(figures):
        opened = START + index * MINUTE
        bar = Bar(opened + MINUTE, open_, high, low, close, volume)
        opening = "open" if sessions and index % sessions == 0 else ""
        closing = "close" if sessions and (index + 1) % sessions == 0 else ""
        found += [first_of(opened, bar, opening), closed_bar(bar, opened, closing)]
    return found


@dataclass
class Account:
    """Takes every fill, until there is no cash left for a purchase."""

    cash: Decimal = Decimal(1_000_000)
    fills: list[Fill] = field(default_factory=list)

    def settle(self, fill: Fill) -> str:
        """Note the fill."""
        amount = fill.quantity * fill.price
        if fill.order.side == "buy" and amount > self.cash:
            return "insufficient cash"
        self.cash -= amount if fill.order.side == "buy" else -amount
        self.fills.append(fill)
        return ""


def matched(
    side: str,
    terms: Terms,
    prices: Iterable[Prices],
    costs: Costs | None = None,
    quantity: float = 10,
    expires_at: datetime | None = None,
    placed_at: datetime = START,
) -> tuple[Book, Account]:
    """Return the book and the account after an order has met these prices."""
    account = Account()
    book = Book(costs or Costs(), account.settle)
    book.add(Order("o", "X", side, quantity, terms=terms), placed_at, placed_at, expires_at)
    for one in prices:
        list(book.see("X", one))
    return book, account


CASES: list[tuple[str, str, Terms, list[Ohlc], tuple[float, int] | None]] = [
    # what it is, side, terms, bars, (price, number of the bar in which it fills)
    ("market: the first price after the decision", "buy", MARKET, [(100, 110, 90, 105)], (100, 0)),
    ("limit: passed within the bar", "buy", Terms(limit=95), [(100, 110, 90, 105)], (95, 0)),
    ("limit: only touched", "buy", Terms(limit=90), [(100, 110, 90, 105)], None),
    ("limit: a gap fills at the open", "buy", Terms(limit=95), [(100, 101, 99, 100), (80, 85, 79, 84)], (80, 1)),
    ("limit of a sale: passed", "sell", Terms(limit=108), [(100, 110, 90, 105)], (108, 0)),
    ("limit of a sale: a gap", "sell", Terms(limit=108), [(100, 101, 99, 100), (120, 125, 119, 121)], (120, 1)),
    ("stop: reached within the bar", "sell", Terms(stop=92), [(100, 110, 90, 105)], (92, 0)),
    ("stop: touched is reached", "sell", Terms(stop=90), [(100, 110, 90, 105)], (90, 0)),
    ("stop: a gap fills at the open", "sell", Terms(stop=92), [(100, 101, 99, 100), (80, 85, 79, 84)], (80, 1)),
    ("stop of a purchase", "buy", Terms(stop=108), [(100, 110, 90, 105)], (108, 0)),
    ("stop of a purchase: a gap", "buy", Terms(stop=108), [(100, 101, 99, 100), (120, 121, 119, 120)], (120, 1)),
    ("stop-limit: at the stop", "buy", Terms(stop=105, limit=106), [(100, 110, 99, 109)], (105, 0)),
    ("stop-limit: past its limit", "buy", Terms(stop=105, limit=106), [(100, 101, 99, 100), (108, 112, 107, 111)], None),
    ("stop-limit: it comes back", "buy", Terms(stop=105, limit=106),
     [(100, 101, 99, 100), (108, 112, 107, 111), (110, 111, 104, 105)], (106, 2)),
    ("trailing: where the best price before has set it", "sell", Terms(trail=5),
     [(100, 110, 99, 109), (109, 110, 104, 108)], (105, 1)),
    ("trailing: a bar's own best price is after its worst", "sell", Terms(trail=5), [(100, 110, 96, 109)], None),
    ("trailing: but it ended beyond it", "sell", Terms(trail=5), [(100, 110, 96, 103)], (105, 0)),
    ("trailing by per cent", "sell", Terms(trail_percent=10), [(100, 120, 99, 119), (119, 119, 107, 110)], (108, 1)),
    ("trailing of a purchase", "buy", Terms(trail=5), [(100, 101, 90, 91), (91, 96, 90, 95)], (95, 1)),
    ("trailing: a gap", "sell", Terms(trail=5), [(100, 110, 99, 109), (90, 92, 89, 91)], (90, 1)),
]  # fmt: skip


@pytest.mark.parametrize("side, terms, figures, filled", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_an_order_fills_where_its_terms_say(
    side: str, terms: Terms, figures: list[Ohlc], filled: tuple[float, int] | None
) -> None:
    """At the first price of a bar if that is right already, else at its own price within the bar, or not at all."""
    book, account = matched(side, terms, bars(*figures))
    if filled is None:
        assert account.fills == []
        assert book.resting["o"].status == "accepted"
        return
    (fill,) = account.fills
    price, number = filled
    assert float(fill.price) == price
    assert START + number * MINUTE <= fill.at <= START + (number + 1) * MINUTE
    assert book.resting["o"].status == "filled"


@pytest.mark.parametrize("terms, expected", [
    (Terms(time_in_force="ioc"), ("filled", 10)),
    (Terms(limit=95, time_in_force="ioc"), ("cancelled", 0)),
    (Terms(time_in_force="opg"), ("filled", 10)),
    (Terms(time_in_force="cls"), ("filled", 10)),
    (Terms(limit=99, time_in_force="opg"), ("expired", 0)),
    (Terms(limit=99, time_in_force="cls"), ("expired", 0)),
    (Terms(limit=50, time_in_force="day"), ("expired", 0)),
    (Terms(limit=50, time_in_force="gtc"), ("accepted", 0)),
])  # fmt: skip
def test_an_order_waits_as_long_as_it_may(terms: Terms, expected: tuple[str, int]) -> None:
    """At once, at the opening, at the close, until the session's end, or for good."""
    expires = START + 2 * MINUTE if terms.time_in_force == "day" else None
    prices = bars((100, 110, 90, 105), (105, 106, 90, 100), (100, 101, 99, 100), sessions=2)
    book, _ = matched("buy", terms, prices, expires_at=expires)
    one = book.resting["o"]
    assert (one.status, float(one.filled)) == expected


def test_orders_for_the_close_fill_at_the_close() -> None:
    """At the last price of the session, whatever came before it."""
    _, account = matched("buy", Terms(time_in_force="cls"), bars((100, 110, 90, 105), (105, 106, 90, 101), sessions=2))
    assert [(float(one.price), one.at) for one in account.fills] == [(101.0, START + 2 * MINUTE)]


def test_of_the_bar_in_which_an_order_was_placed_only_the_close_counts() -> None:
    """Its low may have been before the order."""
    middle = START + MINUTE / 2
    _, account = matched("buy", Terms(limit=95), bars((100, 110, 90, 105)), placed_at=middle)
    assert account.fills == []
    _, account = matched("buy", Terms(limit=95), bars((100, 110, 90, 94)), placed_at=middle)
    assert [float(one.price) for one in account.fills] == [94.0]


def test_volume_bounds_what_one_bar_fills() -> None:
    """A tenth of each bar's volume, in whole shares, the rest with the next bar; a price within its limits each time."""
    costs = Costs(volume=Decimal("0.1"))
    book, account = matched("buy", MARKET, bars((100, 110, 90, 105), (106, 107, 90, 100), volume=65), costs)
    assert [(float(one.quantity), float(one.price)) for one in account.fills] == [(6.0, 100.0), (4.0, 106.0)]
    assert book.resting["o"].price == Decimal("102.4")


def test_what_an_ioc_order_cannot_fill_at_once_is_cancelled() -> None:
    """Six of ten shares are bought."""
    costs = Costs(volume=Decimal("0.1"))
    book, _ = matched("buy", Terms(time_in_force="ioc"), bars((100, 110, 90, 105), volume=65), costs)
    assert (book.resting["o"].status, float(book.resting["o"].filled)) == ("cancelled", 6.0)


def test_slippage_is_never_worse_than_the_limit() -> None:
    """A per cent above the price of a purchase; at the limit, the limit."""
    costs = Costs(slippage=Decimal(100))
    _, account = matched("buy", MARKET, bars((100, 110, 90, 105)), costs)
    assert account.fills[0].price == Decimal(101)
    _, account = matched("buy", Terms(limit=100.5), bars((100, 110, 90, 105)), costs)
    assert account.fills[0].price == Decimal("100.5")


@pytest.mark.parametrize("schedule, quantity, price, commission", [
    ("free", 100, 50, "0"),
    ("ibkr-fixed", 100, 50, "1"),  # the minimum
    ("ibkr-fixed", 1000, 50, "5"),
    ("ibkr-fixed", 10, 5, "0.5"),  # at most a per cent
    ("binance", 1, 50_000, "50"),
    ("kraken", 1, 50_000, "200"),
])  # fmt: skip
def test_commissions_are_those_of_the_schedule(schedule: str, quantity: int, price: int, commission: str) -> None:
    """What the broker's own page says of such an order."""
    amount = Decimal(quantity * price)
    assert SCHEDULES[schedule].commission_of(Decimal(quantity), amount) == Decimal(commission)


def test_parts_of_an_order_pay_the_minimum_once() -> None:
    """A dollar for the first part, and what the whole costs beside it for the second."""
    costs = SCHEDULES["ibkr-fixed"]
    first = costs.commission_of(Decimal(100), Decimal(5000))
    assert costs.commission_of(Decimal(1000), Decimal(50_000), first) == Decimal(4)


BRACKET = Terms(take_profit=110, stop_loss=95, time_in_force="gtc")


@pytest.mark.parametrize("figures, exits, statuses", [
    ([(100, 101, 99, 100), (100, 112, 99, 111)], [(110.0, "tp")], ("filled", "cancelled")),
    ([(100, 101, 99, 100), (100, 101, 94, 96)], [(95.0, "sl")], ("cancelled", "filled")),
    ([(100, 101, 99, 100), (100, 112, 94, 100)], [(95.0, "sl")], ("cancelled", "filled")),  # both: the stop was first
    ([(100, 101, 99, 100), (90, 92, 89, 91)], [(90.0, "sl")], ("cancelled", "filled")),  # a gap
    ([(100, 112, 94, 100)], [(95.0, "sl")], ("cancelled", "filled")),  # in the bar of the entry
    ([(100, 101, 99, 100)], [], ("accepted", "accepted")),
])  # fmt: skip
def test_of_a_bracket_one_exit_fills(
    figures: list[Ohlc], exits: list[tuple[float, str]], statuses: tuple[str, str]
) -> None:
    """The other one is cancelled; where a bar reaches both, the stop was first."""
    book, account = matched("buy", BRACKET, bars(*figures))
    assert [(float(one.price), one.order.client_order_id.rpartition("-")[2]) for one in account.fills[1:]] == exits
    assert (book.resting["o-tp"].status, book.resting["o-sl"].status) == statuses


def test_the_legs_are_held_until_the_entry_fills() -> None:
    """They can sell nothing that is not there."""
    book, account = matched("buy", Terms(limit=90, take_profit=110, stop_loss=80), bars((100, 120, 95, 100)))
    assert account.fills == []
    assert {one.status for name, one in book.resting.items() if name != "o"} == {"held"}
    assert set(book.cancel("o")) == {"o", "o-tp", "o-sl"}


def test_the_legs_of_a_part_exit_that_part() -> None:
    """Six of ten are bought and the rest is cancelled; the stop sells six."""
    costs = Costs(volume=Decimal("0.1"))
    book, account = matched("buy", BRACKET, bars((100, 101, 99, 100), volume=65), costs)
    list(book.cancel("o"))
    list(book.see("X", first_of(START + 2 * MINUTE, Bar(START + 3 * MINUTE, 90, 91, 89, 90, 65), "")))
    assert [(one.order.side, float(one.quantity)) for one in account.fills] == [("buy", 6.0), ("sell", 6.0)]
    assert all(one.is_done for one in book.resting.values())


@pytest.mark.parametrize("figures, price, other", [
    ((100, 112, 99, 111), 110.0, "o-sl"),
    ((100, 112, 94, 111), 95.0, "o"),
])  # fmt: skip
def test_of_a_pair_one_cancels_the_other(figures: Ohlc, price: float, other: str) -> None:
    """A profit is taken at its limit, or the stop sells."""
    book, account = matched("sell", Terms(limit=110, stop_loss=95, is_pair=True, time_in_force="gtc"), bars(figures))
    assert [float(one.price) for one in account.fills] == [price]
    assert book.resting[other].status == "cancelled"


def test_what_cannot_be_paid_is_rejected_when_it_would_fill() -> None:
    """The reason is the account's."""
    account = Account(cash=Decimal(500))
    book = Book(Costs(), account.settle)
    book.add(Order("o", "X", "buy", 10), START, START, None)
    for one in bars((100, 110, 90, 105)):
        list(book.see("X", one))
    assert (book.resting["o"].status, book.resting["o"].reason) == ("rejected", "insufficient cash")


def test_an_order_at_the_engine_survives_as_text() -> None:
    """With its terms, and with how far it has come."""
    costs = Costs(volume=Decimal("0.1"), slippage=Decimal(3))
    book, _ = matched(
        "buy", Terms(limit=120, take_profit=130, stop_loss=80), bars((100, 101, 99, 100), volume=65), costs
    )
    for name in ("o", leg_id("o", "tp"), leg_id("o", "sl")):
        assert decoded(encoded(book.resting[name])) == book.resting[name]
