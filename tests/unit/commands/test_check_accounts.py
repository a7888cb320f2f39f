"""`openbell check` and strategies that trade on one account."""

from pathlib import Path

import pytest

from openbell.commands.check import main

KEYS = "secrets = ['ALPACA_API_KEY', 'ALPACA_SECRET_KEY']\nmarket = 'alpaca'\nbroker = 'alpaca'\n"


def write(root: Path, name: str, top: str, symbols: str = "'AAPL'") -> None:
    """Write a strategy that is right but for what is at its top."""
    folder = root / name
    folder.mkdir()
    bot = f"[[bot]]\nid = '{name}'\nsymbols = [{symbols}]\nat = '09:35'\n"
    (folder / "strategy.toml").write_text(f"timezone = 'UTC'\n{top}\n{bot}")
    (folder / "strategy.py").write_text("def run(ctx):\n    pass\n")


@pytest.mark.parametrize("share, code", [("", 1), ("[capital]\npart = 0.5\n", 0), ("[capital]\namount = 5000\n", 0)])
def test_strategies_on_one_account_say_what_their_share_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], share: str, code: int
) -> None:
    """Without a share each would take the account's cash for its own, and reconciliation would differ for ever (T32)."""
    write(tmp_path, "one", KEYS + share)
    write(tmp_path, "two", KEYS + "[capital]\npart = 0.5\n")
    assert main(["--strategies", str(tmp_path)]) == code
    told = capsys.readouterr().err.splitlines()
    expected = (
        "one/strategy.toml: capital: found nothing; allowed: a share such as [capital] part = 0.5, since two trades on the "
        "same account"
    )
    assert told == ([expected] if code else [])


def test_paper_accounts_and_other_money_are_not_shared(tmp_path: Path) -> None:
    """Each strategy has a paper account of its own, and live money lies elsewhere."""
    write(tmp_path, "one", KEYS)
    write(tmp_path, "two", KEYS + "live = true\n")
    write(tmp_path, "three", "")
    write(tmp_path, "four", "")
    assert main(["--strategies", str(tmp_path)]) == 0


@pytest.mark.parametrize("market, share, symbols, currencies", [
    ("ccxt:binance", "amount = 5000", "'BTC/USDT', 'ETH/EUR'", "EUR and USDT"),
    ("ccxt:binance", "amount = 5000", "'BTC/USDT', 'ETH/USDT'", ""),
    ("ccxt:binance", "part = 0.5", "'BTC/USDT', 'ETH/EUR'", ""),
    ("synthetic", "amount = 5000", "'AAPL', 'BTC/USD'", ""),  # both cost dollars
])  # fmt: skip
def test_an_amount_is_in_one_currency(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], market: str, share: str, symbols: str, currencies: str
) -> None:
    """Bots in two currencies would each take it for an amount of their own: the share would be twice as large."""
    write(tmp_path, "one", f"market = '{market}'\n[capital]\n{share}\n", symbols)
    code, told = main(["--strategies", str(tmp_path)]), capsys.readouterr().err
    expected = (
        f"one/strategy.toml: capital.amount: found bots that trade in {currencies}; allowed: bots in one currency, or a part "
        "of the account, which counts in each\n"
    )
    assert (code, told) == ((1, expected) if currencies else (0, ""))
