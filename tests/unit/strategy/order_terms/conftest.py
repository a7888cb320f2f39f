"""A run on a market of minutes, with a paper account."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import load
from openbell.strategy import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.markets import Bar, Bars, MarketError
from openbell.trading.order_following import follow
from tests.fake_trading import FakeMarket
from tests.unit.strategy_file import write

SLOT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MANIFEST = 'timezone = "UTC"\n[[bot]]\nid = "b"\nat = "15:00"\nsymbols = ["X"]\n'


class Minutes(FakeMarket):
    """A market whose minutes are set by hand; each has one price but for its low and high."""

    def __init__(self) -> None:
        self.rows: list[Bar] = []
        self.now = 100.0

    def add(self, high: float, low: float, close: float) -> None:
        """Let one more minute pass."""
        at = SLOT + (len(self.rows) + 1) * MINUTE
        self.rows.append(Bar(at, self.now, high, low, close, 1000.0))
        self.now = close

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return the minutes."""
        if timeframe != "1m":
            raise MarketError(timeframe)
        return Bars([bar for bar in self.rows if bar.timestamp <= at][-count:])

    def price(self, symbol: str, at: datetime) -> float:
        """Return the newest price."""
        return self.now


class Desk:
    """One bot on the paper account."""

    def __init__(self, folder: Path) -> None:
        write(folder, MANIFEST)
        self.folder = folder
        self.manifest = load(folder / "demo")
        self.market = Minutes()
        self.ledger = Ledger(folder / "ledger.sqlite")
        self.slots = 0

    @property
    def at(self) -> datetime:
        """Return the present: right after the last minute."""
        return SLOT + len(self.market.rows) * MINUTE

    def context(self, *, again: bool = False) -> Context:
        """Return the context of the next slot, or of the last one again."""
        self.slots += not again
        follow(PaperBroker(self.folder, self.market, self.at), self.ledger, self.at)
        run = Run(self.manifest.bots[0], SLOT + self.slots * timedelta(seconds=1), "r", 1)
        journal = Journal(self.folder / "journal", "demo", "boot", echo=False)
        broker = PaperBroker(self.folder, self.market, self.at)
        return Context(
            RunProgress(ContextServices(self.manifest, self.market, broker, self.ledger, journal, lambda: self.at), run)
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give a desk with a new account."""
    return Desk(tmp_path)
