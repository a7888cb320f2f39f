"""One bad symbol harms no other: what the market does not know is left out and said, and the others' exits are sent."""

import os
from pathlib import Path

import pytest

from openbell.runner import worker
from openbell.strategy.context import Context
from openbell.trading.markets import Bars, UnknownSymbolError
from tests.unit.trading.exits.conftest import BOT, SLOT, SYMBOL, AMarket, Desk, desk

__all__ = ["desk"]  # the fixture
GONE = "EOS/USDT"


def forget(monkeypatch: pytest.MonkeyPatch, symbol: str) -> None:
    """Let the market know a symbol no more."""
    known = AMarket.bars

    def bars(self: AMarket, asked: str, timeframe: str, count: int, at: object) -> Bars:
        if asked == symbol:
            raise UnknownSymbolError(symbol, f"no symbol {symbol}")
        return known(self, asked, timeframe, count, SLOT)

    monkeypatch.setattr(AMarket, "bars", bars)


def sell_all(context: Context) -> None:
    """Sell whatever is held, after a look at its bars."""
    for symbol in context.symbols:
        context.bars(symbol, "1d", 3)
        if held := context.position(symbol):
            context.order(symbol, "sell", held, reason="stop")


@pytest.mark.parametrize("symbols", [(GONE, SYMBOL), (SYMBOL, GONE)])
def test_the_others_exits_are_sent(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, symbols: tuple[str, ...]
) -> None:
    """The symbol that was delisted comes first or last: the stop of the other is sent, once (T6, T7)."""
    from dataclasses import replace  # noqa: PLC0415 - only here

    here: Desk = request.getfixturevalue("desk")
    here.buys(0.02)
    forget(monkeypatch, GONE)
    context = here.context(replace(BOT, symbols=symbols))
    worker._run_with_what_is_there(sell_all, context._progress, context, os.getpid())
    assert [order.side for order in here.broker.sent] == ["buy", "sell"]
    (line,) = here.lines("symbol_unavailable")
    assert (line["level"], line["symbol"], line["reason"]) == ("warning", GONE, f"no symbol {GONE}")
    holds = [line["reason"] for line in here.lines("decision") if line["symbol"] == GONE]
    assert holds == [f"left out: no symbol {GONE}"]


def test_a_bot_with_nothing_else_fails(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its only symbol is gone, and its run says so."""
    here: Desk = request.getfixturevalue("desk")
    forget(monkeypatch, SYMBOL)
    context = here.context()
    with pytest.raises(UnknownSymbolError, match=f"no symbol {SYMBOL}"):
        worker._run_with_what_is_there(sell_all, context._progress, context, os.getpid())
