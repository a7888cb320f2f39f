"""The manifest: what is right becomes frozen values, defaulted once. What is wrong is in test_manifest_problems.py."""

import dataclasses
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.manifest import (
    DAY_NAMES,
    EVERY_DAY,
    LONGEST,
    Anchor,
    Bot,
    Manifest,
    ManifestError,
    Schedule,
    Settings,
    load,
    load_all,
    load_named,
    parse_duration,
    strategy_folders,
)

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


def write(folder: Path, text: str, name: str = "demo") -> Path:
    """Write a strategy's folder with that strategy.toml; return the folder."""
    (folder / name).mkdir()
    (folder / name / "strategy.toml").write_text(text, encoding="utf-8")
    return folder / name


def bot_with(folder: Path, line: str, top: str = "") -> Bot:
    """Return the only bot of a manifest whose bot has `line` for its time."""
    return load(write(folder, f'timezone = "UTC"\n{top}\n[[bot]]\nsymbols = ["AAPL"]\n{line}\n')).bots[0]


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


@pytest.mark.parametrize(
    "text,days",
    [
        ("daily", "0123456"),
        ("mon-fri", "01234"),
        ("mon,wed,fri", "024"),
        ("mon, wed , fri", "024"),
        ("sat", "5"),
        ("tue-tue", "1"),
        ("fri-mon", "4560"),
        ("sun-sat", "0123456"),
        ("sat-sun,wed", "256"),
        ("mon,mon-tue", "01"),
    ],
)
def test_days(tmp_path: Path, text: str, days: str) -> None:
    """Days are single names, lists and ranges, which may go over the weekend."""
    assert bot_with(tmp_path, f'at = "09:35"\ndays = "{text}"').schedule.days == frozenset(map(int, days))


@pytest.mark.parametrize(
    "text,anchor",
    [
        ("00:00", Anchor("clock", time(0, 0))),
        ("23:59", Anchor("clock", time(23, 59))),
        ("23:59:59", Anchor("clock", time(23, 59, 59))),
        ("open", Anchor("open")),
        ("close", Anchor("close")),
        ("open+90s", Anchor("open", None, timedelta(seconds=90))),
        ("open-500ms", Anchor("open", None, timedelta(milliseconds=-500))),
        ("close+11h", Anchor("close", None, timedelta(hours=11))),
        ("close-719m", Anchor("close", None, timedelta(minutes=-719))),
    ],
)
def test_at(tmp_path: Path, text: str, anchor: Anchor) -> None:
    """A time of day is a clock time, or a distance from the open or the close of less than half a day."""
    assert bot_with(tmp_path, f'at = "{text}"', 'calendar = "XNYS"').schedule.at == (anchor,)


@pytest.mark.parametrize(
    "text,every",
    [
        ("1s", timedelta(seconds=1)),
        ("1500ms", timedelta(seconds=1.5)),
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("4h", timedelta(hours=4)),
        ("1d", timedelta(days=1)),
        ("1440m", timedelta(days=1)),
    ],
)
def test_every(tmp_path: Path, text: str, every: timedelta) -> None:
    """An interval is any duration from a second to a day that divides a day."""
    assert bot_with(tmp_path, f'every = "{text}"').schedule.every == every


@pytest.mark.parametrize(
    "text,duration",
    [
        ("0s", timedelta(0)),
        ("007m", timedelta(minutes=7)),
        ("250ms", timedelta(milliseconds=250)),
        ("3650d", LONGEST),
        ("315360000000ms", LONGEST),
        ("3651d", None),
        ("999999999999d", None),
        ("1000000000000s", None),
        ("", None),
        ("5", None),
        ("s", None),
        ("-5s", None),
        ("1.5s", None),
        ("5 s", None),
        ("5S", None),
        ("5m\n", None),
        ("1h30m", None),
        ("\u0665m", None),
        (5, None),
        (None, None),
    ],
)
def test_parse_duration(text: object, duration: timedelta | None) -> None:
    """A duration is a whole number of one unit, of ten years at most."""
    assert parse_duration(text) == duration


@given(
    st.integers(0, 10**12),
    st.sampled_from([("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]),
)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_a_duration_is_its_number_times_its_unit(number: int, unit: tuple[str, int]) -> None:
    """Any number of any unit is that many milliseconds, or none of it."""
    expected = number * unit[1]

    duration = parse_duration(f"{number}{unit[0]}")

    if number < 10**12 and expected <= LONGEST // timedelta(milliseconds=1):
        assert duration == timedelta(milliseconds=expected)
    else:
        assert duration is None


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
    bot = bot_with(tmp_path, 'at = "09:35"\ngrace = "3650d"\ntimeout = "3650d"')

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


DURATIONS = st.sampled_from(["1s", "1500ms", "5s", "90s", "1m", "15m", "45m", "1h", "4h", "12h", "1d"])
CLOCKS = st.times().map(lambda clock: clock.replace(microsecond=0, fold=0))
SHIFTS = st.integers(-43_199, 43_199)


@st.composite
def written_schedules(draw: st.DrawFn) -> tuple[str, Schedule]:
    """Draw the lines of a bot's schedule, and what they mean."""
    picked = draw(st.lists(st.integers(0, 6), unique=True))
    days = frozenset(picked) or EVERY_DAY
    lines = [f'days = "{",".join(DAY_NAMES[day] for day in picked) or "daily"}"']
    if draw(st.booleans()):
        every = parse_duration(text := draw(DURATIONS))
        assert every is not None
        offset = timedelta(seconds=draw(st.integers(0, int(every.total_seconds() - 0.001))))
        lines += [f'every = "{text}"', f'offset = "{int(offset.total_seconds())}s"']
        return "\n".join(lines), Schedule("UTC", "24/7", days, every=every, offset=offset)
    clocks = [
        (f"{clock:%H:%M:%S}", Anchor("clock", clock)) for clock in draw(st.lists(CLOCKS, unique=True, max_size=4))
    ]
    shifts = draw(st.lists(st.tuples(st.sampled_from(["open", "close"]), SHIFTS), unique=True, min_size=1, max_size=4))
    marks = [(f"{kind}{seconds:+}s", Anchor(kind, None, timedelta(seconds=seconds))) for kind, seconds in shifts]
    texts, anchors = zip(*clocks, *marks, strict=True)
    lines += ["at = [" + ", ".join(f'"{text}"' for text in texts) + "]"]
    return "\n".join(lines), Schedule("UTC", "24/7", days, tuple(anchors))


@given(written_schedules())
@settings(derandomize=True, deadline=None, max_examples=150)
def test_any_schedule_of_the_grammar_means_what_it_says(
    tmp_path_factory: pytest.TempPathFactory, written: tuple[str, Schedule]
) -> None:
    """Whatever the grammar can write is read back as that schedule."""
    lines, schedule = written

    assert bot_with(tmp_path_factory.mktemp("grammar"), lines, 'calendar = "24/7"').schedule == schedule


def test_a_manifest_error_is_a_value_error_with_all_its_lines(tmp_path: Path) -> None:
    """The error's text is its problems, one line each, for whoever only prints it."""
    with pytest.raises(ValueError, match="timezone") as caught:
        load(write(tmp_path, "timezone = 5"))

    assert isinstance(caught.value, ManifestError)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    assert len(caught.value.problems) == 2
