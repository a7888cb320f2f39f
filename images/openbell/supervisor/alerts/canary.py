"""The canary: a bot that never runs, so that a slot is missed on purpose and the whole path is proven.

It is asked for by a file, and watched by the very code that watches the strategies, in the same thread and right behind
them: its manifest, journal and beat lie in a temporary folder of their own, so that no page and no ledger knows of it.
"""

import shutil
import sqlite3
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from openbell import foreign_files, heartbeat
from openbell.journal import Journal, instant, stamp
from openbell.manifest import Manifest
from openbell.manifest.reading import read
from openbell.supervisor.alerts.grouping import CANARY, CANARY_STRATEGY
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.store.store import Store
from openbell.supervisor.watch import Watch

REQUEST = "canary.json"  # in the control folder
GRACE = timedelta(seconds=1)
AHEAD = timedelta(seconds=7)  # from the request to the slot: the watch looks every five seconds at least
KEPT = timedelta(seconds=15)  # after the slot; what was to be said has been said by then
FRESH = timedelta(seconds=30)  # an older request is nobody's any more

log = structlog.get_logger()


@dataclass(frozen=True)
class Request:
    """Somebody wants to see a missed slot reported. `slot` is the canary's."""

    requested_at: datetime
    slot: datetime
    by: str


def ask(control: Path, now: datetime, by: str) -> Request:
    """Ask the running supervisor for a canary; OSError if that cannot be written."""
    slot = (now + AHEAD).replace(microsecond=0)
    request = Request(now, slot, by)
    content: dict[str, object] = {"requested_at": stamp(now), "slot": stamp(slot), "by": by}
    foreign_files.write_object(control / REQUEST, control, content)
    return request


def manifest(slot: datetime) -> Manifest:
    """Return the manifest of a bot that is due at one instant of the day."""
    midnight = slot.replace(hour=0, minute=0, second=0, microsecond=0)
    offset = (slot - midnight) // timedelta(seconds=1)
    bot = {"id": CANARY, "symbols": ["CANARY"], "every": "1d", "offset": f"{offset}s"}
    grace = {"grace": f"{GRACE // timedelta(seconds=1)}s"}
    found = read({"timezone": "UTC", "defaults": grace, "bot": [bot]}, "canary", CANARY)
    bots = tuple(replace(one, strategy=CANARY_STRATEGY) for one in found.bots)
    return replace(found, name=CANARY_STRATEGY, bots=bots)


class CanaryRunner:
    """Watches one canary at a time, when somebody asks for it."""

    def __init__(self, control: Path) -> None:
        self._file = control / REQUEST
        self._canary: _Canary | None = None
        self._newest: Request | None = None

    def step(self, now: datetime) -> tuple[tuple[Condition, ...], float | None]:
        """Return what is wrong with the canary, and the seconds until there is something to see; nothing without one."""
        request = self._taken(now)
        if request is not None:
            self._start(request, now)
        if self._canary is None:
            return (), None
        if not timedelta(0) <= now - self._canary.started <= AHEAD + KEPT:
            self.close()
            log.info("canary.ended")
            return (), None
        try:
            return self._canary.step(now)
        except (OSError, sqlite3.Error) as error:
            # A full /tmp is no reason to watch nobody.
            log.error("canary.failed", error=str(error))  # noqa: TRY400 - the reason is the disk, not the code
            self.close()
            return (), None

    def close(self) -> None:
        """End the canary, if there is one."""
        if self._canary is not None:
            self._canary.close()
            self._canary = None

    def _start(self, request: Request, now: datetime) -> None:
        self.close()
        try:
            self._canary = _Canary(request, now)
        except (OSError, sqlite3.Error) as error:
            log.error("canary.failed", error=str(error))  # noqa: TRY400 - as above
        else:
            log.info("canary.started", slot=stamp(request.slot), by=request.by)

    def _taken(self, now: datetime) -> Request | None:
        try:
            content = foreign_files.read_object(self._file, self._file.parent)
        except FileNotFoundError:
            return None
        except OSError:
            content = {}
        with suppress(OSError):
            foreign_files.remove(self._file, self._file.parent)
        at, slot = instant(content.get("requested_at")), instant(content.get("slot"))
        if at is None or slot is None or abs(now - at) > FRESH or not now - FRESH <= slot <= now + FRESH:
            log.warning("canary.refused", reason="the request is torn or old")
            return None
        request = Request(at, slot, str(content.get("by", "unknown")))
        if request == self._newest:
            return None  # its file could not be removed
        self._newest = request
        return request


class _Canary:
    """A watch over a strategy whose loop lives and whose bot never runs."""

    def __init__(self, request: Request, now: datetime) -> None:
        self.started = now
        self._folder = Path(tempfile.mkdtemp(prefix="canary-"))
        self._journal, control = self._folder / "journal", self._folder / "control"
        for folder in (self._journal / CANARY_STRATEGY, control):
            folder.mkdir(parents=True)
        release = {"release": CANARY, "timezone": "UTC", "bots": [CANARY], "previous_stop": "clean"}
        Journal(self._journal, CANARY_STRATEGY, CANARY, echo=False).write("service_start", now, release)
        self._store = Store(self._folder / "canary.sqlite")
        self._watch = Watch([manifest(request.slot)], [], self._journal, control, self._store)

    def step(self, now: datetime) -> tuple[tuple[Condition, ...], float | None]:
        heartbeat.write(self._journal / CANARY_STRATEGY, heartbeat.Heartbeat(now, CANARY, ()))
        wait = self._watch.step(now)
        conditions = self._watch.snapshot.conditions if self._watch.snapshot else ()
        return tuple(one for one in conditions if one.strategy == CANARY_STRATEGY and one.bot), wait

    def close(self) -> None:
        self._store.close()
        shutil.rmtree(self._folder, ignore_errors=True)
