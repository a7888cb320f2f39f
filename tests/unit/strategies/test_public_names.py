"""What authors see on their context is what the documentation tells them, and nothing of the machinery behind it."""

import re
from pathlib import Path

import pytest

from openbell import manifest as manifests
from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.strategy import Context, StreamContext
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.strategy.stream_progress import StreamProgress
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.markets.synthetic import SyntheticMarket
from tests.unit.strategy.test_stream import BEGAN, MANIFEST

DOCUMENTED = Path(manifests.__file__).parents[3] / "docs" / "strategies.md"
OF_STREAMS = {"beat", "events"}


@pytest.fixture
def services(tmp_path: Path) -> ContextServices:
    """Give what a run works with."""
    market = SyntheticMarket()
    broker = PaperBroker(tmp_path, market, BEGAN)
    journal = Journal(tmp_path, "demo", "boot", echo=False)
    return ContextServices(MANIFEST, market, broker, Ledger(tmp_path / "ledger.sqlite"), journal, lambda: BEGAN)


def documented() -> set[str]:
    """Return the names of a context in the documentation's table and examples."""
    return set(re.findall(r"\bctx\.([a-z_]+)", DOCUMENTED.read_text()))


def public(context: object) -> set[str]:
    """Return the names of a context that do not begin with an underscore."""
    return {name for name in dir(context) if not name.startswith("_")}


def test_a_run_sees_what_is_documented(services: ContextServices) -> None:
    """No more and no less."""
    run = Run(MANIFEST.bots[0], BEGAN, "r1", 1)
    assert public(Context(RunProgress(services, run))) == documented() - OF_STREAMS


def test_a_stream_sees_what_is_documented(services: ContextServices) -> None:
    """The same, and its signs of life."""
    run = Run(MANIFEST.bots[0], BEGAN, "r1", 1)
    assert public(StreamContext(StreamProgress(services, run))) == documented()
