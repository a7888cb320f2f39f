"""The manifest: what is right becomes frozen values, defaulted once. The other test_manifest_* files have more."""

import dataclasses
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from openbell.manifest import (
    EVERY_DAY,
    Anchor,
    Bot,
    Manifest,
    ManifestError,
    Schedule,
    Settings,
    load,
    load_all,
    load_named,
    strategy_folders,
)
from openbell.slots import next_slot
from tests.unit.strategy_file import write

MINIMAL = """
timezone = "UTC"
[[bot]]
symbols = ["AAPL"]
at = "09:35"
"""

# The example of the design, with every key that may be set.
COMPLETE = """
description = "Long while the 20-day average is above the 50-day average"
timezone = "America/New_York"
calendar = "XNYS"
market = "sample"
broker = "paper"
secrets = ["ALPACA_API_KEY", "ALPACA_API_SECRET"]
start = "fresh"
max_parallel = 8
stagger = "2s"

[defaults]
grace = "90s"
timeout = "5m"
retries = 4
catch_up = "latest"
halt_after = 3

[[bot]]
id = "ma_crossover"
symbols = ["AAPL", "MSFT"]
at = ["09:35", "15:30:30", "open+5m", "close-10m"]
days = "mon-fri"
params = { fast = 20, slow = 50 }

[[bot]]
id = "btc-15m"
symbols = ["BTC/USDT"]
every = "15m"
offset = "5s"
grace = "10s"
timeout = "30s"
retries = 0
catch_up = "skip"
halt_after = 0
"""


def test_a_complete_manifest_becomes_these_values(tmp_path: Path) -> None:
    """Every key of the grammar arrives at its place, in its unit."""
    manifest = load(write(tmp_path, COMPLETE, "ma_crossover"))
    crossover, bitcoin = manifest.bots

    assert dataclasses.replace(manifest, bots=()) == Manifest(
        name="ma_crossover",
        description="Long while the 20-day average is above the 50-day average",
        timezone="America/New_York",
        calendar="XNYS",
        market="sample",
        broker="paper",
        secrets=("ALPACA_API_KEY", "ALPACA_API_SECRET"),
        start="fresh",
        max_parallel=8,
        bots=(),
    )
    assert crossover == Bot(
        strategy="ma_crossover",
        id="ma_crossover",
        symbols=("AAPL", "MSFT"),
        schedule=Schedule(
            "America/New_York",
            "XNYS",
            frozenset(range(5)),
            (
                Anchor("clock", time(9, 35)),
                Anchor("clock", time(15, 30, 30)),
                Anchor("open", None, timedelta(minutes=5)),
                Anchor("close", None, timedelta(minutes=-10)),
            ),
        ),
        params={"fast": 20, "slow": 50},
        grace=timedelta(seconds=90),
        timeout=timedelta(minutes=5),
        retries=4,
        catch_up="latest",
        halt_after=3,
    )
    assert bitcoin == Bot(
        strategy="ma_crossover",
        id="btc-15m",
        symbols=("BTC/USDT",),
        schedule=Schedule(
            "America/New_York",
            "XNYS",
            EVERY_DAY,
            every=timedelta(minutes=15),
            offset=timedelta(seconds=5),
        ),
        shift=timedelta(seconds=2),
        grace=timedelta(seconds=10),
        timeout=timedelta(seconds=30),
        retries=0,
        catch_up="skip",
        halt_after=0,
    )


def test_a_minimal_manifest_gets_the_defaults(tmp_path: Path) -> None:
    """A zone, symbols and a time are enough; one bot has its strategy's name."""
    manifest = load(write(tmp_path, MINIMAL))
    (bot,) = manifest.bots

    assert (manifest.description, manifest.calendar, manifest.market, manifest.broker) == ("", None, "sample", "paper")
    assert (manifest.secrets, manifest.start, manifest.max_parallel) == ((), "warm", 64)
    assert (bot.id, bot.strategy, dict(bot.params), bot.shift) == ("demo", "demo", {}, timedelta(0))
    assert (bot.grace, bot.timeout, bot.retries) == (timedelta(seconds=60), timedelta(minutes=2), 2)
    assert (bot.catch_up, bot.halt_after) == ("skip", 0)


def test_a_bot_overrides_the_defaults_one_by_one(tmp_path: Path) -> None:
    """What a bot does not set comes from [defaults], and what that does not set from openbell."""
    text = MINIMAL.replace("[[bot]]", '[defaults]\ngrace = "5s"\nretries = 7\n[[bot]]\nretries = 1')
    (bot,) = load(write(tmp_path, text)).bots

    assert (bot.grace, bot.retries, bot.timeout) == (timedelta(seconds=5), 1, Settings().timeout)


def test_the_stagger_shifts_each_bot_by_its_number(tmp_path: Path) -> None:
    """The first bot is dispatched at its slot, the third two staggers later; slots and grids stay."""
    bots = "".join(f'[[bot]]\nid = "bot{number}"\nsymbols = ["AAPL"]\nevery = "5s"\n' for number in range(3))

    manifest = load(write(tmp_path, f'timezone = "UTC"\nstagger = "2s"\n{bots}'))

    assert [bot.shift.total_seconds() for bot in manifest.bots] == [0, 2, 4]
    assert len({bot.schedule for bot in manifest.bots}) == 1


def test_deadlines_reckon_from_the_dispatch(tmp_path: Path) -> None:
    """A run may start until slot, shift and grace are over, and be tried again until its timeout is over too."""
    bot = dataclasses.replace(load(write(tmp_path, MINIMAL)).bots[0], shift=timedelta(seconds=3))
    slot = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)

    assert bot.start_by(slot) == slot + timedelta(seconds=63)
    assert bot.retry_by(slot) == slot + timedelta(seconds=123)
    assert dataclasses.replace(bot, grace=timedelta(hours=1)).retry_by(slot) == slot + timedelta(seconds=3603)


def test_the_longest_settings_lead_to_instants_that_exist(tmp_path: Path) -> None:
    """No grace or timeout that the manifest accepts takes a deadline out of the calendar."""
    bot = load(write(tmp_path, f'{MINIMAL}grace = "3650d"\ntimeout = "3650d"')).bots[0]

    assert bot.start_by(datetime(2035, 12, 31, tzinfo=UTC)).year == 2045
    assert bot.retry_by(datetime(2035, 12, 31, tzinfo=UTC)).year == 2045


def test_bot_finds_by_id(tmp_path: Path) -> None:
    """A manifest hands out a bot by its id, and says which id it does not have."""
    manifest = load(write(tmp_path, COMPLETE, "ma_crossover"))

    assert manifest.bot("btc-15m") is manifest.bots[1]
    with pytest.raises(KeyError, match="eth"):
        manifest.bot("eth")


def test_what_load_returns_is_frozen(tmp_path: Path) -> None:
    """Neither a manifest nor a bot nor its params can be changed."""
    manifest = load(write(tmp_path, COMPLETE, "ma_crossover"))

    with pytest.raises(dataclasses.FrozenInstanceError):
        manifest.market = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        manifest.bots[0].retries = 9  # type: ignore[misc]
    with pytest.raises(TypeError):
        manifest.bots[0].params["fast"] = 1  # type: ignore[index]


def test_load_named_gives_the_strategy_its_name(tmp_path: Path) -> None:
    """Inside an image the folder is /strategy, and the name comes from elsewhere."""
    manifest = load_named(write(tmp_path, MINIMAL, "mounted") / "strategy.toml", "pulse")

    assert (manifest.name, manifest.bots[0].strategy, manifest.bots[0].id) == ("pulse", "pulse", "pulse")


def test_load_all_returns_the_good_and_the_bad(tmp_path: Path) -> None:
    """One bad strategy hides no good one; hidden folders and plain files are none."""
    write(tmp_path, MINIMAL, "beta")
    write(tmp_path, MINIMAL, "alpha")
    write(tmp_path, "timezone = 5", "bad")
    write(tmp_path, MINIMAL, ".hidden")
    write(tmp_path, MINIMAL, "__pycache__")
    (tmp_path / "README.md").write_text("not a strategy")
    (tmp_path / "empty").mkdir()

    manifests, errors = load_all(tmp_path)

    assert [manifest.name for manifest in manifests] == ["alpha", "beta"]
    assert [error.problems[0].file for error in errors] == ["bad/strategy.toml", "empty/strategy.toml"]
    assert [folder.name for folder in strategy_folders(tmp_path)] == ["alpha", "bad", "beta", "empty"]


def test_a_bot_id_belongs_to_one_strategy(tmp_path: Path) -> None:
    """The second strategy with the same bot id is the one that is refused, and it names the first."""
    write(tmp_path, MINIMAL.replace("at =", 'id = "same"\nat ='), "alpha")
    write(tmp_path, MINIMAL.replace("at =", 'id = "same"\nat ='), "beta")

    manifests, errors = load_all(tmp_path)

    assert [manifest.name for manifest in manifests] == ["alpha"]
    assert [str(error) for error in errors] == [
        'beta/strategy.toml: bot.id: found "same", which alpha has too; allowed: an id that no other bot has'
    ]


def test_a_manifest_error_is_a_value_error_with_all_its_lines(tmp_path: Path) -> None:
    """The error's text is its problems, one line each, for callers that only print it."""
    with pytest.raises(ValueError, match="timezone") as caught:
        load(write(tmp_path, "timezone = 5"))

    assert isinstance(caught.value, ManifestError)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    assert len(caught.value.problems) == 2


def test_a_stream_has_no_times(tmp_path: Path) -> None:
    """A bot of kind stream is never due, and times on it are mistakes."""
    stream = 'timezone = "UTC"\n[[bot]]\nkind = "stream"\nsymbols = ["AAPL"]\n'
    bot = load(write(tmp_path, stream)).bots[0]
    assert bot.is_stream
    assert next_slot(bot.schedule, datetime(2026, 1, 1, tzinfo=UTC)) is None
    with pytest.raises(ManifestError) as error:
        load(write(tmp_path, stream + 'at = "09:35"\ndays = "mon"\n', "other"))
    assert [problem.key for problem in error.value.problems] == ["bot[0].at", "bot[0].days"]


@pytest.mark.parametrize("symbol", ["AAPL  261218C00150000", "SPX   261218P05000000", "ES Z6"])
@pytest.mark.parametrize("trade", ['market = "my_market:Market"', 'broker = "my_broker:Broker"'])
def test_a_symbol_may_have_blanks_where_a_venue_of_ones_own_takes_it(tmp_path: Path, symbol: str, trade: str) -> None:
    """Options of the OCC are padded with them; a class of the strategy's own knows its symbols."""
    text = f'timezone = "UTC"\n{trade}\n[[bot]]\nsymbols = ["{symbol}"]\nat = "09:35"\n'
    assert load(write(tmp_path, text)).symbols == (symbol,)
