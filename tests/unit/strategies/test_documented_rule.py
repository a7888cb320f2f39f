"""The rule that the README and docs/strategies.md show, on a share that has not been traded for long."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from openbell.journal import Journal, since
from openbell.ledger import Ledger
from openbell.manifest import Bot, Manifest, Schedule
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.markets import Bar, Bars

ROOT = Path(__file__).parents[3]
SLOT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
BOT = Bot("demo", "b", ("YOUNG",), Schedule("UTC", every=timedelta(hours=1)))
MANIFEST = Manifest("demo", "", "UTC", None, "own", "paper", (), "warm", 8, (BOT,))


class _YoungShare:
    """A market with so many daily bars at 100, the newest of which are higher."""

    def __init__(self, days: int, newest: float = 100.0) -> None:
        self._closes = [100.0] * max(0, days - 5) + [newest] * min(days, 5)

    def bars(self, _symbol: str, _timeframe: str, count: int, at: datetime) -> Bars:
        """Return them."""
        closes = self._closes[-count:]
        stamps = [at - timedelta(hours=19) - timedelta(days=ago) for ago in reversed(range(len(closes)))]
        return Bars(Bar(stamp, one, one, one, one, 1.0) for stamp, one in zip(stamps, closes, strict=True))

    def price(self, _symbol: str, _at: datetime) -> float:
        """Return the newest price."""
        return self._closes[-1]

    def series(self, *_: Any) -> Any:
        """Have none."""
        raise AssertionError

    def provenance(self, _at: datetime) -> dict[str, str]:
        """Say that these are days of the past, which are not stale."""
        return {"historical_day": "2026-11-20"}


@pytest.fixture(params=["README.md", "docs/strategies.md"])
def rule(request: pytest.FixtureRequest) -> Any:
    """The function `run` of the page's first example."""
    text = (ROOT / str(request.param)).read_text("utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def run(" in block)
    names: dict[str, Any] = {}
    exec(compile(code, str(request.param), "exec"), names)  # noqa: S102 - it is what the page shows
    return names["run"]


def decisions(rule: Any, market: _YoungShare, folder: Path) -> Iterator[tuple[object, object]]:
    """Run it once; yield action and reason of each decision."""
    journal = Journal(folder, "demo", "boot", echo=False)
    with closing(Ledger(folder / "ledger.sqlite")) as ledger:
        broker = PaperBroker(folder, market, SLOT)
        rule(
            Context(
                RunProgress(
                    ContextServices(MANIFEST, market, broker, ledger, journal, lambda: SLOT), Run(BOT, SLOT, "r", 1)
                )
            )
        )
    for line in since(journal.folder, SLOT.date()):
        if line["event"] == "decision":
            yield line["action"], line["reason"]


@pytest.mark.parametrize("days", [0, 1, 30, 49])
def test_a_share_with_too_few_bars_is_waited_for(rule: Any, tmp_path: Path, days: int) -> None:
    """Thirty bars of 100 are no average of fifty: nothing is bought, and the journal says why (T34)."""
    assert list(decisions(rule, _YoungShare(days), tmp_path)) == [("hold", f"only {days} of 50 days")]


def test_a_share_with_enough_bars_is_decided_on(rule: Any, tmp_path: Path) -> None:
    """The fiftieth day is the first one that may buy."""
    ((action, _),) = decisions(rule, _YoungShare(50, newest=130.0), tmp_path)
    assert action == "buy"
