"""Orders in a strategy's code that its venue cannot take."""

from pathlib import Path

import pytest

from openbell.commands.check import main
from tests.unit.strategy_file import write

KEYS = 'secrets = ["ALPACA_API_KEY", "ALPACA_SECRET_KEY"]\n'


@pytest.mark.parametrize("broker, symbols, call, needed", [
    ("alpaca", '["BTC/USD"]', 'ctx.order("BTC/USD", "buy", 1, time_in_force="opg", reason="x")', "opg"),
    ("alpaca", '["BTC/USD"]', 'ctx.bracket("BTC/USD", "buy", 1, take_profit=2, stop_loss=1, reason="x")', "bracket"),
    ("ccxt:binance", '["BTC/USDT"]', 'ctx.order("BTC/USDT", "sell", 1, trail=5, reason="x")', "trailing stop"),
    ("ccxt:kraken", '["BTC/USD"]', 'ctx.exits("BTC/USD", take_profit=2, stop_loss=1, reason="x")', "pair"),
    ("ccxt:binance", '["BTC/USDT"]', 'ctx.bracket("BTC/USDT", "buy", 1, take_profit=2, stop_loss=1, reason="x")', "bracket"),
    ("ccxt:binance", '["BTC/USDT"]', 'ctx.bracket("BTC/USDT", "buy", 1, limit=1.5, take_profit=2, stop_loss=1, reason="x")', ""),
    ("ccxt:okx", '["BTC/USDT"]', 'ctx.bracket("BTC/USDT", "buy", 1, limit=1.5, take_profit=2, stop_loss=1, reason="x")', ""),
    ("ccxt:kraken", '["BTC/USDT"]', 'ctx.bracket("BTC/USDT", "buy", 1, limit=1.5, take_profit=2, stop_loss=1, reason="x")', "limit bracket"),
    ("paper", '["AAPL"]', 'ctx.bracket("AAPL", "buy", 1, take_profit=2, stop_loss=1, reason="x")', ""),
    ("alpaca", '["BTC/USD"]', 'ctx.order("BTC/USD", "buy", 1, stop=None, reason="x")', ""),
    ("alpaca", '["BTC/USD"]', 'shop.order("BTC/USD", "buy", 1, stop=5)', ""),
    ("my_broker:MyBroker", '["X"]', 'ctx.bracket("X", "buy", 1, take_profit=2, stop_loss=1, reason="x")', ""),
])  # fmt: skip
def test_a_call_that_no_venue_of_the_strategy_takes_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broker: str, symbols: str, call: str, needed: str
) -> None:
    """With the file, the line and what is missing; what cannot be seen for certain is left to the run."""
    head = f'timezone = "UTC"\nmarket = "synthetic"\nbroker = "{broker}"\n{KEYS}'
    write(tmp_path, f'{head}[[bot]]\nid = "b"\nat = "15:00"\nsymbols = {symbols}\n')
    (tmp_path / "demo" / "strategy.py").write_text(f"def run(ctx):\n    {call}\n")
    (tmp_path / "demo" / "my_broker.py").write_text("class MyBroker:\n    pass\n")
    code = main(["--strategies", str(tmp_path)])
    told = capsys.readouterr().err
    assert (code, f"demo/strategy.py:2: {needed} orders" in told) == ((1, True) if needed else (0, False)), told
