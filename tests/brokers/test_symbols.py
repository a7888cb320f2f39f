"""Symbols that an exchange halts, delists or names otherwise: asked about again within minutes, and no matter of the others."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.trading.brokers import Order
from openbell.trading.run_services import Intent
from openbell.trading.venues import exchange
from tests.brokers.conftest import KINDS, bench_of
from tests.brokers.trials import Strategy, strategy_at

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

BINANCE, KRAKEN = (next(kind for kind in KINDS if kind.name == name) for name in ("ccxt:binance", "ccxt:kraken"))
MINUTES = 10 * 60.0
STOP = """
def run(ctx):
    for symbol in ctx.symbols:
        ctx.bars(symbol, "1m", 2)
        if held := ctx.position(symbol):
            ctx.order(symbol, "sell", held, reason="stop")
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strategy]:
    """A strategy at Binance."""
    with strategy_at(BINANCE, tmp_path, monkeypatch) as made:
        yield made


def test_a_halt_is_asked_about_again_within_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status BREAK at the first question is a rejection; some minutes later the symbol is traded again (T18)."""
    assert exchange.HALT_AGE <= MINUTES
    with bench_of(BINANCE, tmp_path) as bench:
        bench.book.halted = {"BTC/USDT"}
        bench.intents["ob-1"] = bench.intents["ob-2"] = Intent("BTC/USDT", datetime.now(UTC))
        halted = bench.broker().submit(Order("ob-1", "BTC/USDT", "buy", 0.5))
        assert (halted.status, halted.reason) == ("rejected", "BTC/USDT is not traded on binance now")
        bench.book.halted = set()
        asked = bench.wire.count("GET", "/exchangeInfo")
        assert bench.broker().submit(Order("ob-1", "BTC/USDT", "buy", 0.5)).status == "rejected"
        assert bench.wire.count("GET", "/exchangeInfo") == asked  # not at each order: all symbols are megabytes
        monkeypatch.setattr(exchange, "HALT_AGE", 0.0)
        assert bench.broker().submit(Order("ob-2", "BTC/USDT", "buy", 0.5)).status == "filled"


@pytest.mark.parametrize("limits", ["", "[limits]\nmax_daily_loss = 50"])
def test_a_bot_whose_symbol_is_gone_leaves_the_other_bot_its_stop(desk: Strategy, limits: str) -> None:
    """EOS/USDT is not in exchangeInfo any more; the stop of BTC/USDT is sent, and EOS/USDT is said (T6)."""
    desk.write('def run(ctx): ctx.order("BTC/USDT", "buy", 0.5, reason="up")')
    assert desk.attempt() is None
    desk.write(STOP, f"{limits}\n[[bot]]\nid = 'eos'\nsymbols = ['EOS/USDT']\nevery = '5m'\n")
    desk.bench.book.held["EOS/USDT"] = 3.0  # which the exchange still shows in the account
    failure = desk.attempt(desk.start())
    assert failure is not None
    assert "binance has no symbol EOS/USDT" in failure.error
    desk.attempts = 1
    assert desk.attempt(desk.start(1)) is None
    assert [one.side for one in desk.bench.book.orders] == ["buy", "sell"]


TREND = """
def run(ctx):
    (symbol,) = ctx.symbols
    held = ctx.position(symbol)
    if ctx.price(symbol) > 40_000 and not held:
        ctx.order(symbol, "buy", 0.02, reason="up")
    if ctx.price(symbol) < 40_000 and held:
        ctx.order(symbol, "sell", held, reason="down")
"""


@pytest.mark.parametrize("name", ["XBT.F", "XBT.S"])
def test_a_coin_that_earns_is_held_and_sold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Kraken shows it under a name of its own: it is bought once, differs from nothing, and the sale works (T4)."""
    with strategy_at(KRAKEN, tmp_path, monkeypatch) as made:
        book = made.bench.book
        book.earns_as = name
        made.write(TREND, "[limits]\nmax_position = 1500\n")
        for _ in range(3):
            assert made.attempt() is None
            with closing(made.ledger()) as ledger:
                ledger.remember("reconciled at", "2026-01-01T00:00:00+00:00")
        book.prices["BTC/USD"] = 30_000.0
        assert made.attempt() is None
        assert [(one.side, one.quantity, one.status) for one in book.orders] == [
            ("buy", 0.02, "filled"),
            ("sell", 0.02, "filled"),
        ]
        assert [line["differences"] for line in made.lines("reconciled")] == [[]]  # told again only if it changes
