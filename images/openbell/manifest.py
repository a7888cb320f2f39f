"""The manifest: one strategy.toml, parsed, validated and defaulted once.

Every configuration error of openbell is raised here, all errors of a file at once, each as one line that names the
file, the key, what was found and what is allowed. What `load` returns is frozen and needs no further checks.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pytz

from openbell import calendars

MARKETS = ("sample",)
BROKERS = ("paper",)
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))
DAY = timedelta(days=1)
LONGEST = 3650 * DAY  # of any duration: no instant reckoned from one leaves what a datetime can hold

T = TypeVar("T")

# Also part of an image's name, which is why an underscore stands between two letters or digits, and alone.
_NAME = re.compile(r"(?=.{1,40}$)[a-z][a-z0-9]*(_[a-z0-9]+)*")
_BOT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_SECRET = re.compile(r"[A-Z][A-Z0-9_]*")
_SYMBOL = re.compile(r"[^\s\x00-\x1f]{1,40}")
_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_ANCHOR = re.compile(r"(open|close)(?:([+-])([0-9]+(?:ms|s|m|h|d)))?")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Anchor:
    """One time of day: a clock time, or a distance from the session's open or close."""

    kind: str  # "clock", "open" or "close"
    clock: time | None = None  # local
    shift: timedelta = timedelta(0)


@dataclass(frozen=True)
class Schedule:
    """When a bot is due: times of day (`at`) or an interval (`every`), on some days, on a calendar's sessions if it has one."""

    timezone: str
    calendar: str | None = None
    days: frozenset[int] = EVERY_DAY  # Monday is 0
    at: tuple[Anchor, ...] = ()
    every: timedelta | None = None
    offset: timedelta = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What may be set for all bots under [defaults] and for one bot."""

    grace: timedelta = timedelta(seconds=60)
    timeout: timedelta = timedelta(minutes=2)
    retries: int = 2
    catch_up: str = "skip"  # or "latest"
    halt_after: int = 0  # failures in a row after which the bot pauses itself; 0 is never


@dataclass(frozen=True)
class Bot(Settings):
    """One scheduled unit of a strategy."""

    strategy: str
    id: str
    symbols: tuple[str, ...]
    schedule: Schedule  # of a stream: never due
    # What a value of [bot.params] is, only the strategy knows.
    params: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    shift: timedelta = timedelta(0)  # how long after its slot the bot is dispatched (its share of the stagger)
    kind: str = "schedule"  # or "stream": always running, watched by its beats; `timeout` is its longest silence

    @property
    def is_stream(self) -> bool:
        """Tell whether the bot keeps running instead of being due at slots."""
        return self.kind == "stream"

    def start_by(self, slot: datetime) -> datetime:
        """Return the instant after which the run of `slot` may not start any more."""
        return slot + self.shift + self.grace

    def retry_by(self, slot: datetime) -> datetime:
        """Return the instant after which no further attempt of the run of `slot` may start."""
        return slot + self.shift + max(self.grace, self.timeout)


@dataclass(frozen=True)
class Manifest:
    """One strategy: its folder's name, where its bars come from, where its orders go, and its bots."""

    name: str
    description: str
    timezone: str
    calendar: str | None
    market: str
    broker: str
    secrets: tuple[str, ...]  # names of the environment variables that the strategy may read
    start: str  # "warm": runs are forked from the loop; "fresh": each in a new interpreter
    max_parallel: int  # runs at the same time
    bots: tuple[Bot, ...]

    def bot(self, bot_id: str) -> Bot:
        """Return the bot of that id; KeyError if there is none."""
        for bot in self.bots:
            if bot.id == bot_id:
                return bot
        raise KeyError(bot_id)


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


def load(folder: Path) -> Manifest:
    """Return the manifest of the strategy in `folder`; ManifestError names everything that is wrong with it."""
    path = folder / "strategy.toml"
    # The folder's name is the strategy's, wherever it is mounted; inside an image the folder is /strategy and the
    # name comes with it (see `load_named`).
    return load_named(path, folder.name)


def load_named(path: Path, name: str) -> Manifest:
    """Return the manifest in the file `path` of the strategy `name`; ManifestError as in `load`."""
    shown = f"{name}/{path.name}"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ManifestError(
            [Problem(shown, "file", "no such file", "a strategy.toml in the strategy's folder")]
        ) from None
    # A huge number is a plain ValueError to tomllib, and deep nesting a RecursionError.
    except (OSError, ValueError, RecursionError) as error:
        raise ManifestError([Problem(shown, "file", str(error), "a readable TOML file in UTF-8")]) from None
    return _Reading(shown, name).manifest(table)


def load_all(root: Path) -> tuple[tuple[Manifest, ...], tuple[ManifestError, ...]]:
    """Return the manifests of all strategy folders below `root`, and the errors of those that have none that is valid."""
    manifests: list[Manifest] = []
    errors: list[ManifestError] = []
    owners: dict[str, str] = {}
    for folder in strategy_folders(root):
        try:
            manifest = load(folder)
        except ManifestError as error:
            errors.append(error)
            continue
        doubled = [
            Problem(
                f"{manifest.name}/strategy.toml",
                "bot.id",
                f'"{bot.id}", which {owners[bot.id]} has too',
                "an id that no other bot has",
            )
            for bot in manifest.bots
            if bot.id in owners
        ]
        if doubled:
            errors.append(ManifestError(doubled))
            continue
        owners.update({bot.id: manifest.name for bot in manifest.bots})
        manifests.append(manifest)
    return tuple(manifests), tuple(errors)


def strategy_folders(root: Path) -> list[Path]:
    """Return the strategy folders below `root`, by name; hidden ones and plain files do not count."""
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))


def parse_duration(text: object) -> timedelta | None:
    """Return the duration that `text` ("90s", "2m", "1h") stands for, or None if it is not one or longer than LONGEST."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    try:
        duration = timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        return None
    return duration if duration <= LONGEST else None


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
        description = self.take(table, "description", "", _text, "a sentence in quotes")
        if "timezone" not in table:
            self.wrong("timezone", "nothing", 'a zone such as "America/New_York"')
        timezone = self.take(table, "timezone", "UTC", _zone, 'a zone of the tz database such as "America/New_York"')
        calendar = self.take(table, "calendar", None, _calendar, "one of " + ", ".join(calendars.names()))
        market = self.take(table, "market", "sample", _one_of(MARKETS), "one of " + ", ".join(MARKETS))
        broker = self.take(table, "broker", "paper", _one_of(BROKERS), "one of " + ", ".join(BROKERS))
        secrets: tuple[str, ...] = self.take(
            table, "secrets", (), _list_of(_SECRET), 'names of environment variables such as ["ALPACA_API_KEY"]'
        )
        start = self.take(table, "start", "warm", _one_of(("warm", "fresh")), "one of warm, fresh")
        max_parallel = self.take(table, "max_parallel", 64, _whole(1, 256), "a whole number from 1 to 256")
        stagger = self.take(table, "stagger", timedelta(0), parse_duration, 'a duration such as "2s"')
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
        )

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
        bot_id = self.take(table, "id", default_id, _matching(_BOT_ID), "lower-case letters, digits, - and _", key)
        if bot_id is None and "id" not in table:
            self.wrong(key + "id", "nothing", "an id for each bot, since the strategy has several")
        symbols: tuple[str, ...] = self.take(
            table, "symbols", (), _list_of(_SYMBOL), 'different symbols such as ["AAPL", "MSFT"]', key
        )
        if not symbols and not self.has_problem(key + "symbols"):
            self.wrong(key + "symbols", _shown(table.get("symbols")), 'at least one symbol such as ["AAPL"]')
        params = self.table(table, "params", key)
        kind = self.take(table, "kind", "schedule", _one_of(("schedule", "stream")), "one of schedule, stream", key)
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
        days = self.take(table, "days", EVERY_DAY, _days, '"mon-fri", "mon,wed,fri" or "daily"', key)
        at: tuple[Anchor, ...] = self.take(
            table, "at", (), _anchors, '"09:35", "open+5m", "close-10m" (less than 12h) or a list of them', key
        )
        every = self.take(
            table, "every", None, _interval, 'an interval that divides a day, such as "15m", "1h" or "4h"', key
        )
        offset = self.take(table, "offset", timedelta(0), parse_duration, 'a duration such as "5s"', key)
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
        elif calendar is not None and not _occurs(schedule, calendars.load(calendar)):
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


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _zone(value: object) -> str | None:
    return value if isinstance(value, str) and value in pytz.all_timezones_set else None


def _calendar(value: object) -> str | None:
    return value if isinstance(value, str) and value in calendars.names() else None


def _one_of(allowed: tuple[str, ...]) -> Callable[[object], str | None]:
    return lambda value: value if isinstance(value, str) and value in allowed else None


def _matching(pattern: re.Pattern[str]) -> Callable[[object], str | None]:
    return lambda value: value if isinstance(value, str) and pattern.fullmatch(value) else None


def _list_of(pattern: re.Pattern[str]) -> Callable[[object], tuple[str, ...] | None]:
    def parse(value: object) -> tuple[str, ...] | None:
        if not isinstance(value, list) or not all(isinstance(one, str) and pattern.fullmatch(one) for one in value):
            return None
        return tuple(value) if len(set(value)) == len(value) else None

    return parse


def _whole(low: int, high: int) -> Callable[[object], int | None]:
    def parse(value: object) -> int | None:
        return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None

    return parse


def _positive(value: object) -> timedelta | None:
    duration = parse_duration(value)
    return duration or None


def _interval(value: object) -> timedelta | None:
    # Only an interval that divides a day keeps one grid for ever: no hole and no double at midnight.
    duration = parse_duration(value)
    return duration if duration and duration >= timedelta(seconds=1) and DAY % duration == timedelta(0) else None


def _days(value: object) -> frozenset[int] | None:
    if not isinstance(value, str):
        return None
    if value == "daily":
        return EVERY_DAY
    days: set[int] = set()
    for part in value.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        if first not in DAY_NAMES or last not in DAY_NAMES:
            return None
        start, length = DAY_NAMES.index(first), (DAY_NAMES.index(last) - DAY_NAMES.index(first)) % 7
        days.update((start + step) % 7 for step in range(length + 1))
    return frozenset(days)


def _anchors(value: object) -> tuple[Anchor, ...] | None:
    texts = value if isinstance(value, list) else [value]
    anchors = [_anchor(text) for text in texts]
    found = tuple(anchor for anchor in anchors if anchor is not None)
    return found if found and len(found) == len(texts) == len(set(found)) else None


def _anchor(value: object) -> Anchor | None:
    if not isinstance(value, str):
        return None
    if clock := _CLOCK.fullmatch(value):
        return Anchor("clock", time(int(clock[1]), int(clock[2]), int(clock[3] or 0)))
    match = _ANCHOR.fullmatch(value)
    shift = (parse_duration(match[3]) if match[3] else timedelta(0)) if match else None
    if match is None or shift is None or shift >= DAY / 2:
        return None
    return Anchor(match[1], None, -shift if match[2] == "-" else shift)


def _occurs(schedule: Schedule, calendar: calendars.Calendar) -> bool:
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
    "grace": (parse_duration, 'a duration such as "60s", at most 3650d'),
    "timeout": (_positive, 'a duration longer than zero such as "2m", at most 3650d'),
    "retries": (_whole(0, 20), "a whole number from 0 to 20"),
    "catch_up": (_one_of(("skip", "latest")), "one of skip, latest"),
    "halt_after": (_whole(0, 1000), "a whole number from 0 (never) to 1000"),
}
_TIMES = ("at", "every", "offset", "days")
_TOP_LEVEL = (
    "description",
    "timezone",
    "calendar",
    "market",
    "broker",
    "secrets",
    "start",
    "max_parallel",
    "stagger",
    "defaults",
    "bot",
)
