"""Orders with terms, from the strategy's call to the account: on the paper account and in a backtest."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell import abilities
from openbell.backtest import engine
from openbell.backtest.engine import Outcome, Setup
from openbell.journal import Journal, since
from openbell.ledger import Ledger, OrderRecord
from openbell.manifest import load
from openbell.order_terms import MARKET, Terms, decoded, problem
from openbell.strategy import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run, StrategyError, order_identity
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.markets import Bar, Bars, MarketError, Series
from openbell.trading.order_following import follow
from openbell.trading.order_size import SizeRules, priced
from openbell.trading.reconciliation import differences
from tests.unit.strategy_file import write

SLOT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MANIFEST = 'timezone = "UTC"\n[[bot]]\nid = "b"\nat = "15:00"\nsymbols = ["X"]\n'


class Minutes:
    """A market whose minutes are set by hand; each has one price but for its low and high."""

    def __init__(self) -> None:
        self.rows: list[Bar] = []
        self.now = 100.0

    def add(self, high: float, low: float, close: float) -> None:
        """Let one more minute pass."""
        at = SLOT + (len(self.rows) + 1) * MINUTE
        self.rows.append(Bar(at, self.now, high, low, close, 1000.0))
        self.now = close

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return the minutes."""
        if timeframe != "1m":
            raise MarketError(timeframe)
        return Bars([bar for bar in self.rows if bar.timestamp <= at][-count:])

    def price(self, symbol: str, at: datetime) -> float:
        """Return the newest price."""
        return self.now

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Have none."""
        raise MarketError(name)

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return nothing."""
        return {}


class Desk:
    """One bot on the paper account."""

    def __init__(self, folder: Path) -> None:
        write(folder, MANIFEST)
        self.folder = folder
        self.manifest = load(folder / "demo")
        self.market = Minutes()
        self.ledger = Ledger(folder / "ledger.sqlite")
        self.slots = 0

    @property
    def at(self) -> datetime:
        """Return the present: right after the last minute."""
        return SLOT + len(self.market.rows) * MINUTE

    def context(self, *, again: bool = False) -> Context:
        """Return the context of the next slot, or of the last one again."""
        self.slots += not again
        follow(PaperBroker(self.folder, self.market, self.at), self.ledger, self.at)
        run = Run(self.manifest.bots[0], SLOT + self.slots * timedelta(seconds=1), "r", 1)
        journal = Journal(self.folder / "journal", "demo", "boot", echo=False)
        broker = PaperBroker(self.folder, self.market, self.at)
        return Context(
            RunProgress(ContextServices(self.manifest, self.market, broker, self.ledger, journal, lambda: self.at), run)
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give a desk with a new account."""
    return Desk(tmp_path)


def test_a_limit_waits_and_is_in_the_books_when_it_has_filled(desk: Desk) -> None:
    """The loop's look between slots finds it filled, at its own price."""
    placed = desk.context().order("X", "buy", 10, reason="cheap", limit=95)
    assert placed.status == "accepted"
    (waiting,) = desk.context().open_orders("X")
    assert (waiting.terms, waiting.left) == (Terms(limit=95), 10)
    desk.market.add(101, 94, 99)
    context = desk.context()
    assert (float(context.position("X")), context.position("X").average_price) == (10, 95)
    assert context.open_orders() == ()
    assert context.account.cash == {"USD": 100_000 - 950}


def test_a_retry_sends_no_second_order_with_other_terms(desk: Desk) -> None:
    """The identity is bot, slot, symbol, side and leg, whatever the terms are."""
    first = desk.context().order("X", "buy", 10, reason="cheap", limit=95)
    again = desk.context(again=True).order("X", "buy", 10, reason="cheap", limit=96)
    assert first.client_order_id == again.client_order_id
    assert [one.terms.limit for one in desk.ledger.open_orders()] == [95]


def test_a_value_is_turned_into_a_quantity(desk: Desk) -> None:
    """At the newest price, or at the limit."""
    assert desk.context().order("X", "buy", value=1000, reason="x").quantity == 10
    assert desk.context().order("X", "buy", value=1000, limit=50, reason="x").quantity == 20
    lines = [one for one in since(desk.folder / "journal" / "demo", SLOT.date()) if one["event"] == "decision"]
    assert [(one["wanted_value"], one["price"], one["qty"]) for one in lines] == [(1000, 100.0, 10.0), (1000, 50, 20.0)]


def test_a_shortfall_is_not_hidden_by_the_two_exits_of_a_bracket(desk: Desk) -> None:
    """Both wait to sell what is held once: more that is missing is a difference."""
    desk.context().bracket("X", "buy", 10, take_profit=110, stop_loss=95, reason="breakout")
    desk.ledger.hold({"X": 20.0}, SLOT)
    found = differences(PaperBroker(desk.folder, desk.market, desk.at), desk.ledger, ("X",), SLOT)
    assert found == []  # ten of twenty may have been sold by one of the exits
    desk.ledger.hold({"X": 21.0}, SLOT)
    found = differences(PaperBroker(desk.folder, desk.market, desk.at), desk.ledger, ("X",), SLOT)
    assert [(one.symbol, one.ours, one.theirs) for one in found] == [("X", 21.0, 10.0)]


def test_an_order_that_waits_is_replaced(desk: Desk) -> None:
    """Its limit and its quantity are others, it is the same order, and a retry replaces nothing again."""
    desk.context().order("X", "buy", 10, reason="cheap", limit=90)
    context = desk.context()
    placed = context.replace(context.open_orders("X")[0], limit=95, quantity=5, reason="nearer")
    assert placed.quantity == 5
    desk.market.add(101, 94, 99)
    context = desk.context()
    assert (float(context.position("X")), context.position("X").average_price) == (5, 95)
    assert context.replace(placed, limit=94, reason="too late").status == "filled"


def test_a_bracket_exits_at_one_of_its_prices(desk: Desk) -> None:
    """Both exits are open orders as soon as the entry has filled; the one that fills cancels the other."""
    context = desk.context()
    placed = context.bracket("X", "buy", 10, take_profit=110, stop_loss=95, reason="breakout")
    assert placed.status == "filled"
    legs = {one.terms.kind: one for one in context.open_orders("X")}
    assert set(legs) == {"limit", "stop"}
    desk.market.add(111, 99, 110)
    context = desk.context()
    assert float(context.position("X")) == 0
    assert context.open_orders() == ()
    assert context.position("X").realised_profit == 100
    assert desk.ledger.order(legs["stop"].client_order_id).status == "cancelled"  # type: ignore[union-attr]


def test_what_exits_wait_to_sell_cannot_be_sold_twice(desk: Desk) -> None:
    """Two exits of which one cancels the other count once."""
    desk.context().bracket("X", "buy", 10, take_profit=110, stop_loss=95, reason="breakout")
    context = desk.context()
    placed = context.order("X", "sell", 1, reason="too much")
    assert (placed.status, placed.reason.partition(":")[0]) == ("refused", "insufficient position")
    closed = context.close("X", reason="enough")
    assert closed is not None
    assert (closed.status, closed.quantity) == ("filled", 10)
    assert context.open_orders() == ()
    assert float(context.position("X")) == 0


def test_exits_protect_what_is_held(desk: Desk) -> None:
    """A stop and a profit for ten shares, of which one cancels the other."""
    desk.context().order("X", "buy", 10, reason="in")
    desk.context().exits("X", take_profit=120, stop_loss=90, reason="protect")
    assert len(desk.context().open_orders("X")) == 2
    desk.market.add(101, 85, 88)
    context = desk.context()
    assert float(context.position("X")) == 0
    assert context.open_orders() == ()
    assert context.position("X").realised_profit == -100


def test_a_bracket_that_is_cancelled_takes_its_exits_along(desk: Desk) -> None:
    """None of them waits for a position that never came."""
    context = desk.context()
    placed = context.bracket("X", "buy", 10, limit=90, take_profit=110, stop_loss=80, reason="dip")
    assert {one.status for one in context.open_orders()} == {"accepted", "held"}
    context.cancel(placed, reason="changed my mind")
    assert context.open_orders() == ()


def test_a_trailing_stop_follows(desk: Desk) -> None:
    """Three per cent below the best price since it was placed."""
    desk.context().order("X", "buy", 10, reason="in")
    desk.context().order("X", "sell", 10, trail="3%", time_in_force="gtc", reason="follow")
    for figures in ((110, 99, 109), (120, 109, 119), (119, 115, 117)):
        desk.market.add(*figures)
        context = desk.context()
    assert float(context.position("X")) == 0
    assert context.position("X").realised_profit == pytest.approx(164)


@pytest.mark.parametrize("side, arguments, message", [
    ("buy", {"limit": -1}, "limit is a price above zero"),
    ("buy", {"limit": float("nan")}, "limit is a price above zero"),
    ("buy", {"time_in_force": "fok"}, "time_in_force is one of day, gtc, ioc, opg, cls"),
    ("buy", {"trail": 1, "limit": 5}, "a trailing stop has neither limit nor stop"),
    ("buy", {"trail": "much"}, "trail is a distance such as 2.5 or a part"),
    ("buy", {"stop": 5, "time_in_force": "ioc"}, "cannot be ioc"),
    ("buy", {"extended_hours": True}, "needs a limit"),
    ("buy", {"value": 5}, "either a quantity or a value"),
])  # fmt: skip
def test_terms_that_cannot_be_meant_are_an_error(
    desk: Desk, side: str, arguments: dict[str, float], message: str
) -> None:
    """The message says what to change."""
    with pytest.raises(StrategyError, match=message):
        desk.context().order("X", side, 1, reason="x", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("side, terms, is_right", [
    ("buy", Terms(take_profit=110, stop_loss=90), True),
    ("buy", Terms(take_profit=90, stop_loss=110), False),
    ("sell", Terms(take_profit=90, stop_loss=110), True),
    ("buy", Terms(take_profit=110), False),
    ("sell", Terms(limit=110, stop_loss=90, is_pair=True), True),
    ("sell", Terms(limit=90, stop_loss=110, is_pair=True), False),
    ("buy", Terms(take_profit=110, stop_loss=90, time_in_force="ioc"), False),
])  # fmt: skip
def test_the_exits_of_a_bracket_lie_on_both_sides(side: str, terms: Terms, *, is_right: bool) -> None:
    """The profit where the position earns, the stop where it loses."""
    assert (problem(side, terms) == "") is is_right


@pytest.mark.parametrize("broker, symbol, terms, is_taken", [
    ("paper", "X", Terms(take_profit=2, stop_loss=1), True),
    ("paper", "BTC/USD", Terms(trail=2), True),
    ("paper", "BTC/USD", Terms(limit=2, extended_hours=True), True),
    ("paper", "BTC/USD", Terms(time_in_force="opg"), False),
    ("paper", "AAPL", Terms(time_in_force="cls"), True),
    ("alpaca", "AAPL", MARKET, True),
    ("alpaca", "BTC/USD", Terms(time_in_force="opg"), False),
    ("alpaca", "BTC/USD", Terms(take_profit=2, stop_loss=1), False),
    ("ccxt:binance", "BTC/USDT", Terms(take_profit=2, stop_loss=1), False),
    ("ccxt:binance", "BTC/USDT", Terms(limit=1.5, take_profit=2, stop_loss=1), True),
    ("ccxt:binance", "BTC/USDT", Terms(limit=2, stop_loss=1, is_pair=True), True),
    ("ccxt:kraken", "BTC/USD", Terms(limit=2, stop_loss=1, is_pair=True), False),
    ("ccxt:okx", "BTC/USDT", Terms(limit=1.5, take_profit=2, stop_loss=1), True),
    ("ccxt:okx", "BTC/USDT", Terms(limit=2, stop_loss=1, is_pair=True), True),
    ("ccxt:bybit", "BTC/USDT", Terms(limit=1.5, take_profit=2, stop_loss=1), False),
    ("ccxt:binance", "BTC/USDT", Terms(time_in_force="opg"), False),
    ("my_broker:MyBroker", "X", MARKET, True),
    ("my_broker:MyBroker", "X", Terms(limit=5), False),
])  # fmt: skip
def test_what_a_venue_cannot_do_is_refused(broker: str, symbol: str, terms: Terms, *, is_taken: bool) -> None:
    """By the one table; a class of the user's own takes market orders unless it says more."""
    assert (abilities.refusal(broker, terms, symbol) == "") is is_taken


@pytest.mark.parametrize("broker, terms, reason", [
    ("ccxt:binance", Terms(take_profit=2, stop_loss=1), "bracket orders (give its entry a limit)"),
    ("ccxt:okx", Terms(stop=1.2, take_profit=2, stop_loss=1), "bracket orders (give its entry a limit)"),
    ("ccxt:kraken", Terms(limit=1.5, take_profit=2, stop_loss=1), "(an order there brings one exit along, not two: when the"),
    ("ccxt:bybit", Terms(limit=1.5, take_profit=2, stop_loss=1), "neither an id of ours nor a link to it"),
    ("ccxt:bybit", Terms(limit=2, stop_loss=1, is_pair=True), "no orders for spot that cancel one another: let a stop rest"),
    ("ccxt:coinbase", Terms(stop=1), "stop orders (give the stop a limit too)"),
    ("ccxt:binance", Terms(trail=1), "trailing stop orders (move a stop in run())"),
    ("my_broker:MyBroker", Terms(limit=1), "limit orders; it takes: market"),
])  # fmt: skip
def test_a_refusal_says_why_and_what_comes_nearest(broker: str, terms: Terms, reason: str) -> None:
    """So that the author of a strategy knows what to write instead."""
    assert reason in abilities.refusal(broker, terms, "BTC/USDT")


def test_a_broker_of_ones_own_says_what_it_can() -> None:
    """In its attribute `abilities`."""
    assert abilities.refusal("my_broker:MyBroker", Terms(limit=5), "X", {"market", "limit"}) == ""
    bracket = Terms(limit=5, take_profit=6, stop_loss=4)
    assert abilities.refusal("my_broker:MyBroker", bracket, "X", {"limit", "bracket"}) == ""
    assert "no limit bracket orders" in abilities.refusal("my_broker:MyBroker", bracket, "X", {"limit"})


def test_prices_are_rounded_to_the_venues_ticks() -> None:
    """A limit no worse than it was wanted, a stop to the nearest; nothing where a venue names no tick."""
    rules = SizeRules(tick=Decimal("0.01"), tick_below_one=Decimal("0.0001"))
    assert priced(Terms(limit=10.019, stop=10.016), "buy", rules) == Terms(limit=10.01, stop=10.02)
    assert priced(Terms(limit=10.011), "sell", rules) == Terms(limit=10.02)
    assert priced(Terms(limit=0.12345), "buy", rules) == Terms(limit=0.1234)
    assert priced(Terms(limit=10.0123), "buy", SizeRules()) == Terms(limit=10.0123)


def test_an_older_ledger_takes_orders_with_terms(tmp_path: Path) -> None:
    """Its tables are made when it is opened; its own orders are market orders."""
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    ledger._database.execute("DROP TABLE terms")
    ledger.close()
    ledger = Ledger(path)
    ledger.intend(OrderRecord("old", "b", SLOT, "X", "buy", "", 1.0), SLOT)
    ledger.intend(OrderRecord("new", "b", SLOT, "X", "buy", "2", 1.0, terms=Terms(limit=5.0)), SLOT)
    assert [one.terms for one in ledger.open_orders()] == [Terms(limit=5.0), MARKET]
    assert decoded(MARKET.encoded()) == MARKET


def backtested(
    folder: Path, rows: Iterable[tuple[float, float, float, float]], run: Callable[[Context], object]
) -> Outcome:
    """Run a strategy at the open of each day of a file of days."""
    days = [date(2011, 3, 7) + timedelta(number) for number in range(14)]
    weekdays = [day for day in days if day.weekday() < 5]
    lines = [f"{day},{o},{h},{low},{c},1000\n" for day, (o, h, low, c) in zip(weekdays, rows, strict=False)]
    (folder / "prices").mkdir()
    (folder / "prices" / "X.csv").write_text("Date,Open,High,Low,Close,Volume\n" + "".join(lines))
    schedule = 'timezone = "America/New_York"\ncalendar = "XNYS"\n[[bot]]\nid = "demo"\nat = "09:35"\nsymbols = ["X"]\n'
    write(folder, schedule)
    until = datetime(2011, 3, 19, tzinfo=UTC)
    return engine.run(Setup(folder / "demo", datetime(2011, 3, 7, tzinfo=UTC), until, prices=folder / "prices"), run)


def test_a_bracket_in_a_backtest_exits_within_a_days_bar(tmp_path: Path) -> None:
    """The entry at the first day's open, the stop in the second day's range, nothing left over."""

    def run(ctx: Context) -> None:
        if not ctx.state.get("done"):
            ctx.state["done"] = True
            ctx.bracket("X", "buy", 10, take_profit=120, stop_loss=95, time_in_force="gtc", reason="once")
        else:
            ctx.state["open"] = len(ctx.open_orders())
            ctx.state["held"] = float(ctx.position("X"))

    outcome = backtested(tmp_path, [(100, 105, 99, 104), (104, 106, 90, 100), (100, 101, 99, 100)], run)
    assert outcome.failures == ()
    assert [(one.quantity, one.price) for one in outcome.fills] == [(10, 100), (-10, 95)]


def test_a_days_limit_expires_with_its_session_in_a_backtest(tmp_path: Path) -> None:
    """The second day passes the limit, but the order was for the first."""

    def run(ctx: Context) -> None:
        if not ctx.state.get("done"):
            ctx.state["done"] = True
            ctx.order("X", "buy", 10, limit=95, reason="once")

    outcome = backtested(tmp_path, [(100, 105, 99, 104), (104, 106, 90, 100)], run)
    assert (outcome.failures, outcome.fills) == ((), ())


def test_the_documentation_has_the_table() -> None:
    """It is the one that checks and runs go by."""
    text = (Path(__file__).parents[2] / "docs" / "orders.md").read_text()
    assert text.partition("<!-- venues -->\n")[2].partition("\n<!-- /venues -->")[0].splitlines() == abilities.table()


def test_an_order_that_was_never_sent_is_cancelled_without_the_broker(desk: Desk) -> None:
    """A kill between the intent and the sending leaves an order that nothing can cancel; it may be sent again."""
    context = desk.context()
    name = order_identity("b", SLOT + timedelta(seconds=1), "X", "buy", "")
    desk.ledger.intend(OrderRecord(name, "b", SLOT, "X", "buy", "", 1.0, terms=Terms(limit=90.0)), SLOT)
    (waiting,) = context.open_orders()
    assert context.cancel(waiting, reason="a new grid").status == "lost"
    assert context.open_orders() == ()
    assert context.order("X", "buy", 1, limit=90, reason="again").status == "accepted"
