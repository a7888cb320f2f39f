"""The fleet: strategies of all zones, calendars and kinds of schedules, as strategy.toml files that the real reader reads."""

import random
from pathlib import Path

QUICK = 'every = "30m"'
# Share of the fleet's bots, timezone, calendar, lines of a bot's schedule of which one is drawn for each bot. Times lie
# on a grid: a year has fewer instants at which anything happens, and more bots that are due in the same one.
KINDS: tuple[tuple[str, float, str, str | None, tuple[str, ...]], ...] = (
    ("us_daily", 25, "America/New_York", "XNYS",
     ('at = "09:45"', 'at = ["09:45", "15:30"]', 'at = "open+15m"', 'at = "close-15m"', 'at = "10:00"\ndays = "mon,thu"')),
    ("us_hourly", 4, "America/New_York", "XNYS", ('every = "1h"', 'every = "2h"')),
    ("london", 14, "Europe/London", "XLON", ('at = "open+15m"', 'at = "close-30m"', 'at = "12:00"', 'at = ["09:00", "16:00"]')),
    ("tokyo", 12, "Asia/Tokyo", "XTKS", ('at = "09:15"', 'at = "close-30m"', 'every = "1h"')),
    ("berlin", 12, "Europe/Berlin", None, ('at = "02:30"\ndays = "mon-fri"', 'at = "09:00"\ndays = "mon-fri"', 'at = "22:00"\ndays = "mon-thu"')),
    ("lord_howe", 5, "Australia/Lord_Howe", None, ('at = "02:15"', 'at = "16:00"\ndays = "mon-fri"')),
    ("sao_paulo", 5, "America/Sao_Paulo", None, ('at = "10:15"\ndays = "mon-fri"',)),
    ("kolkata", 8, "Asia/Kolkata", None, ('at = "09:15"\ndays = "mon,wed,fri"', 'at = "15:00"\ndays = "mon-fri"')),
    ("weekly", 5, "UTC", None, ('at = "08:00"\ndays = "mon"', 'at = "08:00"\ndays = "wed"')),
    ("crypto", 6, "UTC", None, ('every = "4h"\noffset = "5s"', 'every = "6h"', 'every = "1h"', 'every = "12h"')),
    ("always", 2, "UTC", "24/7", ('every = "8h"', 'at = "00:00"')),
    ("stream", 1.6, "UTC", None, ('kind = "stream"',)),
    ("quick", 0.4, "UTC", None, (QUICK,)),
)  # fmt: skip
# A calendar whose table runs out in the middle of the year, until it is updated.
SHORT = "XSHORT"
SIZES = (1, 2, 5, 10, 20, 45)  # bots of one strategy
MANY = 500  # bots from which on only large strategies keep their number down


def write_fleet(root: Path, bots: int, rng: random.Random) -> None:
    """Write the manifests of a fleet of so many bots below `root`."""
    share = bots / sum(kind[1] for kind in KINDS)
    for name, weight, zone, calendar, schedules in KINDS:
        left, number = max(1, round(weight * share)), 0
        while left > 0:
            number += 1
            size = min(left, rng.choice(SIZES if bots < MANY else SIZES[-3:]))
            left -= size
            _write(root, f"{name}_{number}", manifest(f"{name}_{number}", size, zone, calendar, schedules, rng))
    _write(root, "short_calendar", manifest("short_calendar", 3, "America/New_York", SHORT, ('at = "11:00"',), rng))


def manifest(
    name: str, size: int, zone: str, calendar: str | None, schedules: tuple[str, ...], rng: random.Random
) -> str:
    """Return the text of a strategy's manifest."""
    stagger = "0s" if size > 10 or schedules == (QUICK,) else rng.choice(("0s", "0s", "2s"))
    lines = [f'description = "Simulated"\ntimezone = "{zone}"\nstagger = "{stagger}"']
    if calendar is not None:
        lines.append(f'calendar = "{calendar}"')
    grace, timeout = rng.choice(("60s", "90s", "5m")), rng.choice(("45s", "2m", "5m"))
    lines.append(f'[defaults]\ngrace = "{grace}"\ntimeout = "{timeout}"\nretries = 2')
    for number in range(1, size + 1):
        lines.append(f'[[bot]]\nid = "{name}-{number}"\nsymbols = ["AAPL"]\n{rng.choice(schedules)}')
        if "kind" not in lines[-1] and rng.random() < 0.1:
            lines.append('catch_up = "latest"')
    return "\n".join(lines) + "\n"


def _write(root: Path, name: str, text: str) -> None:
    (root / name).mkdir(parents=True)
    (root / name / "strategy.toml").write_text(text)
