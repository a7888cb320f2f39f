"""Orders between runs: followed to their end by one process, seen and cancelled by the strategy, never bought twice."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openbell import manifest as manifests
from openbell.journal import Journal
from openbell.runner import order_follower
from openbell.runner.launchers import ForkLauncher
from openbell.runner.processes import ChildProcess
from openbell.runner.report import Failure
from openbell.strategy.run_state import Run
from tests.brokers.conftest import CERTAIN
from tests.brokers.trials import SLOT, Strategy, buy, strategy_at
from tests.unit.runner.fakes import wait_for

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

RULE = """
def run(ctx):
    symbol = ctx.symbols[0]
    if waiting := ctx.open_orders(symbol):
        ctx.log("waits", filled=waiting[0].filled)
        {then}
    else:
        ctx.order(symbol, "buy", {quantity}, reason="it rose")
"""


@pytest.fixture(params=CERTAIN, ids=lambda kind: kind.name)
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strategy]:
    """A strategy that trades at a stub, whose follower does not wait."""
    monkeypatch.setattr(order_follower, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(order_follower, "LONGEST_PAUSE", 0.1)
    with strategy_at(request.param, tmp_path, monkeypatch) as made:
        yield made


def following(desk: Strategy) -> ChildProcess:
    """Start the process that follows the strategy's orders."""
    manifest = manifests.load_named(desk.places.folder / "strategy.toml", "demo")
    journal = Journal(desk.places.journal, "demo", "boot", echo=False)

    def attempt(*_: object) -> Failure | None:
        return order_follower.follow_to_the_end(manifest, desk.places, journal)

    process = ForkLauncher(attempt).start(Run(manifest.bots[0], SLOT, "orders", 0))
    assert isinstance(process, ChildProcess)
    return process


def test_an_order_is_followed_to_its_end(desk: Strategy) -> None:
    """Half of it filled in the run; the rest fills later: journalled and booked as it becomes known, then the process ends."""
    book, quantity = desk.bench.book, desk.bench.kind.quantity
    book.fill = 0.5
    desk.write(buy(desk))
    assert desk.attempt() is None
    process = following(desk)
    book.execute(book.orders[0], quantity / 4)
    wait_for(lambda: len(desk.lines("order")) == 1, "the news of a partial fill", 20)
    book.execute(book.orders[0], quantity / 4)
    assert desk.attempt(process) is None
    told = [(line["status"], line["filled_qty"], line["bot"]) for line in desk.lines("order")]
    assert told == [("partially_filled", quantity * 0.75, "b"), ("filled", quantity, "b")]
    with closing(desk.ledger()) as ledger:
        assert not order_follower.has_open(ledger)
        assert float(ledger.position("b", desk.bench.kind.symbol).quantity) == quantity


def test_a_strategy_sees_what_waits_and_buys_once(desk: Strategy) -> None:
    """The market is closed or the symbol halted: the rule sees its order at the next slots and sends no second one (T5)."""
    desk.bench.book.fill = 0.0
    desk.write(RULE.format(quantity=desk.bench.kind.quantity, then="pass"))
    assert desk.attempt() is None
    assert desk.attempt() is None
    assert len(desk.bench.book.orders) == 1
    assert [line["filled"] for line in desk.lines("note")] == [0.0]


def test_a_strategy_cancels_what_waits(desk: Strategy) -> None:
    """The order is cancelled at the venue, and the journal says why."""
    desk.bench.book.fill = 0.5
    desk.write(RULE.format(quantity=desk.bench.kind.quantity, then='ctx.cancel(waiting[0], reason="too slow")'))
    assert desk.attempt() is None
    assert desk.attempt() is None
    assert [one.status for one in desk.bench.book.orders] == ["cancelled"]
    (line,) = desk.lines("order_cancel")
    assert (line["status"], line["reason"], line["filled_qty"]) == (
        "cancelled",
        "too slow",
        desk.bench.kind.quantity / 2,
    )
    with closing(desk.ledger()) as ledger:
        assert ledger.open_orders() == []
        assert ledger.holdings() == {desk.bench.kind.symbol: desk.bench.kind.quantity / 2}
