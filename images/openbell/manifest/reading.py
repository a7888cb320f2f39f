"""One pass over a manifest's file: what is right becomes values, what is wrong becomes problems, all of them at once."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import TypeVar

from openbell import calendars
from openbell.manifest import grammar, trading
from openbell.manifest.grammar import DAY
from openbell.manifest.model import EVERY_DAY, Anchor, Bot, Limits, Manifest, Schedule, Settings

T = TypeVar("T")

# Also part of an image's name, which is why an underscore stands between two letters or digits, and alone.
_NAME = re.compile(r"(?=.{1,40}$)[a-z][a-z0-9]*(_[a-z0-9]+)*")
_BOT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_SECRET = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True)
class Problem:
    """One configuration error; its text is one line."""

    file: str
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        text = f"{self.file}: {self.key}: found {self.found}; allowed: {self.allowed}"
        # Keys, values and folder names are the author's: a line break or an escape sequence in one stays visible.
        return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class ManifestError(ValueError):
    """A manifest that cannot be used; `problems` holds every error of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def read(table: dict[str, object], file: str, name: str) -> Manifest:
    """Return the manifest of the strategy `name` from its parsed file, shown as `file`; ManifestError has every problem."""
    return _Reading(file, name).manifest(table)


class _Reading:
    """One pass over a parsed TOML file: what is right becomes values, what is wrong becomes problems."""

    def __init__(self, file: str, name: str) -> None:
        self.file = file
        self.name = name
        self.problems: list[Problem] = []

    def manifest(self, table: dict[str, object]) -> Manifest:
        if not _NAME.fullmatch(self.name):
            self.wrong(
                "folder",
                self.name,
                "a name such as my_idea: lower-case letters, digits and single _ between them, at most 40",
            )
        self.only(table, _TOP_LEVEL, "")
        description = self.take(table, "description", "", grammar.text, "a sentence in quotes")
        if "timezone" not in table:
            self.wrong("timezone", "nothing", 'a zone such as "America/New_York"')
        timezone = self.take(
            table, "timezone", "UTC", grammar.zone, 'a zone of the tz database such as "America/New_York"'
        )
        calendar = self.take(table, "calendar", None, grammar.calendar, "one of " + ", ".join(calendars.names()))
        market = self.take(table, "market", "sample", trading.market, trading.MARKET)
        broker = self.take(table, "broker", "paper", trading.broker, trading.BROKER)
        secrets: tuple[str, ...] = self.take(
            table, "secrets", (), grammar.list_of(_SECRET), 'names of environment variables such as ["ALPACA_API_KEY"]'
        )
        live = self.take(table, "live", False, grammar.flag, "true or false")  # noqa: FBT003 - a default like any other
        self.money(table, market, broker, secrets, live=live)
        limits = self.limits(table)
        stale = self.take(table, "stale", "refuse", grammar.one_of(("refuse", "trade")), "one of refuse, trade")
        profile = self.take(table, "profile", "", grammar.matching(_PROFILE), 'a name such as "portfolio"')
        start = self.take(table, "start", "warm", grammar.one_of(("warm", "fresh")), "one of warm, fresh")
        max_parallel = self.take(table, "max_parallel", 64, grammar.whole(1, 256), "a whole number from 1 to 256")
        stagger = self.take(table, "stagger", timedelta(0), grammar.parse_duration, 'a duration such as "2s"')
        defaults = self.table(table, "defaults")
        self.only(defaults, _SETTINGS, "defaults.")
        base = self.settings(defaults, Settings(), "defaults.")
        bots = self.bots(table, timezone, calendar, base)
        bots = tuple(replace(bot, shift=index * stagger) for index, bot in enumerate(bots))
        for index, bot in enumerate(bots):
            if bot.shift >= (bot.schedule.every or DAY):
                found = f"{_shown(table['stagger'])}, which shifts bot {bot.id} (number {index + 1}) past its next slot"
                self.wrong("stagger", found, "a stagger that keeps every bot within its interval, or within a day")
                break
        if self.problems:
            raise ManifestError(self.problems)
        return Manifest(
            name=self.name,
            description=description,
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
            stale=stale,
            profile=profile,
        )

    def money(
        self, table: dict[str, object], market: str, broker: str, secrets: tuple[str, ...], *, live: bool
    ) -> None:
        """See that what moves money says so, and that the keys it needs are named."""
        if live and broker == "paper":
            self.wrong("live", "true", 'live = true only with a broker that has real money; broker is "paper"')
        if "secrets" in table and self.has_problem("secrets"):
            return
        missing = [name for name in trading.keys_of(market, broker, live=live) if name not in secrets]
        if missing:
            whose = f'market = "{market}"' if broker == "paper" else f'broker = "{broker}"'
            found = _shown(table["secrets"]) if "secrets" in table else "nothing"
            self.wrong("secrets", found, f"also {', '.join(missing)}, which {whose} needs in the environment")

    def limits(self, table: dict[str, object]) -> Limits:
        given = self.table(table, "limits")
        self.only(given, trading.LIMITS, "limits.")
        found = {
            name: self.take(given, name, None, *trading.LIMITS[name], "limits.")
            for name in trading.LIMITS
            if name in given
        }
        return replace(Limits(), **found)  # type: ignore[arg-type] # each reader returns what its field is

    def bots(self, table: dict[str, object], timezone: str, calendar: str | None, base: Settings) -> tuple[Bot, ...]:
        tables = table.get("bot")
        if not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
            self.wrong("bot", _shown(tables), "at least one [[bot]] table")
            return ()
        bots: list[Bot] = []
        for index, one in enumerate(tables):
            bot = self.bot(one, f"bot[{index}].", self.name if len(tables) == 1 else None, timezone, calendar, base)
            if bot.id and any(other.id == bot.id for other in bots):
                self.wrong(f"bot[{index}].id", _shown(bot.id), "an id that no other bot has")
            bots.append(bot)
        return tuple(bots)

    def bot(
        self,
        table: dict[str, object],
        key: str,
        default_id: str | None,
        timezone: str,
        calendar: str | None,
        base: Settings,
    ) -> Bot:
        self.only(table, ("id", "kind", "symbols", *_TIMES, "params", *_SETTINGS), key)
        bot_id = self.take(
            table, "id", default_id, grammar.matching(_BOT_ID), "lower-case letters, digits, - and _", key
        )
        if bot_id is None and "id" not in table:
            self.wrong(key + "id", "nothing", "an id for each bot, since the strategy has several")
        symbols: tuple[str, ...] = self.take(
            table, "symbols", (), grammar.list_of(grammar.SYMBOL), 'different symbols such as ["AAPL", "MSFT"]', key
        )
        if not symbols and not self.has_problem(key + "symbols"):
            self.wrong(key + "symbols", _shown(table.get("symbols")), 'at least one symbol such as ["AAPL"]')
        params = self.table(table, "params", key)
        kind = self.take(
            table, "kind", "schedule", grammar.one_of(("schedule", "stream")), "one of schedule, stream", key
        )
        if kind == "stream":
            schedule = Schedule(timezone, calendar)
            for name in _TIMES:
                if name in table:
                    self.wrong(key + name, _shown(table[name]), "no times for a stream: it is always running")
        else:
            schedule = self.schedule(table, key, timezone, calendar)
        settings = self.settings(table, base, key)
        return Bot(self.name, bot_id or "", symbols, schedule, MappingProxyType(params), kind=kind, **vars(settings))

    def schedule(self, table: dict[str, object], key: str, timezone: str, calendar: str | None) -> Schedule:
        days = self.take(table, "days", EVERY_DAY, grammar.days, '"mon-fri", "mon,wed,fri" or "daily"', key)
        at: tuple[Anchor, ...] = self.take(
            table, "at", (), grammar.anchors, '"09:35", "open+5m", "close-10m" (less than 12h) or a list of them', key
        )
        every = self.take(
            table, "every", None, grammar.interval, 'an interval that divides a day, such as "15m", "1h" or "4h"', key
        )
        offset = self.take(table, "offset", timedelta(0), grammar.parse_duration, 'a duration such as "5s"', key)
        schedule = Schedule(timezone, calendar, days, at, every, offset)
        if any(self.has_problem(key + name) for name in ("days", "at", "every", "offset")):
            return schedule
        if (every is None) == (not at):
            self.wrong(key + "at", "both at and every" if at else "neither at nor every", "exactly one of at and every")
        elif every is None and "offset" in table:
            self.wrong(key + "offset", _shown(table["offset"]), "offset only beside every")
        elif every is not None and offset >= every:
            self.wrong(key + "offset", _shown(table["offset"]), "an offset shorter than every")
        elif calendar is None and any(anchor.kind != "clock" for anchor in at):
            if not self.has_problem("calendar"):
                allowed = 'open and close only with a calendar, such as calendar = "XNYS"'
                self.wrong(key + "at", _shown(table["at"]), allowed)
        elif calendar is not None and not occurs(schedule, calendars.load(calendar)):
            self.wrong(
                key + ("at" if at else "every"),
                "a schedule that never occurs",
                f"times that fall into sessions of {calendar}",
            )
        return schedule

    def settings(self, table: dict[str, object], base: Settings, key: str) -> Settings:
        given = {
            name: self.take(table, name, getattr(base, name), *_SETTINGS[name], key)
            for name in _SETTINGS
            if name in table
        }
        return replace(base, **given)

    def take(
        self,
        table: dict[str, object],
        name: str,
        default: T,
        parse: Callable[[object], T | None],
        allowed: str,
        key: str = "",
    ) -> T:
        if name not in table:
            return default
        value = parse(table[name])
        if value is None:
            self.wrong(key + name, _shown(table[name]), allowed)
            return default
        return value

    def table(self, table: dict[str, object], name: str, key: str = "") -> dict[str, object]:
        value = table.get(name, {})
        if isinstance(value, dict):
            return value
        self.wrong(key + name, _shown(value), f"a table, [{name}] or {name} = {{ ... }}")
        return {}

    def only(self, table: Mapping[str, object], known: Iterable[str], key: str) -> None:
        known = tuple(known)
        for name in table:
            if name not in known:
                self.wrong(key + name, "an unknown key", ", ".join(known))

    def wrong(self, key: str, found: str, allowed: str) -> None:
        self.problems.append(Problem(self.file, key, found, allowed))

    def has_problem(self, key: str) -> bool:
        return any(problem.key == key for problem in self.problems)


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def occurs(schedule: Schedule, calendar: calendars.Calendar) -> bool:
    """Tell whether a schedule on a calendar ever has a slot, judged by the calendar's last year."""
    for session in calendar.sessions(calendar.valid_through - timedelta(days=365), calendar.valid_through):
        if session.date.weekday() not in schedule.days:
            continue
        if schedule.every is None:
            return True
        midnight = session.open.replace(hour=0, minute=0, second=0, microsecond=0)
        lunch, after_lunch = session.break_start or session.close, session.break_end or session.close
        for opens, closes in ((session.open, lunch), (after_lunch, session.close)):
            steps = -((midnight + schedule.offset - opens) // schedule.every)
            if midnight + schedule.offset + steps * schedule.every < closes:
                return True
    return False


_SETTINGS: dict[str, tuple[Callable[[object], object], str]] = {
    "grace": (grammar.parse_duration, 'a duration such as "60s", at most 3650d'),
    "timeout": (grammar.positive, 'a duration longer than zero such as "2m", at most 3650d'),
    "retries": (grammar.whole(0, 20), "a whole number from 0 to 20"),
    "catch_up": (grammar.one_of(("skip", "latest")), "one of skip, latest"),
    "halt_after": (grammar.whole(0, 1000), "a whole number from 0 (never) to 1000"),
}
_PROFILE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_TIMES = ("at", "every", "offset", "days")
_TOP_LEVEL = (
    "description",
    "timezone",
    "calendar",
    "profile",
    "market",
    "broker",
    "live",
    "limits",
    "stale",
    "secrets",
    "start",
    "max_parallel",
    "stagger",
    "defaults",
    "bot",
)
