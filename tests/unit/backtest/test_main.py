"""`openbell backtest`: the whole command, in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def backtest(*options: str, strategies: Path = ROOT / "strategies") -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "openbell", "backtest", *options, "--strategies", str(strategies)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ})


def test_one_backtest_prints_figures_and_leaves_a_report_and_a_journal(tmp_path: Path) -> None:
    """On the shipped prices, over a year."""
    done = backtest("ma_crossover", "--from", "2011-01-03", "--to", "2011-12-30", "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Sharpe ratio" in done.stdout
    assert "252 slots in " in done.stdout
    report = (tmp_path / "report.html").read_text()
    assert "Backtest of ma_crossover" in report
    assert report.count("<svg") == 2
    assert "<script" not in report
    assert "http" not in report
    assert len(list((tmp_path / "journal" / "ma_crossover").iterdir())) == 252


def test_a_sweep_shows_every_combination(tmp_path: Path) -> None:
    """In parallel, by their Sharpe ratio, and without a journal for each."""
    options = ("--from", "2012-01-03", "--set", "fast=5,10", "--set", "slow=30,40", "--out", str(tmp_path))
    done = backtest("ma_crossover", *options, "--workers", "2")
    assert done.returncode == 0
    assert "4 combinations; the best by its Sharpe ratio: fast = " in done.stdout
    assert (tmp_path / "report.html").read_text().count("<td>30</td>") == 2
    assert not (tmp_path / "journal").exists()


def test_a_strategy_that_fails_ends_with_1(tmp_path: Path) -> None:
    """The first failure is named; the report is there all the same."""
    folder = tmp_path / "strategies" / "broken"
    folder.mkdir(parents=True)
    (folder / "strategy.toml").write_text(
        'timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nat = "15:00"\ndays = "mon-fri"\n'
    )
    (folder / "strategy.py").write_text("def run(ctx):\n    ctx.bars('AAPL', '7m', 1)\n")
    options = ("--from", "2012-01-03", "--to", "2012-01-06", "--out", str(tmp_path / "out"))
    done = backtest("broken", *options, strategies=tmp_path / "strategies")
    assert done.returncode == 1
    assert "4 of 4 runs failed; the first: 2012-01-03 15:00 UTC, broken: " in done.stderr
    assert 'there are no "7m" bars of the past' in done.stderr
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize(
    "options, code, said",
    [
        (["ma_crossover", "--bot", "x"], 2, "--bot x: ma_crossover has no such bot with slots; it has: ma_crossover"),
        (
            ["ma_crossover", "--set", "no=1"],
            2,
            "--set no: ma_crossover has no such parameter; it has: fast, share, slow",
        ),
        (
            ["ma_crossover", "--from", "1999-01-01"],
            2,
            "--from 1999-01-01: prices and calendar begin later; the first day is",
        ),
        (["ma_crossover", "--from", "2012-01-07", "--to", "2012-01-08"], 2, "no slot lies from 2012-01-07"),
        (["ma_crossover", "--from", "soon"], 2, 'argument --from: found "soon"; allowed: a day such as 2010-01-04'),
        (["ma_crossover", "--set", "fast"], 2, 'argument --set: found "fast"; allowed: a parameter and its values'),
        (["ma_crossover", "--cash", "-5"], 2, 'argument --cash: found "-5"; allowed: a number such as 2.5'),
        (["nope"], 1, "found no such file; allowed: a strategy.toml in the strategy's folder"),
    ],
)
def test_wrong_input_is_one_line(tmp_path: Path, options: list[str], code: int, said: str) -> None:
    """What was found, what is allowed, and no traceback."""
    done = backtest(*options, "--out", str(tmp_path))
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
