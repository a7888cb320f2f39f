"""Orders with terms through Alpaca's own library, against a server that checks them as Alpaca does."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.order_terms import MARKET, Terms, leg_id
from openbell.trading.brokers import BrokerError, CanReplace, Order
from openbell.trading.markets import MarketError
from openbell.trading.markets.alpaca import AlpacaMarket
from openbell.trading.order_size import sizes_of
from openbell.trading.run_services import Intent
from tests.brokers.conftest import KINDS, Bench, bench_of
from tests.brokers.server import Answer, Fault
from tests.brokers.trials import strategy_at

ALPACA = next(kind for kind in KINDS if kind.name == "alpaca")


PENDING = {
    "client_order_id": "ob-1",
    "symbol": "AAPL",
    "side": "buy",
    "qty": "2",
    "filled_qty": "0",
    "status": "pending_cancel",
    "created_at": "2026-03-02T14:35:00Z",
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give an account at Alpaca."""
    with bench_of(ALPACA, tmp_path) as made:
        yield made


def order(bench: Bench, terms: Terms = MARKET, symbol: str = "AAPL", side: str = "buy", quantity: float = 2.0) -> Order:
    """Return an order of which the ledger knows."""
    bench.intents["ob-1"] = Intent(symbol, datetime.now(UTC))
    return Order("ob-1", symbol, side, quantity, terms=terms)


@pytest.mark.parametrize("symbol, terms, sent", [
    ("AAPL", MARKET, {"type": "market", "time_in_force": "day", "position_intent": "buy_to_open"}),
    ("AAPL", Terms(limit=95.5), {"type": "limit", "limit_price": 95.5, "time_in_force": "day"}),
    ("AAPL", Terms(stop=105), {"type": "stop", "stop_price": 105.0}),
    ("AAPL", Terms(stop=105, limit=106), {"type": "stop_limit", "stop_price": 105.0, "limit_price": 106.0}),
    ("AAPL", Terms(trail=2.5, time_in_force="gtc"), {"type": "trailing_stop", "trail_price": 2.5}),
    ("AAPL", Terms(trail_percent=3), {"type": "trailing_stop", "trail_percent": 3.0}),
    ("AAPL", Terms(time_in_force="opg"), {"type": "market", "time_in_force": "opg"}),
    ("AAPL", Terms(limit=95, time_in_force="cls"), {"type": "limit", "time_in_force": "cls"}),
    ("AAPL", Terms(limit=95, extended_hours=True), {"type": "limit", "extended_hours": True}),
    ("BTC/USD", MARKET, {"type": "market", "time_in_force": "gtc"}),
    ("BTC/USD", Terms(limit=40_000, time_in_force="ioc"), {"type": "limit", "time_in_force": "ioc"}),
])  # fmt: skip
def test_an_order_arrives_with_its_terms(bench: Bench, symbol: str, terms: Terms, sent: dict[str, object]) -> None:
    """As the venue's own words; one that waits is accepted."""
    quantity = 0.5 if "/" in symbol else 2.0
    placed = bench.broker().submit(order(bench, terms, symbol, quantity=quantity))
    assert placed.status == ("filled" if terms.kind == "market" and terms.time_in_force != "opg" else "accepted"), (
        placed.reason
    )
    (booked,) = bench.book.orders
    assert {name: booked.asked.get(name) for name in sent} == sent


@pytest.mark.parametrize("symbol, value, bought", [("AAPL", 123.456, 1.2345), ("BTC/USD", 1000.0, 0.02)])
def test_an_order_by_value_is_one_at_the_venue(bench: Bench, symbol: str, value: float, bought: float) -> None:
    """It is told the amount, in cents, and says what it has bought for it; what it waits with is about as much."""
    bench.book.fill = 0.0
    placed = bench.broker().submit(replace(order(bench, MARKET, symbol, quantity=1.5), value=value))
    assert (placed.status, placed.quantity) == ("accepted", 1.5)
    (booked,) = bench.book.orders
    assert (booked.asked.get("qty"), booked.asked["notional"]) == (None, int(value * 100) / 100)
    bench.book.execute(booked, booked.quantity)
    found = bench.broker().find("ob-1")
    assert found is not None
    assert (found.status, found.quantity) == ("filled", found.filled_quantity)
    assert found.quantity == pytest.approx(bought)


VALUES = """
def run(ctx):
    ctx.order("AAPL", "buy", value=150, reason="cheap")
    ctx.order("AAPL", "sell", value=100, reason="enough")
    ctx.order("AAPL", "buy", value=95, limit=95, reason="cheaper", leg="2")
"""


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_only_market_purchases_are_sent_by_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sale by value could sell more than is held, and a limit needs a quantity; the decision says what was sent."""
    with strategy_at(ALPACA, tmp_path, monkeypatch) as strategy:
        strategy.write(VALUES)
        assert strategy.attempt() is None
        sent = [(one.asked.get("qty"), one.asked.get("notional")) for one in strategy.bench.book.orders]
        assert sent == [(None, 150.0), (1.0, None), (1.0, None)]
        bought, sold, _ = strategy.lines("decision")
        assert (bought["sent_value"], bought["qty"], bought["filled_qty"]) == (150.0, 1.5, 1.5)
        assert "sent_value" not in sold
        assert strategy.bench.book.held["AAPL"] == 0.5


def test_a_brackets_legs_are_found_and_filled_under_our_ids(bench: Bench) -> None:
    """The venue has them below the entry, under ids of its own."""
    broker = bench.broker()
    placed = broker.submit(order(bench, Terms(take_profit=110, stop_loss=95)))
    assert placed.status == "filled"
    profit, loss = (broker.find(leg_id("ob-1", leg)) for leg in ("tp", "sl"))
    assert profit is not None
    assert loss is not None
    assert (profit.side, profit.status, profit.quantity, loss.status) == ("sell", "accepted", 2.0, "accepted")
    assert (bench.book.orders[1].asked["limit_price"], bench.book.orders[2].asked["stop_price"]) == (110.0, 95.0)
    bench.book.orders[1].price = 110.0
    bench.book.execute(bench.book.orders[1], 2.0)
    filled = bench.broker().find(leg_id("ob-1", "tp"))
    assert filled is not None
    assert (filled.client_order_id, filled.status, filled.filled_price) == ("ob-1-tp", "filled", 110.0)


def test_a_leg_is_cancelled_by_the_venues_own_id(bench: Bench) -> None:
    """And not the entry."""
    bench.broker().submit(order(bench, Terms(take_profit=110, stop_loss=95)))
    bench.broker().cancel(leg_id("ob-1", "sl"))
    assert [one.status for one in bench.book.orders] == ["filled", "open", "cancelled"]


def test_a_pair_of_exits_is_one_order_of_which_one_cancels_the_other(bench: Bench) -> None:
    """The profit is the order itself, the stop its leg."""
    bench.book.held["AAPL"] = 2.0
    terms = Terms(limit=110, stop_loss=95, is_pair=True, time_in_force="gtc")
    placed = bench.broker().submit(order(bench, terms, side="sell"))
    assert placed.status == "accepted", placed.reason
    assert bench.book.orders[0].asked["order_class"] == "oco"
    loss = bench.broker().find(leg_id("ob-1", "sl"))
    assert loss is not None
    assert (loss.status, loss.side) == ("accepted", "sell")


def test_an_order_is_replaced_and_goes_on_under_our_id(bench: Bench) -> None:
    """The venue gives it another id; what fills then is ours."""
    broker = bench.broker()
    broker.submit(order(bench, Terms(limit=95)))
    changed: CanReplace = broker  # type: ignore[assignment]
    placed = changed.replace(order(bench, Terms(limit=97), quantity=3.0))
    assert (placed.client_order_id, placed.status, placed.quantity) == ("ob-1", "accepted", 3.0)
    assert bench.book.orders[1].asked["limit_price"] == 97.0
    bench.book.execute(bench.book.orders[1], 3.0)
    found = bench.broker().find("ob-1")
    assert found is not None
    assert (found.status, found.filled_quantity) == ("filled", 3.0)
    with pytest.raises(BrokerError, match="cannot be replaced"):
        changed.replace(order(bench, Terms(limit=98)))


def test_sizes_are_those_of_the_asset(bench: Bench) -> None:
    """Whole shares where no fractions are traded; cents; a coin's own steps. They are asked for once a day."""
    bench.book.prices["WHOLE"] = 10.0
    broker = bench.broker()
    assert (sizes_of(broker, "AAPL").step, sizes_of(broker, "AAPL").price(10.017, "ROUND_DOWN")) == (
        sizes_of(broker, "AAPL").step, 10.01)  # fmt: skip
    assert sizes_of(broker, "WHOLE").step == 1
    coin = sizes_of(broker, "BTC/USD")
    assert (float(coin.step), float(coin.smallest), coin.price(40_000.7, "ROUND_DOWN")) == (0.0001, 0.0001, 40_000.5)
    assert bench.wire.count("GET", "/v2/assets/") == 3
    sizes_of(bench.broker(), "AAPL")
    assert bench.wire.count("GET", "/v2/assets/") == 3


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
def test_a_quote_has_bid_ask_and_last(bench: Bench, symbol: str) -> None:
    """Of shares and of coins."""
    quote = AlpacaMarket(bench.desk).quote(symbol, datetime.now(UTC))
    price = bench.book.prices[symbol]
    assert (quote.bid, quote.ask, quote.last) == (price - 0.01, price + 0.01, price)


def test_the_feed_and_raw_prices_are_asked_for(bench: Bench) -> None:
    """As the library says them."""
    market = AlpacaMarket(replace(bench.desk, feed="iex"))
    market.raw_bars("AAPL", "1d", 3, datetime.now(UTC))
    market.price("AAPL", datetime.now(UTC))
    bars, trade = bench.wire.seen[-2:]
    assert (bars.query["feed"], bars.query["adjustment"], trade.query["feed"]) == ("iex", "raw", "iex")


def test_a_feed_that_the_account_may_not_read_is_named(bench: Bench) -> None:
    """Alpaca's 403 is no matter of the keys: the message says what to set."""
    refused = Answer(403, {"message": "subscription does not permit querying recent SIP data"})
    bench.wire.faults.append(Fault("GET", "/v2/stocks/bars", "answer", answer=refused))
    with pytest.raises(MarketError, match='set feed = "iex" in strategy'):
        AlpacaMarket(bench.desk).bars("AAPL", "1d", 3, datetime.now(UTC))


def test_a_cancellation_is_waited_for(bench: Bench) -> None:
    """Alpaca answers before it is done: what comes next must find the order's shares free."""
    broker = bench.broker()
    broker.submit(order(bench, Terms(limit=95)))
    looks = bench.wire.count("GET", "by_client_order_id")
    pending = Answer(200, {**PENDING, "id": "904837e3-3b76-47ec-b432-000000000001"})
    bench.wire.faults.append(Fault("GET", "by_client_order_id", "late answer", times=2, answer=pending))
    broker.cancel("ob-1")
    assert bench.wire.count("GET", "by_client_order_id") == looks + 3


BOTH = """
def run(ctx):
    for symbol, quantity in (("AAPL", 2), ("BTC/USD", 0.02)):
        bars = ctx.bars(symbol, "15m", 3)
        held = ctx.position(symbol)
        ctx.signal(symbol, bars[-1].close, bars=len(bars), held=held, is_open=ctx.is_open(symbol))
        if not held:
            ctx.order(symbol, "buy", quantity, reason="both")
        else:
            ctx.close(symbol, reason="done")
"""


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_shares_and_coins_go_together_in_one_strategy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by its own rules: bars and times in force, symbols as each side writes them, one account."""
    with strategy_at(ALPACA, tmp_path, monkeypatch) as strategy:
        strategy.write(BOTH)
        toml = strategy.places.folder / "strategy.toml"
        toml.write_text(toml.read_text().replace('["AAPL"]', '["AAPL", "BTC/USD"]'))
        assert strategy.attempt() is None
        share, coin = strategy.bench.book.orders
        assert (share.asked["time_in_force"], share.asked.get("position_intent")) == ("day", "buy_to_open")
        assert (coin.asked["time_in_force"], coin.asked.get("position_intent")) == ("gtc", None)
        assert strategy.bench.book.held == {"AAPL": 2.0, "BTC/USD": 0.02}
        with closing(strategy.ledger()) as ledger:
            assert ledger.holdings() == {"AAPL": 2.0, "BTC/USD": 0.02}
        # 04:05 in New York: the coin is traded, the share is not.
        assert [(line["symbol"], line["is_open"]) for line in strategy.lines("signal")] == [
            ("AAPL", False),
            ("BTC/USD", True),
        ]
    assert all(line["differences"] == [] for line in strategy.lines("reconciled"))
