"""The settings of the alerts, from the environment. An error never shows a secret."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path

import pytz

from openbell.manifest.grammar import parse_duration, weekdays
from openbell.supervisor.alerts.quiet_hours import DailyTime, QuietHours
from openbell.supervisor.model.conditions import KINDS

NO_CHANNEL = "no channel is set, so no alert is sent when something goes wrong: set OPENBELL_ALERT_URLS in .env (.env.example describes it)"
COUNTED = frozenset({"missed", "failed", "timed_out", "interrupted"})  # kinds whose conditions count slots in a row

_NAMED = re.compile(r"(?:([A-Za-z0-9_-]{1,32})=)?([A-Za-z][A-Za-z0-9+.-]*://\S+)")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_HIGHEST = 20  # slots that a snapshot shows of a bot


@dataclass(frozen=True)
class Channel:
    """Where messages go. The URL holds secrets: it never appears where the name does."""

    name: str
    url: str = field(repr=False)
    fallback: bool = False

    @property
    def scheme(self) -> str:
        """The kind of service."""
        return self.url.partition("://")[0].lower()


@dataclass(frozen=True)
class Escalation:
    """The channel that gets an incident that no person has acknowledged for so long."""

    after: timedelta
    channel: str


@dataclass(frozen=True)
class Thresholds:
    """How many slots in a row, by the most precise of: bot/kind, bot, kind, everything."""

    everything: int = 1
    some: Mapping[str, int] = field(default_factory=dict)

    def of(self, kind: str, bot: str) -> int:
        """Return the number for a condition; 1 for one that does not count slots."""
        if kind not in COUNTED:
            return 1
        found = (self.some.get(name) for name in (f"{bot}/{kind}", bot, kind))
        return next((number for number in found if number is not None), self.everything)


@dataclass(frozen=True)
class AlertSettings:
    """All settings of the alerts."""

    channels: tuple[Channel, ...] = ()
    fallback_failures: int = 3
    fallback_time: timedelta = timedelta(minutes=2)
    alert_after: Thresholds = Thresholds()
    recover_after: Thresholds = Thresholds()
    remind: tuple[timedelta, ...] = (timedelta(hours=1), timedelta(hours=4), timedelta(days=1))  # the last one repeats
    escalations: tuple[Escalation, ...] = ()  # the soonest first
    quiet: QuietHours | None = None
    digests: tuple[DailyTime, ...] = ()
    deadman_url: str = field(default="", repr=False)
    deadman_every: timedelta = timedelta(minutes=1)


def from_environment(environment: Mapping[str, str]) -> AlertSettings:
    """Return the settings that OPENBELL_* name; ValueError with one line that names the variable."""
    given = {key: value.strip() for key, value in environment.items() if value.strip()}
    default = AlertSettings()
    channels = _channels(given)
    return AlertSettings(
        channels=channels,
        escalations=_escalations(given, channels),
        fallback_failures=_number(given, "OPENBELL_ALERT_FALLBACK_FAILURES", default.fallback_failures),
        fallback_time=_duration(given, "OPENBELL_ALERT_FALLBACK_TIME", default.fallback_time),
        alert_after=_thresholds(given, "OPENBELL_ALERT_AFTER"),
        recover_after=_thresholds(given, "OPENBELL_RECOVER_AFTER"),
        remind=_remind(given, default.remind),
        quiet=_quiet(given),
        digests=tuple(
            digest
            for name in ("morning", "evening")
            if (digest := _digest(given, name, f"OPENBELL_DIGEST_{name.upper()}"))
        ),
        deadman_url=_deadman(given),
        # A quiet watch completes a cycle only every few seconds, so a shorter interval would find none.
        deadman_every=_duration(given, "OPENBELL_DEADMAN_EVERY", default.deadman_every, timedelta(seconds=10)),
    )


def _channels(given: Mapping[str, str]) -> tuple[Channel, ...]:
    found: dict[str, str] = {}
    for variable, text in secrets(given, "OPENBELL_ALERT_URLS"):
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        for number, word in enumerate(" ".join(lines).split(), 1):
            match = _NAMED.fullmatch(word)
            if match is None:
                # The word itself may be a token: it is not shown.
                msg = f"{variable}: entry {number} is not a channel; allowed: URLs as Apprise knows them, with blanks or line ends between them, such as phone=ntfy://topic"
                raise ValueError(msg)
            name = match[1] or _free_name(match[2].partition("://")[0].lower(), found)
            if name in found:
                msg = f'{variable}: two channels have the name "{name}"; give each one of its own'
                raise ValueError(msg)
            found[name] = match[2]
    fallbacks = given.get("OPENBELL_ALERT_FALLBACK", "").replace(",", " ").split()
    for name in fallbacks:
        if name not in found:
            msg = f'OPENBELL_ALERT_FALLBACK: found "{name}"; allowed: names of channels ({", ".join(found) or "there is none"})'
            raise ValueError(msg)
    if found and set(fallbacks) == set(found):
        msg = "OPENBELL_ALERT_FALLBACK: names every channel; at least one must be left that is not a fallback"
        raise ValueError(msg)
    return tuple(Channel(name, url, name in fallbacks) for name, url in found.items())


def _escalations(given: Mapping[str, str], channels: Sequence[Channel]) -> tuple[Escalation, ...]:
    variable, steps = "OPENBELL_ALERT_ESCALATE", list[Escalation]()
    free = {one.name for one in channels if not one.fallback}
    for part in given.get(variable, "").replace(",", " ").split():
        name, _, text = part.partition("=")
        after = parse_duration(text)
        if name not in free or after is None or not timedelta(minutes=1) <= after <= timedelta(days=7):
            msg = (
                f'{variable}: found "{part}"; allowed: CHANNEL=15m, from 1m to 7d, each channel once and none that is a '
                f"fallback ({', '.join(sorted(free)) or 'there is none'})"
            )
            raise ValueError(msg)
        free.remove(name)
        steps.append(Escalation(after, name))
    if steps and not free:
        msg = f"{variable}: names every channel; at least one must be left that hears of everything at once"
        raise ValueError(msg)
    return tuple(sorted(steps, key=lambda one: one.after))


def _free_name(scheme: str, taken: Mapping[str, str]) -> str:
    names = (scheme if number == 1 else f"{scheme}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def secrets(given: Mapping[str, str], variable: str) -> list[tuple[str, str]]:
    """Return the variable's own value and that of the file that <variable>_FILE names, each with where it stands."""
    found = [(variable, given[variable])] if variable in given else []
    if file := given.get(f"{variable}_FILE"):
        try:
            found.append((f"{variable}_FILE", Path(file).read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            msg = f"{variable}_FILE: {file} cannot be read ({why}); openbell runs as user 10001 in its container: let that user read the file"
            raise ValueError(msg) from None
    return found


def _deadman(given: Mapping[str, str]) -> str:
    url = ""
    for variable, text in secrets(given, "OPENBELL_DEADMAN_URL"):
        if not text.strip():
            continue
        url = text.strip()
        if not re.fullmatch(r"https?://[^\s/]\S*", url):
            msg = f"{variable}: it is not an address; allowed: http:// or https:// and what your service gave you"
            raise ValueError(msg)
    return url


def _number(given: Mapping[str, str], variable: str, default: int) -> int:
    text = given.get(variable, str(default))
    if not re.fullmatch(r"[1-9]\d{0,2}", text):
        msg = f'{variable}: found "{text}"; allowed: a whole number from 1 to 999'
        raise ValueError(msg)
    return int(text)


def _duration(
    given: Mapping[str, str], variable: str, default: timedelta, least: timedelta = timedelta(seconds=1)
) -> timedelta:
    if variable not in given:
        return default
    duration = parse_duration(given[variable])
    if duration is None or not least <= duration <= timedelta(days=365):
        msg = f'{variable}: found "{given[variable]}"; allowed: a duration from {least.seconds}s to 365d such as "60s" or "5m"'
        raise ValueError(msg)
    return duration


def _thresholds(given: Mapping[str, str], variable: str) -> Thresholds:
    everything, some = 1, dict[str, int]()
    for part in given.get(variable, "").replace(",", " ").split():
        name, _, text = part.rpartition("=")
        number = int(text) if re.fullmatch(r"\d{1,2}", text) else 0
        kind = name.rpartition("/")[2]
        if not 1 <= number <= _HIGHEST or (kind in KINDS and kind not in COUNTED):
            msg = (
                f'{variable}: found "{part}"; allowed: a number from 1 to {_HIGHEST} for all bots, and BOT=3, KIND=3 or BOT/KIND=3 '
                f"for some (kinds: {', '.join(sorted(COUNTED))})"
            )
            raise ValueError(msg)
        if name:
            some[name] = number
        else:
            everything = number
    return Thresholds(everything, some)


def _remind(given: Mapping[str, str], default: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
    text = given.get("OPENBELL_REMIND")
    if text is None:
        return default
    if text == "never":
        return ()
    found = tuple(parse_duration(part) for part in text.replace(",", " ").split())
    intervals = tuple(one for one in found if one is not None and one >= timedelta(minutes=1))
    if not found or len(intervals) != len(found):
        msg = f'OPENBELL_REMIND: found "{text}"; allowed: durations from 1m on such as "1h,4h,1d" (the last one repeats), or never'
        raise ValueError(msg)
    return intervals


def _quiet(given: Mapping[str, str]) -> QuietHours | None:
    text = given.get("OPENBELL_QUIET_HOURS")
    if text is None:
        return None
    hours, _, zone = text.partition(" ")
    first, dash, last = hours.partition("-")
    begin, end = _clock(first), _clock(last)
    if not dash or begin is None or end is None or begin == end or zone.strip() not in pytz.all_timezones_set:
        msg = f'OPENBELL_QUIET_HOURS: found "{text}"; allowed: two times and a zone such as "22:00-07:00 Europe/Berlin"'
        raise ValueError(msg)
    return QuietHours(begin, end, zone.strip())


def _digest(given: Mapping[str, str], name: str, variable: str) -> DailyTime | None:
    text = given.get(variable)
    if text is None:
        return None
    words = text.split()
    on = weekdays(words[0]) if len(words) == 3 else weekdays("daily")
    clock = _clock(words[-2]) if len(words) in {2, 3} else None
    if on is None or clock is None or words[-1] not in pytz.all_timezones_set:
        msg = f'{variable}: found "{text}"; allowed: a time and a zone, with days before them if not daily, such as "mon-fri 08:30 America/New_York"'
        raise ValueError(msg)
    return DailyTime(name, clock, words[-1], on)


def _clock(text: str) -> time | None:
    match = _CLOCK.fullmatch(text)
    return time(int(match[1]), int(match[2])) if match else None
