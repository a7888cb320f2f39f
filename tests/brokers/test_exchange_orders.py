"""Orders with terms through ccxt, against servers that check them as the exchanges do."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from openbell import abilities
from openbell.order_terms import Terms
from openbell.trading.brokers import BrokerError, Order
from openbell.trading.markets.exchange import PAGES, ExchangeMarket
from openbell.trading.order_size import priced, sizes_of
from openbell.trading.run_services import Intent
from tests.brokers.conftest import KINDS, Bench, bench_of
from tests.brokers.server import Fault
from tests.brokers.test_wire import ORDERS

MARKET_ORDER: dict[str, object] = {"kind": "market_market_ioc", "base_size": "0.5"}
EXCHANGES = [kind for kind in KINDS if kind.name.startswith("ccxt:")]


@pytest.fixture(params=EXCHANGES, ids=lambda kind: kind.name)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Give an account at each exchange."""
    with bench_of(request.param, tmp_path) as made:
        yield made


SENT = {
    "ccxt:binance": {
        "limit": {"type": "LIMIT", "price": "40000", "timeInForce": "GTC"},
        "ioc": {"type": "LIMIT", "price": "40000", "timeInForce": "IOC"},
        "stop": {"type": "STOP_LOSS", "stopPrice": "40000"},
        "stop_limit": {"type": "STOP_LOSS_LIMIT", "stopPrice": "40000", "price": "39000", "timeInForce": "GTC"},
    },
    "ccxt:bybit": {
        "limit": {"orderType": "Limit", "price": "40000", "orderLinkId": "ob-1"},
        "ioc": {"orderType": "Limit", "timeInForce": "IOC"},
        "stop": {"orderType": "Market", "orderFilter": "StopOrder", "triggerPrice": "40000", "marketUnit": "baseCoin"},
        "stop_limit": {"orderType": "Limit", "orderFilter": "StopOrder", "triggerPrice": "40000", "price": "39000"},
    },
    "ccxt:coinbase": {
        "limit": {"kind": "limit_limit_gtc", "limit_price": "40000"},
        "ioc": {"kind": "sor_limit_ioc", "limit_price": "40000"},
        "stop_limit": {
            "kind": "stop_limit_stop_limit_gtc",
            "stop_price": "40000",
            "limit_price": "39000",
            "stop_direction": "STOP_DIRECTION_STOP_DOWN",
        },
    },
    "ccxt:okx": {
        "limit": {"ordType": "limit", "px": "40000", "tdMode": "cash"},
        "ioc": {"ordType": "ioc", "px": "40000"},
        "stop": {"ordType": "trigger", "triggerPx": "40000", "orderPx": "-1", "algoClOrdId": "ob1"},
        "stop_limit": {"ordType": "trigger", "triggerPx": "40000", "orderPx": "39000"},
    },
    "ccxt:kraken": {
        "limit": {"ordertype": "limit", "price": "40000"},
        "ioc": {"ordertype": "limit", "price": "40000", "timeinforce": "IOC"},
        "stop": {"ordertype": "stop-loss", "price": "40000"},
        "stop_limit": {"ordertype": "stop-loss-limit", "price": "40000", "price2": "39000"},
        "trail": {"ordertype": "trailing-stop", "price": "+250.5"},
        "trail_percent": {"ordertype": "trailing-stop", "price": "+3%"},
    },
}


@pytest.mark.parametrize("name, terms, side", [
    ("limit", Terms(limit=40_000), "buy"),
    ("ioc", Terms(limit=40_000, time_in_force="ioc"), "buy"),
    ("stop", Terms(stop=40_000), "sell"),
    ("stop_limit", Terms(stop=40_000, limit=39_000), "sell"),
    ("trail", Terms(trail=250.5), "sell"),
    ("trail_percent", Terms(trail_percent=3.0), "sell"),
])  # fmt: skip
def test_an_order_arrives_with_its_terms_and_is_followed(bench: Bench, name: str, terms: Terms, side: str) -> None:
    """In the exchange's own words; it waits there, is found by our id, fills, and can be cancelled before."""
    if name not in SENT[bench.kind.name]:
        wanted = abilities.refusal(bench.kind.name, terms, bench.kind.symbol)
        assert "takes no" in wanted
        return
    bench.book.held[bench.kind.symbol] = 1.0
    bench.intents["ob-1"] = Intent(bench.kind.symbol, datetime.now(UTC))
    placed = bench.broker().submit(Order("ob-1", bench.kind.symbol, side, 0.5, terms=terms))
    assert (placed.status, placed.filled_quantity) == ("accepted", 0.0), placed.reason
    (booked,) = bench.book.orders
    sent = SENT[bench.kind.name][name]
    assert {key: str(booked.asked.get(key)) for key in sent} == sent
    booked.price = 40_000.0
    bench.book.execute(booked, 0.2)
    part = bench.broker().find("ob-1")
    assert part is not None
    assert (part.status, part.filled_quantity, part.quantity) == ("partially_filled", 0.2, 0.5)
    bench.broker().cancel("ob-1")
    ended = bench.broker().find("ob-1")
    assert ended is not None
    assert (ended.status, ended.filled_quantity) == ("cancelled", 0.2)


@pytest.mark.parametrize("ends", ["cancelled", "filled"])
def test_a_stop_that_waits_is_followed_to_its_end(bench: Bench, ends: str) -> None:
    """Whether it is cancelled before its price is reached, or fills: OKX gives it another number then."""
    bench.book.held[bench.kind.symbol] = 1.0
    bench.intents["ob-1"] = Intent(bench.kind.symbol, datetime.now(UTC))
    terms = Terms(stop=40_000, limit=39_000)
    placed = bench.broker().submit(Order("ob-1", bench.kind.symbol, "sell", 0.5, terms=terms))
    assert placed.status == "accepted", placed.reason
    (booked,) = bench.book.orders
    if ends == "cancelled":
        bench.broker().cancel("ob-1")
    else:
        booked.price = 39_500.0
        bench.book.execute(booked, 0.5)
    found = bench.broker().find("ob-1")
    assert found is not None
    assert (booked.status, found.status) == (ends, ends)
    assert found.filled_quantity == (0.5 if ends == "filled" else 0.0)
    assert ends == "cancelled" or found.filled_price == 39_500.0


def test_prices_are_rounded_to_the_exchanges_ticks(bench: Bench) -> None:
    """Cents at one, tenths at the other."""
    rules = sizes_of(bench.broker(), bench.kind.symbol)
    limit = priced(Terms(limit=40_000.16789), "buy", rules).limit
    assert (
        limit
        == {
            "ccxt:binance": 40_000.16,
            "ccxt:kraken": 40_000.1,
            "ccxt:okx": 40_000.1,
            "ccxt:bybit": 40_000.1,
            "ccxt:coinbase": 40_000.16,
        }[bench.kind.name]
    )


def test_a_quote_has_bid_ask_and_last(bench: Bench) -> None:
    """From the exchange's ticker."""
    quote = ExchangeMarket(bench.kind.name.partition(":")[2], bench.desk).quote(bench.kind.symbol, datetime.now(UTC))
    assert quote.last == bench.book.prices[bench.kind.symbol]
    assert {quote.bid, quote.ask} <= {None, quote.last}


def test_bars_come_page_by_page_from_the_newest(bench: Bench) -> None:
    """Each once and without a hole, whatever an exchange gives at a time; Kraken has no more than its newest 720."""
    at, name = datetime.now(UTC), bench.kind.name.partition(":")[2]
    count = 2 * PAGES[name] + 50
    market = ExchangeMarket(name, bench.desk)
    stamps = [bar.timestamp for bar in market.bars(bench.kind.symbol, "1m", count, at)]
    assert len(stamps) == (count if name != "kraken" else len(stamps))
    assert len(stamps) > PAGES[name] - 3
    assert {later - earlier for earlier, later in pairwise(stamps)} == {timedelta(minutes=1)}
    assert timedelta(0) <= at - stamps[-1] < timedelta(minutes=1)
    since = at - timedelta(minutes=90)
    assert [bar.timestamp for bar in market.between(bench.kind.symbol, "1m", since, at)] == stamps[-90:]


def test_an_order_without_an_answer_is_uncertain_where_it_may_still_arrive(tmp_path: Path) -> None:
    """OKX takes an order however late it comes: that it is not there proves nothing."""
    with bench_of(EXCHANGES[-1], tmp_path) as bench:
        assert bench.kind.name == "ccxt:okx"
        bench.intents["ob-1"] = Intent(bench.kind.symbol, datetime.now(UTC))
        bench.wire.faults.append(Fault("POST", "/trade/batch-orders", "lost answer"))
        placed = bench.broker().submit(Order("ob-1", bench.kind.symbol, "buy", 0.5))
        assert placed.status == "filled"  # it had arrived, and is found by its id
        assert getattr(bench.broker(), "finds_every_order", True) is False
        assert len(bench.book.orders) == 1
        assert bench.book.orders[0].client_id == "ob1"


def test_a_wrong_passphrase_is_a_matter_of_the_keys(tmp_path: Path) -> None:
    """The run fails, and says which keys to check."""
    with bench_of(EXCHANGES[-1], tmp_path) as bench:
        wrong = {**bench.desk.secrets, "OKX_PASSPHRASE": "wrong"}
        with pytest.raises(BrokerError, match="check OKX_API_KEY"):
            bench.broker(secrets=wrong).account()


def test_an_order_that_no_list_has_any_more_is_found_by_its_trades(bench: Bench) -> None:
    """Its answer was lost, it filled, and the exchange has forgotten our id: what was traded names the order."""
    symbol, now = bench.kind.symbol, datetime.now(UTC)
    bench.book.loses_done = True
    bench.book.place("theirs", symbol, "buy", 0.2, MARKET_ORDER)
    bench.intents["ob-1"] = Intent(symbol, now)
    bench.wire.faults.append(Fault("POST", ORDERS[bench.kind.name], "lost answer"))
    placed = bench.broker().submit(Order("ob-1", symbol, "buy", 0.5))
    assert (placed.client_order_id, placed.status, placed.filled_quantity) == ("ob-1", "filled", 0.5)
    assert len(bench.book.orders) == 2


def test_an_order_that_was_never_traded_is_not_taken_for_another(bench: Bench) -> None:
    """Another order's trade of the same symbol is not this order."""
    bench.book.loses_done = True
    bench.intents["ob-1"] = Intent(bench.kind.symbol, datetime.now(UTC))
    bench.book.place("theirs", bench.kind.symbol, "buy", 0.5, MARKET_ORDER)
    assert bench.broker().find("ob-1") is None
