"""`openbell crontab`: whatever the machine's zone, cron starts `once` in the minute of every slot."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from openbell.commands import crontab
from openbell.commands.crontab import lines_of
from openbell.manifest import Manifest, load
from openbell.slots import slots_between
from tests.unit.strategy_file import write

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(days=400)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
DAYS = [NOW + number * DAY for number in range(401)]
NEW_YORK = 'timezone = "America/New_York"\n'
SCHEDULES = {
    "a daily time": NEW_YORK + '[[bot]]\nsymbols = ["A"]\nat = "09:35"\ndays = "mon-fri"\n',
    "around the session": NEW_YORK + 'calendar = "XNYS"\n[[bot]]\nsymbols = ["A"]\nat = ["open+5m", "close-10m"]\n',
    "a time in the night of the clock change": 'timezone = "Europe/Berlin"\n[[bot]]\nsymbols = ["A"]\nat = "02:30"\n',
    "every four hours": 'timezone = "UTC"\n[[bot]]\nsymbols = ["A"]\nevery = "4h"\noffset = "5s"\n',
    "every 15 minutes of the session": NEW_YORK + 'calendar = "XNYS"\n[[bot]]\nsymbols = ["A"]\nevery = "15m"\n',
    "staggered bots": 'timezone = "UTC"\nstagger = "45s"\n'
    + "".join(f'[[bot]]\nid = "b{n}"\nsymbols = ["A"]\nat = "10:00"\n' for n in range(4)),
}
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata"]


def manifest_of(folder: Path, text: str) -> Manifest:
    """Return the manifest with that text."""
    return load(write(folder, text))


def is_named(line: CronSim, local: datetime) -> bool:
    """Tell whether the fields name a local time; Sunday is 0."""
    is_day = local.isoweekday() % 7 in {day % 7 for day in line.weekdays if isinstance(day, int)}
    return is_day and local.hour in line.hours and local.minute in line.minutes


def starts_near(line: str, change: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield when Debian's cron starts a line within two days before and after."""
    for start in CronSim(" ".join(line.split()[:5]), (change - 2 * DAY).astimezone(zone)):
        if start > change + 2 * DAY:
            break
        yield start.astimezone(UTC)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_cron_starts_in_the_minute_of_every_slot(tmp_path: Path, schedule: str, zone: str) -> None:
    """For 400 days: no slot of any bot comes due in a minute in which cron, as Debian's works, starts nothing."""
    manifest, local = manifest_of(tmp_path, SCHEDULES[schedule]), ZoneInfo(zone)
    lines = [line for line in lines_of(manifest, NOW, local, Path("/s"), Path("/d")) if not line.startswith("#")]
    due = {
        slot + bot.shift for bot in manifest.bots for slot in slots_between(bot.schedule, NOW + MINUTE, UNTIL - MINUTE)
    }
    floors = {at.replace(second=0, microsecond=0) for at in due}
    changes = [
        day for day in DAYS if (day - DAY).astimezone(local).utcoffset() != (day + DAY).astimezone(local).utcoffset()
    ]
    starts = {start for line in lines for change in changes for start in starts_near(line, change, local)}
    for line in lines:
        # Far from a change of the clock cron's fields mean what they say, which takes no simulation.
        plain = CronSim(" ".join(line.split()[:5]), NOW.astimezone(local))
        starts |= {
            at
            for at in floors
            if not any(abs(at - one) < DAY for one in changes) and is_named(plain, at.astimezone(local))
        }
    assert len(floors) > 200
    assert floors - starts == set()


def test_lines_are_few_and_exact_where_the_clock_is_never_changed(tmp_path: Path) -> None:
    """On a machine in UTC a daily time of New York is two hours of the day, on weekdays."""
    manifest = manifest_of(tmp_path, SCHEDULES["a daily time"])
    (comment, line) = lines_of(manifest, NOW, ZoneInfo("UTC"), Path("/s"), Path("/d"))
    assert comment == "# demo: "
    assert line.startswith("35 13,14 * * 1,2,3,4,5 ")
    assert line.endswith(f"{Path(sys.executable).parent}/openbell once demo --ahead 55s >> /d/logs/demo.log 2>&1")


def test_a_line_near_a_clock_change_is_for_every_hour(tmp_path: Path) -> None:
    """Cron skips and repeats only lines without a star; `once` knows what is due."""
    manifest = manifest_of(tmp_path, SCHEDULES["a time in the night of the clock change"])
    (_, line) = lines_of(manifest, NOW, ZoneInfo("Europe/Berlin"), Path("/s"), Path("/d"))
    assert line.startswith("*/30 * * * * ")


def test_secrets_are_read_by_the_program_that_becomes_the_run_and_a_stream_is_said_to_be_none_of_crons(
    tmp_path: Path,
) -> None:
    """No value of a secret stands in a crontab, and a bot without slots has no line."""
    text = (
        'timezone = "UTC"\nsecrets = ["TOKEN"]\n[[bot]]\nid = "s"\nkind = "stream"\nsymbols = ["A"]\n'
        '[[bot]]\nid = "b"\nsymbols = ["A"]\nevery = "1h"\n'
    )
    lines = lines_of(manifest_of(tmp_path, text), NOW, ZoneInfo("UTC"), Path("/my kit"), Path("/d"))
    assert lines[1] == "# s is a stream, which cron cannot keep running"
    reader = f"cd '/my kit' && {sys.executable} -m deploy.with_secrets demo "
    assert lines[2].startswith(f"0 * * * * {reader}{Path(sys.executable).parent}/openbell once demo ")


def test_a_strategys_own_packages_are_found(tmp_path: Path) -> None:
    """Those that `make crontab` has installed for it alone."""
    (tmp_path / "packages" / "demo").mkdir(parents=True)
    (_, line) = lines_of(manifest_of(tmp_path, SCHEDULES["every four hours"]), NOW, ZoneInfo("UTC"), tmp_path, tmp_path)
    assert f" PYTHONPATH={tmp_path}/packages/demo {Path(sys.executable).parent}/openbell once demo " in line


def test_the_command_prints_places_and_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Absolute folders first, then each strategy."""
    folder = write(tmp_path, SCHEDULES["every four hours"])
    assert crontab.main(["--strategies", str(folder.parent), "--data", str(tmp_path / "data")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == 'CONTENT_TYPE="text/plain; charset=UTF-8"', "cron would mail its text as US-ASCII"
    assert printed[1] == f"OPENBELL_STRATEGIES={tmp_path}"
    assert printed[2:5] == [
        f"OPENBELL_{name.upper()}={tmp_path}/data/{name}" for name in ("journal", "state", "control")
    ]
    assert printed[5] == "# demo: "
    assert printed[-1] == f"*/5 * * * * {Path(sys.executable).parent}/openbell missed demo"
    assert (tmp_path / "data" / "logs").is_dir()


def test_a_strategy_of_a_profile_has_lines_only_if_it_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `make up` starts it only then."""
    strategies = tmp_path / "strategies"
    strategies.mkdir()
    write(strategies, SCHEDULES["every four hours"])
    write(strategies, 'profile = "p"\n' + SCHEDULES["every four hours"], "other")
    where = ["--strategies", str(strategies), "--data", str(tmp_path / "data")]
    assert crontab.main(where) == 0
    assert "once other" not in capsys.readouterr().out
    assert crontab.main([*where, "--strategy", "other"]) == 0
    printed = capsys.readouterr().out
    assert "once other" in printed
    assert printed.splitlines()[-1].endswith("openbell missed other")


@pytest.mark.parametrize("strategy, said", [("nope", 'found "nope"; allowed: one of demo')])
def test_an_unknown_strategy_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], strategy: str, said: str
) -> None:
    """With what there is."""
    folder = write(tmp_path, SCHEDULES["every four hours"])
    options = ["--strategies", str(folder.parent), "--data", str(tmp_path / "data"), "--strategy", strategy]
    assert crontab.main(options) == 1
    assert capsys.readouterr().err.strip() == said
