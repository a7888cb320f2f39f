"""What a run's orders keep to at every broker, the paper account and a third party's included."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.brokers.conftest import KINDS, shortened
from tests.brokers.trials import SLOT, Strategy, buy, strategy_at

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

SELL = """
def run(ctx):
    ctx.order(ctx.symbols[0], "sell", {quantity}, reason="it fell")
"""
BUY_AND_SELL = """
def run(ctx):
    symbol = ctx.symbols[0]
    ctx.order(symbol, "buy", {quantity}, reason="it rose")
    ctx.order(symbol, "buy", {quantity}, reason="it rose again", leg="2")
    ctx.order(symbol, "sell", ctx.position(symbol), reason="stop")
"""


@pytest.fixture(
    params=shortened(KINDS, "paper", "my_broker:MyBroker", "alpaca", "ccxt:binance"), ids=lambda kind: kind.name
)
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strategy]:
    """A strategy at each broker; accounts lend what they do not hold."""
    with strategy_at(request.param, tmp_path, monkeypatch) as made:
        made.bench.book.lends = True
        yield made


def test_what_a_bot_does_not_hold_is_not_sold(desk: Strategy) -> None:
    """Refused before it is sent, although the account would lend it: no short is opened (T10)."""
    desk.write(SELL.format(quantity=desk.bench.kind.quantity))
    assert desk.attempt() is None
    (line,) = desk.lines("decision")
    assert (line["action"], line["side"]) == ("refused", "sell")
    assert str(line["reason"]).startswith("insufficient position: ")
    assert desk.bench.book.orders == []
    with closing(desk.ledger()) as ledger:
        assert ledger.holdings() == {}


def test_a_way_out_is_open_beyond_the_days_orders(desk: Strategy) -> None:
    """One order a day is allowed: the second purchase is refused, and what is held is sold and counted (T2)."""
    desk.write(BUY_AND_SELL.format(quantity=desk.bench.kind.quantity), "[limits]\nmax_orders_per_day = 1")
    assert desk.attempt() is None
    told = [(line["action"], line.get("status")) for line in desk.lines("decision")]
    assert told == [("buy", "filled"), ("refused", None), ("sell", "filled")]
    with closing(desk.ledger()) as ledger:
        assert ledger.holdings() == {}
        assert sum(one.status == "filled" for one in ledger.orders("b", SLOT)) == 2


def test_what_is_bought_is_the_bots(desk: Strategy) -> None:
    """With its price; nothing differs afterwards."""
    desk.write(buy(desk))
    assert desk.attempt() is None
    with closing(desk.ledger()) as ledger:
        position = ledger.position("b", desk.bench.kind.symbol)
        assert float(position.quantity) == desk.bench.kind.quantity
        assert position.average_price > 0
        if desk.bench.kind.name.startswith("my_broker"):
            return  # its books are gone with the run's process
        ledger.remember("reconciled at", "2026-01-01T00:00:00+00:00")
    desk.write("def run(ctx): pass")
    assert desk.attempt() is None
    assert [line["differences"] for line in desk.lines("reconciled")] == [[]]
