"""The grammar of the manifest's times: days, times of day, intervals, durations, and any schedule made of them."""

from datetime import time, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.manifest import DAY_NAMES, EVERY_DAY, LONGEST, Anchor, Bot, Schedule, load, parse_duration
from tests.unit.strategy_file import write


def bot_with(folder: Path, line: str, top: str = "") -> Bot:
    """Return the only bot of a manifest whose bot has `line` for its time."""
    return load(write(folder, f'timezone = "UTC"\n{top}\n[[bot]]\nsymbols = ["AAPL"]\n{line}\n')).bots[0]


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
