"""The manifest's errors at its top: each is one line with file, key, what was found and what is allowed."""

from pathlib import Path

import pytest

from openbell import calendars
from openbell import manifest as manifests
from tests.unit.manifest.problems.cases import GRACE, SETTINGS, SYMBOLS, TIMEOUT, Case, expected
from tests.unit.strategy_file import BOT, TOP, problems

TOP_KEYS = "description, tags, timezone, calendar, blackout, profile, market, feed, broker, live, untried_exchange, limits, capital, costs, container, stale, secrets, start, max_parallel, stagger, defaults, prepare, bot"
NAMED = 'one of {}, an exchange such as "ccxt:kraken", or your own class such as "my_{}"'
MARKETS = NAMED.format(", ".join(manifests.MARKETS), "market:Market")
BROKERS = NAMED.format(", ".join(manifests.BROKERS), "broker:Broker")
ALPACA_KEYS = "ALPACA_API_KEY, ALPACA_SECRET_KEY"
LIMITS = "max_order_value, max_position, max_orders_per_day, max_daily_loss, allowed_symbols, short"
CALENDARS = ", ".join(calendars.names())
ZONES = 'a zone of the tz database such as "America/New_York"'
SECRETS = 'names of environment variables such as ["ALPACA_API_KEY"]'

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
