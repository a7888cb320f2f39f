"""`openbell missed`: for hosts with cron and no supervisor, which runs did not happen or failed since the last time.

It is the supervisor's own ledgerkeeping, asked now and then instead of all the time: what the journals say is entered into a
small store of its own, the outcome of each expected slot is read, and each slot that went wrong is one line, once. cron mails
what its commands print.
"""

import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from openbell import clock, heartbeat
from openbell.command_parser import command_parser
from openbell.manifest import Manifest, ManifestError, load_all
from openbell.paths import PathError, prepare
from openbell.supervisor.ingest.expectation import WRITE_MARGIN
from openbell.supervisor.ingest.journal_reader import JournalReader
from openbell.supervisor.ingest.recorder import LineRecorder
from openbell.supervisor.ingest.slot_ledger import NO_LINES, SlotLedger
from openbell.supervisor.model.formatting import local
from openbell.supervisor.model.records import Fault, RunRecord
from openbell.supervisor.store.retention import KEEP_DAYS
from openbell.supervisor.store.store import Store

BATCH = 5000  # lines of one journal at once
DAY = timedelta(days=1)
LONGEST_PAUSE = timedelta(days=3)  # between two removals of what is old
EXIT_SOMETHING = 1
EXIT_USAGE = 2
EXIT_CANNOT = 3


def main(arguments: Sequence[str]) -> int:
    """Print what went wrong since the last time; return 1 if there is anything, 0 if not (and after the first time)."""
    parser = command_parser(
        "missed",
        epilog="exit codes: 0 nothing, or asked for the first time; 1 something, one line each; 2 wrong usage; "
        "3 it could not be found out",
    )
    parser.add_argument(
        "strategy", nargs="*", help="only these; otherwise all without a profile, and all that have run here"
    )
    options = parser.parse_args(arguments)
    root = Path(os.environ.get("OPENBELL_STRATEGIES", "/strategies"))
    journal = Path(os.environ.get("OPENBELL_JOURNAL", "/journal"))
    state = Path(os.environ.get("OPENBELL_STATE", "/state"))
    manifests, errors = load_all(root)
    names = [manifest.name for manifest in manifests] + [_name(error) for error in errors]
    for name in options.strategy:
        if name not in names:
            known = ", ".join(names) or "none"
            return _refuse(f'found "{name}"; allowed: a strategy below {root} ({known})', EXIT_USAGE)
    wanted = [one for one in manifests if _is_wanted(one, options.strategy, journal)]
    unread = [one for one in errors if not options.strategy or _name(one) in options.strategy]
    try:
        prepare(state)
        journal.mkdir(parents=True, exist_ok=True)
        # Lines of a crontab that ask for different strategies do not take each other's news away.
        file = "-".join(["missed", *sorted(options.strategy)]) + ".sqlite"
        with closing(Store(state / file)) as store:
            lines = [*(str(problem) for error in unread for problem in error.problems)]
            lines += new_lines(store, wanted, [_name(one) for one in unread], journal, clock.now())
    except (PathError, sqlite3.Error, OSError) as error:
        return _refuse(str(error), EXIT_CANNOT)
    print("".join(f"{line}\n" for line in lines), end="")
    return EXIT_SOMETHING if lines else 0


def new_lines(
    store: Store, manifests: Sequence[Manifest], unknown: Iterable[str], journal: Path, now: datetime
) -> list[str]:
    """Enter what is new, and return a line for each thing that went wrong and was not told before."""
    zones = {manifest.name: manifest.timezone for manifest in manifests}
    with store.transaction():
        told = store.last_fault()
        ledger = SlotLedger(store, [bot for manifest in manifests for bot in manifest.bots], unknown, now)
        reader = JournalReader(journal, store.positions(), KEEP_DAYS)
        swept = store.get_mark("swept")
        # After a longer time the clock may be ahead: then nothing is old before another day has passed.
        sweeps = swept is not None and DAY <= now - swept <= LONGEST_PAUSE
        if sweeps:
            reader.forget_positions(now)
        errors = _read(store, ledger, reader, list(zones), now)
        for expectation in ledger.expectations.values():
            if expectation.bot.strategy not in errors and not expectation.bot.is_stream:
                ledger.advance(expectation, now)
        calendars = [one.calendar_error for one in ledger.expectations.values() if one.calendar_error]
        lost = [_lost(run, zones[name], now) for name in zones for run in _lost_runs(store, ledger, journal, name, now)]
        ledger.save_progress()
        wrong = [_words(store, fault, zones.get(fault.condition.strategy, "UTC"), now) for fault in _all(store, told)]
        if sweeps:
            list(store.sweep(now, ledger.timeout))
        if swept is None or not timedelta(0) <= now - swept < DAY:
            store.set_mark("swept", now)
    return [*dict.fromkeys(calendars), *errors.values(), *wrong, *lost]


def _read(
    store: Store, ledger: SlotLedger, reader: JournalReader, names: Sequence[str], now: datetime
) -> dict[str, str]:
    """Enter all that the journals say; return why those that could not be read could not, by strategy."""
    recorder, before = LineRecorder(ledger, store), dict(reader.positions)
    while True:
        for strategy, lines in reader.read_batch(names, now, BATCH):
            recorder.record_all(strategy, lines, now, replayed=True)
        if not reader.behind:
            break
    store.save_positions(reader.positions, before)
    return {name: f"{name}: nothing is known of it: {error}" for name in names if (error := reader.error_of(name))}


def _all(store: Store, after: int) -> Iterator[Fault]:
    while found := store.faults(after):
        yield from found
        after = found[-1].id


def _words(store: Store, fault: Fault, zone: str, now: datetime) -> str:
    condition = fault.condition
    bot = condition.strategy if condition.bot in {"", condition.strategy} else f"{condition.strategy}/{condition.bot}"
    when = local(fault.last, zone, now)
    many = f" and {condition.count - 1} before it" if condition.count > 1 else ""
    reason = condition.reason
    if condition.kind == "missed" and reason == NO_LINES:
        newest = next(iter(store.services(condition.strategy, 1)), None)
        is_why = newest is not None and newest.detail.startswith("cannot start")
        reason = newest.detail if newest is not None and is_why else "nothing has started it"
    return f"{bot}: the slot {when}{many} {condition.kind.replace('_', ' ')}" + (f": {reason}" if reason else "")


def _lost_runs(store: Store, ledger: SlotLedger, journal: Path, strategy: str, now: datetime) -> Iterator[RunRecord]:
    """Yield the runs that must have ended by now and whose end is not written, each of them once."""
    sign = heartbeat.read(journal / strategy)
    if sign is not None and (now - sign.timestamp).total_seconds() < heartbeat.OLD:
        return  # a process that lives follows them
    for run in store.runs.open(strategy):
        timeout, mark = ledger.timeout(strategy, run.bot), f"told {run.run_id}"
        begun = run.attempt_at or run.slot
        if timeout is not None and now > begun + timeout + WRITE_MARGIN and store.get_mark(mark) is None:
            store.set_mark(mark, now)
            expectation = ledger.expectation_for(strategy, run.bot, run.slot)
            if expectation is not None:
                yield run


def _lost(run: RunRecord, zone: str, now: datetime) -> str:
    return f"{run.bot}: the run of the slot {local(run.slot, zone, now)} began and has no end: its process was killed"


def _is_wanted(manifest: Manifest, named: Sequence[str], journal: Path) -> bool:
    if named:
        return manifest.name in named
    return not manifest.profile or (journal / manifest.name).is_dir()


def _name(error: ManifestError) -> str:
    return error.problems[0].file.split("/")[0]


def _refuse(line: str, code: int) -> int:
    print(f"openbell missed: {line}", file=sys.stderr)
    return code
