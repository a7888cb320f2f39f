"""A run that is killed, in every window around an order: the next attempt leaves exactly one, and the ledger knows of it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openbell.control import Halt, halt, unhalt
from tests.brokers.conftest import CERTAIN, KINDS, shortened
from tests.brokers.server import Fault
from tests.brokers.test_wire import ORDERS
from tests.brokers.trials import SLOT, Strategy, buy, strategy_at

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

DIE = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
# While the order is being settled, before the ledger has it.
DIE_SETTLING = f"""
    from openbell.ledger import Ledger
    def die(*_, **__):
        {DIE}
    Ledger.settle = die
"""


LATE = [kind for kind in KINDS if kind.venue and kind not in CERTAIN]


@pytest.fixture(params=shortened(LATE, "ccxt:bybit"), ids=lambda kind: kind.name)
def late(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strategy]:
    """A strategy at an exchange that takes an order however late it comes."""
    with strategy_at(request.param, tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture(params=shortened(CERTAIN, "alpaca", "ccxt:binance"), ids=lambda kind: kind.name)
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strategy]:
    """A strategy that trades at a stub."""
    with strategy_at(request.param, tmp_path, monkeypatch) as made:
        yield made


def at_the_wire(kind: str) -> Callable[[Strategy], None]:
    """Kill the run while its order is on the wire."""

    def window(desk: Strategy) -> None:
        victim: list[int] = []
        path = ORDERS[desk.bench.kind.name]
        desk.write(buy(desk))
        desk.bench.wire.faults.append(Fault("POST", path, kind, victim=lambda: victim[0]))
        process = desk.start()
        victim.append(process.pid)
        assert desk.attempt(process) is not None

    return window


def in_the_run(before: str = "", after: str = "") -> Callable[[Strategy], None]:
    """Let the run kill itself before its order or after it."""

    def window(desk: Strategy) -> None:
        desk.write(buy(desk, before, after))
        assert desk.attempt() is not None

    return window


NEVER_SENT = pytest.param(in_the_run(before=DIE), id="before the intent is recorded")
ON_ITS_WAY = pytest.param(at_the_wire("kill before"), id="after the intent, before the order arrives")
ARRIVED = [
    pytest.param(at_the_wire("kill after"), id="after the order, before its answer"),
    pytest.param(in_the_run(before=DIE_SETTLING), id="after the answer, before it is recorded"),
    pytest.param(in_the_run(after=DIE), id="after the answer is recorded"),
]


@pytest.mark.parametrize("window", [NEVER_SENT, *ARRIVED])
def test_a_killed_run_leaves_one_order_where_orders_come_late(
    late: Strategy, window: Callable[[Strategy], None]
) -> None:
    """What has arrived is found by its id, and what was never sent is sent; positions are the broker's."""
    window(late)
    late.write(buy(late))
    assert late.attempt() is None
    (booked,) = late.bench.book.orders
    assert booked.status == "filled"
    symbol = late.bench.kind.symbol
    with closing(late.ledger()) as ledger:
        (record,) = ledger.orders("b", SLOT)
        assert record.status == "filled"
        assert record.filled == pytest.approx(late.bench.kind.quantity)
        assert ledger.holdings() == {symbol: pytest.approx(late.bench.book.held[symbol])}
    assert [line["differences"] for line in late.lines("reconciled")] == [[]]


def test_an_order_that_may_still_arrive_is_never_sent_again(late: Strategy) -> None:
    """It is uncertain and told; a next purchase of the symbol is refused until a person has looked."""
    ON_ITS_WAY.values[0](late)  # type: ignore[operator]
    late.write(buy(late, after='ctx.order(symbol, "buy", 0.1, reason="more", leg="2")'))
    assert late.attempt() is None
    assert late.bench.book.orders == []
    with closing(late.ledger()) as ledger:
        assert [record.status for record in ledger.orders("b", SLOT)] == ["uncertain"]
        assert ledger.holdings() == {}
    first, second = late.lines("decision")
    assert (first["status"], first["level"]) == ("uncertain", "warning")
    assert (second["action"], str(second["reason"]).partition(":")[0]) == ("refused", "uncertain order")


@pytest.mark.parametrize("window", [NEVER_SENT, ON_ITS_WAY, *ARRIVED])
def test_a_killed_run_leaves_one_order(desk: Strategy, window: Callable[[Strategy], None]) -> None:
    """Whatever the moment: the next attempt succeeds, the broker has one order, the ledger has it filled, nothing differs."""
    window(desk)
    desk.write(buy(desk))
    assert desk.attempt() is None
    (booked,) = desk.bench.book.orders
    assert booked.status == "filled"
    with closing(desk.ledger()) as ledger:
        assert [(record.status, record.filled) for record in ledger.orders("b", SLOT)] == [
            ("filled", desk.bench.kind.quantity)
        ]
        assert ledger.holdings() == {desk.bench.kind.symbol: desk.bench.kind.quantity}
    assert [line["differences"] for line in desk.lines("reconciled")] == [[]]


def test_an_order_that_fills_between_runs_is_counted(desk: Strategy) -> None:
    """Half of it filled in the run, the rest before the next: the ledger holds all of it, and the broker does not differ."""
    desk.bench.book.fill = 0.5
    desk.write(buy(desk))
    assert desk.attempt() is None
    with closing(desk.ledger()) as ledger:
        assert ledger.holdings() == {desk.bench.kind.symbol: desk.bench.kind.quantity / 2}
    desk.bench.book.execute(desk.bench.book.orders[0], desk.bench.kind.quantity / 2)
    desk.write("def run(ctx): pass")
    assert desk.attempt() is None
    with closing(desk.ledger()) as ledger:
        assert ledger.holdings() == {desk.bench.kind.symbol: desk.bench.kind.quantity}
        assert ledger.open_orders() == []
    assert [line["differences"] for line in desk.lines("reconciled")] == [[]]


def test_what_the_ledger_does_not_know_of_is_told_and_not_taken_over(desk: Strategy) -> None:
    """After a trade by hand every run goes on, and the difference is one line, once."""
    desk.write("def run(ctx): pass")
    assert desk.attempt() is None
    symbol = desk.bench.kind.symbol
    desk.bench.book.held[symbol] = 3.0
    for _ in range(2):
        with closing(desk.ledger()) as ledger:
            ledger.remember("reconciled at", "2026-01-01T00:00:00+00:00")
        assert desk.attempt() is None
        with closing(desk.ledger()) as ledger:
            assert ledger.holdings() == {}
    first, second = desk.lines("reconciled")
    assert first["differences"] == []
    assert second["differences"] == [{"symbol": symbol, "kind": "unexpected", "ours": 0.0, "theirs": 3.0}]
    assert second["level"] == "error"


def test_nothing_is_ordered_while_trading_is_halted(desk: Strategy) -> None:
    """The decision is refused with who halted and why; after the halt the same run orders."""
    halt(desk.places.control, Halt(SLOT, "me", "odd fills"))
    desk.write(buy(desk))
    assert desk.attempt() is None
    (line,) = desk.lines("decision")
    assert (line["action"], line["reason"]) == ("refused", "halted: odd fills (by me since 2026-03-02T09:05:00.000Z)")
    assert (line["side"], line["wanted_qty"], line["wanted_reason"]) == ("buy", desk.bench.kind.quantity, "it rose")
    assert desk.bench.book.orders == []
    unhalt(desk.places.control)
    assert desk.attempt() is None
    assert len(desk.bench.book.orders) == 1


@pytest.mark.parametrize("limits, reason", [
    ("max_order_value = 10", "max_order_value: the order is worth "),
    ("max_position = 10", "max_position: "),
    ("allowed_symbols = ['ELSE']", "allowed_symbols: "),
])  # fmt: skip
def test_an_order_beyond_a_limit_is_refused(desk: Strategy, limits: str, reason: str) -> None:
    """The broker is never asked to do it; the run succeeds, and the decision names the limit."""
    desk.write(buy(desk), f"[limits]\n{limits}")
    assert desk.attempt() is None
    (line,) = desk.lines("decision")
    assert line["action"] == "refused"
    assert str(line["reason"]).startswith(reason)
    assert desk.bench.book.orders == []


def test_a_day_has_so_many_orders(desk: Strategy) -> None:
    """The second order of the day is one too many for a limit of one."""
    code = 'def run(ctx):\n for leg in "12":\n  ctx.order(ctx.symbols[0], "buy", 0.1, reason="x", leg=leg)\n'
    desk.write(code, "[limits]\nmax_orders_per_day = 1")
    assert desk.attempt() is None
    assert [line["action"] for line in desk.lines("decision")] == ["buy", "refused"]
    assert desk.lines("decision")[1]["reason"] == "max_orders_per_day: 1 orders were sent today, and 1 are allowed"
    assert len(desk.bench.book.orders) == 1


def test_a_day_that_has_lost_enough_buys_no_more(desk: Strategy) -> None:
    """Equity has fallen by more than is allowed since the day's first look: no new risk, but a way out."""
    book, symbol = desk.bench.book, desk.bench.kind.symbol
    limit = "[limits]\nmax_daily_loss = 50"
    desk.write(buy(desk), limit)
    assert desk.attempt() is None
    book.prices[symbol] /= 2
    order = f'ctx.order(ctx.symbols[0], "{{}}", {desk.bench.kind.quantity}, reason="x", leg="2")'
    desk.write("def run(ctx):\n " + order.format("buy") + "\n " + order.format("sell"), limit)
    assert desk.attempt() is None
    assert [line["action"] for line in desk.lines("decision")] == ["buy", "refused", "sell"]
    assert str(desk.lines("decision")[1]["reason"]).startswith("max_daily_loss: ")


def test_no_secret_is_in_the_journal_or_the_state(desk: Strategy, tmp_path: Path) -> None:
    """Keys reach the broker and nothing that is written down."""
    desk.write(buy(desk))
    assert desk.attempt() is None
    desk.bench.wire.faults.append(Fault("GET", "/", "lost request", 9))
    desk.write("def run(ctx): ctx.price(ctx.symbols[0])")
    assert desk.attempt() is not None
    secret = desk.bench.kind.secret.encode()
    for path in [*(tmp_path / "journal").rglob("*"), *(tmp_path / "state").rglob("*")]:
        if path.is_file() and secret != b"secret":
            assert secret not in path.read_bytes(), path


def test_a_broker_that_cannot_be_asked_keeps_no_run_from_its_work(desk: Strategy) -> None:
    """What could not be compared is told as a warning; a run that needs no broker succeeds."""
    desk.bench.wire.faults += [Fault(method, "", "lost request", 99) for method in ("GET", "POST")]
    desk.write("def run(ctx): ctx.log('done')")
    assert desk.attempt() is None
    assert [line["message"] for line in desk.lines("note")] == ["done"]
    texts = [str(line["text"]) for line in desk.lines("output") if line["level"] == "warning"]
    assert [text.startswith("what the broker holds could not be compared with the ledger: ") for text in texts] == [
        True
    ]
    assert desk.lines("reconciled") == []
