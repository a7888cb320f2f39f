"""The canary: a bot that never runs, so that a slot is missed on purpose and the whole path to an alert is tested.

A file in the control folder requests it. A watch of its own watches it, in the same thread and right after the watch of
the strategies. Its journal and heartbeat are in a temporary folder, so that no page and no store shows it.
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
AHEAD = timedelta(seconds=7)  # from the request to the slot: a step of the watch comes every five seconds at least
KEPT = timedelta(seconds=15)  # after the slot; the alert has been stored by then
FRESH = timedelta(seconds=30)  # an older request is ignored

log = structlog.get_logger()


@dataclass(frozen=True)
class Request:
    """A request to see a missed slot reported. `slot` is the canary's."""

    requested_at: datetime
    slot: datetime
    by: str


def request_canary(control: Path, now: datetime, by: str) -> Request:
    """Request a canary from the running supervisor; OSError if the file cannot be written."""
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
    """Watches one canary at a time, on request."""

    def __init__(self, control: Path) -> None:
        self._file = control / REQUEST
        self._canary: _Canary | None = None
        self._newest: Request | None = None

    def step(self, now: datetime) -> tuple[tuple[Condition, ...], float | None]:
        """Return the conditions of the canary, and the seconds until the next step; nothing without one."""
        request = self._read_request(now)
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
            # A full /tmp must not stop the watch of the strategies.
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

    def _read_request(self, now: datetime) -> Request | None:
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
            return None  # the same request: its file could not be removed
        self._newest = request
        return request


class _Canary:
    """A watch of a strategy whose loop is alive and whose bot never runs."""

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
