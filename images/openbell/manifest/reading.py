"""One pass over a manifest's file: what is right becomes values, what is wrong becomes problems, all of them at once."""

import re
from collections.abc import Callable
from datetime import timedelta
from types import MappingProxyType

from openbell.manifest import grammar, trading, windows
from openbell.manifest.model import DAY, Bot, Container, Manifest, Schedule, Settings, Window
from openbell.manifest.problems import ManifestError, toml_text
from openbell.manifest.schedules import CALENDAR, TIMES, read_schedule
from openbell.manifest.trading_tables import TradingTables
from openbell.records import replace

# Also part of an image's name, which is why an underscore stands between two letters or digits, and alone.
_NAME = re.compile(r"(?=.{1,40}$)[a-z][a-z0-9]*(_[a-z0-9]+)*")
_BOT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_SECRET = re.compile(r"[A-Z][A-Z0-9_]*")


def read(table: dict[str, object], file: str, name: str) -> Manifest:
    """Return the manifest of the strategy `name` from its parsed file, shown as `file`; ManifestError has every problem."""
    return ManifestReader(file, name).manifest(table)


class ManifestReader(TradingTables):
    """The tables of a strategy.toml."""

    def __init__(self, file: str, name: str) -> None:
        super().__init__(file)
        self.name = name

    def manifest(self, table: dict[str, object]) -> Manifest:
        """Return what the whole file says; ManifestError has every problem."""
        if not _NAME.fullmatch(self.name):
            self.wrong(
                "folder",
                self.name,
                "a name such as my_idea: lower-case letters, digits and single _ between them, at most 40",
            )
        self.refuse_unknown(table, _TOP_LEVEL, "")
        description = self.read(table, "description", "", grammar.text, "a sentence in quotes")
        tags: tuple[str, ...] = self.read(table, "tags", (), grammar.ListOf(_TAG), 'words such as ["momentum", "us"]')
        if "timezone" not in table:
            self.wrong("timezone", "nothing", 'a zone such as "America/New_York"')
        timezone = self.read(
            table, "timezone", "UTC", grammar.zone, 'a zone of the tz database such as "America/New_York"'
        )
        calendar = self.read(table, "calendar", None, grammar.calendar, CALENDAR)
        market = self.read(table, "market", "sample", trading.market, trading.MARKET)
        feed = self.read(table, "feed", "", grammar.OneOf(("iex", "sip")), "one of iex, sip")
        if feed and market != "alpaca":
            self.wrong("feed", toml_text(feed), 'a feed only with market = "alpaca"')
        broker = self.read(table, "broker", "paper", trading.broker, trading.BROKER)
        secrets: tuple[str, ...] = self.read(
            table, "secrets", (), grammar.ListOf(_SECRET), 'names of environment variables such as ["ALPACA_API_KEY"]'
        )
        live = self.read(table, "live", False, grammar.flag, "true or false")  # noqa: FBT003 - a default like any other
        self.money(table, market, broker, secrets, live=live)
        untried = self.read(table, "untried_exchange", False, grammar.flag, "true or false")  # noqa: FBT003 - as above
        if trading.is_untried(broker, secrets, live=live) and not untried:
            allowed = ", ".join(f'"ccxt:{name}"' for name in sorted(trading.TRIED))
            why = "orders elsewhere were never tried; untried_exchange = true sends them at your own risk"
            self.wrong("broker", f'"{broker}" with keys or live = true', f"{allowed}: {why}")
        limits = self.limits(table)
        capital = self.capital(table)
        costs = self.costs(table)
        container = self.container(table)
        stale = self.read(table, "stale", "refuse", grammar.OneOf(("refuse", "trade")), "one of refuse, trade")
        profile = self.read(table, "profile", "", grammar.Matching(_PROFILE), 'a name such as "portfolio"')
        start = self.read(table, "start", "warm", grammar.OneOf(("warm", "fresh")), "one of warm, fresh")
        max_parallel = self.read(table, "max_parallel", 64, grammar.WholeNumber(1, 256), "a whole number from 1 to 256")
        stagger = self.read(table, "stagger", timedelta(0), grammar.parse_duration, 'a duration such as "2s"')
        defaults = self.table(table, "defaults")
        self.refuse_unknown(defaults, _SETTINGS, "defaults.")
        base = self.settings(defaults, Settings(), "defaults.")
        blackout: tuple[Window, ...] = self.read(
            table, "blackout", (), windows.windows, f"a list of windows such as {windows.ALLOWED}"
        )
        bots = self.bots(table, timezone, calendar, blackout, base)
        bots += self.prepare(table, Schedule(timezone, calendar, blackout=blackout), base, bots)
        self.blanks(bots, market, broker)
        self.spelling(bots, market, broker)
        bots = tuple(replace(bot, shift=index * stagger) for index, bot in enumerate(bots))
        for index, bot in enumerate(bots):
            if bot.shift >= (bot.schedule.every or DAY):
                found = (
                    f"{toml_text(table['stagger'])}, which shifts bot {bot.id} (number {index + 1}) past its next slot"
                )
                self.wrong("stagger", found, "a stagger that keeps every bot within its interval, or within a day")
                break
        if self.problems:
            raise ManifestError(self.problems)
        return Manifest(
            name=self.name,
            description=description,
            tags=tags,
            timezone=timezone,
            calendar=calendar,
            market=market,
            broker=broker,
            secrets=secrets,
            start=start,
            max_parallel=max_parallel,
            bots=bots,
            live=live,
            limits=limits,
            capital=capital,
            costs=costs,
            container=container,
            feed=feed,
            stale=stale,
            profile=profile,
        )

    def container(self, table: dict[str, object]) -> Container:
        """Return what [container] says."""
        given = self.table(table, "container")
        self.refuse_unknown(given, ("memory", "cpus", "files"), "container.")
        memory = self.read(given, "memory", "", grammar.Matching(_SIZE), 'a size such as "512m"', "container.")
        cpus = self.read(given, "cpus", None, grammar.amount, "a number such as 0.5", "container.")
        files = self.read(given, "files", "256m", grammar.Matching(_SIZE), 'a size such as "1g"', "container.")
        units = {"k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
        return Container(memory, cpus=cpus, files=int(files[:-1]) * units[files[-1]])

    def bots(
        self,
        table: dict[str, object],
        timezone: str,
        calendar: str | None,
        blackout: tuple[Window, ...],
        base: Settings,
    ) -> tuple[Bot, ...]:
        """Return what the [[bot]] tables say."""
        tables = table.get("bot")
        if not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
            self.wrong("bot", toml_text(tables), "at least one [[bot]] table")
            return ()
        bots: list[Bot] = []
        for index, one in enumerate(tables):
            default_id = self.name if len(tables) == 1 else None
            bot = self.bot(one, f"bot[{index}].", default_id, timezone, calendar, blackout, base)
            if bot.id and any(other.id == bot.id for other in bots):
                self.wrong(f"bot[{index}].id", toml_text(bot.id), "an id that no other bot has")
            bots.append(bot)
        return tuple(bots)

    def bot(
        self,
        table: dict[str, object],
        key: str,
        default_id: str | None,
        timezone: str,
        calendar: str | None,
        blackout: tuple[Window, ...],
        base: Settings,
    ) -> Bot:
        """Return what one [[bot]] table says; `key` is its place in the file."""
        self.refuse_unknown(table, ("id", "kind", "symbols", *TIMES, "params", *_SETTINGS), key)
        bot_id = self.read(
            table, "id", default_id, grammar.Matching(_BOT_ID), "lower-case letters, digits, - and _", key
        )
        if bot_id is None and "id" not in table:
            self.wrong(key + "id", "nothing", "an id for each bot, since the strategy has several")
        symbols: tuple[str, ...] = self.read(
            table, "symbols", (), grammar.ListOf(grammar.SYMBOL), 'different symbols such as ["AAPL", "MSFT"]', key
        )
        if not symbols and not self.has_problem(key + "symbols"):
            self.wrong(key + "symbols", toml_text(table.get("symbols")), 'at least one symbol such as ["AAPL"]')
        params = self.table(table, "params", key)
        kind = self.read(
            table, "kind", "schedule", grammar.OneOf(("schedule", "stream")), "one of schedule, stream", key
        )
        if kind == "stream":
            schedule = Schedule(timezone, calendar, blackout=blackout)
            for name in TIMES:
                if name in table:
                    self.wrong(key + name, toml_text(table[name]), "no times for a stream: it is always running")
        else:
            schedule = read_schedule(self, table, key, Schedule(timezone, calendar, blackout=blackout))
        settings = self.settings(table, base, key)
        return Bot(self.name, bot_id or "", symbols, schedule, MappingProxyType(params), kind=kind, **vars(settings))

    def prepare(
        self, table: dict[str, object], base: Schedule, settings: Settings, bots: tuple[Bot, ...]
    ) -> tuple[Bot, ...]:
        """Return the bot that calls the second function, for training and downloads, if there is one."""
        if "prepare" not in table:
            return ()
        given, key = self.table(table, "prepare"), "prepare."
        self.refuse_unknown(given, (*TIMES, "params", *_SETTINGS), key)
        name = f"{self.name}-prepare"
        if any(bot.id == name for bot in bots):
            self.wrong("bot", toml_text(name), "another id: this one is that of [prepare]")
        schedule = read_schedule(self, given, key, base)
        has_timeout = "timeout" in given or settings.timeout != Settings().timeout
        if not has_timeout:
            settings = replace(settings, timeout=PREPARE_TIMEOUT)
        params = MappingProxyType(self.table(given, "params", key))
        symbols = tuple(dict.fromkeys(symbol for bot in bots for symbol in bot.symbols))
        made = vars(self.settings(given, settings, key))
        return (Bot(self.name, name, symbols, schedule, params, function="prepare", **made),)

    def settings(self, table: dict[str, object], base: Settings, key: str) -> Settings:
        """Return the settings of a table, those of `base` where it says nothing."""
        given = self.read_present(table, _SETTINGS, key)
        settings = replace(base, **given)  # type: ignore[arg-type] # each reader returns what its field is
        if "catch_up_within" in given and settings.catch_up != "latest":
            found = f"{toml_text(table['catch_up_within'])} with catch_up = {toml_text(settings.catch_up)}"
            self.wrong(key + "catch_up_within", found, 'a bound only beside catch_up = "latest"')
        return settings


PREPARE_TIMEOUT = timedelta(minutes=30)  # of [prepare], where nothing else is said
_SETTINGS: dict[str, tuple[Callable[[object], object], str]] = {
    "grace": (grammar.parse_duration, 'a duration such as "60s", at most 3650d'),
    "timeout": (grammar.positive, 'a duration longer than zero such as "2m", at most 3650d'),
    "retries": (grammar.WholeNumber(0, 20), "a whole number from 0 to 20"),
    "catch_up": (grammar.OneOf(("skip", "latest")), "one of skip, latest"),
    "catch_up_within": (grammar.positive, 'a duration longer than zero such as "12h", at most 3650d'),
    "halt_after": (grammar.WholeNumber(0, 1000), "a whole number from 0 (never) to 1000"),
}
_SIZE = re.compile(r"[1-9][0-9]{0,6}[kmg]")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,29}")
_PROFILE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_TOP_LEVEL = (
    "description",
    "tags",
    "timezone",
    "calendar",
    "blackout",
    "profile",
    "market",
    "feed",
    "broker",
    "live",
    "untried_exchange",
    "limits",
    "capital",
    "costs",
    "container",
    "stale",
    "secrets",
    "start",
    "max_parallel",
    "stagger",
    "defaults",
    "prepare",
    "bot",
)
