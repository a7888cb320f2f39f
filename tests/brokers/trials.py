"""A strategy's folder, journal and state at a venue's stub, and attempts of its run in children, as the loop makes them."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import manifest as manifests
from openbell.journal import Event, Journal, since
from openbell.ledger import Claim, Ledger
from openbell.paths import Paths, from_environment
from openbell.runner import worker
from openbell.runner.launchers import ForkLauncher
from openbell.runner.processes import ChildProcess
from openbell.runner.report import Failure
from openbell.strategy import loader
from openbell.strategy.run_state import Run
from tests.brokers.conftest import Bench, Kind, bench_of, environment
from tests.unit.runner.fakes import wait_for

SLOT = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
TOML = """timezone = "UTC"
market = "{market}"
broker = "{broker}"
live = {live}
stale = "trade"
secrets = {secrets}
{more}
[[bot]]
id = "b"
symbols = ["{symbol}"]
every = "5m"
"""
BUY = """
def run(ctx):
    symbol = ctx.symbols[0]
    {before}
    ctx.order(symbol, "buy", ctx.price(symbol) and {quantity}, reason="it rose")
    {after}
"""


@dataclass
class Strategy:
    """A strategy's folder, journal and state, and the stub of its broker."""

    bench: Bench
    places: Paths
    attempts: int = 0

    def write(self, code: str, more: str = "") -> None:
        """Write the manifest and the code."""
        kind = self.bench.kind
        live = str(kind.live and kind.venue is not None).lower()
        secrets = [f"{kind.prefix}_{part}_KEY" for part in ("API", "SECRET")] if kind.venue else []
        secrets += ["OKX_PASSPHRASE"] if kind.prefix == "OKX" else []
        toml = TOML.format(
            market=kind.market, broker=kind.name, live=live, secrets=secrets, symbol=kind.symbol, more=more
        )
        (self.places.folder / "strategy.toml").write_text(toml)
        (self.places.folder / "strategy.py").write_text(code)

    def start(self, number: int = 0) -> ChildProcess:
        """Start the next attempt of the same slot of a bot in a child, as the loop does."""
        self.attempts += 1
        manifest = manifests.load_named(self.places.folder / "strategy.toml", "demo")
        bot = manifest.bots[number]
        run = Run(bot, SLOT, "r1", self.attempts)
        with closing(Ledger(self.places.state / "ledger.sqlite")) as ledger:
            ledger.claim([Claim(bot.id, SLOT, "r1", 1, "loop", SLOT)])
            if self.attempts > 1:
                ledger.next_attempt(Claim(bot.id, SLOT, "r1", self.attempts, "loop", SLOT))
        journal = Journal(self.places.journal, "demo", "boot", echo=False)

        def attempt(run: Run, _: object) -> Failure | None:
            functions = loader.load(self.places.folder)
            return worker.attempt(manifest, functions, self.places, journal, run)

        process = ForkLauncher(attempt).start(run)
        assert isinstance(process, ChildProcess)
        return process

    def attempt(self, process: ChildProcess | None = None) -> Failure | None:
        """Make one attempt, or see one to its end."""
        running = process or self.start()
        endings: list[Failure | None] = []

        def has_ended() -> bool:
            ending = running.poll()
            endings.extend([ending.failure] if ending else [])
            return bool(endings)

        wait_for(has_ended, "the end of the attempt", 60)
        return endings[0]

    def lines(self, event: str) -> list[Event]:
        """Return the journal's lines of one event."""
        lines = since(self.places.journal / "demo", datetime(2000, 1, 1, tzinfo=UTC).date())
        return [line for line in lines if line["event"] == event]

    def ledger(self) -> Ledger:
        """Open the ledger."""
        return Ledger(self.places.state / "ledger.sqlite")


@contextmanager
def strategy_at(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strategy]:
    """Set up a strategy that trades at a stub."""
    with bench_of(kind, tmp_path) as bench:
        for name, value in {
            "OPENBELL_STRATEGY": "demo",
            "OPENBELL_FOLDER": str(tmp_path / "strategy"),
            "OPENBELL_JOURNAL": str(tmp_path / "journal"),
            "OPENBELL_STATE": str(tmp_path / "state"),
            "OPENBELL_CONTROL": str(tmp_path / "control"),
            "OPENBELL_BOOT_ID": "boot",
            **(environment(bench.kind, bench.stub.address) if bench.stub is not None else {}),
        }.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "control").mkdir()
        yield Strategy(bench, from_environment(os.environ))


def buy(desk: Strategy, before: str = "", after: str = "") -> str:
    """Return the code of a strategy that buys, and does something before and after."""
    return BUY.format(before=before.strip() or "pass", after=after.strip() or "pass", quantity=desk.bench.kind.quantity)
