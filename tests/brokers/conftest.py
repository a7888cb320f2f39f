"""What all tests of brokers share: a broker of each kind, against its stub where it has one."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from openbell.manifest import Bot, Schedule
from openbell.trading.brokers import Broker
from openbell.trading.brokers.registry import open_broker
from openbell.trading.markets import Market
from openbell.trading.markets.registry import open_market
from openbell.trading.run_services import Intent, RunServices
from openbell.trading.venues import alpaca as alpaca_venue
from openbell.trading.venues import http_timeouts, rate_limiter
from tests.brokers.alpaca_stub import alpaca
from tests.brokers.binance_stub import SECRET, binance
from tests.brokers.book import Book
from tests.brokers.bybit_stub import bybit
from tests.brokers.coinbase_stub import KEY_NAME, coinbase
from tests.brokers.coinbase_stub import SECRET as COINBASE_SECRET
from tests.brokers.kraken_stub import kraken
from tests.brokers.okx_stub import PASSPHRASE, okx
from tests.brokers.server import Stub, running

OWN = '''
from datetime import UTC, datetime

from openbell.trading.brokers import Account, BrokerError, PlacedOrder, Position

BOOKS = {}


class MyBroker:
    """The smallest broker that conforms: everything costs a hundred."""

    def __init__(self, desk, market, at):
        self.book = BOOKS.setdefault(str(desk.state), {"cash": 100_000.0, "held": {}, "orders": {}})

    def account(self):
        return Account(self.book["cash"], "USD")

    def positions(self):
        return {symbol: Position(symbol, held, 100.0) for symbol, held in self.book["held"].items() if held}

    def find(self, client_order_id):
        return self.book["orders"].get(client_order_id)

    def submit(self, order):
        if known := self.find(order.client_order_id):
            return known
        amount = order.quantity if order.side == "buy" else -order.quantity
        held = self.book["held"].get(order.symbol, 0.0) + amount
        reason = "" if held >= 0 and amount * 100 <= self.book["cash"] else "not enough"
        if not reason:
            self.book["held"][order.symbol] = held
            self.book["cash"] -= amount * 100
        placed = PlacedOrder(
            str(len(self.book["orders"])), order.client_order_id, order.symbol, order.side, order.quantity,
            "rejected" if reason else "filled", 0.0 if reason else order.quantity, None if reason else 100.0,
            datetime.now(UTC), reason,
        )
        self.book["orders"][order.client_order_id] = placed
        return placed

    def cancel(self, client_order_id):
        raise BrokerError(f"order {client_order_id} cannot be cancelled")
'''


@dataclass(frozen=True)
class Kind:
    """One kind of broker, and how to reach its stub."""

    name: str
    market: str
    symbol: str
    quantity: float
    venue: Callable[[Book], Callable[[Callable[[], datetime]], Callable[..., object]]] | None = None
    prefix: str = ""
    secret: str = "secret"
    live: bool = True
    key: str = "key"


KINDS = (
    Kind("paper", "sample", "AAPL", 2.0),
    Kind("my_broker:MyBroker", "sample", "AAPL", 2.0),
    Kind("alpaca", "alpaca", "AAPL", 2.0, alpaca, "ALPACA", live=False),
    Kind("ccxt:binance", "ccxt:binance", "BTC/USDT", 0.5, binance, "BINANCE", SECRET),
    Kind("ccxt:kraken", "ccxt:kraken", "BTC/USD", 0.5, kraken, "KRAKEN", "c2VjcmV0"),
    Kind("ccxt:bybit", "ccxt:bybit", "BTC/USDT", 0.5, bybit, "BYBIT"),
    Kind("ccxt:coinbase", "ccxt:coinbase", "BTC/USD", 0.5, coinbase, "COINBASE", COINBASE_SECRET, key=KEY_NAME),
    Kind("ccxt:okx", "ccxt:okx", "BTC/USDT", 0.5, okx, "OKX"),
)


# Those of which an order whose answer was lost is found, or can no longer arrive. The others take an order however late it
# comes: such an order stays uncertain there, see test_exchange_orders.py.
CERTAIN = tuple(kind for kind in KINDS if kind.venue and kind.name not in {"ccxt:bybit", "ccxt:coinbase", "ccxt:okx"})


def shortened(kinds: Sequence[Kind], *names: str) -> list[Kind | ParameterSet]:
    """Return kinds for tests that take seconds each: those that are not named are left to `make test-long`."""
    return [kind if kind.name in names else pytest.param(kind, marks=pytest.mark.long) for kind in kinds]


@dataclass
class Bench:
    """One account of one kind of broker; each `broker()` is another run's."""

    kind: Kind
    desk: RunServices
    book: Book
    stub: Stub | None
    intents: dict[str, Intent]

    def market(self) -> Market:
        """Return the market that goes with the broker."""
        return open_market(self.kind.market, Bot("idea", "b", (self.kind.symbol,), Schedule("UTC")), self.desk)

    def broker(self, **changes: object) -> Broker:
        """Open the broker as a new run does."""
        desk = replace(self.desk, **changes)  # type: ignore[arg-type]
        return open_broker(self.kind.name, desk.state, self.market(), datetime.now(UTC), desk)

    @property
    def wire(self) -> Stub:
        """The stub, of a kind that has one."""
        assert self.stub is not None
        return self.stub


def environment(kind: Kind, address: str) -> Mapping[str, str]:
    """Return the variables that lead to the stub, keys included."""
    key = f"{kind.prefix}_SECRET_KEY"
    return {
        f"{kind.prefix}_API_KEY": kind.key,
        key: kind.secret,
        f"{kind.prefix}_PASSPHRASE": PASSPHRASE,
        f"{kind.prefix}_URL": address,
        "ALPACA_DATA_URL": address,
    }


@contextmanager
def bench_of(kind: Kind, tmp_path: Path) -> Iterator[Bench]:
    """Set a bench up: the stub runs, the strategy's folder has the broker of its own."""
    folder = tmp_path / "strategy"
    folder.mkdir(exist_ok=True)
    (folder / "my_broker.py").write_text(OWN)
    book = Book(forgets_ids=kind.name.startswith("ccxt:"))
    intents: dict[str, Intent] = {}
    desk = RunServices((kind.symbol,), folder, tmp_path / "state", kind.live, intended=intents.get)
    if kind.venue is None:
        yield Bench(kind, desk, book, None, intents)
        return
    with running(kind.venue(book)) as stub:  # type: ignore[arg-type]
        given = environment(kind, stub.address)
        secrets = {name: value for name, value in given.items() if name.endswith(("_KEY", "_PASSPHRASE"))}
        addresses = {name: value for name, value in given.items() if name.endswith("_URL")}
        yield Bench(kind, replace(desk, secrets=secrets, addresses=addresses), book, stub, intents)


@pytest.fixture(scope="session", autouse=True)
def _alpaca_is_loaded() -> None:
    """Load alpaca-py, which imports what its own dependency calls deprecated; not here, where every worker would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alpaca_venue.load()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what the product waits for: silence on the wire, the time an order may take, the pauses between looks."""
    monkeypatch.setattr(http_timeouts, "SILENCE", 1.0)
    monkeypatch.setattr(http_timeouts, "WHOLE", 4.0)
    monkeypatch.setattr(rate_limiter, "HOLD_LONGEST", 900.0)
    monkeypatch.setattr("openbell.trading.brokers.exchange.WINDOW", 2.5)
    monkeypatch.setattr("openbell.trading.brokers.alpaca.FILL_WAITS", (0.01, 0.02, 0.05))
    monkeypatch.setattr("openbell.trading.brokers.exchange.FILL_WAITS", (0.01, 0.02, 0.05))
    monkeypatch.setattr("openbell.trading.venues.exchange.BURST", 1000)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A bench of every kind."""
    with bench_of(request.param, tmp_path) as made:
        yield made


@pytest.fixture(
    params=CERTAIN,
    ids=lambda kind: kind.name,
)
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A bench of every kind that is reached over the wire."""
    with bench_of(request.param, tmp_path) as made:
        yield made
