"""Orders that wait are changed at the exchanges that change them, against servers that check it as they do."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import abilities
from openbell.order_terms import Terms
from openbell.trading.brokers import BrokerError, CanReplace, Order
from openbell.trading.run_services import Intent
from tests.brokers.conftest import KINDS, Bench, bench_of
from tests.brokers.server import Fault
from tests.brokers.trials import SLOT, Strategy, strategy_at

ABLE = [kind for kind in KINDS if kind.venue and "replace" in abilities.VENUES[kind.name] and kind.name != "alpaca"]
AMENDS = {"ccxt:kraken": "/AmendOrder", "ccxt:bybit": "/order/amend", "ccxt:okx": "/trade/amend"}
# How an order is told at each: its limit, its stop, its quantity.
NAMES = {
    "ccxt:kraken": {"limit": "price", "stop": "price", "both": "price2", "size": "volume"},
    "ccxt:bybit": {"limit": "price", "stop": "triggerPrice", "both": "price", "size": "qty"},
    "ccxt:okx": {"limit": "px", "stop": "triggerPx", "both": "orderPx", "size": "sz"},
}


@pytest.fixture(params=ABLE, ids=lambda kind: kind.name)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Give an account at each of them, with a coin."""
    with bench_of(request.param, tmp_path) as made:
        made.book.held[made.kind.symbol] = 1.0
        yield made


@pytest.fixture(params=ABLE, ids=lambda kind: kind.name)
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strategy]:
    """Give a strategy that trades at each of them."""
    with strategy_at(request.param, tmp_path, monkeypatch) as made:
        yield made


def order(bench: Bench, side: str, terms: Terms, quantity: float = 0.5) -> Order:
    """Return an order of which the ledger knows."""
    bench.intents["ob-1"] = Intent(bench.kind.symbol, datetime.now(UTC))
    return Order("ob-1", bench.kind.symbol, side, quantity, terms=terms)


def able(bench: Bench) -> CanReplace:
    """Return the broker as one that changes orders."""
    broker = bench.broker()
    assert isinstance(broker, CanReplace)
    return broker


@pytest.mark.parametrize("side, before, after, names", [
    ("buy", Terms(limit=40_000), Terms(limit=41_000), {"limit": "41000"}),
    ("sell", Terms(stop=40_000), Terms(stop=41_000), {"stop": "41000"}),
    ("sell", Terms(stop=40_000, limit=39_000), Terms(stop=41_000, limit=38_000), {"stop": "41000", "both": "38000"}),
])  # fmt: skip
def test_an_order_has_other_terms_and_its_old_id(
    bench: Bench, side: str, before: Terms, after: Terms, names: dict[str, str]
) -> None:
    """Prices and the quantity in all, of an order that was filled in part too; there is one order before and after."""
    placed = bench.broker().submit(order(bench, side, before))
    changed = able(bench).replace(order(bench, side, after, 0.7))
    assert (changed.client_order_id, changed.order_id) == ("ob-1", placed.order_id)
    assert (changed.status, changed.quantity) == ("accepted", 0.7)
    (booked,) = bench.book.orders
    known = NAMES[bench.kind.name]
    assert {name: str(booked.asked[known[name]]) for name in names} == names
    assert str(booked.asked[known["size"]]) == "0.7"


def test_what_has_filled_counts(bench: Bench) -> None:
    """The quantity is the one in all; what filled before stays."""
    bench.broker().submit(order(bench, "buy", Terms(limit=40_000)))
    bench.book.execute(bench.book.orders[0], 0.2)
    changed = able(bench).replace(order(bench, "buy", Terms(limit=41_000), 0.3))
    assert (changed.status, changed.quantity, changed.filled_quantity) == ("partially_filled", 0.3, 0.2)


@pytest.mark.parametrize("fault", ["lost request", "lost answer", "cut answer", "doubled"])
def test_a_change_whose_answer_was_lost_is_made_once(bench: Bench, fault: str) -> None:
    """It is sent again: a change that arrives twice is the same change."""
    bench.broker().submit(order(bench, "buy", Terms(limit=40_000)))
    bench.wire.faults.append(Fault("POST", AMENDS[bench.kind.name], fault))
    assert able(bench).replace(order(bench, "buy", Terms(limit=41_000), 0.7)).quantity == 0.7
    assert len(bench.book.orders) == 1


def test_what_is_done_cannot_be_changed(bench: Bench) -> None:
    """An error of one line that names the order."""
    bench.broker().submit(order(bench, "buy", Terms(limit=40_000)))
    bench.book.execute(bench.book.orders[0], 0.5)
    with pytest.raises(BrokerError, match="ob-1 is filled already and cannot be replaced"):
        able(bench).replace(order(bench, "buy", Terms(limit=41_000)))


def test_orders_that_belong_together_are_not_changed(tmp_path: Path) -> None:
    """The exchange would keep the exits for what the entry no longer is."""
    with bench_of(next(kind for kind in KINDS if kind.name == "ccxt:okx"), tmp_path) as bench:
        terms = Terms(limit=50_000, take_profit=55_000, stop_loss=48_000)
        bench.broker().submit(order(bench, "buy", terms))
        with pytest.raises(BrokerError, match="cancel them, and send others"):
            able(bench).replace(order(bench, "buy", Terms(limit=49_000, take_profit=55_000, stop_loss=48_000)))


RUN = """
def run(ctx):
    for one in ctx.open_orders():
        ctx.replace(one, limit=41_000, reason="nearer")
        return
    ctx.order(ctx.symbols[0], "buy", 0.5, limit=40_000, reason="cheap")
"""


def test_a_strategy_changes_its_order(desk: Strategy) -> None:
    """In a later run, by `ctx.replace`; the ledger has the new terms and follows the order to its end."""
    desk.write(RUN)
    assert desk.attempt() is None
    assert desk.attempt() is None
    (line,) = desk.lines("order_replace")
    assert (line["status"], line["terms"], line["reason"]) == ("accepted", {"limit": 41_000.0}, "nearer")
    (booked,) = desk.bench.book.orders
    desk.bench.book.execute(booked, 0.5)
    desk.write("def run(ctx): pass")
    assert desk.attempt() is None
    with closing(desk.ledger()) as ledger:
        (record,) = ledger.orders("b", SLOT)
        assert (record.status, record.terms.limit) == ("filled", 41_000.0)
    assert [line["differences"] for line in desk.lines("reconciled")][-1] == []
