"""What single venues are particular about: steps and smallest orders, closed markets, doubled deliveries, clocks of bars."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.trading.brokers import BrokerError
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.brokers.registry import open_broker
from openbell.trading.run_services import RunServices
from tests.brokers.alpaca_stub import alpaca
from tests.brokers.conftest import KINDS, Bench, bench_of
from tests.brokers.server import Answer, Fault
from tests.brokers.test_conformance import ID, order
from tests.brokers.test_wire import on_order, posts


def of(name: str, tmp_path: Path) -> Iterator[Bench]:
    """Set up a bench of one kind."""
    with bench_of(next(kind for kind in KINDS if kind.name == name), tmp_path) as made:
        yield made


@pytest.fixture
def binance(tmp_path: Path) -> Iterator[Bench]:
    """A bench of Binance."""
    yield from of("ccxt:binance", tmp_path)


@pytest.fixture
def kraken(tmp_path: Path) -> Iterator[Bench]:
    """A bench of Kraken."""
    yield from of("ccxt:kraken", tmp_path)


@pytest.fixture
def shares(tmp_path: Path) -> Iterator[Bench]:
    """A bench of Alpaca."""
    yield from of("alpaca", tmp_path)


@pytest.mark.parametrize("quantity, reason", [
    (0.00001, "1e-05 BTC is less than"),
    (0.0001, "an order of BTC/USDT must be worth at least 10 on binance"),
])  # fmt: skip
def test_an_order_that_is_too_small_is_rejected_here(binance: Bench, quantity: float, reason: str) -> None:
    """The exchange would say no: the answer names the smallest, and nothing is sent."""
    placed = binance.broker().submit(order(binance, quantity=quantity))
    assert placed.status == "rejected"
    assert placed.reason.startswith(reason)
    assert posts(binance) == 0


def test_a_quantity_is_cut_to_whole_steps(binance: Bench) -> None:
    """Never more than was decided; what was sent is what the answer says."""
    assert binance.broker().submit(order(binance, quantity=0.00057)).quantity == pytest.approx(0.0005)
    assert [one.quantity for one in binance.book.orders] == [pytest.approx(0.0005)]


def test_symbols_are_asked_for_once_a_day(binance: Bench) -> None:
    """The list of all symbols is megabytes: other runs take it from the state, with no more than the strategy's own."""
    for _ in range(3):
        binance.broker().positions()
    assert binance.wire.count("GET", "exchangeInfo") == 1
    (kept,) = binance.desk.state.glob("*-symbols.json")
    assert 'BTC/USD"' not in kept.read_text()


def test_a_fee_in_coins_is_known_from_the_answer(binance: Bench) -> None:
    """What the exchange keeps of a purchase is not in the account."""
    binance.book.fee = 0.001
    placed = binance.broker().submit(order(binance, quantity=0.5))
    assert placed.filled_quantity == 0.5
    assert placed.fee_quantity == pytest.approx(0.0005)


def test_two_symbols_of_one_coin_cannot_be_told_apart(binance: Bench) -> None:
    """An exchange holds coins, not symbols: a strategy that trades one against two currencies hears of it."""
    binance.book.held["BTC/USDT"] = 1.0
    with pytest.raises(BrokerError, match="BTC is in two symbols of this strategy"):
        binance.broker(symbols=("BTC/USDT", "BTC/USD")).positions()


def test_kraken_without_real_money_is_the_paper_account(kraken: Bench) -> None:
    """It has no sandbox: without live = true nothing reaches it, keys or not."""
    broker = kraken.broker(live=False)
    assert isinstance(broker, PaperBroker)
    assert broker.submit(order(kraken)).filled_price == 50_000.0
    assert posts(kraken) == 0


@pytest.mark.parametrize("name, host, headers", [
    ("binance", "https://testnet.binance.vision/", {}),
    ("bybit", "https://api-testnet.bybit.com", {}),
    ("okx", "https://www.okx.com", {"x-simulated-trading": "1"}),
])  # fmt: skip
def test_an_exchange_without_real_money_is_its_sandbox(
    tmp_path: Path, name: str, host: str, headers: dict[str, str]
) -> None:
    """With keys it is the test network or the demo account, without any it is the paper account."""
    keys = {f"{name.upper()}_{part}": "key" for part in ("API_KEY", "SECRET_KEY", "PASSPHRASE")}
    desk = RunServices(("BTC/USDT",), state=tmp_path, secrets=keys)
    broker = open_broker(f"ccxt:{name}", tmp_path, None, datetime.now(UTC), desk)  # type: ignore[arg-type]
    client = broker._venue().client  # type: ignore[attr-defined]
    urls = client.urls["api"]
    assert client.implode_hostname(urls.get("private") or urls["rest"]).startswith(host)
    assert {key: str((client.headers or {}).get(key)) for key in headers} == headers
    broker = open_broker(f"ccxt:{name}", tmp_path, None, datetime.now(UTC), RunServices(("BTC/USDT",)))  # type: ignore[arg-type]
    assert isinstance(broker, PaperBroker)


def test_alpacas_address_is_paper_unless_it_is_said_live() -> None:
    """Real money needs live = true."""
    from openbell.trading.venues.alpaca import address  # noqa: PLC0415 - beside the two words that it is about

    assert address(RunServices()) == "https://paper-api.alpaca.markets"
    assert address(RunServices(live=True)) == "https://api.alpaca.markets"


def test_an_order_in_a_closed_market_waits_and_says_so(shares: Bench) -> None:
    """It is accepted, not filled, and the answer names when the market opens."""
    shares.book.fill = 0.0
    shares.wire.venue = alpaca(shares.book, is_open=lambda: False)(shares.wire.now)
    placed = shares.broker().submit(order(shares))
    assert placed.status == "accepted"
    assert placed.reason.startswith("the market is closed: the order waits until it opens at ")


def test_a_delivery_that_is_doubled_on_the_way_is_one_order(shares: Bench) -> None:
    """Alpaca takes an id once: the second delivery changes nothing."""
    on_order(shares, "doubled")
    assert shares.broker().submit(order(shares)).status == "filled"
    assert len(shares.book.orders) == 1


def test_an_id_that_is_taken_means_accepted(shares: Bench) -> None:
    """422 "must be unique" is looked up, and is the order."""
    first = shares.broker().submit(order(shares))
    second = shares.broker().submit(order(shares))
    assert (second.order_id, second.status) == (first.order_id, "filled")
    assert len(shares.book.orders) == 1


def test_a_gateways_timeout_does_not_make_the_library_send_again(shares: Bench) -> None:
    """alpaca-py would send an order again after a 504, which may have been accepted: here it does not."""
    on_order(shares, "answer", Answer(504, {"message": "gateway timed out"}), times=5)
    with pytest.raises(BrokerError, match="the order is not known there"):
        shares.broker().submit(order(shares))
    assert posts(shares) == 1


def test_a_status_that_nobody_knows_yet_is_an_open_order(shares: Bench) -> None:
    """A new word of the venue's loses no order."""
    now = datetime.now(UTC).isoformat()
    told = {"id": "1", "client_order_id": ID, "symbol": "AAPL", "side": "buy", "qty": "2", "filled_qty": "0"}
    answer = Answer(200, {**told, "status": "held_for_tea", "submitted_at": now})
    shares.wire.faults.append(Fault("GET", "orders:by_client_order_id", "answer", 9, answer))
    found = shares.broker().find(ID)
    assert found is not None
    assert found.status == "accepted"


def test_a_daily_bar_closes_with_its_session(shares: Bench) -> None:
    """A day's bar carries the midnight that it began at; a run after the close sees it, a run before does not."""
    close = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
    market = shares.market()
    assert market.bars("AAPL", "1d", 1, close)[-1].timestamp == close
    assert market.bars("AAPL", "1d", 1, close - timedelta(seconds=1))[-1].timestamp == close - timedelta(days=1)


def test_a_bar_that_the_exchange_still_writes_is_none(kraken: Bench) -> None:
    """Our clock is a minute ahead and takes the bar for closed; the exchange's says that it is not."""
    kraken.wire.ahead = -timedelta(seconds=60)
    now = datetime.now(UTC)
    at = now.replace(second=0, microsecond=0)
    bars = kraken.market().bars("BTC/USD", "1m", 3, at)
    assert bars[-1].timestamp <= now - timedelta(seconds=58)


def test_time_that_has_passed_is_no_skew(kraken: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exchange's clock is compared when its answer comes, not when it is read later."""
    kraken.broker().positions()
    wire_time = time.time
    monkeypatch.setattr(time, "time", lambda: wire_time() + 300)
    broker = kraken.broker()
    assert broker._venue().skew() == 0.0  # type: ignore[attr-defined]
