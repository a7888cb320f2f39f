"""The portfolio: seven strategies with 45 bots, each of which decides at every slot on made-up prices."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.backtest import engine
from openbell.backtest.engine import Setup
from openbell.journal import since
from openbell.manifest import load, load_all
from openbell.slots import next_slot
from openbell.strategy import loader

STRATEGIES = Path(__file__).parents[3] / "strategies"
PORTFOLIO = {  # strategy → (bots, interval)
    "mean_reversion_bb": (13, timedelta(minutes=15)),
    "momentum_rsi_macd": (5, timedelta(minutes=15)),
    "leverage_composite": (3, timedelta(hours=1)),
    "momentum_rsi_macd_4h": (6, timedelta(hours=4)),
    "correlation_regime": (6, timedelta(hours=4)),
    "nupl_cycle_filter": (7, timedelta(hours=4)),
    "stablecoin_supply_momentum": (5, timedelta(hours=4)),
}
FROM = datetime(2026, 9, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", PORTFOLIO)
def test_each_has_its_bots_on_their_grid(name: str) -> None:
    """As many as the portfolio is known for, with ids of their own, staggered by two seconds."""
    manifest = load(STRATEGIES / name)
    bots, interval = PORTFOLIO[name]
    assert (len(manifest.bots), manifest.profile, manifest.market) == (bots, "portfolio", "synthetic")
    assert {bot.schedule.every for bot in manifest.bots} == {interval}
    assert [bot.shift for bot in manifest.bots] == [timedelta(seconds=2 * number) for number in range(bots)]
    assert {next_slot(bot.schedule, FROM) for bot in manifest.bots} == {FROM + timedelta(seconds=5)}


def test_forty_five_bots_have_forty_five_ids() -> None:
    """No two bots of the kit share an id."""
    manifests, errors = load_all(STRATEGIES)
    ids = [bot.id for manifest in manifests for bot in manifest.bots if manifest.profile == "portfolio"]
    assert not errors
    assert len(ids) == len(set(ids)) == 45


@pytest.mark.parametrize("name", PORTFOLIO)
def test_each_decides_at_every_slot_and_says_why(name: str, tmp_path: Path) -> None:
    """Every bot has a signal and one decision with a reason at each of its slots; nothing fails."""
    bots, interval = PORTFOLIO[name]
    setup = Setup(STRATEGIES / name, FROM, FROM + 4 * interval, journal=tmp_path)
    outcome = engine.run(setup, loader.load(STRATEGIES / name, ("run",))["run"])
    assert (outcome.slots, outcome.failures) == (4 * bots, ())
    lines = list(since(tmp_path / name, FROM.date()))
    counted = Counter(str(line["event"]) for line in lines)
    assert counted["signal"] == counted["decision"] == counted["run_end"] == 4 * bots
    assert all(line["reason"] and "synthetic" in str(line["source"]) for line in lines if line["event"] == "decision")


@pytest.mark.parametrize("name", ["correlation_regime", "leverage_composite", "momentum_rsi_macd"])
def test_they_trade(name: str) -> None:
    """In and out again within days: no strategy of the portfolio only ever waits."""
    bots = tuple(bot.id for bot in load(STRATEGIES / name).bots[:2])
    days = timedelta(days=14 if "4h" in name or name == "correlation_regime" else 2)
    setup = Setup(STRATEGIES / name, FROM, FROM + days, bots=bots)
    fills = engine.run(setup, loader.load(STRATEGIES / name, ("run",))["run"]).fills
    assert {fill.quantity > 0 for fill in fills} == {True, False}


@pytest.mark.parametrize(
    "name, series", [("nupl_cycle_filter", "nupl"), ("stablecoin_supply_momentum", "stablecoin_supply")]
)
def test_a_series_that_no_market_gives_is_plainly_made_up(name: str, series: str) -> None:
    """Its first line says so; it reaches beyond today, so that the strategy has something to run on."""
    lines = (STRATEGIES / name / "series" / f"{series}.csv").read_text().splitlines()
    assert lines[0].startswith("# SYNTHETIC SAMPLE")
    assert lines[-1] > "2030-12"


@pytest.mark.parametrize("name", ["nupl_cycle_filter", "stablecoin_supply_momentum"])
def test_a_series_that_is_out_of_date_holds_everything_back(name: str) -> None:
    """The bot says which file to bring up to date, and trades nothing."""
    late = datetime(2031, 6, 2, tzinfo=UTC)
    outcome = engine.run(
        Setup(STRATEGIES / name, late, late + timedelta(hours=8)), loader.load(STRATEGIES / name, ("run",))["run"]
    )
    assert outcome.slots > 0
    assert (outcome.fills, outcome.failures) == ((), ())
