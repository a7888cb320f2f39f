"""The words of a manifest: each function turns one value of the file into what it stands for, or into None if it does not."""

import re
from datetime import time, timedelta
from decimal import Decimal

import pytz

from openbell import calendars
from openbell.calendars import periods
from openbell.manifest.model import DAY, EVERY_DAY, Anchor, DayRule
from openbell.records import dataclass

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST = 3650 * DAY  # of any duration: no instant reckoned from one leaves what a datetime can hold

# A blank may stand inside a symbol: those of options are padded with them ("AAPL  261218C00150000").
SYMBOL = re.compile(r"(?=.{1,40}$)[^\s\x00-\x1f]+( +[^\s\x00-\x1f]+)*")
_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_ANCHOR = re.compile(r"(open|close)(?:([+-])([0-9]+(?:ms|s|m|h|d)))?")
_NTH = {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "last": -1}
_NTH_WEEKDAY = re.compile(rf"({'|'.join(_NTH)}) ({'|'.join(DAY_NAMES)})")
_SESSION = re.compile(rf"session (-?[1-9][0-9]?) of ({'|'.join(periods.PERIODS)})")
_EDGE = re.compile(rf"({'|'.join(periods.PERIODS)})-(start|end)")
_MOST = {"week": 7, "month": 31, "quarter": 92}  # days that a period can have
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


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


def text(value: object) -> str | None:
    """Return a text as it is."""
    return value if isinstance(value, str) else None


def zone(value: object) -> str | None:
    """Return the name of a zone of the tz database."""
    return value if isinstance(value, str) and value in pytz.all_timezones_set else None


def calendar(value: object) -> str | None:
    """Return the name of a calendar that there is; another name of its exchange ("NYSE") stands for it."""
    if not isinstance(value, str):
        return None
    name = calendars.aliases().get(value, value)
    return name if name in calendars.names() else None


@dataclass(frozen=True)
class OneOf:
    """Reads one of these words."""

    allowed: tuple[str, ...]

    def __call__(self, value: object) -> str | None:
        """Return the word, or None if it is not one of them."""
        return value if isinstance(value, str) and value in self.allowed else None


@dataclass(frozen=True)
class Matching:
    """Reads a text that matches a pattern as a whole."""

    pattern: re.Pattern[str]

    def __call__(self, value: object) -> str | None:
        """Return the text, or None if it does not match."""
        return value if isinstance(value, str) and self.pattern.fullmatch(value) else None


@dataclass(frozen=True)
class ListOf:
    """Reads a list of different texts that match a pattern."""

    pattern: re.Pattern[str]

    def __call__(self, value: object) -> tuple[str, ...] | None:
        """Return the texts, or None if it is no such list."""
        if not isinstance(value, list) or not all(
            isinstance(one, str) and self.pattern.fullmatch(one) for one in value
        ):
            return None
        return tuple(value) if len(set(value)) == len(value) else None


@dataclass(frozen=True)
class WholeNumber:
    """Reads a whole number within these bounds."""

    low: int
    high: int

    def __call__(self, value: object) -> int | None:
        """Return the number, or None if it is not one within the bounds."""
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return value if isinstance(value, int) and is_whole and self.low <= value <= self.high else None


def flag(value: object) -> bool | None:
    """Return true or false as it is."""
    return value if isinstance(value, bool) else None


def amount(value: object) -> float | None:
    """Return a number above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < float("inf") else None


def part(value: object) -> float | None:
    """Return a share of a whole: above 0, at most 1."""
    share = amount(value)
    return share if share is not None and share <= 1 else None


@dataclass(frozen=True)
class Between:
    """Reads a number from `low` to `high`."""

    low: float
    high: float

    def __call__(self, value: object) -> Decimal | None:
        """Return the number, or None if it is not one between the two."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return Decimal(repr(value)) if self.low <= value <= self.high else None


def positive(value: object) -> timedelta | None:
    """Return a duration longer than zero."""
    duration = parse_duration(value)
    return duration or None


def interval(value: object) -> timedelta | None:
    """Return a duration from a second to a day."""
    duration = parse_duration(value)
    return duration if duration and timedelta(seconds=1) <= duration <= DAY else None


def days(value: object) -> tuple[frozenset[int], tuple[DayRule, ...]] | None:
    """Return the days that "mon-fri", "daily", "month-end" or "1st fri,last fri" stand for: weekdays, and rules."""
    if not isinstance(value, str):
        return None
    if value == "daily":
        return EVERY_DAY, ()
    weekdays: set[int] = set()
    rules: list[DayRule] = []
    for part in (one.strip() for one in value.split(",")):
        if rule := _day_rule(part):
            rules.append(rule)
            continue
        first, dash, last = part.partition("-")
        last = last if dash else first
        if first not in DAY_NAMES or last not in DAY_NAMES:
            return None
        start, length = DAY_NAMES.index(first), (DAY_NAMES.index(last) - DAY_NAMES.index(first)) % 7
        weekdays.update((start + step) % 7 for step in range(length + 1))
    return frozenset(weekdays), tuple(dict.fromkeys(rules))


def weekdays(value: object) -> frozenset[int] | None:
    """Return the days of the week that "mon-fri", "mon,wed" or "daily" stand for; Monday is 0."""
    found = days(value)
    return found[0] if found is not None and not found[1] else None


def _day_rule(part: str) -> DayRule | None:
    if match := _EDGE.fullmatch(part):
        return DayRule(1 if match[2] == "start" else -1, match[1])
    if match := _NTH_WEEKDAY.fullmatch(part):
        return DayRule(_NTH[match[1]], "month", DAY_NAMES.index(match[2]))
    match = _SESSION.fullmatch(part)
    if match is None or abs(int(match[1])) > _MOST[match[2]]:
        return None
    return DayRule(int(match[1]), match[2])


def anchors(value: object) -> tuple[Anchor, ...] | None:
    """Return the times of day that a text, or a list of texts, stands for."""
    texts = value if isinstance(value, list) else [value]
    anchors = [_anchor(text) for text in texts]
    found = tuple(anchor for anchor in anchors if anchor is not None)
    return found if found and len(found) == len(texts) == len(set(found)) else None


def count_from(value: object) -> Anchor | None:
    """Return where an interval is counted from: the open, or some time after it."""
    anchor = _anchor(value)
    return anchor if anchor is not None and anchor.kind == "open" and anchor.shift >= timedelta(0) else None


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
