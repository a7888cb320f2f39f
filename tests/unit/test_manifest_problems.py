"""The manifest's errors: each is one line with file, key, what was found and what is allowed, and all come at once."""

from pathlib import Path
from typing import NamedTuple

import pytest

from openbell import calendars
from openbell import manifest as manifests
from openbell.manifest import load
from tests.unit.strategy_file import BOT, GOOD, TOP, problems, write

TOP_KEYS = "description, tags, timezone, calendar, blackout, profile, market, feed, broker, live, untried_exchange, limits, capital, costs, container, stale, secrets, start, max_parallel, stagger, defaults, prepare, bot"
NAMED = 'one of {}, an exchange such as "ccxt:kraken", or your own class such as "my_{}"'
MARKETS = NAMED.format(", ".join(manifests.MARKETS), "market:Market")
BROKERS = NAMED.format(", ".join(manifests.BROKERS), "broker:Broker")
ALPACA_KEYS = "ALPACA_API_KEY, ALPACA_SECRET_KEY"
LIMITS = "max_order_value, max_position, max_orders_per_day, max_daily_loss, allowed_symbols, short"
SETTINGS = "grace, timeout, retries, catch_up, catch_up_within, halt_after"
BOT_KEYS = f"id, kind, symbols, at, every, from, offset, days, early_close, params, {SETTINGS}"
CALENDARS = ", ".join(calendars.names())
ZONES = 'a zone of the tz database such as "America/New_York"'
AT = '"09:35", "open+5m", "close-10m" (less than 12h) or a list of them'
DAYS = '"mon-fri", "mon,wed,fri", "daily", "month-end", "week-start", "1st fri", "last mon" or "session -2 of month"'
EVERY = 'an interval that divides a day, such as "15m", "1h" or "4h"'
SYMBOLS = 'different symbols such as ["AAPL", "MSFT"]'
BLANKS = "symbols without blanks, unless the market or the broker is a class of your own"
SOME_SYMBOL = 'at least one symbol such as ["AAPL"]'
IDS = "lower-case letters, digits, - and _"
GRACE = 'a duration such as "60s", at most 3650d'
TIMEOUT = 'a duration longer than zero such as "2m", at most 3650d'
SECRETS = 'names of environment variables such as ["ALPACA_API_KEY"]'
STAGGER = "a stagger that keeps every bot within its interval, or within a day"
NEEDS_CALENDAR = 'open and close only with a calendar, such as calendar = "XNYS"'


class Case(NamedTuple):
    """A line of a manifest, and what is wrong with it."""

    line: str
    key: str
    found: str
    allowed: str


def expected(case: Case) -> list[str]:
    """Return the one line that a case is refused with."""
    return [f"{case.key}: found {case.found}; allowed: {case.allowed}"]


TOP_CASES = [
    Case("description = 5", "description", "5", "a sentence in quotes"),
    Case("discription = 'x'", "discription", "an unknown key", TOP_KEYS),
    Case("Market = 'sample'", "Market", "an unknown key", TOP_KEYS),
    Case("'' = 1", "", "an unknown key", TOP_KEYS),
    Case('"a\\nb\\u001b[31m" = 1', "a\\nb\\x1b[31m", "an unknown key", TOP_KEYS),
    Case("[calender]", "calender", "an unknown key", TOP_KEYS),
    Case("calendar = 'NYSX'", "calendar", '"NYSX"', f"one of {CALENDARS}"),
    Case("calendar = 'xnys'", "calendar", '"xnys"', f"one of {CALENDARS}"),
    Case("calendar = ''", "calendar", '""', f"one of {CALENDARS}"),
    Case("calendar = ['XNYS']", "calendar", "['XNYS']", f"one of {CALENDARS}"),
    Case("market = 'nasdaq'", "market", '"nasdaq"', MARKETS),
    Case("market = 1", "market", "1", MARKETS),
    Case("market = 'ccxt:'", "market", '"ccxt:"', MARKETS),
    Case("market = 'my_market'", "market", '"my_market"', MARKETS),
    Case("market = '../market:Market'", "market", '"../market:Market"', MARKETS),
    Case(
        "market = 'alpaca'",
        "secrets",
        "nothing",
        f'also {ALPACA_KEYS}, which market = "alpaca" needs in the environment',
    ),
    Case("broker = 'ib'", "broker", '"ib"', BROKERS),
    Case("broker = true", "broker", "true", BROKERS),
    Case(
        "broker = 'alpaca'",
        "secrets",
        "nothing",
        f'also {ALPACA_KEYS}, which broker = "alpaca" needs in the environment',
    ),
    Case(
        "broker = 'alpaca'\nsecrets = ['ALPACA_API_KEY']",
        "secrets",
        "['ALPACA_API_KEY']",
        'also ALPACA_SECRET_KEY, which broker = "alpaca" needs in the environment',
    ),
    Case("live = true", "live", "true", 'live = true only with a broker that has real money; broker is "paper"'),
    Case("live = 'yes'", "live", '"yes"', "true or false"),
    Case("stale = 'ignore'", "stale", '"ignore"', "one of refuse, trade"),
    Case("limits = 5", "limits", "5", "a table, [limits] or limits = { ... }"),
    Case("limits = { max_value = 1 }", "limits.max_value", "an unknown key", LIMITS),
    Case("limits = { max_order_value = 0 }", "limits.max_order_value", "0", "an amount above zero"),
    Case("limits = { max_position = -5.0 }", "limits.max_position", "-5.0", "an amount above zero"),
    Case("limits = { max_daily_loss = inf }", "limits.max_daily_loss", "inf", "an amount above zero"),
    Case("limits = { max_daily_loss = true }", "limits.max_daily_loss", "true", "an amount above zero"),
    Case(
        "limits = { max_orders_per_day = 1.5 }", "limits.max_orders_per_day", "1.5", "a whole number from 1 to 1000000"
    ),
    Case("limits = { allowed_symbols = 'AAPL' }", "limits.allowed_symbols", '"AAPL"', SYMBOLS),
    Case("secrets = 'KEY'", "secrets", '"KEY"', SECRETS),
    Case("secrets = ['key']", "secrets", "['key']", SECRETS),
    Case("secrets = ['KEY', 'KEY']", "secrets", "['KEY', 'KEY']", SECRETS),
    Case("secrets = ['KEY', 1]", "secrets", "['KEY', 1]", SECRETS),
    Case("secrets = ['A=B']", "secrets", "['A=B']", SECRETS),
    Case("start = 'cold'", "start", '"cold"', "one of warm, fresh"),
    Case("start = []", "start", "[]", "one of warm, fresh"),
    Case("max_parallel = 0", "max_parallel", "0", "a whole number from 1 to 256"),
    Case("max_parallel = 257", "max_parallel", "257", "a whole number from 1 to 256"),
    Case("max_parallel = 4.0", "max_parallel", "4.0", "a whole number from 1 to 256"),
    Case("max_parallel = true", "max_parallel", "true", "a whole number from 1 to 256"),
    Case("max_parallel = '4'", "max_parallel", '"4"', "a whole number from 1 to 256"),
    Case("stagger = 2", "stagger", "2", 'a duration such as "2s"'),
    Case("stagger = '2 s'", "stagger", '"2 s"', 'a duration such as "2s"'),
    Case("stagger = '999999999d'", "stagger", '"999999999d"', 'a duration such as "2s"'),
    Case("defaults = 5", "defaults", "5", "a table, [defaults] or defaults = { ... }"),
    Case("defaults = ['60s']", "defaults", "['60s']", "a table, [defaults] or defaults = { ... }"),
    Case("defaults = { at = '09:35' }", "defaults.at", "an unknown key", SETTINGS),
    Case("defaults = { grace = 60 }", "defaults.grace", "60", GRACE),
    Case("defaults = { grace = '1w' }", "defaults.grace", '"1w"', GRACE),
    Case("defaults = { timeout = '0s' }", "defaults.timeout", '"0s"', TIMEOUT),
    Case("defaults = { timeout = '' }", "defaults.timeout", '""', TIMEOUT),
    Case("defaults = { retries = -1 }", "defaults.retries", "-1", "a whole number from 0 to 20"),
    Case("defaults = { retries = 21 }", "defaults.retries", "21", "a whole number from 0 to 20"),
    Case("defaults = { catch_up = 'all' }", "defaults.catch_up", '"all"', "one of skip, latest"),
    Case("defaults = { halt_after = 1001 }", "defaults.halt_after", "1001", "a whole number from 0 (never) to 1000"),
    Case("defaults = { halt_after = '3' }", "defaults.halt_after", '"3"', "a whole number from 0 (never) to 1000"),
]


@pytest.mark.parametrize("case", TOP_CASES, ids=lambda case: case.line)
def test_a_wrong_line_at_the_top(tmp_path: Path, case: Case) -> None:
    """A wrong key or value at the top of an otherwise right file is one problem, and this one."""
    assert problems(tmp_path, f"{TOP}{case.line}\n{BOT}at = '09:35'\n") == expected(case)


TRADE_CASES = [
    Case(
        "broker = 'ccxt:kraken'\nlive = true",
        "secrets",
        "nothing",
        'also KRAKEN_API_KEY, KRAKEN_SECRET_KEY, which broker = "ccxt:kraken" needs in the environment',
    ),
    Case(
        "broker = 'ccxt:gate'\nlive = true\nsecrets = ['GATE_API_KEY', 'GATE_SECRET_KEY']",
        "broker",
        '"ccxt:gate" with keys or live = true',
        '"ccxt:binance", "ccxt:bybit", "ccxt:coinbase", "ccxt:kraken", "ccxt:okx": orders elsewhere were never tried; untried_exchange = true sends them at '
        "your own risk",
    ),
    Case(
        "broker = 'ccxt:htx'\nsecrets = ['HTX_API_KEY', 'HTX_SECRET_KEY']",
        "broker",
        '"ccxt:htx" with keys or live = true',
        '"ccxt:binance", "ccxt:bybit", "ccxt:coinbase", "ccxt:kraken", "ccxt:okx": orders elsewhere were never tried; untried_exchange = true sends them at '
        "your own risk",
    ),
    Case("capital = 5", "capital", "5", "a table, [capital] or capital = { ... }"),
    Case("capital = { amount = 5, part = 0.5 }", "capital", "both amount and part", "one of amount and part"),
    Case("capital = { part = 1.5 }", "capital.part", "1.5", "a part of the account above 0, at most 1, such as 0.25"),
    Case("limits = { short = 1 }", "limits.short", "1", "true or false"),
]


@pytest.mark.parametrize("case", TRADE_CASES, ids=lambda case: case.line)
def test_a_wrong_line_about_a_pair(tmp_path: Path, case: Case) -> None:
    """What moves money wrongly, or at an exchange that is untried, is one problem."""
    bot = BOT.replace("'AAPL'", "'BTC/USDT'").replace('"AAPL"', '"BTC/USDT"')
    assert problems(tmp_path, f"{TOP}{case.line}\n{bot}at = '09:35'\n") == expected(case)


PAIR = 'a spot pair such as "BTC/USDT": derivatives (BTC/USDT:USDT) are not traded here'


@pytest.mark.parametrize("market, symbol, allowed", [
    ("ccxt:bybit", "BTC/USDT:USDT", PAIR),
    ("ccxt:binance", "BTCUSDT", PAIR),
    ("alpaca", "BTCUSD", '"BTC/USD" for a coin, a ticker such as "AAPL" for a share'),
    ("alpaca", "ETHUSDT", '"ETH/USDT" for a coin, a ticker such as "AAPL" for a share'),
])  # fmt: skip
def test_a_symbol_that_the_market_spells_otherwise(tmp_path: Path, market: str, symbol: str, allowed: str) -> None:
    """Check names the right spelling before a day is lost (T11, T23)."""
    bot = BOT.replace("AAPL", symbol)
    top = f"{TOP}market = '{market}'\nsecrets = ['ALPACA_API_KEY', 'ALPACA_SECRET_KEY']\n"
    (problem,) = problems(tmp_path, f"{top}{bot}at = '09:35'\n")
    assert problem.endswith(f'found "{symbol}"; allowed: {allowed}')


@pytest.mark.parametrize("exchange", ["kucoin", "bitget", "gate", "htx", "poloniex", "cryptocom", "kraken futures"])
def test_an_exchange_whose_orders_were_never_tried(tmp_path: Path, exchange: str) -> None:
    """Check refuses to send orders there, with keys or live (T19); OKX, Bybit and Coinbase are in the conformance table."""
    name = exchange.replace(" ", "")
    keys = [f"{name.upper()}_{key}" for key in ("API_KEY", "SECRET_KEY", "PASSPHRASE")]
    bot = BOT.replace("AAPL", "BTC/USDT") + "at = '09:35'\n"
    for line in (f"secrets = {keys}", f"live = true\nsecrets = {keys}"):
        (problem,) = problems(tmp_path, f"{TOP}broker = 'ccxt:{name}'\n{line}\n{bot}")
        assert "orders elsewhere were never tried; untried_exchange = true sends them at your own risk" in problem


ZONE_CASES = [
    Case("", "timezone", "nothing", 'a zone such as "America/New_York"'),
    Case("timezone = 'America/New York'", "timezone", '"America/New York"', ZONES),
    Case("timezone = 'america/new_york'", "timezone", '"america/new_york"', ZONES),
    Case("timezone = 'EDT'", "timezone", '"EDT"', ZONES),
    Case("timezone = '../UTC'", "timezone", '"../UTC"', ZONES),
    Case("timezone = ''", "timezone", '""', ZONES),
    Case("timezone = -5", "timezone", "-5", ZONES),
    Case("timezone = 2026-11-20T09:35:00Z", "timezone", "2026-11-20T09:35:00+00:00", ZONES),
    Case('timezone = """a\nb"""', "timezone", '"a\\nb"', ZONES),
    Case(f"timezone = '{'x' * 200}'", "timezone", '"' + "x" * 76 + "...", ZONES),
]


@pytest.mark.parametrize("case", ZONE_CASES, ids=lambda case: case.line[:40] or "missing")
def test_a_wrong_zone(tmp_path: Path, case: Case) -> None:
    """A zone that is missing, misspelt or no text is one problem; long values are cut, line breaks stay visible."""
    (line,) = problems(tmp_path, f"{case.line}\n{BOT}at = '09:35'\n")

    assert line.startswith(f"{case.key}: found {case.found}")
    assert line.endswith(f"; allowed: {case.allowed}")
    assert len(line) < 200


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
