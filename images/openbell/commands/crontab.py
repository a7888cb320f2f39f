"""`openbell crontab`: the lines for cron that start `openbell once` whenever a slot may be due.

cron knows one time zone, the machine's, and treats the hours of a clock change in ways of its own. So each line names
every local time at which a slot can fall within the next year, in summer and in winter, and `once` decides: where nothing
is due it ends quietly. Where a slot may fall near one of the machine's own clock changes the line is for every hour,
since cron neither skips nor drops lines with a star.
"""

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from openbell.calendars import CalendarExpired
from openbell.command_parser import command_parser
from openbell.manifest import Bot, Manifest, load_all
from openbell.slots import slots_between

YEAR = timedelta(days=400)
WEEK = timedelta(days=8)
NEAR = timedelta(hours=3)  # of a clock change: cron's own handling reaches as far
MISSED = "*/5 * * * *"  # when runs that did not happen are searched for
AHEAD = "55s"  # `once` waits for slots that lie within its minute


@dataclass
class Times:
    """The local times at which slots of some bots can fall."""

    minutes: dict[int, set[int]] = field(default_factory=dict)  # hour → minutes
    weekdays: set[int] = field(default_factory=set)  # cron's: Sunday is 0
    is_near_change: bool = False  # one of them may fall near a clock change

    def add(self, local: datetime) -> None:
        """Take in one local time."""
        self.minutes.setdefault(local.hour, set()).add(local.minute)
        self.weekdays.add(local.isoweekday() % 7)


def main(arguments: Sequence[str]) -> int:
    """Print the lines; return 1 if a manifest is not valid or a calendar has run out."""
    parser = command_parser("crontab")
    parser.add_argument(
        "--strategies", type=Path, default=Path("strategies"), help="the folder of the strategies' folders"
    )
    parser.add_argument("--strategy", default="", help="only this one")
    parser.add_argument("--data", type=Path, required=True, help="the folder for journal, state, control and logs")
    parser.add_argument("--kit", type=Path, default=Path(), help="the kit's folder, whose .env says where secrets are")
    options = parser.parse_args(arguments)
    manifests, errors = load_all(options.strategies)
    for error in errors:
        print(error, file=sys.stderr)
    wanted = [one for one in manifests if (not one.profile if not options.strategy else one.name == options.strategy)]
    if errors or not wanted:
        names = ", ".join(manifest.name for manifest in manifests)
        if not errors:
            print(f'found "{options.strategy}"; allowed: one of {names}', file=sys.stderr)
        return 1
    try:
        kit, data = options.kit.resolve(), _places(options)[1]
        lines = [line for manifest in wanted for line in lines_of(manifest, datetime.now(UTC), None, kit, data)]
    except CalendarExpired as error:
        print(f"openbell crontab: {error}", file=sys.stderr)
        return 1
    print("\n".join([*_head(*_places(options)), *lines, *_missed(wanted)]))
    return 0


def lines_of(manifest: Manifest, now: datetime, zone: tzinfo | None, kit: Path, data: Path) -> list[str]:
    """Return the lines of one strategy; `zone` is the machine's, None for the one that it is set to."""
    lines = [f"# {manifest.name}: {manifest.description}"]
    lines += [f"# {bot.id} is a stream, which cron cannot keep running" for bot in manifest.bots if bot.is_stream]
    times = times_of((bot for bot in manifest.bots if not bot.is_stream), now, zone)
    command = _command(manifest, kit, data)
    return lines + [f"{when} {command}" for when in fields(times)]


def fields(times: Times) -> list[str]:
    """Return the five fields of as few lines as cover all times."""
    weekdays = _list(times.weekdays, range(7))
    if times.is_near_change:
        minutes = set().union(*times.minutes.values())
        return [f"{_list(minutes, range(60))} * * * {weekdays}"]
    hours: dict[frozenset[int], set[int]] = {}
    for hour, minutes in times.minutes.items():
        hours.setdefault(frozenset(minutes), set()).add(hour)
    return [f"{_list(minutes, range(60))} {_list(of, range(24))} * * {weekdays}" for minutes, of in hours.items()]


def times_of(bots: Iterable[Bot], now: datetime, zone: tzinfo | None) -> Times:
    """Return the times of a zone (None: this machine's) at which the bots are due within the next year."""
    times = Times()
    changes = list(_clock_changes(now, zone))
    for bot in bots:
        # Without a calendar the grid of an interval is the same each week, but for the machine's own clock.
        weekly = bot.schedule.every is not None and bot.schedule.calendar is None
        starts = [now, *changes] if weekly else [now]
        for start in starts:
            for slot in slots_between(bot.schedule, start, start + (WEEK if weekly else YEAR)):
                due = slot + bot.shift
                times.add(due.astimezone(zone))
                times.is_near_change |= any(abs(due - change) < NEAR for change in changes)
    return times


def _clock_changes(now: datetime, zone: tzinfo | None) -> Iterable[datetime]:
    """Yield the instants, to the hour, at which the machine's own clock changes within the next year."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    while hour < now + YEAR:
        following = hour + timedelta(hours=1)
        if hour.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            yield following
        hour = following


def _list(values: Iterable[int], everything: range) -> str:
    """Return values as cron writes them: a star, a star with a step, or a list."""
    values = sorted(values)
    for step in range(1, len(everything)):
        if len(everything) % step == 0 and values == list(everything[::step]):
            return "*" if step == 1 else f"*/{step}"
    return ",".join(map(str, values))


def _command(manifest: Manifest, kit: Path, data: Path) -> str:
    openbell = Path(sys.executable).parent / "openbell"
    # The program that reads .env becomes the run, so that secrets stand in no line of a crontab.
    reader = f"{shlex.quote(sys.executable)} -m deploy.with_secrets {manifest.name} "
    secrets = reader if manifest.secrets else ""
    folder = f"cd {shlex.quote(str(kit))} && " if manifest.secrets else ""
    log = shlex.quote(str(data / "logs" / f"{manifest.name}.log"))
    once = f"{shlex.quote(str(openbell))} once {manifest.name} --ahead {AHEAD}"
    packages = data / "packages" / manifest.name
    path = f"PYTHONPATH={shlex.quote(str(packages))} " if packages.is_dir() else ""
    return f"{folder}{path}{secrets}{once} >> {log} 2>&1".replace("%", r"\%")  # a bare % ends a line of cron's


def _head(strategies: Path, data: Path) -> list[str]:
    (data / "logs").mkdir(parents=True, exist_ok=True)
    return [
        'CONTENT_TYPE="text/plain; charset=UTF-8"',  # without it cron mails everything as US-ASCII
        f"OPENBELL_STRATEGIES={strategies}",
        *(f"OPENBELL_{name.upper()}={data / name}" for name in ("journal", "state", "control")),
    ]


def _missed(manifests: Iterable[Manifest]) -> list[str]:
    openbell = shlex.quote(str(Path(sys.executable).parent / "openbell")).replace("%", r"\%")
    names = [manifest.name for manifest in manifests if any(not bot.is_stream for bot in manifest.bots)]
    about = "# runs that did not happen, and those that failed: cron mails what this prints (MAILTO), once"
    return [about, f"{MISSED} {openbell} missed {' '.join(names)}"] if names else []


def _places(options: argparse.Namespace) -> tuple[Path, Path]:
    return options.strategies.resolve(), options.data.expanduser().resolve()
