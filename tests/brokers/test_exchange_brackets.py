"""Brackets and pairs of exits as the exchanges keep them, against servers that do as they do."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.order_terms import Terms, leg_id
from openbell.trading.brokers import BrokerError, Order
from openbell.trading.run_services import Intent
from tests.brokers.conftest import KINDS, Bench, bench_of
from tests.brokers.server import Fault
from tests.brokers.test_crashes import DIE, DIE_SETTLING
from tests.brokers.trials import SLOT, Strategy, strategy_at

BINANCE = next(kind for kind in KINDS if kind.name == "ccxt:binance")
COINBASE = next(kind for kind in KINDS if kind.name == "ccxt:coinbase")
OKX = next(kind for kind in KINDS if kind.name == "ccxt:okx")
BRACKET = Terms(limit=50_000.0, take_profit=55_000.0, stop_loss=48_000.0)
EXITS = Terms(limit=55_000.0, stop_loss=48_000.0, is_pair=True)
LISTS = "/api/v3/orderList"
PATHS = {"ccxt:binance": LISTS, "ccxt:coinbase": "/brokerage/orders", "ccxt:okx": "/trade/batch-orders"}
# How the exits come over the wire, where they are one order.
EXITS_OF_ONE = {
    "ccxt:coinbase": {"limit_price": "55000", "stop_trigger_price": "48000"},
    "ccxt:okx": {"tpTriggerPx": "55000", "tpOrdPx": "55000", "slTriggerPx": "48000", "slOrdPx": "-1"},
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give an account at Binance."""
    with bench_of(BINANCE, tmp_path) as made:
        yield made


@pytest.fixture(params=[BINANCE, COINBASE, OKX], ids=lambda kind: kind.name)
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Give an account at each exchange that has brackets."""
    with bench_of(request.param, tmp_path) as made:
        yield made


@pytest.fixture(params=[COINBASE, OKX], ids=lambda kind: kind.name)
def in_one(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Give an account at each exchange that has both exits as one order."""
    with bench_of(request.param, tmp_path) as made:
        yield made


@pytest.fixture(params=[BINANCE, COINBASE, OKX], ids=lambda kind: kind.name)
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strategy]:
    """Give a strategy that trades at each of them."""
    with strategy_at(request.param, tmp_path, monkeypatch) as made:
        yield made


def submitted(bench: Bench, terms: Terms, side: str = "buy") -> str:
    """Send an order of which the ledger knows, and return what became of it."""
    symbol = bench.kind.symbol
    for name in ("ob-1", *(leg_id("ob-1", leg) for leg in terms.legs)):
        bench.intents[name] = Intent(symbol, datetime.now(UTC))
    return bench.broker().submit(Order("ob-1", symbol, side, 0.5, terms=terms)).status


def statuses(bench: Bench, *names: str) -> list[str]:
    """Return what the broker says of orders."""
    found = [bench.broker().find(name) for name in names]
    return [one.status if one else "unknown" for one in found]


def test_a_brackets_exits_wait_for_the_whole_entry_and_sell_what_it_received(bench: Bench) -> None:
    """The fee is kept from what was bought, so the exits sell less; one that fills ends the other."""
    bench.book.fee = 0.001
    assert submitted(bench, BRACKET) == "accepted"
    entry, profit, loss = bench.book.orders
    assert (profit.asked, loss.asked) == (
        {"type": "LIMIT_MAKER", "price": "55000"},
        {"type": "STOP_LOSS", "stopPrice": "48000"},
    )
    assert statuses(bench, "ob-1-tp", "ob-1-sl") == ["accepted", "accepted"]
    bench.book.execute(entry, 0.2)
    assert statuses(bench, "ob-1", "ob-1-tp") == ["partially_filled", "accepted"]
    assert profit.status == "pending"
    bench.book.execute(entry, 0.3)
    assert statuses(bench, "ob-1", "ob-1-tp") == ["filled", "accepted"]
    profit.price = 55_000.0
    bench.book.execute(profit, profit.quantity)
    filled = bench.broker().find("ob-1-tp")
    assert filled is not None
    assert (filled.status, filled.filled_price) == ("filled", 55_000.0)
    assert filled.filled_quantity == pytest.approx(0.4995)
    assert statuses(bench, "ob-1-sl") == ["expired"]


@pytest.mark.parametrize("price", [55_000.0, 47_900.0])
def test_an_order_that_is_both_exits_fills_once(in_one: Bench, price: float) -> None:
    """Whichever price was reached, the fills are those of one leg, and the other ends with it."""
    assert submitted(in_one, BRACKET) == "accepted"
    entry, exits = in_one.book.orders
    assert exits.asked.items() >= EXITS_OF_ONE[in_one.kind.name].items()
    assert statuses(in_one, "ob-1-tp", "ob-1-sl") == ["accepted", "accepted"]
    in_one.book.execute(entry, 0.5)
    assert statuses(in_one, "ob-1", "ob-1-tp", "ob-1-sl") == ["filled", "accepted", "accepted"]
    exits.price = price
    in_one.book.execute(exits, 0.2)
    assert statuses(in_one, "ob-1-tp", "ob-1-sl") == ["partially_filled", "accepted"]
    in_one.book.execute(exits, 0.3)
    filled = in_one.broker().find("ob-1-tp")
    assert filled is not None
    assert (filled.status, filled.side, filled.filled_quantity, filled.filled_price) == ("filled", "sell", 0.5, price)
    assert statuses(in_one, "ob-1-sl") == ["cancelled"]


def test_a_pair_in_one_order_fills_once(in_one: Bench) -> None:
    """Under the first one's id; cancelled by either id, both end."""
    in_one.book.held[in_one.kind.symbol] = 0.5
    assert submitted(in_one, EXITS, "sell") == "accepted"
    (order,) = in_one.book.orders
    assert order.asked.items() >= EXITS_OF_ONE[in_one.kind.name].items()
    order.price = 47_900.0
    in_one.book.execute(order, 0.2)
    assert statuses(in_one, "ob-1", "ob-1-sl") == ["partially_filled", "accepted"]
    in_one.broker().cancel("ob-1-sl")
    assert statuses(in_one, "ob-1", "ob-1-sl") == ["cancelled", "cancelled"]
    part = in_one.broker().find("ob-1")
    assert part is not None
    assert (part.filled_quantity, part.filled_price) == (0.2, 47_900.0)


def test_a_pair_of_exits_is_one_that_cancels_the_other(bench: Bench) -> None:
    """Both are for the same coins; cancelling one cancels both."""
    bench.book.held[bench.kind.symbol] = 0.5
    assert submitted(bench, EXITS, "sell") == "accepted"
    assert statuses(bench, "ob-1", "ob-1-sl") == ["accepted", "accepted"]
    bench.broker().cancel("ob-1-sl")
    assert statuses(bench, "ob-1", "ob-1-sl") == ["cancelled", "cancelled"]


def test_an_entry_that_is_cancelled_takes_its_exits_along(either: Bench) -> None:
    """Nothing is left to sell what was never bought."""
    assert submitted(either, BRACKET) == "accepted"
    either.broker().cancel("ob-1")
    assert statuses(either, "ob-1", "ob-1-tp", "ob-1-sl") == ["cancelled"] * 3


@pytest.mark.parametrize("fault", ["lost answer", "cut answer", "doubled"])
def test_a_bracket_whose_answer_was_lost_is_found_again(either: Bench, fault: str) -> None:
    """By the id of its entry; there are never two."""
    either.wire.faults.append(Fault("POST", PATHS[either.kind.name], fault))
    assert submitted(either, BRACKET) == "accepted"
    assert len([one for one in either.book.orders if one.legs]) == 1
    assert statuses(either, "ob-1", "ob-1-tp", "ob-1-sl") == ["accepted"] * 3


def test_exits_that_the_exchange_could_not_send_are_rejected(tmp_path: Path) -> None:
    """At OKX: the price was reached and the coins did not suffice, as when its fee was kept from them."""
    with bench_of(OKX, tmp_path) as bench:
        submitted(bench, BRACKET)
        entry, exits = bench.book.orders
        bench.book.execute(entry, 0.5)
        exits.status = "failed"
        assert statuses(bench, "ob-1", "ob-1-tp", "ob-1-sl") == ["filled", "rejected", "cancelled"]


def test_an_entry_that_was_cancelled_half_filled_has_no_exits(in_one: Bench) -> None:
    """The legs are not made up: what was bought is held without them."""
    submitted(in_one, BRACKET)
    in_one.book.execute(in_one.book.orders[0], 0.2)
    in_one.broker().cancel("ob-1")
    assert statuses(in_one, "ob-1", "ob-1-tp", "ob-1-sl") == ["cancelled", "unknown", "unknown"]


def test_a_list_that_never_arrived_is_sent_by_the_next_attempt(bench: Bench) -> None:
    """Once it is certain: what comes later is turned away."""
    bench.wire.faults.append(Fault("POST", LISTS, "lost request"))
    with pytest.raises(BrokerError, match="has not arrived"):
        submitted(bench, BRACKET)
    assert statuses(bench, "ob-1-tp") == ["unknown"]
    assert submitted(bench, BRACKET) == "accepted"
    assert len(bench.book.orders) == 3


@pytest.mark.parametrize("terms, side, reason", [
    (Terms(limit=60_000.0, take_profit=55_000.0, stop_loss=48_000.0), "buy", "relationship of the prices"),
    (Terms(limit=50_000.0, take_profit=48_000.0, stop_loss=55_000.0), "sell", "only for purchases"),
])  # fmt: skip
def test_a_list_that_the_exchange_does_not_take_is_rejected(bench: Bench, terms: Terms, side: str, reason: str) -> None:
    """With its reason, and nothing is left there."""
    bench.book.held[bench.kind.symbol] = 0.5
    bench.intents["ob-1"] = Intent(BINANCE.symbol, datetime.now(UTC))
    placed = bench.broker().submit(Order("ob-1", BINANCE.symbol, side, 0.5, terms=terms))
    assert placed.status == "rejected"
    assert reason in placed.reason
    assert bench.book.orders == []


def test_a_symbol_without_such_lists_is_rejected_before_it_is_sent(tmp_path: Path) -> None:
    """The exchange says of each symbol what it takes."""
    with bench_of(BINANCE, tmp_path) as bench:
        bench.book.prices["ETH/USDT"] = 3000.0
        bench.intents["ob-1"] = Intent("ETH/USDT", datetime.now(UTC))
        terms = Terms(limit=3000.0, take_profit=3500.0, stop_loss=2500.0)
        placed = bench.broker().submit(Order("ob-1", "ETH/USDT", "buy", 0.5, terms=terms))
        assert (placed.status, "opoAllowed" in placed.reason) == ("rejected", True)
        assert bench.wire.count("POST", LISTS) == 0


RUN = """
def run(ctx):
    {before}
    ctx.bracket(ctx.symbols[0], "buy", 0.5, limit=50_000, take_profit=55_000, stop_loss=48_000, reason="breakout")
    {after}
"""


def killed(desk: Strategy, before: str = "pass", after: str = "pass") -> None:
    """Let the run die in a window around its order."""
    desk.write(RUN.format(before=before.strip(), after=after))
    assert desk.attempt() is not None


def killed_on_the_wire(desk: Strategy, kind: str) -> None:
    """Let the run die while its order is on the wire."""
    victim: list[int] = []
    desk.write(RUN.format(before="pass", after="pass"))
    path = PATHS[desk.bench.kind.name]
    desk.bench.wire.faults.append(Fault("POST", path, kind, victim=lambda: victim[0]))
    process = desk.start()
    victim.append(process.pid)
    assert desk.attempt(process) is not None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("window", ["before", "on its way", "arrived", "settling", "after"])
def test_a_killed_run_leaves_one_bracket(desk: Strategy, window: str) -> None:
    """Whatever the moment: one entry and two exits at the exchange, and the ledger follows each to its end."""
    match window:
        case "before":
            killed(desk, before=DIE)
        case "on its way":
            killed_on_the_wire(desk, "kill before")
        case "arrived":
            killed_on_the_wire(desk, "kill after")
        case "settling":
            killed(desk, before=DIE_SETTLING)
        case _:
            killed(desk, after=DIE)
    desk.write(RUN.format(before="pass", after="pass"))
    assert desk.attempt() is None
    if window == "on its way" and desk.bench.kind != BINANCE:  # the others take an order however late it comes
        assert desk.bench.book.orders == []
        with closing(desk.ledger()) as ledger:
            assert ledger.orders("b", SLOT)[0].status == "uncertain"
        return
    _, *exits = desk.bench.book.orders
    assert len(exits) == (2 if desk.bench.kind == BINANCE else 1)
    with closing(desk.ledger()) as ledger:
        assert [one.status for one in ledger.orders("b", SLOT)] == ["accepted"] * 3
    if window == "settling":  # its legs had no answer yet
        end(desk)


def end(desk: Strategy) -> None:
    """Let the entry of a bracket fill, then its stop, and follow both."""
    entry, *exits = desk.bench.book.orders
    desk.bench.book.execute(entry, 0.5)
    desk.write("def run(ctx): ctx.log(str(len(ctx.open_orders())))")
    assert desk.attempt() is None
    exits[-1].price, exits[-1].quantity = 47_900.0, 0.5
    desk.bench.book.execute(exits[-1], 0.5)
    assert desk.attempt() is None
    with closing(desk.ledger()) as ledger:
        ended = {one.client_order_id.rpartition("-")[2]: one.status for one in ledger.orders("b", SLOT)}
        wanted = ("filled", "expired") if desk.bench.kind == BINANCE else ("cancelled", "filled")
        assert (ended["sl"], ended["tp"]) == wanted
        assert ledger.holdings() == {}
        assert ledger.open_orders() == []
    assert [line["message"] for line in desk.lines("note")] == ["2", "0"]
