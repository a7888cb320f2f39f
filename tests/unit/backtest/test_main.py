"""`openbell backtest`: the whole command, in processes of its own."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.backtest import asked
from openbell.manifest import load
from openbell.slots import count_slots
from tests.unit.backtest.whole_command import backtest, strategy


def test_one_backtest_prints_figures_and_leaves_a_report_and_a_journal(tmp_path: Path) -> None:
    """On the shipped prices, over a year."""
    done = backtest("ma_crossover", "--from", "2011-01-03", "--to", "2011-12-30", "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Sharpe ratio" in done.stdout
    assert "252 slots in " in done.stdout
    report = (tmp_path / "report.html").read_text()
    assert "Backtest of ma_crossover" in report
    assert report.count('<div class="chart"') == 8
    (journal,) = (tmp_path / "journal" / "ma_crossover").iterdir()
    assert journal.read_text().count('"run_start"') == 252


def test_a_sweep_shows_every_combination(tmp_path: Path) -> None:
    """In parallel, by their Sharpe ratio, and without a journal for each."""
    options = ("--from", "2012-01-03", "--set", "fast=5,10", "--set", "slow=30,40", "--out", str(tmp_path))
    done = backtest("ma_crossover", *options, "--workers", "2")
    assert done.returncode == 0
    assert "4 combinations; the best by its Sharpe ratio: fast = " in done.stdout
    assert (tmp_path / "report.html").read_text().count("<td>30</td>") == 2
    assert not (tmp_path / "journal").exists()


@pytest.mark.parametrize(
    "every,kept,first", [("1m", range(48_000, asked.MOST + 1), "2011-11-27"), ("1d", range(730, 732), "2010-01-01")]
)
def test_what_is_due_every_minute_is_run_over_the_newest_slots(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], every: str, kept: range, first: str
) -> None:
    """A fresh strategy would run for hours otherwise; what is left out is said. Few slots are all run."""
    folder = tmp_path / "busy"
    folder.mkdir()
    (folder / "strategy.toml").write_text(f'timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nevery = "{every}"\n')
    bots = load(folder).bots
    after, until = datetime(2010, 1, 1, tzinfo=UTC), datetime(2012, 1, 1, tzinfo=UTC)
    begin = asked.newest(bots, after, until)
    assert count_slots(bots[0].schedule, begin, until) in kept
    assert f"{begin:%Y-%m-%d}" == first
    said = capsys.readouterr().err
    assert ("of 1,051,200 slots, from 2011-11-27 on; --from names another first day" in said) == (every == "1m")


def test_a_walk_forward_is_judged_on_what_had_no_part_in_the_choice(tmp_path: Path) -> None:
    """Two windows of half a year each; the report keeps them apart from the sweep, whose luck it names."""
    options = ("--from", "2011-01-03", "--to", "2012-12-28", "--set", "fast=5,10", "--set", "slow=30,40")
    done = backtest("ma_crossover", *options, "--walk-forward", "1y/6m", "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "walk-forward, out of sample: 2 windows, return " in done.stdout
    assert "deflated Sharpe ratio: with a probability of " in done.stdout
    assert "probability of backtest overfitting: " in done.stdout
    report = (tmp_path / "report.html").read_text()
    assert report.count('<div class="chart"') == 9
    assert "<td>2011-01-03</td><td>2012-01-03</td><td>2012-07-03</td>" in report
    assert '<table id="heat">' in report


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
        (["ma_crossover", "--from", "2012-06-02", "--to", "2012-06-01"], 2, "2012-06-02: the last day is 2012-06-01;"),
        (["ma_crossover", "--from", "2099-01-01"], 2, "--from 2099-01-01: the last day is 2013-03-01;"),
        (["ma_crossover", "--from", "soon"], 2, 'argument --from: found "soon"; allowed: a day such as 2010-01-04'),
        (
            ["ma_crossover", "--to", "9999-12-31"],
            2,
            'argument --to: found "9999-12-31"; allowed: a day such as 2010-01-04',
        ),
        (["ma_crossover", "--cash", "1e400"], 2, 'argument --cash: found "1e400"; allowed: a number such as 2.5'),
        (["ma_crossover", "--set", "fast"], 2, 'argument --set: found "fast"; allowed: a parameter and its values'),
        (["ma_crossover", "--cash", "-5"], 2, 'argument --cash: found "-5"; allowed: a number such as 2.5'),
        (["ma_crossover", "--cash", "0"], 2, 'argument --cash: found "0"; allowed: an amount above 0'),
        (["ma_crossover", "--cash", "nan"], 2, 'argument --cash: found "nan"; allowed: a number such as 2.5'),
        (
            ["ma_crossover", "--slippage", "20000"],
            2,
            'argument --slippage: found "20000"; allowed: basis points from 0',
        ),
        (["ma_crossover", "--commission", "10000"], 2, "allowed: basis points from 0 to below 10000"),
        (
            ["ma_crossover", "--set", "fast=banana"],
            2,
            "--set fast: found 'banana'; allowed: values such as the manifest's 20",
        ),
        (
            ["ma_crossover", "--set", "fast=5,True"],
            2,
            "--set fast: found True; allowed: values such as the manifest's 20",
        ),
        (
            ["ma_crossover", "--walk-forward", "3y"],
            2,
            'found "3y"; allowed: years or months to choose on and to judge on',
        ),
        (["ma_crossover", "--walk-forward", "3y/6m"], 2, "--walk-forward chooses among parameters: name their values"),
        (
            ["ma_crossover", "--from", "2012-01-03", "--set", "fast=5,10", "--walk-forward", "3y/6m"],
            2,
            "is shorter than the time to choose on",
        ),
        (["ma_crossover", "--workers", "0"], 2, "--workers: found 0; allowed: 1 or more"),
        (["ma_crossover", "--prices", "no/such"], 2, "--prices: no/such is not a folder"),
        (["nope"], 1, "found no such file; allowed: a strategy.toml in the strategy's folder"),
    ],
)
def test_wrong_input_is_one_line(tmp_path: Path, options: list[str], code: int, said: str) -> None:
    """What was found, what is allowed, and no traceback."""
    done = backtest(*options, "--out", str(tmp_path))
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


DAILY = 'timezone = "America/New_York"\ncalendar = "XNYS"\n{}[[bot]]\nsymbols = ["AAPL"]\nat = "09:35"\n'


def test_what_a_strategy_writes_beside_its_code_is_gone_with_the_backtest(tmp_path: Path) -> None:
    """A model of one backtest would be the future of the next: neither the folder nor the working folder keeps it."""
    code = (
        "from pathlib import Path\n\nHERE = Path(__file__).parent\n\n\ndef run(ctx):\n"
        "    for path in (HERE / 'model', Path('cache')):\n"
        "        if ctx.now.day == 3:\n            assert not path.exists(), path\n"
        "        path.write_text('learnt')\n"
    )
    strategies = strategy(tmp_path, code, DAILY.format(""))
    for _ in range(2):
        options = ("--from", "2012-01-03", "--to", "2012-01-05", "--out", str(tmp_path / "out"))
        done = backtest("mine", *options, strategies=strategies)
        assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (strategies / "mine").iterdir()) == ["strategy.py", "strategy.toml"]


def test_a_market_of_the_strategys_own_is_used(tmp_path: Path) -> None:
    """Named in the manifest by its import path."""
    code = "def run(ctx):\n    ctx.signal('AAPL', ctx.price('AAPL'))\n    print(ctx.price('AAPL'))\n"
    strategies = strategy(tmp_path, code, DAILY.format('market = "my_market:Mine"\n'))
    (strategies / "mine" / "my_market.py").write_text(
        "class Mine:\n"
        "    def __init__(self, services, bot): pass\n"
        "    def bars(self, symbol, timeframe, count, at): return ()\n"
        "    def price(self, symbol, at): return 42.5\n"
        "    def series(self, name, count, at): return ()\n"
        "    def provenance(self, at): return {'historical_day': str(at.date())}\n"
    )
    options = ("--from", "2012-01-03", "--to", "2012-01-03", "--out", str(tmp_path / "out"))
    done = backtest("mine", *options, strategies=strategies)
    assert done.returncode == 0, done.stderr
    (journal,) = (tmp_path / "out" / "journal" / "mine").iterdir()
    assert '"text": "42.5"' in journal.read_text()


def test_orders_that_were_not_taken_lead_the_report(tmp_path: Path) -> None:
    """How many, why, and the first of them; on the terminal and in the report."""
    code = "def run(ctx):\n    ctx.order('AAPL', 'sell', 1, reason='short')\n"
    strategies = strategy(tmp_path, code, DAILY.format(""))
    options = ("--from", "2012-01-03", "--to", "2012-01-05", "--out", str(tmp_path / "out"))
    done = backtest("mine", *options, strategies=strategies)
    assert (
        "3 orders were not taken (3 insufficient position); the first: 2012-01-03 14:35 UTC, mine, AAPL: "
        in done.stderr
    )
    report = (tmp_path / "out" / "report.html").read_text()
    assert report.index("3 orders were not taken") < report.index("Sharpe ratio")


def test_symbols_that_the_sample_does_not_have_get_made_up_prices(tmp_path: Path) -> None:
    """Intraday strategies run out of the box, and the command says what their figures are worth."""
    code = "def run(ctx):\n    assert len(ctx.bars('BTC/USD', '4h', 50)) == 50\n"
    manifest = 'timezone = "UTC"\nmarket = "ccxt:kraken"\n[[bot]]\nsymbols = ["BTC/USD"]\nevery = "4h"\n'
    done = backtest("mine", "--out", str(tmp_path / "out"), strategies=strategy(tmp_path, code, manifest))
    assert done.returncode == 0
    assert "on made-up prices, whose figures mean nothing; real ones: --prices FOLDER" in done.stderr
    assert "180 slots in " in done.stdout
