"""The report of a backtest: what its pictures and tables show."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell import uplot
from openbell.backtest import charts, engine, report
from openbell.backtest.engine import Outcome, Setup
from openbell.backtest.figures import figures
from openbell.backtest.record import MOST_SIGNALS, Point, Signals
from openbell.costs import Costs
from openbell.manifest import load
from openbell.strategy.context import Context
from openbell.trading.markets import Market
from tests.unit.strategy_file import write

START = datetime(2010, 1, 4, 14, 35, tzinfo=UTC)
TEXT = 'timezone = "America/New_York"\ncalendar = "XNYS"\n[[bot]]\nid = "demo"\nsymbols = ["AAPL"]\nat = "09:35"\n'


def turn(ctx: Context) -> None:
    """Buy on every fifth day of the month and sell on every tenth."""
    ctx.signal("AAPL", ctx.slot.day)
    if ctx.slot.day % 10 == 0 and ctx.position("AAPL"):
        ctx.order("AAPL", "sell", ctx.position("AAPL"), reason="</script> the tenth")
    elif ctx.slot.day % 5 == 0:
        ctx.order("AAPL", "buy", 10, reason="the <b>fifth</b>")


@pytest.fixture
def backtest(tmp_path: Path) -> tuple[Setup, Outcome, Market]:
    """A year of it, with costs."""
    write(tmp_path, TEXT)
    costs = Costs(commission=Decimal(10), slippage=Decimal(5))
    setup = Setup(tmp_path / "demo", START, datetime(2010, 12, 31, tzinfo=UTC), costs=costs)
    market = engine.market_of(load(setup.folder), setup)
    return setup, engine.run(setup, turn, market=market), market


def shown(path: Path) -> dict[str, dict[str, object]]:
    """Return what the pictures of a report show."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    assert found is not None
    data: dict[str, dict[str, object]] = json.loads(found[1])
    return data


def test_the_pictures_show_what_the_backtest_came_to(backtest: tuple[Setup, Outcome, Market], tmp_path: Path) -> None:
    """Equity beside the benchmark, costs, and trades with their reasons on the price."""
    setup, outcome, market = backtest
    report.write(tmp_path / "report.html", setup, outcome, market)
    data = shown(tmp_path / "report.html")
    equity, costs = data["equity"], data["costs"]
    assert equity["strategy"][-1] == pytest.approx(outcome.curve[-1].equity, rel=1e-5)  # type: ignore[index]
    first, last = (market.price("AAPL", outcome.curve[index].at) for index in (0, -1))
    assert equity["held"][-1] == pytest.approx(setup.cash * last / first, rel=1e-5)  # type: ignore[index]
    commissions = sum(fill.commission for fill in outcome.fills)
    assert costs["commission"][-1] == pytest.approx(commissions, rel=1e-5)  # type: ignore[index]
    assert costs["slippage"][-1] == pytest.approx(commissions / 2, rel=1e-2)  # type: ignore[index]
    symbol = data["symbols"]["AAPL"]
    trade = symbol["trades"][0]  # type: ignore[index]
    assert (trade["entry_reason"], trade["exit_reason"]) == ("the <b>fifth</b>", "</script> the tenth")
    assert symbol["signal"]["signal"][0] == outcome.curve[0].at.day  # type: ignore[index]
    assert len(symbol["price"]["price"]) == pytest.approx(outcome.slots, abs=1)  # type: ignore[index]


def test_a_report_needs_nothing_from_outside_and_escapes_what_it_shows(
    backtest: tuple[Setup, Outcome, Market], tmp_path: Path
) -> None:
    """A reason with markup is text, and the policy of the page allows no request."""
    report.write(tmp_path / "report.html", *backtest)
    text = (tmp_path / "report.html").read_text()
    assert "content=\"default-src 'none';" in text
    assert not re.search(r'(src|href)="', text)
    assert "<b>" not in text
    assert text.count("</script>") == 3


@pytest.mark.parametrize(
    "name, digest",
    [
        ("uplot.js", "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"),
        ("uplot.css", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
    ],
)
def test_the_library_is_as_it_was_published(name: str, digest: str) -> None:
    """UPlot 1.6.32, with its licence beside it."""
    assert hashlib.sha256((uplot.FOLDER / name).read_bytes()).hexdigest() == digest
    assert "MIT License" in uplot.LICENCE.read_text()


def test_a_line_keeps_every_spike() -> None:
    """However many points there are, the highest and the lowest of each stretch are drawn."""
    values = [100.0] * 50_000
    values[31_007], values[40_011] = 180.0, 20.0
    kept = charts.equity([Point(START + number * timedelta(minutes=1), value) for number, value in enumerate(values)])
    assert len(kept["equity"]) <= charts.MOST_POINTS
    assert set(kept["equity"]) == {100.0, 180.0, 20.0}


def test_a_heat_map_has_the_best_of_what_it_does_not_show() -> None:
    """Two parameters are its sides; of the others the best counts, and one that does not vary is none."""
    swept = [
        ({"fast": fast, "same": 1, "slow": slow, "share": share}, fast * slow + share)
        for fast in (2, 1)
        for slow in (3, 4)
        for share in (0.1, 0.2)
    ]
    found = charts.heat(swept)
    assert found is not None
    assert (found.down, found.across, found.columns, found.others) == ("fast", "slow", [3, 4], ["share"])
    assert found.rows == [(1, [3.2, 4.2]), (2, [6.2, 8.2])]
    assert charts.heat([({"fast": 1}, 1.0), ({"fast": 2}, 1.0)]) is None


def test_signals_stay_few() -> None:
    """And what is not a number is left out."""
    signals = Signals()
    for number in range(5 * MOST_SIGNALS):
        signals.add(START, {"X": number})
    signals.add(START, {"X": float("nan"), "Y": "buy"})
    kept, none = signals.by_symbol().values()
    assert none == ()
    assert MOST_SIGNALS / 2 <= len(kept) <= MOST_SIGNALS
    assert kept[0] == (START, 0.0)


def test_a_backtest_without_slots_has_a_report(backtest: tuple[Setup, Outcome, Market], tmp_path: Path) -> None:
    """With no figure in it."""
    setup, _, market = backtest
    report.write(tmp_path / "report.html", setup, Outcome("sample", ("AAPL",), 0, (), (), ()), market)
    assert "a span without slots" in (tmp_path / "report.html").read_text()
    assert figures([], 100.0).sharpe is None
