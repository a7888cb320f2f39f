"""A bench on which a strategy runs in a real process."""

import os
import sys
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import manifest as manifests
from openbell.journal import Event, Journal, since
from openbell.ledger import Claim, Ledger
from openbell.paths import Paths, from_environment
from openbell.runner import output, worker
from openbell.runner.launchers import ForkLauncher, FreshLauncher
from openbell.runner.processes import Ending, Launcher, RunProcess
from openbell.runner.report import Failure
from openbell.strategy import loader
from openbell.strategy.run_state import Run
from tests.unit.runner.fakes import wait_for

ROOT = Path(__file__).parents[4]
SLOT = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
TOML = 'timezone = "UTC"\nsecrets = ["API_KEY"]\n[[bot]]\nid = "b"\nsymbols = ["AAPL", "IBM"]\nevery = "5m"\n'
KEY = "sk-live-0123456789"


@dataclass
class Attempted:
    """What one attempt of a strategy left behind."""

    failure: Failure | None
    lines: list[Event]
    raw: str  # the journal file as it is

    def texts(self) -> list[str]:
        """Return what the strategy printed, and what was said of it."""
        return [str(line["text"]) for line in self.lines if line["event"] == "output"]

    @property
    def error(self) -> str:
        """The words for the failure."""
        assert self.failure is not None, self.lines
        return self.failure.error


class Bench:
    """Runs a strategy's code in a real process, warm or fresh, with the real market, broker, ledger and journal."""

    def __init__(self, places: Paths, mode: str) -> None:
        self.places = places
        self.mode = mode
        self.attempts = 0

    def start(self, code: str) -> RunProcess:
        """Start one attempt of the same slot."""
        self.attempts += 1
        (self.places.folder / "strategy.py").write_text(textwrap.dedent(code))
        manifest = manifests.load_named(self.places.folder / "strategy.toml", "demo")
        run = Run(manifest.bots[0], SLOT, "r1", self.attempts)
        ledger = Ledger(self.places.state / "ledger.sqlite")
        ledger.claim([Claim("b", SLOT, "r1", 1, "loop", SLOT)])
        ledger.next_attempt(Claim("b", SLOT, "r1", self.attempts, "loop", SLOT))
        ledger.close()
        return self._launcher(manifest).start(run)

    def _launcher(self, manifest: manifests.Manifest) -> Launcher:
        journal = Journal(self.places.journal, "demo", "boot")
        journal.redact([KEY])
        if self.mode == "fresh":
            return FreshLauncher(worker.fresh_command, printer=worker.printer(journal))

        def attempt(run: Run, _: object) -> Failure | None:
            # The loop loads it before the fork; here it must not stay in the tests' process.
            output.capture(worker.printed_at_import(journal))
            functions = loader.load(self.places.folder)
            return worker.attempt(manifest, functions, self.places, journal, run)

        return ForkLauncher(attempt, printer=worker.printer(journal))

    def attempt(self, code: str) -> Attempted:
        """Run one attempt to its end."""
        process = self.start(code)
        endings: list[Ending] = []

        def has_ended() -> bool:
            ending = process.poll()
            endings.extend([ending] if ending else [])
            return bool(endings)

        wait_for(has_ended, "the end of the attempt", 60)
        return Attempted(endings[0].failure, self.lines(), self.raw())

    def lines(self) -> list[Event]:
        """Return the journal, without the look at the account that the first run of a boot takes."""
        lines = since(self.places.journal / "demo", datetime(2000, 1, 1, tzinfo=UTC).date())
        return [line for line in lines if line["event"] != "reconciled"]

    def raw(self) -> str:
        """Return the bytes of the journal as text."""
        return "".join(path.read_text() for path in sorted((self.places.journal / "demo").glob("*.jsonl")))

    def state(self) -> dict[str, object]:
        """Return what the bot remembers."""
        ledger = Ledger(self.places.state / "ledger.sqlite")
        try:
            return ledger.state("b")
        finally:
            ledger.close()


# For what does not depend on how a process was started: in new interpreters by `make test-long` only.
WARM_FIRST = pytest.mark.parametrize("bench", ["warm", pytest.param("fresh", marks=pytest.mark.long)], indirect=True)


@pytest.fixture(params=["warm", "fresh"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A strategy's folder, journal and state."""
    for name, value in {
        "OPENBELL_STRATEGY": "demo",
        "OPENBELL_FOLDER": str(tmp_path / "strategy"),
        "OPENBELL_JOURNAL": str(tmp_path / "journal"),
        "OPENBELL_STATE": str(tmp_path / "state"),
        "OPENBELL_CONTROL": str(tmp_path / "control"),
        "OPENBELL_BOOT_ID": "boot",
        "API_KEY": KEY,
        "PYTHONPATH": str(ROOT / "images"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "strategy.toml").write_text(TOML)
    return Bench(from_environment(os.environ), request.param)
