"""The example strategies as a run sees them: their own manifests, the real context, the sample and a paper account."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean

import pytest

from openbell import manifest
from openbell.journal import Event, Journal, since
from openbell.ledger import Ledger
from openbell.manifest import Bot
from openbell.slots import slots_between
from openbell.strategy import loader
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading.brokers.registry import open_broker
from openbell.trading.markets.registry import open_market

STRATEGIES = Path(__file__).parents[3] / "strategies"
START = datetime(2026, 1, 1, tzinfo=UTC)

Rehearse = Callable[[str, Iterable[datetime]], list["Decision"]]


@dataclass(frozen=True)
class Decision:
    """What an example decided about one symbol in one slot: the journal's line, and that of the signal before it."""

    slot: datetime
    symbol: str
    action: str
    line: Event
    signal: Event


def bot_of(name: str) -> Bot:
    """Return the only bot of an example."""
    (bot,) = manifest.load(STRATEGIES / name).bots
    return bot


def slots_of(name: str, length: timedelta) -> list[datetime]:
    """Return the slots of an example from the start of 2026."""
    return list(slots_between(bot_of(name).schedule, START, START + length))


@pytest.fixture
def rehearse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rehearse:
    """Give a function that runs an example at the given slots and returns all its decisions, as the journal has them."""

    def run_all(name: str, slots: Iterable[datetime]) -> list[Decision]:
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.delitem(sys.modules, "strategy", raising=False)
        read, bot, function = manifest.load(STRATEGIES / name), bot_of(name), loader.load(STRATEGIES / name)["run"]
        market = open_market(read.market, bot)
        ledger = Ledger(tmp_path / "ledger.sqlite")
        journal = Journal(tmp_path, name, "boot", echo=False)
        for number, slot in enumerate(slots):
            broker = open_broker(read.broker, tmp_path, market, slot)
            run = Run(bot, slot, f"run-{number}", 1)
            function(Context(RunProgress(ContextServices(read, market, broker, ledger, journal, lambda: START), run)))
        ledger.close()
        return list(decisions(since(tmp_path / name, START.date())))

    return run_all


def decisions(lines: Iterable[Event]) -> Iterable[Decision]:
    """Yield the decisions among journal lines, each with the newest signal of its symbol."""
    signals: dict[object, Event] = {}
    for line in lines:
        if line["event"] == "signal":
            signals[line["symbol"]] = line
        elif line["event"] == "decision":
            slot, symbol = datetime.fromisoformat(str(line["slot"])), str(line["symbol"])
            yield Decision(slot, symbol, str(line["action"]), line, signals[symbol])


@pytest.mark.parametrize(
    "name, length, count, trades",
    [("ma_crossover", timedelta(days=365), 251, 10), ("pulse", timedelta(hours=4), 240, 100)],
)
def test_every_slot_decides_about_every_symbol_and_it_really_trades(
    rehearse: Rehearse, name: str, length: timedelta, count: int, trades: int
) -> None:
    """One decision per symbol and slot, in the symbols' order; orders fill, and purchases and sales alternate."""
    slots, symbols = slots_of(name, length), bot_of(name).symbols
    assert len(slots) == count
    made = rehearse(name, slots)
    assert [(one.slot, one.symbol) for one in made] == [(slot, symbol) for slot in slots for symbol in symbols]
    orders = [one for one in made if one.action != "hold"]
    assert len(orders) >= trades
    assert {one.line["status"] for one in orders} == {"filled"}
    for symbol in symbols:
        sides = [one.action for one in orders if one.symbol == symbol]
        assert sides[:2] == ["buy", "sell"]
        assert sides == [("buy", "sell")[step % 2] for step in range(len(sides))]


@pytest.mark.parametrize("name", ["ma_crossover", "pulse"])
def test_every_line_says_which_past_day_it_saw(rehearse: Rehearse, name: str) -> None:
    """Signals and decisions carry the source and the historical day, one further each slot, and a reason to read."""
    market = open_market("sample", bot_of(name))
    for one in rehearse(name, slots_of(name, timedelta(days=10))[:5]):
        for line in (one.line, one.signal):
            assert market.provenance(one.slot).items() <= line.items()
        assert one.line["source"] == "sample"
        assert one.line["reason"]


def test_ma_crossover_is_long_while_the_short_average_is_above(rehearse: Rehearse) -> None:
    """After every slot a symbol is held exactly if its 20-day average is above its 50-day average."""
    market = open_market("sample", bot_of("ma_crossover"))
    held = dict.fromkeys(bot_of("ma_crossover").symbols, False)
    for one in rehearse("ma_crossover", slots_of("ma_crossover", timedelta(days=365))):
        held[one.symbol] = {"buy": True, "sell": False, "hold": held[one.symbol]}[one.action]
        closes = market.bars(one.symbol, "1d", 50, one.slot).closes
        short, long = fmean(closes[-20:]), fmean(closes)
        assert held[one.symbol] == (short > long)
        values = [one.signal[name] for name in ("signal", "short", "long")]
        assert values == pytest.approx([short / long - 1, short, long])


def test_pulse_buys_after_a_fall_and_sells_after_a_rise(rehearse: Rehearse) -> None:
    """The sign of the signal says which side an order is on."""
    for one in rehearse("pulse", slots_of("pulse", timedelta(hours=4))):
        signal = one.line["signal"]
        assert isinstance(signal, float)
        assert one.action != "buy" or signal < 0
        assert one.action != "sell" or signal > 0


def test_pulse_goes_on_where_the_sample_begins_again(rehearse: Rehearse) -> None:
    """Where the prices jump back to the first day there is cash left to buy with."""
    market = open_market("sample", bot_of("pulse"))
    minutes = [START + timedelta(minutes=step) for step in range(3020)]
    last = max(minutes, key=lambda at: market.provenance(at)["historical_day"])
    orders = [
        one
        for one in rehearse("pulse", [last + timedelta(minutes=step) for step in range(-60, 60)])
        if one.action != "hold"
    ]
    assert {one.line["status"] for one in orders} == {"filled"}
    assert [one for one in orders if one.slot > last and one.action == "buy"]
