"""Targets: from weights to orders, on the paper account and as pure arithmetic."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.journal import Journal, since
from openbell.ledger import Ledger, OrderRecord
from openbell.manifest import load
from openbell.strategy import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run, StrategyError, order_identity
from openbell.strategy.target_context import LEG
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.markets import Bars, MarketError
from openbell.trading.order_size import SizeRules
from openbell.trading.targets import TargetOrder, purchases, sales
from tests.fake_trading import FakeMarket
from tests.unit.strategy_file import write

SLOT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
WHOLE = SizeRules(Decimal(1))


def wanted(symbol: str, target: float, held: float = 0, waiting: float = 0, price: float = 10) -> TargetOrder:
    """Return what is wanted of a share that is traded whole."""
    return TargetOrder(symbol, Decimal(target), Decimal(held), Decimal(waiting), Decimal(price), WHOLE)


@pytest.mark.parametrize("one, cash, expected", [
    (wanted("X", 10), 1000, ("buy", 10)),
    (wanted("X", 10, held=4), 1000, ("buy", 6)),
    (wanted("X", 10, held=4, waiting=3), 1000, ("buy", 3)),
    (wanted("X", 10, held=4, waiting=6), 1000, ("", 0)),
    (wanted("X", 10.9), 1000, ("buy", 10)),  # never more than wanted
    (wanted("X", 10), 50.3, ("buy", 5)),
    (wanted("X", 10), 0, ("", 0)),
    (wanted("X", 10, held=9), 1000, ("", 0)),  # within the tolerance of 20
    (wanted("X", 0, held=-1), 0, ("buy", 1)),  # a short position is closed whatever the cash
])  # fmt: skip
def test_what_is_bought(one: TargetOrder, cash: float, expected: tuple[str, int]) -> None:
    """The difference to what is held and waiting, in whole steps, as far as the cash goes."""
    (trade,) = purchases([one], Decimal(20), Decimal(str(cash)))
    assert (trade.side, int(trade.quantity)) == expected


@pytest.mark.parametrize("one, expected", [
    (wanted("X", 0, held=4), ("sell", 4)),
    (wanted("X", 0, held=1), ("sell", 1)),  # closing is no matter of tolerance
    (wanted("X", 9, held=10), ("", 0)),
    (wanted("X", 5, held=10, waiting=-2), ("sell", 3)),
    (wanted("X", -5, held=0), ("sell", 5)),
])  # fmt: skip
def test_what_is_sold(one: TargetOrder, expected: tuple[str, int]) -> None:
    """The same for sales."""
    (trade,) = sales([one], Decimal(20))
    assert (trade.side, int(trade.quantity)) == expected


def test_purchases_beyond_the_cash_are_smaller_by_the_same_part() -> None:
    """Half of the cash, half of each."""
    trades = purchases([wanted("A", 100), wanted("B", 50, price=20)], Decimal(0), Decimal(1005))
    assert [int(one.quantity) for one in trades] == [50, 25]
    assert all(one.reason == "cut to 50.0% by the cash" for one in trades)


class Prices(FakeMarket):
    """A market with three prices."""

    def __init__(self) -> None:
        self.prices = {"A": 100.0, "B": 50.0, "C": 10.0}

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Have none."""
        raise MarketError(symbol)

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price."""
        return self.prices[symbol]


class Desk:
    """A bot with three symbols on the paper account."""

    def __init__(self, folder: Path, more: str = "") -> None:
        write(folder, f'timezone = "UTC"\n{more}[[bot]]\nid = "b"\nat = "15:00"\nsymbols = ["A", "B", "C"]\n')
        self.folder = folder
        self.manifest = load(folder / "demo")
        self.market = Prices()
        self.ledger = Ledger(folder / "ledger.sqlite")
        self.slot = SLOT

    def context(self, *, again: bool = False) -> Context:
        """Return the context of the next slot, or of the same one again."""
        self.slot += timedelta(0) if again else timedelta(minutes=1)
        journal = Journal(self.folder / "journal", "demo", "boot", echo=False)
        broker = PaperBroker(self.folder, self.market, self.slot, self.manifest.costs)
        run = Run(self.manifest.bots[0], self.slot, "r", 1)
        return Context(
            RunProgress(
                ContextServices(self.manifest, self.market, broker, self.ledger, journal, lambda: self.slot), run
            )
        )

    def held(self) -> dict[str, float]:
        """Return what the bot holds."""
        return {one.symbol: float(one.quantity) for one in self.ledger.positions() if one.quantity}

    def lines(self) -> list[dict[str, object]]:
        """Return the decisions in the journal."""
        found = since(self.folder / "journal" / "demo", SLOT.date())
        return [dict(one) for one in found if one["event"] == "decision"]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give a new desk."""
    return Desk(tmp_path)


def test_a_rebalance_brings_each_symbol_to_its_weight(desk: Desk) -> None:
    """Of what the strategy is worth, and again after prices have moved; what is not named is sold."""
    desk.context().rebalance({"A": 0.5, "B": 0.25}, reason="monthly")
    assert desk.held() == {"A": 500.0, "B": 500.0}
    desk.market.prices["A"] = 200.0  # now worth 100,000 + 25,000 + 25,000 in cash
    orders = desk.context().rebalance({"A": 0.5, "C": 0.5}, reason="monthly")
    assert [(one.symbol, one.side) for one in orders.values()] == [("B", "sell"), ("A", "sell"), ("C", "buy")]
    assert desk.held()["A"] == 375.0
    assert "B" not in desk.held()
    assert desk.held()["C"] == pytest.approx(7500, rel=0.006)


@pytest.mark.parametrize("costs", ["coinbase", "kraken", "ibkr-fixed", "free"])
@pytest.mark.parametrize("weights", [{"A": 1.0}, {"A": 0.5, "B": 0.5}, {"A": 0.2, "B": 0.3, "C": 0.9}])
def test_a_rebalance_of_everything_is_paid_with_its_commissions(
    tmp_path: Path, weights: dict[str, float], costs: str
) -> None:
    """No purchase is turned away for the commission of those before it, then and when prices have moved."""
    desk = Desk(tmp_path, f'[costs]\nschedule = "{costs}"\nslippage = 20\n')
    for price in (10.0, 17.0, 6.0):
        desk.market.prices["C"] = price
        context = desk.context()
        placed = context.rebalance(weights, reason="all of it")
        assert {one.status for one in placed.values()} <= {"filled"}
        assert context.cash >= 0
    assert desk.held().keys() == weights.keys()


def test_a_second_rebalance_of_the_same_weights_sends_nothing(desk: Desk) -> None:
    """Each symbol has one decision, with the arithmetic."""
    desk.context().rebalance({"A": 0.5, "B": 0.25}, reason="monthly")
    context = desk.context()
    assert context.rebalance({"A": 0.5, "B": 0.25}, reason="monthly") == {}
    assert context._progress.decisions == {"A": "hold", "B": "hold"}


def test_a_retry_sends_again_what_was_only_intended(desk: Desk) -> None:
    """Under the same id, with the quantity that it had."""
    context = desk.context()
    name = order_identity("b", desk.slot, "A", "buy", LEG)
    desk.ledger.intend(OrderRecord(name, "b", desk.slot, "A", "buy", LEG, 3.0), desk.slot)
    context = desk.context(again=True)
    placed = context.rebalance({"A": 0.5}, reason="monthly")
    assert (placed["A"].client_order_id, placed["A"].quantity, placed["A"].status) == (name, 3.0, "filled")
    assert desk.context(again=True).rebalance({"A": 3 * 100 / 100_000}, reason="monthly") == {}


@pytest.mark.parametrize("arguments, held", [
    ({"quantity": 7}, 7), ({"value": 700}, 7), ({"weight": 0.007}, 7), ({"quantity": 0}, 0),
])  # fmt: skip
def test_a_target_is_a_quantity_a_value_or_a_weight(desk: Desk, arguments: dict[str, float], held: float) -> None:
    """From four shares that are held."""
    desk.context().order("A", "buy", 4, reason="before")
    desk.context().target("A", reason="x", **arguments)  # type: ignore[arg-type]
    assert desk.held().get("A", 0) == pytest.approx(held)


def test_a_target_that_is_no_number_is_an_error(desk: Desk) -> None:
    """NaN is a weight of nothing."""
    with pytest.raises(StrategyError):
        desk.context().rebalance({"A": float("nan")}, reason="x")
    with pytest.raises(StrategyError):
        desk.context().target("A", reason="x")


def test_the_decision_has_the_arithmetic(desk: Desk) -> None:
    """What was wanted, held and waiting, at which price."""
    desk.context().rebalance({"A": 0.5}, reason="monthly")
    (line,) = desk.lines()
    assert (line["target_qty"], line["held_qty"], line["waiting_qty"], line["price"]) == (500.0, 0.0, 0.0, 100.0)
    assert (line["action"], line["reason"]) == ("buy", "monthly")
