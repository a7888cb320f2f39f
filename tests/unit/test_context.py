"""What a strategy is given: orders exactly once, state kept on success only, and every word of it in the journal."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from openbell.journal import Event, Journal, since
from openbell.ledger import Ledger
from openbell.manifest import Bot, Manifest, Schedule
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run, State, StrategyError, order_identity
from openbell.trading.brokers import Account, BrokerError, Order, PlacedOrder, Position
from openbell.trading.markets import Bar, Bars, MarketError, Series

SLOT = datetime(2026, 3, 2, 14, 35, tzinfo=UTC)
BOT = Bot("demo", "b", ("AAPL", "IBM"), Schedule("America/New_York", every=timedelta(minutes=5)), {"window": 20})
MANIFEST = Manifest("demo", "", "America/New_York", None, "sample", "paper", ("API_KEY",), "warm", 8, (BOT,))
RUN = Run(BOT, SLOT, "r1", 1)


class ADollarMarket:
    """A market in which everything costs a dollar."""

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return bars that tell what was asked."""
        return Bars([Bar(at, 1.0, 1.0, 1.0, 1.0, float(count))])

    def price(self, symbol: str, at: datetime) -> float:
        """Return a dollar."""
        return 1.0

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Have none."""
        raise MarketError(name)

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return what every line of the run carries."""
        return {"source": "dollars"}


@dataclass
class ABroker:
    """A broker that can be told to fail before or after an order has arrived."""

    lost: str = ""  # "request" or "answer": what gets lost on the way
    status: str = "filled"
    placed: dict[str, PlacedOrder] = field(default_factory=dict)
    submitted: list[str] = field(default_factory=list)

    def account(self) -> Account:
        """Return some cash."""
        return Account(5_000.0, "USD")

    def positions(self) -> dict[str, Position]:
        """Return one position."""
        return {"AAPL": Position("AAPL", 3.0, 1.0)}

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order if it has arrived."""
        return self.placed.get(client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Take an order."""
        if self.lost == "request":
            msg = "no connection"
            raise BrokerError(msg)
        self.submitted.append(order.client_order_id)
        filled, reason = (order.quantity, "") if self.status == "filled" else (0.0, "no such symbol")
        placed = PlacedOrder(
            f"o-{len(self.submitted)}", order.client_order_id, order.symbol, order.side, order.quantity, self.status, filled, 1.0, SLOT, reason
        )  # fmt: skip
        self.placed.setdefault(order.client_order_id, placed)
        if self.lost == "answer":
            msg = "connection lost"
            raise BrokerError(msg)
        return self.placed[order.client_order_id]

    def cancel(self, client_order_id: str) -> None:
        """Do nothing."""


@dataclass
class Desk:
    """A ledger, a journal and a broker that several attempts of one slot share."""

    ledger: Ledger
    journal: Journal
    broker: ABroker = field(default_factory=ABroker)

    def context(self, attempt: int = 1, slot: datetime = SLOT) -> Context:
        """Return the context of an attempt."""
        run = RUN._replace(attempt=attempt, slot=slot)
        return Context(
            RunProgress(
                ContextServices(MANIFEST, ADollarMarket(), self.broker, self.ledger, self.journal, lambda: SLOT), run
            )
        )

    def lines(self, event: str = "") -> list[Event]:
        """Return the journal's lines, or those of one event."""
        return [line for line in since(self.journal.folder, SLOT.date()) if event in {"", line["event"]}]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A new desk."""
    journal = Journal(tmp_path, "demo", "boot", echo=False)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield Desk(ledger, journal)
    journal.close()


# What it knows


def test_a_context_knows_its_run(desk: Desk) -> None:
    """Bot, symbols, parameters, the slot in UTC and the same instant on the strategy's own clock."""
    context = desk.context()
    assert (context.bot, context.symbols, context.params["window"]) == ("b", ("AAPL", "IBM"), 20)
    assert context.slot == SLOT
    assert f"{context.now:%H:%M %Z}" == "09:35 EST"


def test_a_context_asks_market_and_broker_about_the_slot(desk: Desk) -> None:
    """Bars are those that had closed at the slot, whenever the run happens."""
    context = desk.context()
    (bar,) = context.bars("AAPL", "1d", 7)
    assert (bar.timestamp, bar.volume) == (SLOT, 7.0)
    assert context.price("AAPL") == 1.0
    assert context.account.positions["AAPL"].quantity == 3.0
    assert (context.position("AAPL"), context.position("IBM")) == (0.0, 0.0)  # the three were bought by hand
    assert (context.cash, context.account.cash) == (5_000.0, {"USD": 5_000.0})


def test_only_the_manifests_secrets_can_be_had(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy names what it uses."""
    monkeypatch.setenv("API_KEY", "sk-12345")
    assert desk.context().secret("API_KEY") == "sk-12345"
    with pytest.raises(StrategyError, match='PATH is not in the manifest: add it, as in secrets = \\["PATH"\\]'):
        desk.context().secret("PATH")


# What it writes


def test_every_line_carries_the_run_and_where_its_prices_come_from(desk: Desk) -> None:
    """Signals, decisions and notes can be found by bot, slot and run."""
    context = desk.context(attempt=2)
    context.signal("AAPL", 0.5, fast=3.0)
    context.hold("AAPL", reason="flat")
    context.log("hello", weight=1)
    for line in desk.lines():
        told = [line[name] for name in ("strategy", "boot_id", "bot", "slot", "run_id", "attempt", "source")]
        assert told == ["demo", "boot", "b", "2026-03-02T14:35:00.000Z", "r1", 2, "dollars"]
    signal, hold, note = desk.lines()
    assert (signal["signal"], signal["fast"]) == (0.5, 3.0)
    assert (hold["action"], hold["reason"], hold["signal"], hold["qty"]) == ("hold", "flat", 0.5, 0)
    assert (note["message"], note["weight"]) == ("hello", 1)


@pytest.mark.parametrize(
    "name",
    ["timestamp", "event", "level", "strategy", "boot_id", "bot", "slot", "run_id", "attempt", "source"],
)
def test_names_of_the_journal_cannot_be_taken(desk: Desk, name: str) -> None:
    """A value of the strategy's cannot pass for the run's identity."""
    with pytest.raises(StrategyError, match=f"the name {name} belongs to the journal"):
        desk.context().signal("AAPL", 1.0, **{name: "mine"})
    assert desk.lines() == []


# Orders


def test_an_order_is_one_decision(desk: Desk) -> None:
    """The line says what was sent, why, on which signal, and what became of it."""
    context = desk.context()
    context.signal("AAPL", 0.5)
    placed = context.order("AAPL", "buy", 2, reason="it rose")
    assert (placed.status, placed.quantity) == ("filled", 2.0)
    (line,) = desk.lines("decision")
    names = ("symbol", "action", "reason", "signal", "qty", "order_id", "status", "filled_qty", "filled_price")
    assert [line[name] for name in names] == ["AAPL", "buy", "it rose", 0.5, 2.0, "o-1", "filled", 2.0, 1.0]
    assert line["client_order_id"] == order_identity("b", SLOT, "AAPL", "buy", "")
    assert context._progress.decisions == {"AAPL": "buy"}


def test_a_rejected_order_is_an_answer(desk: Desk) -> None:
    """The broker's no is told with its reason, and is no error."""
    desk.broker.status = "rejected"
    assert desk.context().order("AAPL", "buy", 2, reason="x").status == "rejected"
    (line,) = desk.lines("decision")
    assert (line["status"], line["broker_reason"]) == ("rejected", "no such symbol")


def test_an_orders_identity_is_its_occasion() -> None:
    """The same slot, whatever its zone, decides the same order; every other occasion is another one."""
    occasions: list[Callable[[], str]] = [
        lambda: order_identity("b", SLOT, "AAPL", "buy", ""),
        lambda: order_identity("c", SLOT, "AAPL", "buy", ""),
        lambda: order_identity("b", SLOT + timedelta(microseconds=1), "AAPL", "buy", ""),
        lambda: order_identity("b", SLOT, "IBM", "buy", ""),
        lambda: order_identity("b", SLOT, "AAPL", "sell", ""),
        lambda: order_identity("b", SLOT, "AAPL", "buy", "2"),
    ]
    assert len({identity() for identity in occasions}) == len(occasions)
    elsewhere = SLOT.astimezone(timezone(timedelta(hours=9)))
    assert order_identity("b", elsewhere, "AAPL", "buy", "") == occasions[0]()
    assert len(occasions[0]()) <= 32
    # Fixed for ever: a new version of openbell must find the orders of the old one.
    assert occasions[0]() == "ob-75da378a79346df0d4ad7730"


def test_an_attempt_finds_the_order_of_the_one_before(desk: Desk) -> None:
    """Sent in the first attempt, found in the second: one order, and the line says that it is repeated."""
    first = desk.context().order("AAPL", "buy", 2, reason="it rose")
    assert desk.context(attempt=2).order("AAPL", "buy", 2, reason="it rose") == first
    assert len(desk.broker.submitted) == 1
    assert [line.get("repeated") for line in desk.lines("decision")] == [None, True]


def test_an_order_whose_answer_was_lost_is_not_sent_again(desk: Desk) -> None:
    """The broker has the order although its answer was lost: the next attempt asks first."""
    desk.broker.lost = "answer"
    with pytest.raises(BrokerError):
        desk.context().order("AAPL", "buy", 2, reason="it rose")
    assert [order.status for order in desk.ledger.orders("b", SLOT)] == ["intended"]
    desk.broker.lost = ""
    desk.context(attempt=2).order("AAPL", "buy", 2, reason="it rose")
    assert len(desk.broker.submitted) == 1
    assert [order.status for order in desk.ledger.orders("b", SLOT)] == ["filled"]


def test_an_order_that_never_arrived_is_sent(desk: Desk) -> None:
    """What was only intended is not taken for sent."""
    desk.broker.lost = "request"
    with pytest.raises(BrokerError):
        desk.context().order("AAPL", "buy", 2, reason="it rose")
    desk.broker.lost = ""
    assert desk.context(attempt=2).order("AAPL", "buy", 2, reason="it rose").status == "filled"
    assert len(desk.broker.submitted) == 1


def test_a_strategy_may_try_an_order_again_itself(desk: Desk) -> None:
    """An order without an answer can be repeated in the same run, and is still one."""
    context = desk.context()
    desk.broker.lost = "answer"
    with pytest.raises(BrokerError):
        context.order("AAPL", "buy", 2, reason="it rose")
    desk.broker.lost = ""
    context.order("AAPL", "buy", 2, reason="it rose")
    assert len(desk.broker.submitted) == 1


def test_a_rejected_order_is_not_tried_again_by_a_retry(desk: Desk) -> None:
    """A no stays a no for this slot."""
    desk.broker.status = "rejected"
    desk.context().order("AAPL", "buy", 2, reason="x")
    desk.broker.status = "filled"
    assert desk.context(attempt=2).order("AAPL", "buy", 2, reason="x").status == "rejected"


def test_the_next_slot_orders_anew(desk: Desk) -> None:
    """Exactly once means once a slot."""
    desk.context().order("AAPL", "buy", 2, reason="x")
    desk.context(slot=SLOT + timedelta(minutes=5)).order("AAPL", "buy", 2, reason="x")
    assert len(desk.broker.submitted) == 2


def test_two_orders_of_one_side_need_two_legs(desk: Desk) -> None:
    """A second order that looks like the first is a mistake, unless it is said to be another one."""
    context = desk.context()
    context.order("AAPL", "buy", 2, reason="x")
    with pytest.raises(
        StrategyError, match='this run has an order to buy AAPL already: tell a second one apart with leg="2"'
    ):
        context.order("AAPL", "buy", 2, reason="x")
    context.order("AAPL", "buy", 2, reason="x", leg="2")
    context.order("AAPL", "sell", 2, reason="x")
    assert len(desk.broker.submitted) == 3


@pytest.mark.parametrize(
    "side, quantity, message",
    [
        ("hold", 1, 'side is "buy" or "sell", not \'hold\''),
        ("buy", 0, "the quantity of an order is a positive number, not 0"),
        ("buy", -1, "the quantity of an order is a positive number, not -1"),
        ("buy", float("nan"), "the quantity of an order is a positive number, not nan"),
        ("buy", float("inf"), "the quantity of an order is a positive number, not inf"),
        ("buy", True, "the quantity of an order is a positive number, not True"),
    ],
)
def test_an_order_that_cannot_be_meant_is_not_sent(desk: Desk, side: str, quantity: float, message: str) -> None:
    """It leaves nothing in the ledger and nothing at the broker."""
    with pytest.raises(StrategyError) as caught:
        desk.context().order("AAPL", side, quantity, reason="x")
    assert str(caught.value) == message
    assert desk.ledger.orders("b", SLOT) == []
    assert desk.broker.submitted == []


def test_an_order_that_cannot_be_noted_is_not_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a ledger there is no order: it would be unknown after a crash."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(desk.ledger, "intend", fail)
    with pytest.raises(OSError, match="No space left"):
        desk.context().order("AAPL", "buy", 2, reason="x")
    assert desk.broker.submitted == []


# State


def test_state_is_read_back_as_the_next_run_will() -> None:
    """Tuples become lists, at once and not a run later."""
    state = State({})
    state["pair"] = (1, 2)
    assert state["pair"] == [1, 2]


@pytest.mark.parametrize("change, changed", [
    (lambda state: None, False),
    (lambda state: state["deep"]["list"].append(2), True),
    (lambda state: state.update(new=1), True),
    (lambda state: state.pop("deep"), True),
    (lambda state: state.update(deep={"list": [1]}), False),
])  # fmt: skip
def test_state_notices_every_change(change: Callable[[State], object], changed: bool) -> None:
    """Also one inside a list or a mapping."""
    state = State({"deep": {"list": [1]}})
    change(state)
    assert state.changed is changed


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), b"bytes"])
def test_state_takes_json_only(value: object) -> None:
    """What cannot be kept is refused where it is set, by its name."""
    state = State({})
    with pytest.raises(StrategyError, match=r'ctx.state\["x"\] takes numbers, texts, lists and mappings of them'):
        state["x"] = value
    assert dict(state) == {}
    assert not state.changed


def test_state_is_the_bots_own(desk: Desk) -> None:
    """A context begins with what the bot's last successful run has kept."""
    desk.ledger.save_state("b", SLOT, {"runs": 3})
    desk.ledger.save_state("c", SLOT, {"runs": 7})
    assert dict(desk.context().state) == {"runs": 3}
