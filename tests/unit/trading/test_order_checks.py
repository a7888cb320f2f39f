"""What stands between a decision and the broker: halts, stale bars, limits, and that they are told."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.journal import Event, Journal, since
from openbell.ledger import Ledger, OrderRecord
from openbell.manifest import Bot, Limits, Manifest, Schedule
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading.brokers import Account, BrokerError, Order, PlacedOrder, Position
from openbell.trading.markets import Bar, Bars
from tests.fake_trading import FakeBroker, FakeMarket

SLOT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # 10:00 in New York, on a Friday
BOT = Bot("demo", "b", ("AAPL",), Schedule("America/New_York", "XNYS", every=timedelta(minutes=15)))
MANIFEST = Manifest("demo", "", "America/New_York", "XNYS", "alpaca", "alpaca", (), "warm", 8, (BOT,))


@dataclass
class AMarket(FakeMarket):
    """A market whose newest bar is set by hand."""

    newest: datetime | None = SLOT
    dollars: float = 100.0
    of_the_past: bool = False

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return one bar, or none."""
        return Bars([Bar(self.newest, 1.0, 1.0, 1.0, 1.0, 1.0)] if self.newest else [])

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price."""
        return self.dollars

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return the source."""
        return {"source": "a market", **({"historical_day": "2009-03-02"} if self.of_the_past else {})}


@dataclass
class ABroker(FakeBroker):
    """A broker that fills everything, and may be told to lose an order on the way."""

    sent: list[str] = field(default_factory=list)
    lost: bool = False
    held: float = 0.0
    equity: float | None = 1000.0

    def account(self) -> Account:
        """Return the account."""
        return Account(1000.0, "USD", self.equity)

    def positions(self) -> dict[str, Position]:
        """Return the position."""
        return {"AAPL": Position("AAPL", self.held, 1.0)} if self.held else {}

    def submit(self, order: Order) -> PlacedOrder:
        """Fill an order."""
        self.sent.append(order.client_order_id)
        if self.lost:
            msg = "no connection"
            raise BrokerError(msg)
        named = (order.client_order_id, order.symbol, order.side, order.quantity)
        return PlacedOrder("o-1", *named, "filled", order.quantity, 1.0, SLOT, "")


@dataclass
class Desk:
    """What several attempts share."""

    ledger: Ledger
    journal: Journal
    market: AMarket = field(default_factory=AMarket)
    broker: ABroker = field(default_factory=ABroker)
    halt: str = ""
    exits_pass: bool = False  # the halt is one but for exits

    def halted(self, *, is_exit: bool = False) -> str:
        """Return why no order may be sent."""
        return "" if is_exit and self.exits_pass else self.halt

    def context(self, **changes: object) -> Context:
        """Return the context of an attempt, of a manifest that differs in `changes`."""
        manifest = replace(MANIFEST, **changes)  # type: ignore[arg-type]
        run = Run(manifest.bots[0], SLOT, "r1", 1)
        return Context(
            RunProgress(
                ContextServices(
                    manifest, self.market, self.broker, self.ledger, self.journal, lambda: SLOT, self.halted
                ),
                run,
            )
        )

    def lines(self, event: str) -> list[Event]:
        """Return the journal's lines of one event."""
        return [line for line in since(self.journal.folder, SLOT.date()) if line["event"] == event]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A new desk."""
    journal = Journal(tmp_path, "demo", "boot", echo=False)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield Desk(ledger, journal)
    journal.close()


def test_a_run_on_old_bars_says_so_and_does_not_trade(desk: Desk) -> None:
    """The bar of fifteen minutes ago is missing: one line tells, and no order of the run is sent."""
    desk.market.newest = SLOT - timedelta(minutes=15)
    context = desk.context()
    context.bars("AAPL", "15m", 5)
    placed = context.order("AAPL", "buy", 1, reason="it rose")
    assert (placed.status, desk.broker.sent) == ("refused", [])
    (line,) = desk.lines("stale_data")
    told = [line[name] for name in ("level", "symbol", "newest_bar", "expected", "action")]
    assert told == ["warning", "AAPL", "2026-11-20T14:45:00.000Z", "2026-11-20T15:00:00.000Z", "refused"]
    (line,) = desk.lines("decision")
    assert line["action"] == "refused"
    assert (
        line["reason"]
        == "stale data: the newest 15m bar of AAPL is 2026-11-20 14:45 UTC, expected 2026-11-20 15:00 UTC"
    )
    assert context._progress.decisions == {"AAPL": "refused"}


def test_a_manifest_may_trade_on_old_bars(desk: Desk) -> None:
    """It is told all the same."""
    desk.market.newest = SLOT - timedelta(minutes=15)
    context = desk.context(stale="trade")
    context.bars("AAPL", "15m", 5)
    assert context.order("AAPL", "buy", 1, reason="it rose").status == "filled"
    assert [line["action"] for line in desk.lines("stale_data")] == ["traded"]


def test_no_bars_at_all_are_too_old(desk: Desk) -> None:
    """Nothing is not fresh."""
    desk.market.newest = None
    context = desk.context()
    context.bars("AAPL", "1d", 5)
    assert context.order("AAPL", "buy", 1, reason="x").reason.startswith(
        "stale data: the newest 1d bar of AAPL is none at all"
    )
    assert desk.lines("stale_data")[0]["newest_bar"] is None


@pytest.mark.parametrize("newest, of_the_past", [(SLOT, False), (SLOT - timedelta(days=4000), True)])
def test_bars_as_old_as_they_should_be_are_no_matter(desk: Desk, newest: datetime, of_the_past: bool) -> None:
    """Those of now, and those of a market whose every line says which historical day it shows."""
    desk.market.newest, desk.market.of_the_past = newest, of_the_past
    context = desk.context()
    context.bars("AAPL", "15m", 5)
    assert context.order("AAPL", "buy", 1, reason="x").status == "filled"
    assert desk.lines("stale_data") == []


def test_shares_of_alpaca_have_sessions_without_a_calendar(desk: Desk) -> None:
    """A manifest without a calendar does not make the weekend's silence stale; a coin's silence is."""
    weekend = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    desk.market.newest = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
    bot = replace(BOT, schedule=Schedule("UTC", every=timedelta(minutes=15)), symbols=("AAPL", "BTC/USD"))
    context = desk.context(bots=(bot,))
    context._progress.run = context._progress.run._replace(slot=weekend)
    context.bars("AAPL", "15m", 5)
    assert desk.lines("stale_data") == []
    context.bars("BTC/USD", "15m", 5)
    assert [line["symbol"] for line in desk.lines("stale_data")] == ["BTC/USD"]


def test_a_halt_comes_first_and_is_looked_at_last(desk: Desk) -> None:
    """A halt that comes while the limits are judged still stops the order."""
    desk.halt = "halted: stop"
    assert desk.context().order("AAPL", "buy", 1, reason="x").reason == "halted: stop"
    desk.halt = ""
    context = desk.context(limits=Limits(max_order_value=1e9))

    def price(symbol: str, at: datetime) -> float:
        desk.halt = "halted: in the middle"
        return 1.0

    desk.market.price = price  # type: ignore[method-assign]
    assert context.order("AAPL", "buy", 2, reason="x").reason == "halted: in the middle"
    assert desk.broker.sent == []


def test_an_order_that_never_arrived_is_judged_again(desk: Desk) -> None:
    """It was intended, lost, and then trading was halted: it is not sent, and no order is uncertain any more."""
    desk.broker.lost = True
    with pytest.raises(BrokerError):
        desk.context().order("AAPL", "buy", 1, reason="x")
    desk.broker.lost, desk.halt = False, "halted: stop"
    assert desk.context().order("AAPL", "buy", 1, reason="x").status == "refused"
    assert [record.status for record in desk.ledger.orders("b", SLOT)] == ["refused"]
    desk.halt = ""
    assert desk.context().order("AAPL", "buy", 1, reason="x").status == "filled"
    assert len(desk.broker.sent) == 2


def test_a_rejection_that_the_broker_does_not_keep_stays_one(desk: Desk) -> None:
    """A broker that turned the order away knows nothing of it: the ledger does, and no attempt sends it again."""
    context = desk.context()
    first = context.order("AAPL", "buy", 1, reason="x")
    desk.ledger._database.execute("UPDATE orders SET status = 'rejected'")
    placed = desk.context().order("AAPL", "buy", 1, reason="x")
    assert (placed.status, placed.client_order_id) == ("rejected", first.client_order_id)
    assert len(desk.broker.sent) == 1


def test_what_waits_counts_for_the_position(desk: Desk) -> None:
    """An order that is on its way takes its part of the limit."""
    desk.ledger.hold({"AAPL": 5.0})
    desk.ledger.intend(OrderRecord("ob-2", "c", SLOT, "AAPL", "buy", "", 4.0), SLOT)
    context = desk.context(limits=Limits(max_position=1000.0))
    placed = context.order("AAPL", "buy", 2, reason="x")
    assert placed.reason == "max_position: AAPL would be worth 1,100.00, and 1,000.00 is allowed"
    assert context.order("AAPL", "buy", 1, reason="x", leg="2").status == "filled"


def test_the_day_is_the_strategys(desk: Desk) -> None:
    """Orders of yesterday evening in New York do not count, though it was the same date in UTC."""
    yesterday = datetime(2026, 11, 20, 4, 59, tzinfo=UTC)
    desk.ledger.intend(OrderRecord("ob-2", "c", SLOT, "AAPL", "buy", "", 4.0), yesterday)
    context = desk.context(limits=Limits(max_orders_per_day=1))
    assert context.order("AAPL", "buy", 1, reason="x").status == "filled"
    assert context.order("AAPL", "buy", 1, reason="x", leg="2").status == "refused"
    assert context.order("AAPL", "sell", 1, reason="x").status == "filled"  # a way out is always open


@pytest.mark.parametrize("equity", [1000.0, None])
def test_a_loss_counts_from_the_days_first_look(desk: Desk, equity: float | None) -> None:
    """The first run of the day looks before it decides; where the broker tells no equity, positions are counted."""
    desk.broker.equity, desk.broker.held = equity, 10.0
    limits = Limits(max_daily_loss=100.0)
    desk.context(limits=limits)._progress.record_opening_equity()
    desk.broker.equity = None if equity is None else 850.0
    desk.market.dollars = 85.0
    placed = desk.context(limits=limits).order("AAPL", "buy", 1, reason="x")
    assert placed.reason == "max_daily_loss: 150.00 was lost today, and 100.00 is allowed"
