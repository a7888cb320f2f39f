"""`openbell supervise`: one process with the watch in a thread and the web server in front of it."""

import faulthandler
import os
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
import structlog
from starlette.types import ASGIApp

from openbell import clock
from openbell.desired_state import DATABASE
from openbell.foreign_files import is_shortage
from openbell.manifest import Manifest, load_all
from openbell.paths import PathError, prepare
from openbell.supervisor.alerts import settings as alert_settings
from openbell.supervisor.alerts.sender_client import check_channels
from openbell.supervisor.alerts.service import AlertService, AlertSetup
from openbell.supervisor.health.snapshot import Snapshot
from openbell.supervisor.ingest.watched_strategies import WatchedStrategies
from openbell.supervisor.service import own_records
from openbell.supervisor.service.library_log import LibraryLog, log_as_json
from openbell.supervisor.service.settings import Settings, from_environment
from openbell.supervisor.store import settings_history
from openbell.supervisor.store.freed_memory import return_freed_memory
from openbell.supervisor.telegram.bot_keeper import BotKeeper
from openbell.supervisor.watch import Watch
from openbell.supervisor.web import Dependencies, WebApp
from openbell.supervisor.web.connections import server

if TYPE_CHECKING:
    from openbell.supervisor.health.shared_database import SharedDatabase

EXIT_CANNOT_START = 3
WATCHDOG = 60.0  # seconds without a step of the watch after which the process ends itself, with its stacks in the log
RETRY = 1.0  # seconds until the next step after a failed write
RETURN_MEMORY = 60.0  # seconds between two returns of what pages have used
READERS = 4  # threads that read histories for the page

log = structlog.get_logger()


def main(arguments: Sequence[str]) -> int:
    """Watch and serve until SIGTERM; return the exit code."""
    if arguments:
        print(
            "usage: openbell supervise (it takes no arguments: the environment says where things lie)", file=sys.stderr
        )
        return 2
    faulthandler.enable()
    library_log = LibraryLog()
    log_as_json(library_log)
    try:
        settings = from_environment(os.environ)
        alert_options = alert_settings.from_environment(os.environ)
        modules = check_channels(alert_options.channels)
        manifests, errors = load_all(settings.strategies)
        prepare(settings.state)
        file = settings.state / own_records.STORE
        store = own_records.open_store(settings.state, clock.now())
        watched_strategies = WatchedStrategies(manifests, settings.profiles, settings.journal)
        manifests = watched_strategies.watched
        known = [manifest.name for manifest in manifests]
        settings_history.remember_all(settings.state, settings.strategies, known, clock.now())
        shared = _shared_database(settings, manifests)
        known_hosts = (lambda: shared.hosts) if shared is not None else None
        watch = Watch(manifests, errors, settings.journal, settings.control, store, known_hosts)

        def on_skew(skew: float) -> None:
            watch.clock_skew_s = skew

        may_send = (lambda: shared.hosts.may_send(clock.now())) if shared is not None else (lambda: True)
        alerts = AlertService(
            AlertSetup(
                alert_options,
                manifests,
                settings.state,
                settings.control,
                store,
                clock.now,
                on_skew,
                modules,
                settings.address,
                may_send,
            )
        )
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listening = socket.create_server((settings.host, settings.port), family=family)
    except (PathError, ValueError, sqlite3.Error, OSError) as error:
        print(f"the supervisor cannot start: {error}", file=sys.stderr)
        return EXIT_CANNOT_START
    names, bots = [manifest.name for manifest in manifests], sum(len(manifest.bots) for manifest in manifests)
    channels = [channel.name for channel in alert_options.channels]
    log.info("supervisor.started", strategies=names, bots=bots, port=settings.port, channels=channels)
    for rejected in errors:
        for problem in rejected.problems:
            log.error("manifest.rejected", problem=str(problem))
    with listening, closing(store), closing(alerts), closing(shared) if shared is not None else nullcontext():
        if shared is not None:
            shared.start()
        try:
            exit_code = Service(watch, alerts, settings, file, watched_strategies, library_log).run(listening)
        finally:
            library_log.report_dropped(everything=True)
    if not exit_code:
        own_records.note_closed(settings.state)
    return exit_code


def _shared_database(settings: Settings, manifests: Sequence[Manifest]) -> "SharedDatabase | None":
    """Return what follows the database that hosts share; None without one."""
    if not os.environ.get(DATABASE):
        return None
    from openbell.supervisor.health.shared_database import SharedDatabase  # noqa: PLC0415 - its driver takes 7 MB

    folders = {"journal": settings.journal, "control": settings.control, "state": settings.state}
    return SharedDatabase(os.environ[DATABASE], [manifest.name for manifest in manifests], folders, clock.now)


class Service:
    """The thread of the watch, which passes each snapshot to the alerts, and the web server."""

    def __init__(
        self,
        watch: Watch,
        alerts: AlertService,
        settings: Settings,
        store: Path,
        watched_strategies: WatchedStrategies,
        library_log: LibraryLog,
    ) -> None:
        self._watch = watch
        self._alerts = alerts
        self._watched_strategies = watched_strategies
        self._library_log = library_log
        self._folder = settings.state
        self._stop = threading.Event()
        self._progress = self._memory_returned = time.monotonic()
        self._exit_code = 0
        self._damage: sqlite3.Error | None = None  # what was found beside the watch
        bot = settings.telegram
        self._bot = BotKeeper(bot, settings.host, settings.port) if bot is not None else None
        page = WebApp(
            Dependencies(
                snapshot=lambda: self._watch.snapshot,
                idle=lambda: time.monotonic() - self._progress,
                now=clock.now,
                store=store,
                journal=settings.journal,
                control=settings.control,
                alerts=settings.state / own_records.ALERTS,
                hosts=settings.hosts,
                token=settings.token,
                readers=settings.readers,
                links=alerts.links,
                bot_key=self._bot.key if self._bot is not None else "",
                passed_over=lambda: self._watch.passed_over,
                has_channel=bool(alerts.settings.channels),
                manifests=tuple(watched_strategies.watched),
            )
        )
        self._server = server(_few_threads(page.app))

    def run(self, listening: socket.socket) -> int:
        """Watch and serve until a signal; return the exit code."""
        # The server handles signals while it serves, and passes them on to these handlers when it has ended.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end())
        thread = threading.Thread(target=self._run_watch, name="watch")
        self._alerts.start()
        if self._bot is not None:
            self._bot.start()
        thread.start()
        threading.Thread(target=self._check_records, name="records", daemon=True).start()
        try:
            if not self._stop.is_set():
                self._server.run(sockets=[listening])
        finally:
            self._end()
            if self._bot is not None:
                self._bot.close()
            thread.join()
        log.info("supervisor.stopped", exit_code=self._exit_code)
        return self._exit_code

    def _end(self) -> None:
        self._stop.set()
        self._watch.wake()
        self._server.should_exit = True

    def _check_records(self) -> None:
        """Check the databases once, as soon as the watch has judged: to read them takes a start longer than all else."""
        while self._watch.snapshot is None:
            if self._stop.wait(RETRY):
                return
        self._damage = own_records.find_damage(self._folder)

    def _run_watch(self) -> None:
        try:
            self._watch.use_inotify()
            while not self._stop.is_set():
                faulthandler.dump_traceback_later(WATCHDOG, exit=True)
                wait = self._step()
                if wait is None:
                    # News must not shorten it: each try may cost a line of the log.
                    self._stop.wait(RETRY / clock.SPEED)
                else:
                    self._watch.wait(wait / clock.SPEED)
                if self._watched_strategies.has_changed(time.monotonic()):
                    # The restart policy starts the process again within a second, with the new list.
                    log.info("enrolment.changed", was=[manifest.name for manifest in self._watched_strategies.watched])
                    self._end()
        except Exception:
            # A process without a watch must not seem alive after any error: the restart policy starts it again.
            log.exception("watch.died")
            self._exit_code = 1
            self._server.should_exit = True
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _step(self) -> float | None:
        """Do one step of the watch and of the alerts; return the seconds until the next one, None after an error."""
        self._library_log.report_dropped()
        before, passed_over = self._watch.snapshot, self._watch.passed_over
        failed, wait = "", 0.0
        if self._damage is not None and self._begin_anew(self._damage, own_records.STORE):
            return None
        try:
            wait = self._watch.step(clock.now())
        except OSError as error:
            if not is_shortage(error):
                raise
            failed = str(error)
            log.error("watch.cannot_read", error=failed)  # noqa: TRY400 - the reason is the machine, not the code
        except sqlite3.Error as error:
            failed = str(error)
            log.error("store.failed", error=failed)  # noqa: TRY400 - the reason is the disk, not the code
            if self._begin_anew(error, own_records.STORE):
                return None
        try:
            # Even if the watch could not store anything: that is a condition to alert about.
            alerts_wait = self._alerts.process(self._watch.snapshot, clock.now())
        except sqlite3.Error as error:
            log.error("alerts.failed", error=str(error))  # noqa: TRY400 - as above
            self._begin_anew(error, own_records.ALERTS)
            return None
        if failed:
            return None
        if self._watch.is_slot_overdue:
            self._alerts.get_ready()
        self._progress = time.monotonic()
        self._return_memory()
        _log_headline(before, self._watch.snapshot)
        if self._watch.passed_over != passed_over:
            log.warning("lines.passed_over", count=self._watch.passed_over - passed_over)
        return wait if alerts_wait is None else min(wait, alerts_wait)

    def _return_memory(self) -> None:
        """Return now and then what pages of many bots have used, and the store's cache."""
        if self._progress - self._memory_returned >= RETURN_MEMORY:
            self._watch.release_cache()
            return_freed_memory()
            self._memory_returned = self._progress

    def _begin_anew(self, error: sqlite3.Error, suspect: str) -> bool:
        """Put a damaged database aside and end the process; return whether the error says that one is damaged.

        The restart policy starts it again, and it begins with a new database.
        """
        try:
            is_damaged = own_records.put_aside(self._folder, error, suspect, clock.now())
        except (OSError, sqlite3.Error) as reason:
            log.error("records.not_put_aside", error=str(reason))  # noqa: TRY400 - the disk, not the code
            return False
        if is_damaged:
            self._exit_code = 1
            self._end()
        return is_damaged


def _log_headline(before: Snapshot | None, after: Snapshot | None) -> None:
    if after is not None and (before is None or before.headline != after.headline):
        log.info("headline.changed", ok=after.ok, headline=after.headline)


def _few_threads(app: ASGIApp) -> ASGIApp:
    async def limited(scope: object, receive: object, send: object) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = READERS
        await app(scope, receive, send)  # type: ignore[arg-type]

    return limited
