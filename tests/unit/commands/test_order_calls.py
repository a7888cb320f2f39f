"""What `make check` sees in a strategy's code of orders that its venue cannot take."""

from pathlib import Path

import pytest

from openbell.commands.order_calls import order_problems
from openbell.manifest import load

TOML = """
timezone = "UTC"
market = "{broker}"
broker = "{broker}"

[[bot]]
symbols = ["{symbol}"]
every = "1h"
"""


def problems(folder: Path, broker: str, symbol: str, call: str) -> list[str]:
    """Return what is found about a strategy whose run makes one call."""
    strategy = folder / "idea"
    strategy.mkdir()
    toml = TOML.format(broker=broker, symbol=symbol)
    (strategy / "strategy.toml").write_text(toml.replace('market = "paper"', 'market = "sample"'))
    (strategy / "strategy.py").write_text(f"def run(ctx):\n    {call}\n")
    return list(order_problems(strategy, load(strategy)))


@pytest.mark.parametrize("broker, symbol, call, told", [
    ("ccxt:kraken", "BTC/USD", "ctx.bracket('BTC/USD', 'buy', 1, limit=5, take_profit=6, stop_loss=4, reason='x')", "brings one exit along"),
    ("ccxt:bybit", "BTC/USDT", "ctx.exits('BTC/USDT', take_profit=6, stop_loss=4, reason='x')", "no orders for spot that cancel one another"),
    ("ccxt:binance", "BTC/USDT", "ctx.bracket('BTC/USDT', 'buy', 1, take_profit=6, stop_loss=4, reason='x')", "give its entry a limit"),
    ("ccxt:coinbase", "BTC/USD", "ctx.replace(ctx.open_orders()[0], limit=5, reason='x')", "cancel the order, and send another one"),
    ("ccxt:okx", "BTC/USDT", "ctx.order('BTC/USDT', 'sell', 1, trail='3%', reason='x')", "move a stop in run()"),
    ("paper", "BTC/USD", "ctx.order('BTC/USD', 'buy', 1, time_in_force='opg', reason='x')", "there are no auctions"),
])  # fmt: skip
def test_an_order_that_the_venue_cannot_take_is_found(
    tmp_path: Path, broker: str, symbol: str, call: str, told: str
) -> None:
    """With its line, why it is so, and what comes nearest."""
    (problem,) = problems(tmp_path, broker, symbol, call)
    assert problem.startswith("idea/strategy.py:2: ")
    assert told in problem


@pytest.mark.parametrize("broker, symbol, call", [
    ("ccxt:okx", "BTC/USDT", "ctx.exits('BTC/USDT', take_profit=6, stop_loss=4, reason='x')"),
    ("ccxt:okx", "BTC/USDT", "ctx.bracket('BTC/USDT', 'buy', 1, limit=5, take_profit=6, stop_loss=4, reason='x')"),
    ("ccxt:bybit", "BTC/USDT", "ctx.replace(ctx.open_orders()[0], limit=5, reason='x')"),
    ("ccxt:kraken", "BTC/USD", "ctx.order('BTC/USD', 'sell', 1, trail=2.5, reason='x')"),
    ("paper", "AAPL", "ctx.order('AAPL', 'buy', 1, time_in_force='opg', reason='x')"),
    ("my_broker:Mine", "BTC/USD", "ctx.exits('BTC/USD', take_profit=6, stop_loss=4, reason='x')"),
])  # fmt: skip
def test_what_the_venue_takes_is_no_problem(tmp_path: Path, broker: str, symbol: str, call: str) -> None:
    """Nor is what only the broker of one's own can know."""
    assert problems(tmp_path, broker, symbol, call) == []
