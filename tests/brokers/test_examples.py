"""The examples that trade somewhere, as they are, in real processes against the stubs."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import manifest as manifests
from openbell.journal import Event, Journal, since
from openbell.paths import Paths
from openbell.runner import worker
from openbell.runner.launchers import ForkLauncher
from openbell.runner.processes import Ending
from openbell.runner.report import Failure
from openbell.strategy import loader
from openbell.strategy.run_state import Run
from tests.brokers.book import Book
from tests.brokers.conftest import KINDS, Kind, environment
from tests.brokers.server import running
from tests.unit.runner.fakes import wait_for

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
EXAMPLES = Path(__file__).parents[2] / "strategies"


def rehearse(
    name: str, kind: Kind, book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Failure | None, list[Event]]:
    """Run an example once against its stub; return how it ended and its journal."""
    places = Paths(name, tmp_path / name, tmp_path / "journal", tmp_path / "state", tmp_path / "control")
    shutil.copytree(EXAMPLES / name, places.folder)
    assert kind.venue is not None
    with running(kind.venue(book)) as stub:  # type: ignore[arg-type]
        for variable, value in environment(kind, stub.address).items():
            monkeypatch.setenv(variable, value)
        manifest = manifests.load(places.folder)
        journal = Journal(places.journal, name, "boot", echo=False)
        run = Run(manifest.bots[0], datetime.now(UTC), "r1", 1)

        def attempt(run: Run, _: object) -> Failure | None:
            return worker.attempt(manifest, loader.load(places.folder), places, journal, run)

        process = ForkLauncher(attempt).start(run)
        endings: list[Ending] = []

        def has_ended() -> bool:
            ending = process.poll()
            endings.extend([ending] if ending else [])
            return bool(endings)

        wait_for(has_ended, "the end of the run", 60)
    return endings[0].failure, list(since(journal.folder, datetime(2000, 1, 1, tzinfo=UTC).date()))


@pytest.mark.parametrize("name, kind, symbol, action", [
    ("alpaca_trend", KINDS[2], "SPY", "buy"),  # the stub's closes rise from day to day
    ("kraken_trend", KINDS[4], "BTC/USD", "hold"),  # and stay the same
])  # fmt: skip
def test_an_example_decides(
    name: str, kind: Kind, symbol: str, action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads bars and prices through the library that it names, decides, and keeps to its limits."""
    book = Book(prices={symbol: 100.0})
    failure, lines = rehearse(name, kind, book, tmp_path, monkeypatch)
    assert failure is None, failure
    (line,) = [line for line in lines if line["event"] == "decision"]
    assert (line["symbol"], line["action"], line["source"]) == (symbol, action, kind.name.removeprefix("ccxt:"))
    assert len(book.orders) == (1 if action == "buy" else 0)
    assert not [line for line in lines if line["event"] == "stale_data"]


@pytest.mark.parametrize("name, package", [("alpaca_trend", "alpaca-py=="), ("kraken_trend", "ccxt==")])
def test_an_example_brings_its_library_locked(name: str, package: str) -> None:
    """The image of a strategy that names a library has it, with hashes and without an index's address."""
    text = (EXAMPLES / name / "requirements.txt").read_text()
    assert package in text
    assert "--hash=sha256:" in text
    assert "://" not in text
