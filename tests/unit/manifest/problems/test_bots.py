"""The manifest's errors in its bots: each is one line with file, key, what was found and what is allowed."""

from pathlib import Path

import pytest

from openbell.manifest import load
from tests.unit.manifest.problems.cases import GRACE, SETTINGS, SYMBOLS, TIMEOUT, Case, expected
from tests.unit.strategy_file import BOT, GOOD, TOP, problems, write

BOT_KEYS = f"id, kind, symbols, at, every, from, offset, days, early_close, params, {SETTINGS}"
AT = '"09:35", "open+5m", "close-10m" (less than 12h) or a list of them'
DAYS = '"mon-fri", "mon,wed,fri", "daily", "month-end", "week-start", "1st fri", "last mon" or "session -2 of month"'
EVERY = 'an interval that divides a day, such as "15m", "1h" or "4h"'
BLANKS = "symbols without blanks, unless the market or the broker is a class of your own"
SOME_SYMBOL = 'at least one symbol such as ["AAPL"]'
IDS = "lower-case letters, digits, - and _"
STAGGER = "a stagger that keeps every bot within its interval, or within a day"
NEEDS_CALENDAR = 'open and close only with a calendar, such as calendar = "XNYS"'

BOT_CASES = [
    Case("name = 'x'", "bot[0].name", "an unknown key", BOT_KEYS),
    Case("calendar = 'XNYS'", "bot[0].calendar", "an unknown key", BOT_KEYS),
    Case("id = 'AAPL'", "bot[0].id", '"AAPL"', IDS),
    Case("id = ''", "bot[0].id", '""', IDS),
    Case("id = '-x'", "bot[0].id", '"-x"', IDS),
    Case("id = 'a/b'", "bot[0].id", '"a/b"', IDS),
    Case(f"id = '{'x' * 61}'", "bot[0].id", f'"{"x" * 61}"', IDS),
    Case("id = 5", "bot[0].id", "5", IDS),
    Case("params = 5", "bot[0].params", "5", "a table, [params] or params = { ... }"),
    Case("params = [1]", "bot[0].params", "[1]", "a table, [params] or params = { ... }"),
    Case("days = 'monday'", "bot[0].days", '"monday"', DAYS),
    Case("days = 'Mon'", "bot[0].days", '"Mon"', DAYS),
    Case("days = ''", "bot[0].days", '""', DAYS),
    Case("days = 'mon-'", "bot[0].days", '"mon-"', DAYS),
    Case("days = '-fri'", "bot[0].days", '"-fri"', DAYS),
    Case("days = 'mon,'", "bot[0].days", '"mon,"', DAYS),
    Case("days = 'mon-wed-fri'", "bot[0].days", '"mon-wed-fri"', DAYS),
    Case("days = 'weekdays'", "bot[0].days", '"weekdays"', DAYS),
    Case("days = ['mon']", "bot[0].days", "['mon']", DAYS),
    Case("days = 5", "bot[0].days", "5", DAYS),
    Case("offset = '5s'", "bot[0].offset", '"5s"', "offset only beside every"),
    Case("offset = '0s'", "bot[0].offset", '"0s"', "offset only beside every"),
    Case("offset = 5", "bot[0].offset", "5", 'a duration such as "5s"'),
    Case("every = '15m'", "bot[0].at", "both at and every", "exactly one of at and every"),
    Case("grace = '1h30m'", "bot[0].grace", '"1h30m"', GRACE),
    Case("grace = '-1s'", "bot[0].grace", '"-1s"', GRACE),
    Case("grace = '3651d'", "bot[0].grace", '"3651d"', GRACE),
    Case("timeout = 120", "bot[0].timeout", "120", TIMEOUT),
    Case("timeout = '0ms'", "bot[0].timeout", '"0ms"', TIMEOUT),
    Case("retries = 2.5", "bot[0].retries", "2.5", "a whole number from 0 to 20"),
    Case("retries = false", "bot[0].retries", "false", "a whole number from 0 to 20"),
    Case("catch_up = true", "bot[0].catch_up", "true", "one of skip, latest"),
    Case("halt_after = -1", "bot[0].halt_after", "-1", "a whole number from 0 (never) to 1000"),
]


@pytest.mark.parametrize("case", BOT_CASES, ids=lambda case: case.line)
def test_a_wrong_line_of_a_bot(tmp_path: Path, case: Case) -> None:
    """A wrong key or value beside a bot's right ones is one problem, and this one."""
    assert problems(tmp_path, f"{GOOD}{case.line}\n") == expected(case)


SYMBOL_CASES = [
    Case("", "bot[0].symbols", "nothing", SOME_SYMBOL),
    Case("symbols = []", "bot[0].symbols", "[]", SOME_SYMBOL),
    Case("symbols = 'AAPL'", "bot[0].symbols", '"AAPL"', SYMBOLS),
    Case("symbols = ['AAPL', 'AAPL']", "bot[0].symbols", "['AAPL', 'AAPL']", SYMBOLS),
    Case("symbols = ['']", "bot[0].symbols", "['']", SYMBOLS),
    Case("symbols = ['A PL']", "bot[0].symbols", "['A PL']", BLANKS),
    Case('symbols = ["A\\u0000"]', "bot[0].symbols", "['A\\x00']", SYMBOLS),
    Case("symbols = [5]", "bot[0].symbols", "[5]", SYMBOLS),
    Case("symbols = [['AAPL']]", "bot[0].symbols", "[['AAPL']]", SYMBOLS),
]


@pytest.mark.parametrize("case", SYMBOL_CASES, ids=lambda case: case.line or "missing")
def test_wrong_symbols(tmp_path: Path, case: Case) -> None:
    """A bot needs symbols: at least one, each once, each a text without spaces."""
    assert problems(tmp_path, f"{TOP}[[bot]]\nat = '09:35'\n{case.line}\n") == expected(case)


TIME_CASES = [
    Case("", "bot[0].at", "neither at nor every", "exactly one of at and every"),
    Case("at = '9:35'", "bot[0].at", '"9:35"', AT),
    Case("at = '24:00'", "bot[0].at", '"24:00"', AT),
    Case("at = '09:60'", "bot[0].at", '"09:60"', AT),
    Case("at = '09:35:60'", "bot[0].at", '"09:35:60"', AT),
    Case("at = '0935'", "bot[0].at", '"0935"', AT),
    Case("at = '09:35 AM'", "bot[0].at", '"09:35 AM"', AT),
    Case("at = '٠٩:٣٥'", "bot[0].at", '"٠٩:٣٥"', AT),
    Case("at = ''", "bot[0].at", '""', AT),
    Case("at = []", "bot[0].at", "[]", AT),
    Case("at = 935", "bot[0].at", "935", AT),
    Case("at = 09:35:00", "bot[0].at", "09:35:00", AT),
    Case("at = ['09:35', '9:40']", "bot[0].at", "['09:35', '9:40']", AT),
    Case("at = ['09:35', 5]", "bot[0].at", "['09:35', 5]", AT),
    Case("at = ['09:35', '09:35:00']", "bot[0].at", "['09:35', '09:35:00']", AT),
    Case("at = 'noon'", "bot[0].at", '"noon"', AT),
    Case("at = 'open+5'", "bot[0].at", '"open+5"', AT),
    Case("at = 'open + 5m'", "bot[0].at", '"open + 5m"', AT),
    Case("at = 'open+12h'", "bot[0].at", '"open+12h"', AT),
    Case("at = 'close-1d'", "bot[0].at", '"close-1d"', AT),
    Case("at = ['open', 'open+0m']", "bot[0].at", "['open', 'open+0m']", AT),
    Case("at = 'open'", "bot[0].at", '"open"', NEEDS_CALENDAR),
    Case("at = ['09:35', 'close-10m']", "bot[0].at", "['09:35', 'close-10m']", NEEDS_CALENDAR),
    Case("every = 15", "bot[0].every", "15", EVERY),
    Case("every = '0m'", "bot[0].every", '"0m"', EVERY),
    Case("every = '500ms'", "bot[0].every", '"500ms"', EVERY),
    Case("every = '7m'", "bot[0].every", '"7m"', f'{EVERY}; any other with from = "open"'),
    Case("every = '2d'", "bot[0].every", '"2d"', EVERY),
    Case("every = '15 minutes'", "bot[0].every", '"15 minutes"', EVERY),
    Case("every = ['15m']", "bot[0].every", "['15m']", EVERY),
    Case("every = '15m'\noffset = '15m'", "bot[0].offset", '"15m"', "an offset shorter than every"),
    Case("every = '15m'\noffset = '900000ms'", "bot[0].offset", '"900000ms"', "an offset shorter than every"),
    Case("every = '15m'\noffset = '-5s'", "bot[0].offset", '"-5s"', 'a duration such as "5s"'),
]


@pytest.mark.parametrize("case", TIME_CASES, ids=lambda case: case.line or "missing")
def test_a_wrong_time(tmp_path: Path, case: Case) -> None:
    """A time that cannot be read, or contradicts itself, is one problem."""
    assert problems(tmp_path, f"{TOP}{BOT}{case.line}\n") == expected(case)


@pytest.mark.parametrize(
    "calendar,key,lines",
    [
        ("XNYS", "at", "at = '09:35'\ndays = 'sat-sun'"),
        ("XNYS", "at", "at = 'open+5m'\ndays = 'sat,sun'"),
        ("XNYS", "every", "every = '15m'\ndays = 'sun'"),
        ("XNYS", "every", "every = '1d'"),  # midnight UTC
        ("XNYS", "every", "every = '12h'\noffset = '10h'"),
        ("XLON", "every", "every = '1d'\noffset = '1000m'"),  # 16:40 UTC is past the close, winter and summer
        ("XTKS", "every", "every = '1d'\noffset = '3h'"),  # noon in Tokyo is in the break
        ("XTKS", "every", "every = '1d'\noffset = '150m'"),  # 11:30, when the break begins
        ("XTKS", "every", "every = '1d'\noffset = '390m'"),  # 15:30, the close
    ],
)
def test_a_schedule_that_never_occurs(tmp_path: Path, calendar: str, key: str, lines: str) -> None:
    """A schedule without any slot on its calendar is refused, not obeyed, with a hint at what was meant."""
    hint = (
        "it has none on these days"
        if key == "at"
        else "its hours hold no point of the interval on these days; "
        'count from the open with from = "open", or write at = "open+5m"'
    )
    assert problems(tmp_path, f"{TOP}calendar = '{calendar}'\n{BOT}{lines}\n") == [
        f"bot[0].{key}: found a schedule that never occurs; allowed: times that fall into sessions of {calendar}: {hint}"
    ]


@pytest.mark.parametrize(
    "calendar,lines",
    [
        ("24/7", "at = '09:35'\ndays = 'sun'"),
        ("24/7", "every = '1d'"),
        ("XNYS", "every = '1d'\noffset = '825m'"),  # 13:45 UTC: in summer only
        ("XNYS", "every = '1d'\noffset = '1245m'"),  # 20:45 UTC: in winter only
        ("XTKS", "every = '1d'"),  # 09:00, the open
        ("XTKS", "every = '1d'\noffset = '210m'"),  # 12:30, when the break ends
        ("XTKS", "every = '1d'\noffset = '389m'"),
        ("XNYS", "at = '03:00'"),  # at night, but on a session's date
    ],
)
def test_a_schedule_that_occurs_seldom_is_allowed(tmp_path: Path, calendar: str, lines: str) -> None:
    """A slot that exists in one half of the year, or only at an edge of the session, is a slot."""
    folder = write(tmp_path, f"{TOP}calendar = '{calendar}'\n{BOT}{lines}\n")

    assert load(folder).calendar == calendar


@pytest.mark.parametrize(
    "text,found",
    [
        ("", "nothing"),
        ("bot = []", "[]"),
        ("bot = 5", "5"),
        ("bot = ['x']", "['x']"),
        ("bot = [{ at = '09:35' }, 5]", "[{ at = '09:35' }, 5]"),
        ("[bot]\nat = '09:35'", "{ at = '09:35' }"),
    ],
)
def test_a_manifest_without_bots(tmp_path: Path, text: str, found: str) -> None:
    """No bot at all, or one in single brackets, is a problem of its own."""
    assert problems(tmp_path, TOP + text) == [f"bot: found {found}; allowed: at least one [[bot]] table"]


def test_several_bots_need_an_id_each(tmp_path: Path) -> None:
    """A missing id is said of each bot that lacks it, and not again as a doubled one."""
    bot = BOT + "at = '09:35'\n"

    assert problems(tmp_path, TOP + bot + bot) == [
        "bot[0].id: found nothing; allowed: an id for each bot, since the strategy has several",
        "bot[1].id: found nothing; allowed: an id for each bot, since the strategy has several",
    ]


def test_a_doubled_id(tmp_path: Path) -> None:
    """The second bot with an id is the one that is wrong, however many there are."""
    bot = BOT + "at = '09:35'\nid = 'same'\n"

    assert problems(tmp_path, TOP + bot + bot + bot) == [
        'bot[1].id: found "same"; allowed: an id that no other bot has',
        'bot[2].id: found "same"; allowed: an id that no other bot has',
    ]


@pytest.mark.parametrize(
    "stagger,time,number",
    [("5s", "every = '5s'", 2), ("2s", "every = '5s'", 4), ("8h", "at = '09:35'", 4), ("3650d", "at = '09:35'", 2)],
)
def test_a_stagger_beyond_the_next_slot(tmp_path: Path, stagger: str, time: str, number: int) -> None:
    """A stagger that reaches a bot's next slot is refused, and the message names the first such bot."""
    bots = "".join(f"{BOT}id = 'bot{index}'\n{time}\n" for index in range(1, 6))

    assert problems(tmp_path, f"{TOP}stagger = '{stagger}'\n{bots}") == [
        f'stagger: found "{stagger}", which shifts bot bot{number} (number {number}) past its next slot; allowed: {STAGGER}'
    ]


@pytest.mark.parametrize("name", ["Demo", "1demo", "demo-1", "demo 1", "a__b", "_a", "a_", "", "d" * 41, "démo"])
def test_a_wrong_folder_name(tmp_path: Path, name: str) -> None:
    """The folder's name is the strategy's name in images, services and journals: it must fit all of them."""
    allowed = "a name such as my_idea: lower-case letters, digits and single _ between them, at most 40"

    assert problems(tmp_path, GOOD + "id = 'x'\n", name) == [f"folder: found {name}; allowed: {allowed}"]
