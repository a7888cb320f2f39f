"""What a run works with: one value that the loop, a backtest or a test makes, and that the run's context is made from."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import Manifest
from openbell.records import dataclass
from openbell.trading.brokers import Broker
from openbell.trading.markets import Market
from openbell.trading.run_services import Halted, never_halted


@dataclass(frozen=True)
class ContextServices:
    """The services of one bot's runs.

    files: the folder for `ctx.files`, None where none lasts. folder: the strategy's own, with strategy.py.
    """

    manifest: Manifest
    market: Market
    broker: Broker
    ledger: Ledger
    journal: Journal
    clock: Callable[[], datetime]
    halted: Halted = never_halted
    files: Path | None = None
    folder: Path | None = None
