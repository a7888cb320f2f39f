"""What a stream is given: orders once an event, beats, state that is kept as it goes, an end when it is asked for."""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell import heartbeat
from openbell.journal import Journal, since
from openbell.ledger import Ledger
from openbell.manifest import Bot, Manifest, Schedule
from openbell.strategy.broker_now import BrokerNow
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_state import Run, order_identity
from openbell.strategy.stream_context import StreamContext
from openbell.strategy.stream_progress import StreamProgress, StreamStopped
from openbell.trading.brokers import BrokerError
from openbell.trading.brokers.paper import PaperBroker
from tests.fake_trading import FakeMarket

BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BOT = Bot("demo", "s", ("AAPL",), Schedule("UTC"), kind="stream")
MANIFEST = Manifest("demo", "", "America/New_York", None, "sample", "paper", (), "warm", 8, (BOT,))


class ARisingMarket(FakeMarket):
    """A market in which everything costs a dollar more each minute."""

    def price(self, symbol: str, at: datetime) -> float:
        """Return the minutes since the stream began, and one."""
        return 1 + (at - BEGAN) / timedelta(minutes=1)

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return the minute."""
        return {"minute": f"{at:%H:%M}"}


class Desk:
    """A stream's ledger, journal, account and clock."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.folder = folder
        self.ledger = ledger
        self.now = BEGAN
        self.is_halted = False
        self.journal = Journal(folder, "demo", "boot", echo=False)
        self.journal.write("service_start", BEGAN)

    def halted(self, *, is_exit: bool = False) -> str:
        """Return why no order may be sent: of a halt but for exits, those may."""
        return "" if is_exit or not self.is_halted else "halted but for exits: odd fills"

    def context(self) -> StreamContext:
        """Return the context of a stream that begins now."""
        market = ARisingMarket()
        broker = BrokerNow(lambda at: PaperBroker(self.folder / "state", market, at), self.clock)
        run = Run(BOT, BEGAN, "r1", 1)
        return StreamContext(
            StreamProgress(
                ContextServices(MANIFEST, market, broker, self.ledger, self.journal, self.clock, self.halted), run
            )
        )

    def clock(self) -> datetime:
        """Return the present."""
        return self.now


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk for one stream."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        one = Desk(tmp_path, ledger)
        yield one
        one.journal.close()


def test_a_stream_lives_in_the_present(desk: Desk) -> None:
    """Slot, clock, prices and fills are those of now, not of when it began."""
    context = desk.context()
    desk.now = BEGAN + timedelta(minutes=30)
    assert context.slot == desk.now
    assert f"{context.now:%H:%M}" == "04:30"
    assert context.price("AAPL") == 31.0
    placed = context.order("AAPL", "buy", 2, reason="x", event="1")
    assert (placed.filled_price, placed.placed_at) == (31.0, desk.now)
    assert (context.position("AAPL"), context.cash) == (2.0, 100_000 - 62)
    line = list(since(desk.journal.folder, BEGAN.date()))[-1]
    assert (line["minute"], line["run_id"], line["slot"]) == ("09:30", "r1", "2026-03-02T09:00:00.000Z")


def test_an_event_that_arrives_again_finds_its_order(desk: Desk) -> None:
    """In the same stream and in the one after a crash; another event, side or leg is another order."""
    first = desk.context().order("AAPL", "buy", 1, reason="x", event="7")
    context = desk.context()
    assert context.order("AAPL", "buy", 1, reason="x", event="7") == first
    assert context.order("AAPL", "buy", 1, reason="x", event="7") == first
    others = [
        context.order("AAPL", "buy", 1, reason="x", event="8"),
        context.order("AAPL", "buy", 1, reason="x", event="7", leg="2"),
        context.order("AAPL", "sell", 1, reason="x", event="7"),
    ]
    assert len({placed.order_id for placed in (first, *others)}) == 4
    assert first.client_order_id == order_identity("s", "event 7", "AAPL", "buy", "")


def test_prices_are_those_of_now(desk: Desk) -> None:
    """A stream asks for a price long after it began, and decides about the present."""
    context = desk.context()
    desk.now += timedelta(minutes=5)
    assert context.price("AAPL") == 6
    assert (context.slot, context.quote("AAPL").last) == (desk.now, 6)


def test_a_halt_but_for_exits_lets_a_stream_sell_what_it_holds(desk: Desk) -> None:
    """It came while the stream ran, and is asked for at each order."""
    context = desk.context()
    assert context.order("AAPL", "buy", 2, reason="up", event="e1").status == "filled"
    desk.is_halted = True
    assert context.order("AAPL", "buy", 1, reason="up", event="e2").status == "refused"
    assert context.order("AAPL", "sell", 2, reason="stop", event="e3").status == "filled"
    assert context.order("AAPL", "sell", 1, reason="stop", event="e4").status == "refused"


def test_a_cancel_goes_to_the_broker(desk: Desk) -> None:
    """What the account cannot do it says."""
    context = desk.context()
    placed = context.order("AAPL", "buy", 1, reason="x", event="7")
    with pytest.raises(BrokerError, match="is filled already"):
        context._broker.cancel(placed.client_order_id)
    assert context._broker.find("none") is None


def test_beats_come_with_the_events(desk: Desk) -> None:
    """Each event that arrives is a sign of life; state that has changed is kept with it."""
    context = desk.context()
    for number in context.events(range(3)):
        context.state["last"] = number
        context._stream._beat_at = float("-inf")  # a second has passed
    assert heartbeat.stream_beat(desk.journal.folder, "s") is not None
    assert desk.ledger.state("s") == {"last": 1}
    context._stream.keep_state()
    assert desk.ledger.state("s") == {"last": 2}


def test_a_thousand_events_are_one_beat(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats cost nothing, however many events there are."""
    touched: list[str] = []
    monkeypatch.setattr(heartbeat, "touch_stream", lambda _, bot: touched.append(bot))
    for _ in desk.context().events(range(1000)):
        pass
    assert touched == ["s"]


def test_a_stream_whose_loop_is_gone_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop that follows starts a stream of its own."""
    context = desk.context()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    with pytest.raises(StreamStopped):
        context.beat()


def test_a_stream_that_is_stopped_ends_at_once(desk: Desk) -> None:
    """At any point, unless an order is on its way."""
    with pytest.raises(StreamStopped):
        desk.context()._stream.stop()


def test_an_order_on_its_way_is_finished_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to stop in the middle of an order, the stream notes the answer and ends then."""
    context = desk.context()
    submit = context._broker.submit

    def stopped_meanwhile(order: object) -> object:
        context._stream.stop()
        return submit(order)  # type: ignore[arg-type]

    monkeypatch.setattr(context._broker, "submit", stopped_meanwhile)
    with pytest.raises(StreamStopped):
        context.order("AAPL", "buy", 1, reason="x", event="7")
    (order,) = desk.ledger.orders("s", BEGAN)
    assert order.status == "filled"
    assert list(since(desk.journal.folder, BEGAN.date()))[-1]["event"] == "decision"
