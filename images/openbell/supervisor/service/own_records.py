"""The supervisor's own two databases at its start: checked, and replaced by new ones if they are damaged.

To read a large store takes longer than all else of a start. So what nothing has written to since it was closed in order is
checked after the start, beside the watch.

The store is rebuilt from the journals by reading them again. The log of open incidents stays, unless that is the damaged one.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from sqlite3 import Error
from typing import Protocol

import structlog

from openbell import foreign_files
from openbell.supervisor.alerts.store import AlertStore
from openbell.supervisor.alerts.store import open_database as open_alerts
from openbell.supervisor.ingest.slot_ledger import EXPECTED_SINCE
from openbell.supervisor.store import connection
from openbell.supervisor.store.store import Store

STORE, ALERTS = "supervisor.sqlite", "alerts.sqlite"  # in the supervisor's folder
CLOSED = "closed.json"  # there, too: what the files were like when they were closed in order

_REBUILT = "rebuilt"  # a mark: when the store before this one was put aside

log = structlog.get_logger()


class _Records(Protocol):
    def check(self) -> None: ...
    def close(self) -> None: ...


def _alert_store(path: Path) -> AlertStore:
    return AlertStore(open_alerts(path), path)


_OPENERS: Mapping[str, Callable[[Path], _Records]] = {STORE: Store, ALERTS: _alert_store}


def open_store(folder: Path, now: datetime) -> Store:
    """Return the store; what is damaged is put aside before. sqlite3.Error or OSError if that is not possible."""
    closed = _closed(folder)
    for path in (folder / STORE, folder / ALERTS):
        is_as_closed = closed.get(path.name, []) == _state_of(path)
        if (damaged := _damage(path, is_read=not is_as_closed)) is not None:
            _put_aside(path, damaged, now)
    store = Store(folder / STORE)
    try:
        _take_up(store, folder, now)
    except BaseException:
        store.close()
        raise
    return store


def note_closed(folder: Path) -> None:
    """Note what the databases are like, which were closed in order."""
    try:
        content: dict[str, object] = {name: _state_of(folder / name) for name in (STORE, ALERTS)}
        foreign_files.write_object(folder / CLOSED, folder, content)
    except OSError as error:
        log.error("records.not_noted", error=str(error))  # noqa: TRY400 - the disk: the next start checks them


def _closed(folder: Path) -> Mapping[str, object]:
    try:
        return foreign_files.read_object(folder / CLOSED, folder)
    except OSError:
        return {}


def _state_of(path: Path) -> list[int] | None:
    """Return what changes when a database is written to; None if it was not closed in order."""
    try:
        found, log_file = path.stat(), path.with_name(f"{path.name}-wal")
        if log_file.exists() and log_file.stat().st_size:
            return None
    except OSError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def find_damage(folder: Path) -> Error | None:
    """Read both databases, beside the threads that use them; return what is wrong with the first that is damaged."""
    for name in (STORE, ALERTS):
        try:
            with closing(connection.open_to_check(folder / name)) as database:
                connection.check(database, folder / name)
        except Error as error:
            if connection.is_damage(error):
                return error
            log.error("records.not_checked", database=name, error=str(error))  # noqa: TRY400 - the disk
    return None


def put_aside(folder: Path, error: BaseException, suspect: str, now: datetime) -> bool:
    """Put aside what an error of a running supervisor says is damaged; return whether the error says so.

    suspect: the database to which the error came; it need not be the one that is damaged.
    """
    if not connection.is_damage(error):
        return False
    paths = folder / STORE, folder / ALERTS
    # An error of SQLite's own does not name its file, and a check does not find everything.
    named = [path for path in paths if str(path) in str(error)]
    for path in named or [path for path in paths if _damage(path) is not None] or [folder / suspect]:
        _put_aside(path, error, now)
    return True


def _damage(path: Path, *, is_read: bool = True) -> Error | None:
    """Return what is wrong with a database that is damaged; is_read: as far as that is seen by reading all of it."""
    try:
        with closing(_OPENERS[path.name](path)) as records:
            if is_read:
                records.check()
    except Error as error:
        if connection.is_damage(error):
            return error
        raise
    return None


def _put_aside(path: Path, error: BaseException, now: datetime) -> None:
    aside = connection.put_aside(path, now)
    log.error("records.put_aside", database=path.name, file=aside.file.name, error=str(error))


def _take_up(store: Store, folder: Path, now: datetime) -> None:
    """Let a rebuilt store go on where the one before it ended, as far as the alerts know."""
    aside = connection.newest(folder / STORE)
    if aside is None or store.get_mark(_REBUILT) == aside.at:
        return
    alerts = AlertStore(open_alerts(folder / ALERTS))
    with closing(alerts):
        seen = alerts.instant("seen_at")
        with alerts.transaction():
            if alerts.mark("fault") is not None:
                alerts.put_mark("fault", 0)  # the log of faults begins again, too
    with store.transaction():
        store.set_mark(EXPECTED_SINCE, min(seen or aside.at, aside.at, now))
        store.set_mark(_REBUILT, aside.at)
