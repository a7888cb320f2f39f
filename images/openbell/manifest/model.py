"""What a manifest is once it is read: frozen values, with their defaults."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any

from openbell.calendars import Calendar, periods
from openbell.costs import FREE, Costs
from openbell.records import dataclass, field

EVERY_DAY = frozenset(range(7))
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Anchor:
    """One time of day: a clock time, or a distance from the session's open or close."""

    kind: str  # "clock", "open" or "close"; "grid" is a clock time at which the market is open
    clock: time | None = None  # local
    shift: timedelta = timedelta(0)


@dataclass(frozen=True)
class DayRule:
    """Some days of a week, month or quarter: the nth session (-1 is the last), or the nth such weekday."""

    nth: int
    period: str  # "week", "month" or "quarter"
    weekday: int | None = None  # Monday is 0; None counts sessions

    def matches(self, day: date, calendar: Calendar | None) -> bool:
        """Tell whether `day` is one of them; CalendarExpired where the calendar does not reach far enough to tell."""
        if self.weekday is not None:
            return periods.is_nth_weekday(day, self.nth, self.weekday)
        return periods.is_nth(day, self.nth, self.period, calendar)


@dataclass(frozen=True)
class Window:
    """A time without slots: from `start` until `end` each week (each day without weekdays), or once between two instants."""

    timezone: str
    start: time
    end: time
    first_day: int | None = None  # weekdays; Monday is 0
    last_day: int | None = None
    first_date: date | None = None
    last_date: date | None = None
    text: str = field(default="", compare=False)  # as it was written


@dataclass(frozen=True, repr=False)
class Schedule:
    """When a bot is due: times of day (`at`) or an interval (`every`), on some days, on a calendar's sessions if it has one."""

    timezone: str
    calendar: str | None = None
    days: frozenset[int] = EVERY_DAY  # of the week, in `timezone`; Monday is 0
    at: tuple[Anchor, ...] = ()
    every: timedelta | None = None
    offset: timedelta = timedelta(0)
    rules: tuple[DayRule, ...] = ()  # days beside those of the week
    count_from: Anchor | None = None  # where an interval is counted from; None is midnight in UTC
    early_close: str = "skip"  # or "run": a clock time that falls behind an early close
    blackout: tuple[Window, ...] = ()

    @cached_property
    def daily(self) -> tuple[Anchor, ...]:
        """The times of a day: those of `at`, or the one of an interval of a whole day; none of any other interval."""
        if self.every != DAY or self.count_from is not None:
            return self.at
        # A day is the strategy's own, from midnight to midnight.
        return (Anchor("grid", (datetime.min + self.offset).time()),)  # noqa: DTZ901 - a wall clock

    def __repr__(self) -> str:
        # Ledgers and the supervisor keep this text to know a changed schedule by. So what is not set must not change
        # it, and a window without slots, which comes and goes, is no part of it.
        names = ["timezone", "calendar", "days", "at", "every", "offset"]
        defaults = {"rules": (), "count_from": None, "early_close": "skip"}
        names += [name for name, default in defaults.items() if getattr(self, name) != default]
        return f"Schedule({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What may be set for all bots under [defaults] and for one bot."""

    grace: timedelta = timedelta(seconds=60)
    timeout: timedelta = timedelta(minutes=2)
    retries: int = 2
    catch_up: str = "skip"  # or "latest"
    catch_up_within: timedelta = timedelta(days=1)  # how late "latest" may still start a slot
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
    function: str = "run"  # or "prepare": what is called at a slot; prepare sends no orders

    @property
    def is_stream(self) -> bool:
        """Tell whether the bot keeps running instead of being due at slots."""
        return self.kind == "stream"

    def start_by(self, slot: datetime) -> datetime:
        """Return the instant after which the run of `slot` may not start any more."""
        return slot + self.shift + self.grace

    def catch_up_by(self, slot: datetime) -> datetime:
        """Return the instant after which the run of `slot` may not even start late."""
        return slot + self.shift + max(self.grace, self.catch_up_within if self.catch_up == "latest" else self.grace)

    def retry_by(self, slot: datetime) -> datetime:
        """Return the instant after which no further attempt of the run of `slot` may start."""
        return slot + self.shift + max(self.grace, self.timeout)


@dataclass(frozen=True)
class Limits:
    """How far a strategy may go; None is no limit. Amounts are in the account's currency."""

    max_order_value: float | None = None  # of one order
    max_position: float | None = None  # what is held of one symbol may be worth
    max_orders_per_day: int | None = None  # of all bots together, by the date of the strategy's timezone
    max_daily_loss: float | None = None  # of the account's equity since the day's first look at it
    allowed_symbols: tuple[str, ...] | None = None
    short: bool = False  # more may be sold than is held

    @property
    def are_set(self) -> bool:
        """Tell whether there is any limit."""
        return self not in _NO_LIMITS


_NO_LIMITS = (Limits(), Limits(short=True))


@dataclass(frozen=True)
class Capital:
    """The strategy's share of an account: an amount of its currency, or a part of what it is worth; None is all of it."""

    amount: float | None = None
    part: float | None = None

    @property
    def is_set(self) -> bool:
        """Tell whether the account is shared."""
        return self.amount is not None or self.part is not None


@dataclass(frozen=True)
class Container:
    """What the strategy's own container may take; what is not set is what .env says."""

    memory: str = ""  # such as 512m
    files: int = 256_000_000  # bytes that ctx.files may hold
    cpus: float | None = None


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
    live: bool = False  # real money; otherwise the broker's paper endpoint
    limits: Limits = Limits()
    capital: Capital = Capital()
    costs: Costs = FREE  # of backtests and of the paper account
    container: Container = Container()
    profile: str = ""  # of Compose: runs only where it is asked for
    feed: str = ""  # of Alpaca's shares: iex or sip; empty is the best that the account has
    stale: str = "refuse"  # or "trade": what becomes of orders that were decided on bars that are too old
    tags: tuple[str, ...] = ()  # words of the user's own, by which the page finds the strategy

    @property
    def money(self) -> str:
        """Return "live" if orders move real money, else "paper"."""
        return "live" if self.live else "paper"

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of all bots, each once."""
        return tuple(dict.fromkeys(symbol for bot in self.bots for symbol in bot.symbols))

    def bot(self, bot_id: str) -> Bot:
        """Return the bot of that id; KeyError if there is none."""
        for bot in self.bots:
            if bot.id == bot_id:
                return bot
        raise KeyError(bot_id)
