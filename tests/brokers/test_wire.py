"""What goes wrong on the way to a broker and back: no order is doubled, and none is lost without a word."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from openbell.trading.brokers import BrokerError, NotSentError, OrderRefusedError
from openbell.trading.markets import MarketError
from openbell.trading.markets.alpaca import AlpacaMarket
from tests.brokers.conftest import KINDS, Bench, Kind, bench_of
from tests.brokers.server import OOPS, Answer, Fault
from tests.brokers.test_conformance import ID, order

ORDERS = {
    "alpaca": "/v2/orders",
    "ccxt:binance": "/api/v3/order",
    "ccxt:kraken": "/AddOrder",
    "ccxt:bybit": "/order/create",
    "ccxt:coinbase": "/brokerage/orders",
    "ccxt:okx": "/trade/batch-orders",
}
ACCOUNT = {
    "alpaca": ("GET", "/v2/account"),
    "ccxt:binance": ("GET", "/api/v3/account"),
    "ccxt:kraken": ("POST", "/BalanceEx"),
}
BARS = {"alpaca": "/v2/stocks/bars", "ccxt:binance": "/klines", "ccxt:kraken": "/OHLC"}


def on_order(remote: Bench, kind: str, answer: Answer = OOPS, times: int = 1) -> None:
    """Let an order go wrong."""
    remote.wire.faults.append(Fault("POST", ORDERS[remote.kind.name], kind, times, answer))


def posts(remote: Bench) -> int:
    """Return how often an order came over the wire."""
    return remote.wire.count("POST", ORDERS[remote.kind.name])


@pytest.mark.parametrize("kind, answer", [
    ("lost answer", Answer(0)),
    ("cut answer", Answer(0)),
    ("slow answer", Answer(0)),
    ("late answer", Answer(504, {"message": "gateway timed out"})),
    ("late answer", Answer(500, {"message": "oops"})),
])  # fmt: skip
def test_an_order_whose_answer_is_lost_is_looked_up(remote: Bench, kind: str, answer: Answer) -> None:
    """It was accepted: one order at the broker, sent once, and the run knows that it filled."""
    on_order(remote, kind, answer)
    placed = remote.broker().submit(order(remote))
    assert (placed.status, placed.filled_quantity) == ("filled", remote.kind.quantity)
    assert (len(remote.book.orders), posts(remote)) == (1, 1)


@pytest.mark.parametrize("kind", ["lost request", "answer"])
def test_an_order_that_never_arrived_is_an_error_and_may_be_sent_again(remote: Bench, kind: str) -> None:
    """The run hears that there was no answer; the same id sent by the next attempt is one order."""
    on_order(remote, kind, Answer(503, {"message": "try later"}))
    with pytest.raises(BrokerError, match="next attempt sends it") as caught:
        remote.broker().submit(order(remote))
    assert "\n" not in str(caught.value)
    assert (len(remote.book.orders), posts(remote)) == (0, 1)
    assert remote.broker().find(ID) is None
    assert remote.broker().submit(order(remote)).status == "filled"
    assert len(remote.book.orders) == 1


def test_an_order_that_was_turned_away_unread_is_sent_again(remote: Bench) -> None:
    """429 with Retry-After: after the wait it goes out, and is one."""
    on_order(remote, "answer", Answer(429, {"message": "too many requests"}, {"Retry-After": "1"}))
    assert remote.broker().submit(order(remote)).status == "filled"
    assert (len(remote.book.orders), posts(remote)) == (1, 2)


def test_a_run_does_not_wait_longer_than_it_has(remote: Bench) -> None:
    """Retry-After beyond the run's time-out is an error at once; nothing was ordered."""
    remote.broker().account()
    on_order(remote, "answer", Answer(429, {"message": "too many requests"}, {"Retry-After": "600"}))
    with pytest.raises(NotSentError, match=r"the next request may be sent in \d+\.\d s, and the run has 58\.0 s left"):
        remote.broker().submit(order(remote))
    assert remote.book.orders == []


@pytest.mark.parametrize(
    "status, answer", [(401, {"code": 40110000, "message": "not authorized"}), (403, {"message": "forbidden."})]
)
def test_an_order_with_wrong_keys_has_certainly_not_arrived(
    remote: Bench, status: int, answer: dict[str, object]
) -> None:
    """The run fails, and the order may be sent again; where an exchange answers so, as Alpaca does (T15)."""
    if remote.kind.prefix != "ALPACA":
        name = f"{remote.kind.prefix}_API_KEY"
        broker = remote.broker(secrets={**remote.desk.secrets, name: "stolen-key"})
    else:
        broker = remote.broker()
        on_order(remote, "answer", Answer(status, answer))
    with pytest.raises(NotSentError, match="check ") as caught:
        broker.submit(order(remote))
    assert "_API_KEY" in str(caught.value)
    assert remote.book.orders == []
    assert remote.broker().submit(order(remote)).status == "filled"


def test_an_order_whose_size_cannot_be_asked_for_has_certainly_not_arrived(remote: Bench) -> None:
    """The exchange does not say its steps: nothing has left, and the order is not uncertain because of it."""
    if remote.kind.prefix == "ALPACA":
        return  # it takes orders without a question before them
    remote.wire.faults.append(Fault("GET", "", "answer", 99, Answer(503, {"message": "try later"})))
    with pytest.raises(NotSentError):
        remote.broker().submit(order(remote))
    assert posts(remote) == 0


def test_bots_share_what_the_broker_has_asked_for(remote: Bench) -> None:
    """A Retry-After that one run was told keeps the others from asking too."""
    method, path = ACCOUNT[remote.kind.name]
    remote.broker().account()
    remote.wire.faults.append(
        Fault(method, path, "answer", 1, Answer(429, {"message": "slow down"}, {"Retry-After": "600"}))
    )
    with pytest.raises(BrokerError):
        remote.broker().account()
    asked = len(remote.wire.seen)
    with pytest.raises(BrokerError, match="the next request may be sent in"):
        remote.broker().account()
    assert len(remote.wire.seen) == asked


@pytest.mark.parametrize("kind", ["lost answer", "cut answer", "slow answer"])
def test_a_question_is_asked_again(remote: Bench, kind: str) -> None:
    """What only asks may be asked twice: the account comes with the second answer."""
    method, path = ACCOUNT[remote.kind.name]
    remote.wire.faults.append(Fault(method, path, kind))
    assert remote.broker().account().cash == 100_000
    assert remote.wire.count(method, path) == 2


def test_a_broker_that_never_answers_is_an_error(remote: Bench) -> None:
    """After three tries the run hears of it in one line."""
    method, path = ACCOUNT[remote.kind.name]
    remote.wire.faults.append(Fault(method, path, "lost request", 9))
    with pytest.raises(BrokerError) as caught:
        remote.broker().account()
    assert "\n" not in str(caught.value)
    assert remote.wire.count(method, path) == 3


def test_wrong_keys_are_named(remote: Bench) -> None:
    """The message says which variables to look at, and none of their values."""
    name = f"{remote.kind.prefix}_API_KEY"
    with pytest.raises(BrokerError, match=f"check {name} and") as caught:
        remote.broker(secrets={**remote.desk.secrets, name: "stolen-key"}).account()
    assert "stolen-key" not in str(caught.value)
    assert remote.kind.secret not in str(caught.value).replace("SECRET", "")


@pytest.mark.parametrize("ahead", [-600, -45, 45])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.venue], ids=lambda kind: kind.name)
def test_a_wrong_clock_keeps_no_order_from_its_place(kind: Kind, tmp_path: Path, ahead: int) -> None:
    """The exchanges turn away what their clocks do not like, each in its own words: openbell goes by their time."""
    with bench_of(kind, tmp_path) as bench:
        bench.wire.ahead = timedelta(seconds=ahead)
        placed = bench.broker().submit(order(bench))
        assert placed.status == "filled", placed.reason
        assert len(bench.book.orders) == 1


def test_wrong_keys_are_told_beside_a_wrong_clock(tmp_path: Path) -> None:
    """Coinbase has one answer for both: its time is taken once, and then it is the keys."""
    with bench_of(next(kind for kind in KINDS if kind.name == "ccxt:coinbase"), tmp_path) as bench:
        bench.wire.ahead = timedelta(minutes=10)
        secrets = {**bench.desk.secrets, "COINBASE_API_KEY": "organizations/test/apiKeys/stolen"}
        with pytest.raises(BrokerError, match="check COINBASE_API_KEY"):
            bench.broker(secrets=secrets).account()


def test_a_partial_fill_is_told_and_grows(remote: Bench) -> None:
    """Part of an order is part of it; what fills later is found under the same id."""
    remote.book.fill = 0.5
    placed = remote.broker().submit(order(remote))
    half = remote.kind.quantity / 2
    assert (placed.status, placed.filled_quantity, placed.quantity) == ("partially_filled", half, 2 * half)
    remote.book.execute(remote.book.orders[0], half)
    found = remote.broker().find(ID)
    assert found is not None
    assert (found.status, found.filled_quantity) == ("filled", 2 * half)


def test_an_open_order_can_be_cancelled(remote: Bench) -> None:
    """It waits, it is cancelled, and it says so."""
    remote.book.fill = 0.0
    assert remote.broker().submit(order(remote)).status == "accepted"
    remote.broker().cancel(ID)
    found = remote.broker().find(ID)
    assert found is not None
    assert (found.status, found.filled_quantity) == ("cancelled", 0.0)


def test_a_halt_is_obeyed_at_the_last_moment(remote: Bench) -> None:
    """An order that waited for its turn is not sent after trading was halted."""
    broker = remote.broker(halted=lambda *, is_exit=False: "halted: look into it")
    with pytest.raises(OrderRefusedError, match="halted: look into it"):
        broker.submit(order(remote))
    assert posts(remote) == 0
    assert broker.account().cash == 100_000


def test_bars_have_closed_and_come_again_after_a_lost_answer(remote: Bench) -> None:
    """The newest bar is the one that closed last, by the time of the question."""
    remote.wire.faults.append(Fault("GET", BARS[remote.kind.name], "lost answer"))
    at = datetime.now(UTC)
    market = remote.market()
    # These are there at any hour and on any day: the tests run on holidays too.
    ask = market.extended_bars if isinstance(market, AlpacaMarket) else market.bars
    bars = ask(remote.kind.symbol, "15m", 5, at)
    assert len(bars) == 5
    assert at - timedelta(minutes=15) < bars[-1].timestamp <= at
    assert all(later.timestamp - earlier.timestamp == timedelta(minutes=15) for earlier, later in pairwise(bars))
    assert remote.wire.count("GET", BARS[remote.kind.name]) == 2
    assert remote.market().price(remote.kind.symbol, at) == remote.book.prices[remote.kind.symbol]


@pytest.mark.parametrize("question", [
    lambda market: market.bars("GONE/GONE", "15m", 5, datetime.now(UTC)),
    lambda market: market.price("GONE/GONE", datetime.now(UTC)),
])  # fmt: skip
def test_a_symbol_that_was_renamed_is_named(remote: Bench, question: Callable[[object], object]) -> None:
    """A symbol that the venue does not know (any more) is an error that says which."""
    with pytest.raises(MarketError, match="GONE/GONE"):
        question(remote.market())


@pytest.mark.parametrize("timeframe, count", [("2w", 5), ("15m", 0)])
def test_a_question_that_cannot_be_meant_is_not_asked(remote: Bench, timeframe: str, count: int) -> None:
    """A timeframe that is not offered and a count below one cost no request."""
    with pytest.raises(MarketError):
        remote.market().bars(remote.kind.symbol, timeframe, count, datetime.now(UTC))
    assert remote.wire.seen == []
