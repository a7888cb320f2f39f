"""[prepare]: a second function with its own schedule, and the files that it leaves to the first one."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from openbell.backtest import engine
from openbell.backtest.engine import Setup
from openbell.journal import Journal
from openbell.ledger import Claim, Ledger
from openbell.manifest import ManifestError, load
from openbell.paths import Paths
from openbell.runner import worker
from openbell.runner.launchers import ForkLauncher
from openbell.runner.report import Failure
from openbell.strategy import Context, loader
from openbell.strategy.run_state import Run, StrategyError
from tests.unit.runner.fakes import wait_for
from tests.unit.strategy_file import write

SLOT = datetime(2026, 3, 2, 14, 35, tzinfo=UTC)
MANIFEST = """timezone = "America/New_York"
calendar = "XNYS"

[prepare]
at = "08:00"
days = "mon"

[[bot]]
id = "demo"
at = "09:35"
symbols = ["AAPL"]
"""
CODE = """
def prepare(ctx):
    (ctx.files / "model").write_text("2")

def run(ctx):
    model = ctx.files / "model"
    ctx.order("AAPL", "buy", int(model.read_text()) if model.exists() else 1, reason="as the model says")
"""


def test_prepare_is_a_bot_of_its_own(tmp_path: Path) -> None:
    """With all symbols, half an hour, and an id that follows from the strategy's name."""
    write(tmp_path, MANIFEST)
    manifest = load(tmp_path / "demo")
    bot = manifest.bots[-1]
    assert (bot.id, bot.function, bot.symbols, bot.timeout) == (
        "demo-prepare", "prepare", ("AAPL",), timedelta(minutes=30))  # fmt: skip
    assert loader.functions(manifest) == ("run", "prepare")


@pytest.mark.parametrize("table, wrong", [
    ("[prepare]\n", "prepare.at: found neither at nor every"),
    ('[prepare]\nat = "08:00"\nsymbols = ["A"]\n', "prepare.symbols: found an unknown key"),
])  # fmt: skip
def test_what_is_wrong_with_prepare_is_said(tmp_path: Path, table: str, wrong: str) -> None:
    """As of every table."""
    write(tmp_path, MANIFEST.replace('[prepare]\nat = "08:00"\ndays = "mon"\n', table))
    with pytest.raises(ManifestError, match=wrong):
        load(tmp_path / "demo")


def attempt(folder: Path, bot_index: int) -> Failure | None:
    """Run a bot once in a child, as the loop does."""
    manifest = load(folder / "demo")
    places = Paths("demo", folder / "demo", folder / "journal", folder / "state", folder / "control")
    places.state.mkdir(exist_ok=True)
    bot = manifest.bots[bot_index]
    ledger = Ledger(places.state / "ledger.sqlite")
    ledger.claim([Claim(bot.id, SLOT, "r1", 1, "loop", SLOT)])
    ledger.close()
    journal = Journal(places.journal, "demo", "boot", echo=False)

    def once(run: Run, _: object) -> Failure | None:
        functions = loader.load(places.folder, loader.functions(manifest))
        return worker.attempt(manifest, functions, places, journal, run)

    process = ForkLauncher(once).start(Run(bot, SLOT, "r1", 1))
    endings = []

    def has_ended() -> bool:
        if ending := process.poll():
            endings.append(ending)
        return bool(endings)

    wait_for(has_ended, "the end of the attempt", 60)
    return endings[0].failure


def bought(folder: Path) -> list[float]:
    """Return the quantities of the orders."""
    ledger = Ledger(folder / "state" / "ledger.sqlite")
    found = [one.quantity for one in ledger.orders("demo", SLOT)]
    ledger.close()
    return found


def test_what_prepare_leaves_run_finds(tmp_path: Path) -> None:
    """In ctx.files, which outlives both."""
    write(tmp_path, MANIFEST)
    (tmp_path / "demo" / "strategy.py").write_text(CODE)
    assert attempt(tmp_path, 1) is None
    assert attempt(tmp_path, 0) is None
    assert bought(tmp_path) == [2.0]


def test_prepare_sends_no_orders(tmp_path: Path) -> None:
    """A call of ctx.order there is a mistake, and says so."""
    write(tmp_path, MANIFEST)
    (tmp_path / "demo" / "strategy.py").write_text(
        CODE + '\n\ndef prepare(ctx):\n    ctx.order("AAPL", "buy", 1, reason="x")\n'
    )
    failure = attempt(tmp_path, 1)
    assert failure is not None
    assert "prepare() sends no orders" in failure.error


def test_files_are_bounded(tmp_path: Path) -> None:
    """A run that leaves too much fails, and says how to allow more."""
    write(tmp_path, MANIFEST.replace("[prepare]", '[container]\nfiles = "1k"\n\n[prepare]'))
    (tmp_path / "demo" / "strategy.py").write_text(CODE.replace('"2")', '"2" * 2000)'))
    failure = attempt(tmp_path, 1)
    assert failure is not None
    assert "ctx.files holds" in failure.error


def test_a_backtest_prepares_too(tmp_path: Path) -> None:
    """From an empty folder, on Mondays, as the live loop does."""
    days = [day for number in range(12) if (day := date(2011, 3, 2) + timedelta(number)).weekday() < 5]
    (tmp_path / "prices").mkdir()
    rows = "".join(f"{day},100,101,99,100,1000\n" for day in days)
    (tmp_path / "prices" / "AAPL.csv").write_text(f"Date,Open,High,Low,Close,Volume\n{rows}")
    write(tmp_path, MANIFEST)

    def prepare(ctx: Context) -> None:
        with pytest.raises(StrategyError):
            ctx.order("AAPL", "buy", 1, reason="x")
        (ctx.files / "model").write_text("2")

    def run(ctx: Context) -> None:
        model = ctx.files / "model"
        ctx.order("AAPL", "buy", int(model.read_text()) if model.exists() else 1, reason="as the model says")

    span = (datetime(2011, 3, 2, tzinfo=UTC), datetime(2011, 3, 9, tzinfo=UTC))
    outcome = engine.run(Setup(tmp_path / "demo", *span, prices=tmp_path / "prices"), run, prepare=prepare)
    assert outcome.failures == ()
    assert [one.quantity for one in outcome.fills] == [1, 1, 1, 2, 2]
