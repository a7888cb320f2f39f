"""A way out is always open, and nothing that is no number passes: limits, halts, stale and broken bars, quantities."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf, nan
from pathlib import Path

import pytest

from openbell.journal import Event, Journal, since
from openbell.ledger import Claim, EpochLostError, Ledger, OrderRecord
from openbell.manifest import Bot, Capital, Limits, Manifest, Schedule
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading.brokers import Account, BrokerError, Order, PlacedOrder, Position
from openbell.trading.markets import Bar, Bars, MarketError, Series
from openbell.trading.order_size import SizeRules

SLOT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SYMBOL = "BTC/USDT"
BOT = Bot("demo", "b", (SYMBOL,), Schedule("UTC", every=timedelta(minutes=15)))
MANIFEST = Manifest("demo", "", "UTC", None, "own", "own", (), "warm", 8, (BOT,))
BINANCE = SizeRules(Decimal("0.00001"), Decimal("0.00001"), Decimal(5))


@dataclass
class AMarket:
    """A market with one price, and bars that may lack figures."""

    dollars: float = 50_000.0
    closes: list[float] = field(default_factory=lambda: [50_000.0] * 3)
    asked: int = 0

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return a bar for each close, the newest of now."""
        first = at - timedelta(minutes=15) * (len(self.closes) - 1)
        times = [first + timedelta(minutes=15) * step for step in range(len(self.closes))]
        return Bars(Bar(at, close, close, close, close, 1.0) for at, close in zip(times, self.closes, strict=True))

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price."""
        self.asked += 1
        return self.dollars

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Have none."""
        raise MarketError(name)

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return the source."""
        return {"source": "a market"}


@dataclass
class ABroker:
    """A venue that keeps its fee in the coin, as Binance does, and can leave orders unfilled."""

    market: AMarket
    rules: SizeRules = BINANCE
    fee: float = 0.0
    fills: bool = True
    held: dict[str, float] = field(default_factory=dict)
    sent: list[Order] = field(default_factory=list)
    money: Account = field(default_factory=lambda: Account(100_000.0, "USDT"))

    def account(self) -> Account:
        """Return the account."""
        return self.money

    def positions(self) -> dict[str, Position]:
        """Return what the account holds."""
        return {symbol: Position(symbol, held, 0.0) for symbol, held in self.held.items() if held}

    def sizes(self, symbol: str) -> SizeRules:
        """Return the venue's steps."""
        return self.rules

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Know nothing."""
        return None

    def submit(self, order: Order) -> PlacedOrder:
        """Fill an order, or let it wait."""
        self.sent.append(order)
        named = (order.client_order_id, order.symbol, order.side, order.quantity)
        if not self.fills:
            return PlacedOrder("o", *named, "accepted", 0.0, None, SLOT, "")
        fee = order.quantity * self.fee if order.side == "buy" else 0.0
        sign = 1 if order.side == "buy" else -1
        self.held[order.symbol] = self.held.get(order.symbol, 0.0) + sign * order.quantity - fee
        return PlacedOrder("o", *named, "filled", order.quantity, self.market.dollars, SLOT, "", fee)

    def cancel(self, client_order_id: str) -> None:
        """Do nothing."""


@dataclass
class Desk:
    """What the runs of one bot share."""

    ledger: Ledger
    journal: Journal
    market: AMarket
    broker: ABroker
    halt: str = ""
    exits_pass: bool = False
    slots: int = 0

    def context(self, bot: Bot = BOT, **changes: object) -> Context:
        """Return the context of the next slot's run."""
        self.slots += 1
        manifest = replace(MANIFEST, **changes)  # type: ignore[arg-type]
        run = Run(bot, SLOT + timedelta(minutes=15) * self.slots, f"r{self.slots}", 1)
        return Context(
            RunProgress(
                ContextServices(
                    manifest, self.market, self.broker, self.ledger, self.journal, lambda: SLOT, self.halted
                ),
                run,
            )
        )

    def halted(self, *, is_exit: bool = False) -> str:
        """Return why no order may be sent."""
        return "" if is_exit and self.exits_pass else self.halt

    def lines(self, event: str) -> list[Event]:
        """Return the journal's lines of one event."""
        return [line for line in since(self.journal.folder, SLOT.date()) if line["event"] == event]

    def buys(self, quantity: float) -> None:
        """Let the bot buy."""
        assert self.context().order(SYMBOL, "buy", quantity, reason="up").status == "filled"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A new desk."""
    journal, market = Journal(tmp_path, "demo", "boot", echo=False), AMarket()
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield Desk(ledger, journal, market, ABroker(market))
    journal.close()


LIMITS = [
    pytest.param(Limits(max_order_value=1_000.0), id="max_order_value"),
    pytest.param(Limits(max_position=1_500.0), id="max_position"),
    pytest.param(Limits(max_orders_per_day=1), id="max_orders_per_day"),
    pytest.param(Limits(max_daily_loss=1.0), id="max_daily_loss"),
    pytest.param(Limits(allowed_symbols=("ETH/USDT",)), id="allowed_symbols"),
]


@pytest.mark.parametrize("limits", LIMITS)
def test_an_exit_passes_every_limit(desk: Desk, limits: Limits) -> None:
    """Bought at 50,000, the price more than doubles, or the day is lost: what is held can be sold (T1, T2)."""
    desk.buys(0.02)
    desk.market.dollars = 110_000.0
    desk.ledger.remember(f"equity at the first look after {SLOT:%Y-%m-%d} 00:00", "1e9")
    context = desk.context(limits=limits)
    assert context.order(SYMBOL, "buy", 0.02, reason="up").status == "refused"
    assert context.order(SYMBOL, "sell", context.position(SYMBOL), reason="stop").status == "filled"
    assert float(desk.context().position(SYMBOL)) == 0


def test_an_exit_counts_for_the_day(desk: Desk) -> None:
    """Three orders a day: the stop-loss is sent as the fourth, and after it nothing new is."""
    limits = Limits(max_orders_per_day=3)
    for _ in range(3):
        assert desk.context(limits=limits).order(SYMBOL, "buy", 0.01, reason="up").status == "filled"
    assert desk.context(limits=limits).order(SYMBOL, "sell", 0.03, reason="stop").status == "filled"
    placed = desk.context(limits=limits).order(SYMBOL, "buy", 0.01, reason="up")
    assert placed.reason == "max_orders_per_day: 4 orders were sent today, and 3 are allowed"


def test_an_exit_asks_for_no_price(desk: Desk) -> None:
    """A market that has no price any more does not prevent an exit."""
    desk.broker.rules = SizeRules()
    desk.buys(0.02)
    desk.market.dollars = nan
    assert desk.context(limits=Limits(max_order_value=1.0)).order(SYMBOL, "sell", 0.02, reason="x").status == "filled"


def test_old_bars_keep_no_exit_back(desk: Desk) -> None:
    """A purchase on old bars is refused; the sale is sent, and its line says on what it was decided."""
    desk.buys(0.02)
    desk.market.closes = []
    context = desk.context()
    context.bars(SYMBOL, "15m", 3)
    assert context.order(SYMBOL, "buy", 0.02, reason="up").reason.startswith("stale data: ")
    assert context.order(SYMBOL, "sell", 0.02, reason="stop").status == "filled"
    assert str(desk.lines("decision")[-1]["stale"]).startswith("stale data: ")


def test_a_halt_but_for_exits_lets_exits_pass(desk: Desk) -> None:
    """A halt of everything stops a sale too."""
    desk.buys(0.02)
    desk.halt, desk.exits_pass = "halted: odd fills", True
    assert desk.context().order(SYMBOL, "buy", 0.01, reason="up").status == "refused"
    assert desk.context().order(SYMBOL, "sell", 0.01, reason="stop").status == "filled"
    desk.exits_pass = False
    assert desk.context().order(SYMBOL, "sell", 0.01, reason="stop").status == "refused"


@pytest.mark.parametrize("price", [nan, inf, -inf, 0.0, -1.0])
def test_a_price_that_is_none_passes_nothing(desk: Desk, price: float) -> None:
    """Limits of 1,000 and an order of 900 at an infinite price: refused, and ctx.price raises (T13)."""
    desk.market.dollars = price
    for limits in (Limits(max_order_value=1_000.0), Limits(max_position=1_000.0)):
        placed = desk.context(limits=limits).order(SYMBOL, "buy", 900, reason="up")
        assert placed.reason == f"no usable price: the market says {price} for BTC/USDT"
    with pytest.raises(MarketError, match="no usable price of BTC/USDT"):
        desk.context().price(SYMBOL)
    assert desk.broker.sent == []


@pytest.mark.parametrize("equity", [nan, inf])
def test_a_loss_that_is_not_known_passes_nothing(desk: Desk, equity: float) -> None:
    """The account says no number: the day's loss is not taken for none."""
    limits = Limits(max_daily_loss=100.0)
    desk.context(limits=limits)._progress.record_opening_equity()
    desk.broker.money = Account(1.0, "USDT", equity)
    assert desk.context(limits=limits).order(SYMBOL, "buy", 0.01, reason="up").status == "refused"


@pytest.mark.parametrize("close", [nan, inf, 0.0])
def test_a_bar_without_its_figures_is_left_out_and_said(desk: Desk, close: float) -> None:
    """The newest bar has no figures: the strategy sees those before, and a purchase on them is one on old bars (T8)."""
    desk.market.closes = [50_000.0, 50_001.0, close]
    context = desk.context()
    assert context.bars(SYMBOL, "15m", 3).closes == (50_000.0, 50_001.0)
    (line,) = desk.lines("bars_incomplete")
    assert (line["level"], line["symbol"], line["count"]) == ("warning", SYMBOL, 1)
    assert context.order(SYMBOL, "buy", 0.01, reason="x").reason.startswith("stale data: ")


def test_a_bar_in_the_middle_without_figures_is_left_out(desk: Desk) -> None:
    """The newest bar is there, so the run trades."""
    desk.market.closes = [50_000.0, nan, 50_002.0]
    context = desk.context()
    assert context.bars(SYMBOL, "15m", 3).closes == (50_000.0, 50_002.0)
    assert context.order(SYMBOL, "buy", 0.01, reason="x").status == "filled"


# Quantities


@pytest.mark.parametrize("wanted, sent", [(33.33333333333333, 33.33333), (0.1 + 0.2, 0.3), (0.014605, 0.0146)])
def test_a_quantity_is_sent_in_whole_steps(desk: Desk, wanted: float, sent: float) -> None:
    """The journal says what was wanted and what was sent (T25)."""
    placed = desk.context().order(SYMBOL, "buy", wanted, reason="up")
    assert (placed.quantity, desk.broker.sent[0].quantity) == (sent, sent)
    (line,) = desk.lines("decision")
    assert (line["qty"], line.get("wanted_qty")) == (sent, wanted if wanted != sent else None)


def test_less_than_a_step_is_refused(desk: Desk) -> None:
    """Nothing reaches the venue."""
    placed = desk.context().order(SYMBOL, "buy", 0.000001, reason="up")
    assert placed.reason == "1e-06 BTC/USDT is less than the market's smallest step of 0.00001"
    assert desk.broker.sent == []


def test_dust_is_no_position_and_goes_with_the_next_sale(desk: Desk) -> None:
    """Fees of 0.1 % in the coin: bought, sold, bought and sold again, and the books keep every billionth (T3)."""
    desk.broker.fee = 0.001
    desk.buys(0.0146)
    context = desk.context()
    assert float(context.position(SYMBOL)) == pytest.approx(0.0145854)
    assert context.order(SYMBOL, "sell", context.position(SYMBOL), reason="down").quantity == 0.01458
    flat = desk.context().position(SYMBOL)
    assert [float(flat), flat.rest] == pytest.approx([0.0, 5.4e-6])
    desk.buys(0.0146)
    context = desk.context()
    assert context.order(SYMBOL, "sell", context.position(SYMBOL), reason="down").quantity == 0.01459
    assert desk.context().position(SYMBOL).rest == pytest.approx(8e-7)


def test_what_a_fee_was_taken_from_is_sold_whole(desk: Desk) -> None:
    """A strategy that sells the quantity that it bought sells all that there is of it."""
    desk.broker.fee = 0.001
    desk.buys(0.0146)
    placed = desk.context().order(SYMBOL, "sell", 0.0146, reason="down")
    assert (placed.status, placed.quantity) == ("filled", 0.01458)
    assert desk.lines("decision")[-1]["wanted_qty"] == 0.0146


def test_a_sale_takes_the_rest_that_could_not_be_sold_alone(desk: Desk) -> None:
    """What would be left is worth less than the smallest order of five dollars."""
    desk.buys(0.02)
    placed = desk.context().order(SYMBOL, "sell", 0.01995, reason="down")
    assert (placed.status, placed.quantity) == ("filled", 0.02)


# Whose it is


def test_what_others_have_bought_is_not_sold(desk: Desk) -> None:
    """A hundred were bought by hand: the bot has none and sells none; the account shows them (T9)."""
    desk.broker.held[SYMBOL] = 100.0
    context = desk.context()
    assert (context.position(SYMBOL), context.account.positions[SYMBOL].quantity) == (0.0, 100.0)
    placed = context.order(SYMBOL, "sell", 100, reason="down")
    assert placed.reason == (
        "insufficient position: sells 100 BTC/USDT, and this bot has 0 to sell; "
        "only [limits] short = true lets it sell what it does not hold"
    )
    assert desk.broker.sent == []


def test_more_than_is_held_is_sold_only_where_short_is_allowed(desk: Desk) -> None:
    """Refused before it is sent, also with a limit on positions; with short = true it is new exposure (T10, T33)."""
    desk.buys(0.02)
    limits = Limits(max_position=1e9)
    assert desk.context(limits=limits).order(SYMBOL, "sell", 999, reason="down").status == "refused"
    short = Limits(max_position=10_000.0, short=True)
    assert desk.context(limits=short).order(SYMBOL, "sell", 999, reason="down").reason.startswith("max_position: ")
    assert desk.context(limits=short).order(SYMBOL, "sell", 0.1, reason="down").status == "filled"
    context = desk.context(limits=Limits(max_order_value=1.0, short=True))
    assert context.position(SYMBOL) == -0.08
    assert context.order(SYMBOL, "buy", 0.08, reason="cover").status == "filled"


def test_what_waits_to_be_sold_is_not_sold_twice(desk: Desk) -> None:
    """The market is closed and the first sale waits: a second one at the next slot would open a short."""
    desk.buys(0.02)
    desk.broker.fills = False
    assert desk.context().order(SYMBOL, "sell", 0.02, reason="down").status == "accepted"
    assert desk.context().order(SYMBOL, "sell", 0.02, reason="down").status == "refused"


def test_bots_of_one_strategy_have_their_own(desk: Desk) -> None:
    """Both trade one symbol, and neither sells what the other has bought."""
    other = replace(BOT, id="c")
    desk.buys(0.02)
    assert float(desk.context(other).position(SYMBOL)) == 0
    assert desk.context(other).order(SYMBOL, "sell", 0.02, reason="x").status == "refused"


def test_a_position_knows_what_it_cost_and_earned(desk: Desk) -> None:
    """Average price, since when, unrealised and realised profit; it stays a number that code may use as one."""
    desk.buys(0.02)
    desk.market.dollars = 60_000.0
    desk.buys(0.02)
    position = desk.context().position(SYMBOL)
    assert (position, position.average_price, position.since) == (0.04, 55_000.0, SLOT)
    assert position.unrealised_profit == pytest.approx(200.0)
    assert desk.context().order(SYMBOL, "sell", 0.01, reason="part").status == "filled"
    left = desk.context().position(SYMBOL)
    assert (left.quantity, left.average_price, left.realised_profit) == (0.03, 55_000.0, 50.0)
    assert min(1.0, left) * 2 == 0.06


def test_a_share_of_the_account_has_its_own_cash(desk: Desk) -> None:
    """Ten thousand of the account's hundred: its own orders move it, and it buys no more than it has."""
    share = Capital(amount=10_000.0)
    context = desk.context(capital=share)
    assert context.cash == 10_000.0
    assert context.order(SYMBOL, "buy", 0.1, reason="up").status == "filled"
    context = desk.context(capital=share)
    assert context.cash == 5_000.0
    assert context.order(SYMBOL, "buy", 0.11, reason="up").reason == (
        "capital: the order is worth 5,500.00, and 5,000.00 of the strategy's share is left"
    )


def test_a_part_of_the_account_is_fixed_at_the_first_look(desk: Desk) -> None:
    """What other strategies earn later is not this one's."""
    share = Capital(part=0.25)
    assert desk.context(capital=share).cash == 25_000.0
    desk.broker.money = Account(200_000.0, "USDT")
    assert desk.context(capital=share).cash == 25_000.0


def test_cash_is_in_the_currency_of_the_bots_symbol(desk: Desk) -> None:
    """An account with dollars and euros: a bot in ETH/EUR is told its euros (T12)."""
    desk.broker.money = Account(100_000.0, "USDT", None, {"USDT": 100_000.0, "EUR": 250.0})
    assert desk.context().cash == 100_000.0
    context = desk.context(replace(BOT, id="e", symbols=("ETH/EUR",)))
    assert (context.cash, dict(context.account.cash)) == (250.0, {"USDT": 100_000.0, "EUR": 250.0})


def test_an_unexplained_difference_stops_what_adds_to_it(desk: Desk) -> None:
    """The broker holds less than our orders say: nothing is bought, and no more is sold than is really there."""
    desk.buys(0.02)
    desk.ledger.remember("differences", '{"BTC/USDT": [0.02, 0.01]}')
    desk.broker.held[SYMBOL] = 0.01
    placed = desk.context().order(SYMBOL, "buy", 0.01, reason="up")
    assert placed.reason.startswith("unexplained difference: our orders say 0.02 BTC/USDT, and the broker holds 0.01")
    assert desk.context().order(SYMBOL, "sell", 0.02, reason="down").status == "refused"
    assert desk.context().order(SYMBOL, "sell", 0.01, reason="down").status == "filled"


# Whose attempt it is


def test_an_attempt_that_was_replaced_sends_and_writes_nothing(desk: Desk) -> None:
    """It slept between looking for its order and recording the intent; the second attempt has sent the order meanwhile (T28)."""
    claim = Claim("b", SLOT, "r1", 1, "loop", SLOT)
    desk.ledger.claim([claim])
    desk.ledger.act_for(claim)
    context = desk.context()
    desk.ledger.next_attempt(replace(claim, attempt=2))
    with pytest.raises(EpochLostError):
        context.order(SYMBOL, "buy", 0.01, reason="up")
    with pytest.raises(EpochLostError):
        desk.ledger.settle("ob-1", "filled", "o", 1.0)
    with pytest.raises(EpochLostError):
        desk.ledger.save_state("b", SLOT, {"a": 1})
    with pytest.raises(EpochLostError):
        desk.ledger.send_again("ob-1", SLOT)
    assert (desk.broker.sent, desk.ledger.state("b")) == ([], {})


def test_an_attempt_of_a_run_that_has_ended_writes_nothing(desk: Desk) -> None:
    """The loop has given the run its outcome."""
    claim = Claim("b", SLOT, "r1", 1, "loop", SLOT)
    desk.ledger.claim([claim])
    desk.ledger.act_for(claim)
    desk.ledger.finish([(claim, "timed_out")])
    with pytest.raises(EpochLostError):
        desk.ledger.intend(OrderRecord("ob-1", "b", SLOT, SYMBOL, "buy", "", 1.0), SLOT)


def test_two_loops_cannot_both_make_the_next_attempt(desk: Desk) -> None:
    """The second to ask finds that the run goes on elsewhere, however it got there."""
    claim = Claim("b", SLOT, "r1", 1, "loop", SLOT)
    desk.ledger.claim([claim])
    desk.ledger.next_attempt(replace(claim, attempt=2))
    desk.ledger.next_attempt(replace(claim, attempt=2))  # a step that is repeated after an error is no second owner
    with pytest.raises(EpochLostError):
        desk.ledger.next_attempt(replace(claim, attempt=4))


# What the venue forgot


def test_an_order_that_was_filled_is_not_sent_again_though_the_venue_forgot_it(desk: Desk) -> None:
    """The attempt that repeats the run finds the fill in the ledger."""
    context = desk.context()
    assert context.order(SYMBOL, "buy", 0.01, reason="up").status == "filled"
    context._progress._sent.clear()
    assert context.order(SYMBOL, "buy", 0.01, reason="up").status == "filled"
    assert len(desk.broker.sent) == 1


@pytest.mark.parametrize("status, is_sure", [("intended", False), ("accepted", True), ("partially_filled", True)])
def test_an_order_of_unknown_fate_is_uncertain_and_never_sent_again(desk: Desk, status: str, is_sure: bool) -> None:
    """The venue does not know it any more, or cannot be believed: a person decides, and no program sends."""
    desk.broker.finds_every_order = is_sure  # type: ignore[attr-defined]
    desk.broker.fills = False
    context = desk.context()
    context.order(SYMBOL, "buy", 0.01, reason="up")
    desk.ledger._database.execute("UPDATE orders SET status = ?", (status,))
    for _ in range(2):
        context._progress._sent.clear()
        placed = context.order(SYMBOL, "buy", 0.01, reason="up")
        assert (placed.status, placed.reason.startswith("it is unknown whether this order arrived")) == (
            "uncertain",
            True,
        )
    assert len(desk.broker.sent) == 1
    assert [line["level"] for line in desk.lines("decision")][1:] == ["warning", "warning"]


def test_an_order_that_never_arrived_is_sent_again_where_that_is_certain(desk: Desk) -> None:
    """The venue finds every order that it ever took."""
    desk.ledger.intend(OrderRecord("ob-1", "b", SLOT, SYMBOL, "buy", "", 0.01), SLOT)
    context = desk.context()
    context._send(Order("ob-1", SYMBOL, "buy", 0.01), "up", "", {})
    assert [order.client_order_id for order in desk.broker.sent] == ["ob-1"]


def test_a_broker_without_an_answer_is_an_error(desk: Desk) -> None:
    """Whether the order arrived is looked up by the next attempt."""

    def submit(order: Order) -> PlacedOrder:
        msg = "no connection"
        raise BrokerError(msg)

    desk.broker.submit = submit  # type: ignore[method-assign]
    with pytest.raises(BrokerError):
        desk.context().order(SYMBOL, "buy", 0.01, reason="up")
    assert [one.status for one in desk.ledger.open_orders()] == ["intended"]
