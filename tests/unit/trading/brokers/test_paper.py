"""The paper broker: fills, refusals, exact money, and an account that outlives its process."""

import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from math import inf, nan
from pathlib import Path

import pytest

from openbell.trading.brokers import Account, BrokerError, Order, Position
from openbell.trading.brokers.paper import FILE, PaperBroker
from openbell.trading.markets import MarketError
from tests.fake_trading import FakeMarket

NOW = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)


class FixedMarket(FakeMarket):
    """A market with the prices that it is told."""

    def __init__(self, **prices: float) -> None:
        self.prices = prices
        self.asked: list[datetime] = []

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price of `symbol`."""
        self.asked.append(at)
        if symbol not in self.prices:
            msg = f"nothing is known of {symbol}"
            raise MarketError(msg)
        return self.prices[symbol]


@pytest.fixture
def market() -> FixedMarket:
    """Give a market with two prices."""
    return FixedMarket(AAPL=200.0, PENNY=0.1)


@pytest.fixture
def broker(tmp_path: Path, market: FixedMarket) -> PaperBroker:
    """Give a new account in a folder that does not exist yet."""
    return PaperBroker(tmp_path / "state" / "idea", market, NOW)


def buy(quantity: float, symbol: str = "AAPL", client_order_id: str = "b") -> Order:
    """Return an order to buy."""
    return Order(client_order_id, symbol, "buy", quantity)


def sell(quantity: float, symbol: str = "AAPL", client_order_id: str = "s") -> Order:
    """Return an order to sell."""
    return Order(client_order_id, symbol, "sell", quantity)


def test_a_new_account_has_the_starting_cash(broker: PaperBroker) -> None:
    """100,000 dollars and nothing else."""
    assert broker.account() == Account(100_000.0, "USD")
    assert broker.positions() == {}


def test_an_order_fills_at_once_and_whole_at_the_markets_price(broker: PaperBroker, market: FixedMarket) -> None:
    """The price is the one at the instant of the run, and so is the time of the order."""
    placed = broker.submit(buy(10))
    assert (placed.status, placed.reason, placed.order_id) == ("filled", "", "paper-1")
    assert (placed.quantity, placed.filled_quantity, placed.filled_price) == (10.0, 10.0, 200.0)
    assert placed.placed_at == NOW
    assert market.asked == [NOW]
    assert broker.account().cash == 98_000.0
    assert broker.positions() == {"AAPL": Position("AAPL", 10.0, 200.0)}
    assert broker.find("b") == placed


def test_the_time_of_an_order_is_told_in_utc(tmp_path: Path, market: FixedMarket) -> None:
    """Another zone's instant is the same instant."""
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    placed = PaperBroker(tmp_path, market, tokyo).submit(buy(1))
    assert placed.placed_at.isoformat() == "2026-11-20T14:35:00+00:00"


def test_the_account_survives_its_process(broker: PaperBroker, tmp_path: Path, market: FixedMarket) -> None:
    """Another broker on the same folder finds cash, positions and orders."""
    placed = broker.submit(buy(10))
    again = PaperBroker(tmp_path / "state" / "idea", market, NOW + timedelta(days=1))
    assert again.account() == broker.account()
    assert again.positions() == broker.positions()
    assert again.find("b") == placed


def test_the_same_id_twice_is_one_order(broker: PaperBroker, market: FixedMarket) -> None:
    """The second time returns the first as it was, whatever it asks for and whatever the price is by then."""
    first = broker.submit(buy(10))
    market.prices["AAPL"] = 300.0
    assert broker.submit(buy(10)) == first
    assert broker.submit(sell(5, client_order_id="b")) == first
    assert broker.account().cash == 98_000.0


def test_a_rejected_order_stays_rejected(broker: PaperBroker) -> None:
    """A repetition of a rejected order is not tried again, even if it would fill by now."""
    first = broker.submit(sell(1, client_order_id="x"))
    broker.submit(buy(10))
    assert broker.submit(sell(1, client_order_id="x")) == first
    assert broker.find("x") == first


def test_cash_does_not_go_below_zero(broker: PaperBroker) -> None:
    """An order that costs more than there is is rejected with both amounts, and moves nothing."""
    placed = broker.submit(buy(500.005))
    assert (placed.status, placed.filled_quantity, placed.filled_price) == ("rejected", 0.0, None)
    assert placed.quantity == 500.005
    assert placed.reason == "insufficient cash: needs 100001.00, has 100000.00"
    assert broker.account().cash == 100_000.0
    assert broker.positions() == {}


def test_a_refusal_never_shows_two_equal_amounts(broker: PaperBroker) -> None:
    """A hundredth of a cent too little is still told apart."""
    assert broker.submit(buy(500.000001)).reason == "insufficient cash: needs 100000.01, has 100000.00"


def test_all_the_cash_can_be_spent(broker: PaperBroker) -> None:
    """The last cent is not kept back."""
    assert broker.submit(buy(500)).status == "filled"
    assert broker.account().cash == 0.0


def test_no_more_can_be_sold_than_is_held(broker: PaperBroker) -> None:
    """There are no short positions: neither from nothing nor past what is held."""
    assert broker.submit(sell(1, client_order_id="1")).reason == "insufficient position: needs 1 AAPL, has 0"
    broker.submit(buy(10))
    assert broker.submit(sell(10.5, client_order_id="2")).reason == "insufficient position: needs 10.5 AAPL, has 10"
    assert broker.positions()["AAPL"].quantity == 10.0
    assert broker.account().cash == 98_000.0


def test_a_position_that_is_sold_whole_is_gone(broker: PaperBroker, market: FixedMarket) -> None:
    """Its proceeds are cash."""
    broker.submit(buy(10))
    market.prices["AAPL"] = 210.0
    assert broker.submit(sell(10)).filled_price == 210.0
    assert broker.positions() == {}
    assert broker.account().cash == 100_100.0


def test_the_average_price_is_what_was_paid(broker: PaperBroker, market: FixedMarket) -> None:
    """Purchases at two prices average; a sale leaves the average of the rest as it was."""
    broker.submit(buy(10, client_order_id="1"))
    market.prices["AAPL"] = 230.0
    broker.submit(buy(5, client_order_id="2"))
    assert broker.positions()["AAPL"] == Position("AAPL", 15.0, 210.0)
    broker.submit(sell(4))
    assert broker.positions()["AAPL"] == Position("AAPL", 11.0, 210.0)


def test_money_is_exact(broker: PaperBroker) -> None:
    """Fifty round trips at a tenth of a dollar, which no binary fraction is, leave not a trace."""
    for trip in range(50):
        broker.submit(buy(0.3, "PENNY", f"b{trip}"))
        broker.submit(buy(0.1, "PENNY", f"c{trip}"))
        broker.submit(sell(0.4, "PENNY", f"s{trip}"))
    assert broker.positions() == {}
    assert broker.account().cash == 100_000.0


def test_a_quantity_with_the_noise_of_floats_is_the_one_that_was_meant(broker: PaperBroker) -> None:
    """0.1 + 0.2 can be sold where 0.3 are held."""
    broker.submit(buy(0.3))
    assert broker.submit(sell(0.1 + 0.2)).status == "filled"
    assert broker.positions() == {}


@pytest.mark.parametrize("quantity", [0, -1, 0.0, -0.0, nan, inf, -inf, 1e-10])
def test_a_quantity_must_be_a_number_above_zero(broker: PaperBroker, quantity: float) -> None:
    """Everything else is rejected, and stored like any order."""
    placed = broker.submit(buy(quantity))
    assert placed.status == "rejected"
    assert placed.reason == f"the quantity must be a number above zero, not {quantity}"
    found = broker.find("b")
    assert found is not None
    assert found.status == "rejected"


@pytest.mark.parametrize("quantity", [1e300, 1.7e308])
def test_no_quantity_is_too_large_to_be_refused(broker: PaperBroker, quantity: float) -> None:
    """The arithmetic holds the largest floats."""
    assert broker.submit(buy(quantity)).reason.startswith("insufficient cash")
    assert broker.submit(sell(quantity)).reason.startswith("insufficient position")


def test_an_unknown_side_is_rejected(broker: PaperBroker) -> None:
    """There is buying and there is selling."""
    assert broker.submit(Order("x", "AAPL", "short", 1)).reason == 'the side must be "buy" or "sell", not "short"'


def test_no_price_is_no_answer(broker: PaperBroker, market: FixedMarket) -> None:
    """The order is not stored, so it may be sent again when there is a price."""
    with pytest.raises(BrokerError, match="no price for TSLA: nothing is known of TSLA"):
        broker.submit(buy(1, "TSLA"))
    assert broker.find("b") is None
    market.prices["TSLA"] = 1.0
    assert broker.submit(buy(1, "TSLA")).status == "filled"


@pytest.mark.parametrize("price", [0.0, -1.0, nan, inf])
def test_a_price_that_is_none_is_no_answer(broker: PaperBroker, market: FixedMarket, price: float) -> None:
    """Nothing fills at nothing."""
    market.prices["AAPL"] = price
    with pytest.raises(BrokerError, match=f"no price for AAPL: the market says {price}"):
        broker.submit(buy(1))


def test_a_done_order_cannot_be_cancelled(broker: PaperBroker) -> None:
    """Filled and rejected orders are done, and an unknown one is none."""
    broker.submit(buy(1))
    broker.submit(sell(5))
    with pytest.raises(BrokerError, match="order b is filled already and cannot be cancelled"):
        broker.cancel("b")
    with pytest.raises(BrokerError, match="order s is rejected already and cannot be cancelled"):
        broker.cancel("s")
    with pytest.raises(BrokerError, match="order x is not known and cannot be cancelled"):
        broker.cancel("x")


def test_the_file_is_durable_and_alone(broker: PaperBroker, tmp_path: Path) -> None:
    """It is in WAL mode, and what it was made from is gone."""
    broker.submit(buy(1))
    folder = tmp_path / "state" / "idea"
    connection = sqlite3.connect(folder / FILE)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert (folder / FILE).is_file()
    assert not [path.name for path in folder.iterdir() if not path.name.startswith(FILE)]


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path, market: FixedMarket) -> None:
    """The line names the file and the reason."""
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(BrokerError, match=r"^the paper account .*/state/paper.sqlite cannot be used: .*$"):
        PaperBroker(tmp_path / "state", market, NOW).account()


def test_a_damaged_file_is_one_clear_line(tmp_path: Path, market: FixedMarket) -> None:
    """What is not an account is never overwritten with a new one."""
    (tmp_path / FILE).write_bytes(b"not a database " * 100)
    with pytest.raises(BrokerError, match="cannot be used: file is not a database"):
        PaperBroker(tmp_path, market, NOW).submit(buy(1))
    assert (tmp_path / FILE).read_bytes().startswith(b"not a database")
