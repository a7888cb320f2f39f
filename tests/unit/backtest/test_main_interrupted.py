"""`openbell backtest` that is interrupted, or whose strategy ends its process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.unit.backtest.whole_command import backtest, strategy
from tests.unit.runner.fakes import wait_for


def interrupted(tmp_path: Path, *options: str) -> tuple[int, str]:
    """Send the command and its workers SIGINT, as a terminal does, when the strategy has run often enough; return code and stderr."""
    folder = tmp_path / "strategies" / "slow"
    folder.mkdir(parents=True)
    (folder / "strategy.toml").write_text(
        'timezone = "America/New_York"\ncalendar = "XNYS"\n[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"\n[bot.params]\npause = 0.01\n'
    )
    signs = tmp_path / "signs"
    (folder / "strategy.py").write_text(
        "import time\n\ndef run(ctx):\n    time.sleep(ctx.params['pause'])\n"
        f"    if ctx.params['pause'] and ctx.slot.month > 1:\n        open({str(signs)!r}, 'w').close()\n"
    )
    command = [sys.executable, "-m", "openbell", "backtest", "slow", "--strategies", str(folder.parent)]
    with subprocess.Popen(
        [*command, "--from", "2011-01-03", "--out", str(tmp_path / "out"), *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        wait_for(signs.exists, "a run of the strategy")
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    return process.returncode, said


def test_ctrl_c_leaves_the_report_of_the_slots_that_are_done(tmp_path: Path) -> None:
    """One line says how many, and the report says where it ends."""
    code, said = interrupted(tmp_path)
    assert code == 130
    assert "openbell backtest: interrupted: the report is of the first " in said
    assert "Traceback" not in said
    assert "later slots were not run" in (tmp_path / "out" / "report.html").read_text()


def test_ctrl_c_in_a_sweep_leaves_the_report_of_whole_combinations(tmp_path: Path) -> None:
    """One that was cut off is not compared with one that was not."""
    code, said = interrupted(tmp_path, "--set", "pause=0.0,0.01,0.02", "--workers", "1")
    assert code == 130
    assert "interrupted: 1 of 3 combinations are done; the report is of these" in said
    assert "Traceback" not in said
    assert "later slots were not run" not in (tmp_path / "out" / "report.html").read_text()


def test_a_backtest_without_a_journal_writes_the_report_alone(tmp_path: Path) -> None:
    """The same figures, sooner."""
    out = tmp_path / "out"
    done = backtest("ma_crossover", "--from", "2012-11-01", "--out", str(out), "--no-journal")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in out.iterdir()] == ["report.html"]
    assert "journal" not in done.stdout


def test_a_strategy_that_ends_its_process_is_one_line(tmp_path: Path) -> None:
    """As does a library that crashes, or a lack of memory."""
    code = "import os, signal\n\ndef run(ctx):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    manifest = 'timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nat = "15:00"\n'
    done = backtest("mine", "--out", str(tmp_path / "out"), strategies=strategy(tmp_path, code, manifest))
    assert done.returncode == 1
    assert done.stderr == (
        "openbell backtest: the process of the backtest was killed by SIGKILL; SIGKILL is often a lack of memory\n"
    )


def test_old_prices_are_used_from_their_beginning(tmp_path: Path) -> None:
    """Those of 2005: the calendar of New York reaches further back."""
    prices = tmp_path / "prices"
    prices.mkdir()
    days = [f"2005-01-{day:02},10,11,9,10,100" for day in (3, 4, 5, 6, 7, 10, 11)]
    (prices / "AAPL.csv").write_text("\n".join(["Date,Open,High,Low,Close,Volume", *days]))
    code, manifest = "def run(ctx):\n    pass\n", 'timezone = "America/New_York"\ncalendar = "XNYS"\n'
    strategies = strategy(tmp_path, code, f'{manifest}[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"\n')
    done = backtest("mine", "--prices", str(prices), "--out", str(tmp_path / "out"), strategies=strategies)
    assert done.returncode == 0, done.stderr
    assert "\n7 slots in " in done.stdout
    assert "2005-01-03 to 2005-01-11" in (tmp_path / "out" / "report.html").read_text()
