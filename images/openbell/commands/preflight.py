"""`openbell preflight`: see in a throw-away container of a new release whether it will work, before the old one is touched.

Nothing of the strategy's own is written: its state is copied, orders go to a paper account of the copy, and the journal
of the rehearsal is thrown away. Where a container hosts several strategies, each has a process of its own.
"""

import faulthandler
import importlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from openbell import calendars
from openbell.calendars import CalendarExpired
from openbell.command_parser import command_parser
from openbell.commands import container_strategies
from openbell.journal import Journal
from openbell.manifest import Bot, Manifest, ManifestError, load_all
from openbell.paths import PathError, Paths, from_environment, prepare
from openbell.runner import worker
from openbell.runner.launchers import ForkLauncher
from openbell.runner.report import Failure
from openbell.slots import next_slot
from openbell.strategy import loader
from openbell.strategy.run_state import Run

LONGEST = 60.0  # seconds for each rehearsed run
IMPORT_WITHIN = 110.0  # seconds for the import, which does not count as part of a run
MANIFESTS = Path("/strategies")  # in the supervisor's image


def main(arguments: Sequence[str]) -> int:
    """Return 0 if all is well; otherwise print what is wrong, one line each, and return 1."""
    parser = command_parser("preflight")
    parser.add_argument("--rehearse", action="store_true", help="also run every bot once, on copies, with paper orders")
    parser.add_argument("--root", type=Path, default=Path("/"), help="where etc/localtime is")
    options = parser.parse_args(arguments)
    if not os.environ.get("OPENBELL_STRATEGY"):
        if environments := container_strategies.environments(os.environ):
            return _each(environments, arguments)
        importlib.import_module(
            "openbell.supervisor.service.main"
        )  # what it lacks is told by the traceback's last line
        return _report(list(_of_all(MANIFESTS)))
    try:
        places = from_environment(os.environ)
        manifest = loader.manifest(places)
        loader.secrets(manifest, os.environ)
        for folder in (places.journal / places.strategy, places.state):
            prepare(folder)
    except (PathError, ManifestError) as error:
        return _report(str(error).splitlines())
    problems = [*_calendar(manifest), *_zone(manifest, options.root)]
    problems = problems or list(_rehearse(manifest, places, runs=options.rehearse))
    return _report([_without(loader.secrets(manifest, os.environ), problem) for problem in problems])


def _each(environments: Iterable[Mapping[str, str]], arguments: Sequence[str]) -> int:
    """See whether each strategy will work, with its own secrets and zone, until one does not: its reason is the last line."""
    command = (sys.executable, "-m", "openbell", "preflight", *arguments)
    codes = (subprocess.run(command, env=environment, check=False).returncode for environment in environments)
    return next((code for code in codes if code), 0)


def _of_all(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the manifests that the supervisor watches."""
    manifests, errors = load_all(folder)
    for error in errors:
        yield from map(str, error.problems)
    for manifest in manifests:
        yield from _calendar(manifest)


def _calendar(manifest: Manifest) -> Iterator[str]:
    for bot in manifest.bots:
        if bot.is_stream:
            continue
        try:
            if next_slot(bot.schedule, datetime.now(UTC)) is None:
                yield f"{manifest.name}: bot {bot.id} is never due within 400 days: change its schedule"
        except CalendarExpired as error:
            yield f"{manifest.name}: bot {bot.id}: {error}"
    if manifest.calendar:
        calendars.load(manifest.calendar)


def _zone(manifest: Manifest, root: Path) -> Iterator[str]:
    local = root / "etc/localtime"
    wanted = root / f"usr/share/zoneinfo/{manifest.timezone}"
    if not wanted.is_file():
        yield f"{manifest.name}: the image does not know the zone {manifest.timezone}: build it again"
    elif os.environ.get("TZ") == manifest.timezone:
        return  # a hosted strategy's clock is its process's
    elif not local.exists() or local.read_bytes() != wanted.read_bytes():
        yield f"{manifest.name}: the image's clock is not at {manifest.timezone}: build it again"


def _rehearse(manifest: Manifest, places: Paths, *, runs: bool) -> Iterator[str]:
    """Import the strategy and, if `runs`, call it once for every bot, each time in a child that may take only so long."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # In files also where the strategy's own are in a database, which runs of another host write to meanwhile.
        copy = replace(
            places, state=folder / "state", journal=folder / "journal", control=folder / "control", database=""
        )
        try:
            _copy_state(places, copy.state)
        except sqlite3.Error as error:
            yield f"{manifest.name}: {error}"
            return
        journal = Journal(copy.journal, manifest.name, "preflight", echo=False)
        # With every broker, no order of a rehearsal leaves this process.
        on_paper = replace(manifest, broker="paper")

        def load(*_: object) -> Failure | None:
            try:
                loader.load(copy.folder, loader.functions(manifest))
            except loader.StrategyImportError as error:
                return Failure(str(error), error.traceback)
            return None

        def attempt(run: Run, _: object) -> Failure | None:
            try:
                functions = loader.load(copy.folder, loader.functions(manifest))
            except loader.StrategyImportError as error:
                return Failure(str(error), error.traceback)
            return worker.attempt(on_paper, functions, copy, journal, run)

        printer = worker.printer(journal)
        began = time.monotonic()
        if failure := _run(manifest.bots[0], ForkLauncher(load, printer=printer), IMPORT_WITHIN, "its import"):
            yield f"{manifest.name}: bot {manifest.bots[0].id}: {failure.error}"
            return
        # Each rehearsal imports anew, in a process of its own.
        import_time = time.monotonic() - began
        for bot in [one for one in manifest.bots if not one.is_stream and one.function == "run"] if runs else []:
            limit = min(LONGEST, bot.timeout.total_seconds())
            if failure := _run(
                bot, ForkLauncher(attempt, printer=printer), limit, "its rehearsal", beside=2 * import_time
            ):
                yield f"{manifest.name}: bot {bot.id}: {failure.error}"
                return


def _run(bot: Bot, launcher: ForkLauncher, limit: float, what: str, beside: float = 0.0) -> Failure | None:
    """Run in a child; Failure if it did not end within `limit` seconds and those that it may take `beside` them."""
    process = launcher.start(Run(bot, datetime.now(UTC), "preflight", 1))
    end = time.monotonic() + limit + beside
    late = False
    while (ending := process.poll()) is None:
        if not late and time.monotonic() > end:
            process.kill()
            late = True
        time.sleep(0.01)
    return Failure(f"{what} did not end within {limit:g} s") if late else ending.failure


def _copy_state(places: Paths, copy: Path) -> None:
    """Copy what a run may read; a file that cannot be read is left out: a rehearsal is no reason to stop anything."""
    copy.mkdir(parents=True)
    if places.database:
        from openbell.moving import rows  # noqa: PLC0415 - its driver is where the database is used

        for part in rows.parts_of(places.database, places.strategy, copy):
            rows.fill_file(part)
            rows.put_in_place(part, datetime.now(UTC))
            part.database.close()  # no child may share its connection
    for file in [one for one in places.state.glob("*.sqlite") if not (copy / one.name).exists()]:
        try:
            with (
                closing(sqlite3.connect(file, timeout=5)) as theirs,
                closing(sqlite3.connect(copy / file.name)) as ours,
            ):
                theirs.backup(ours)
        except sqlite3.Error:
            (copy / file.name).unlink(missing_ok=True)


def _without(secrets: Iterable[str], text: str) -> str:
    """Return a text that goes into logs, without the secrets that a strategy's error may quote."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***") if len(secret) >= 6 else text
    return text


def _report(problems: list[str]) -> int:
    faulthandler.disable()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0
