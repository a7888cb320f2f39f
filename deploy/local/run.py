"""`python -m deploy local`: run everything here, in the foreground, until Ctrl-C."""

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from deploy import preflight, secrets
from deploy.docker.compose import SUPERVISOR
from deploy.errors import CommandError
from deploy.local.process_supervisor import CHECK_EVERY, ProcessSupervisor, end_all, last_line, now
from deploy.local.processes import LocalPaths, install, processes, supported
from deploy.log import Log, log_to_stdout
from deploy.processes import is_offline, quiet
from deploy.settings import Settings
from openbell.calendars import own_days
from openbell.manifest import Manifest

EXIT_CANNOT_START = 3  # of openbell's own processes, where the reason is the environment


def data_folder(project: str, environment: Mapping[str, str]) -> Path:
    """Return where everything is kept: OPENBELL_DATA, or the project's folder below the user's state."""
    state = Path(environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return Path(environment.get("OPENBELL_DATA") or state / project).expanduser().absolute()


def run(manifests: Sequence[Manifest], places: LocalPaths, settings: Settings, environment: Mapping[str, str]) -> int:
    """Start all, keep all alive, and end all in order on Ctrl-C or SIGTERM."""
    supported()
    preflight.folder(places.data)
    log = log_to_stdout(settings.log)
    lock = lock_data(places)
    try:
        preflight.port(settings)
        install_packages((manifest.name for manifest in manifests), places, log)
        _publish_own_days(places, log)
        children = ProcessSupervisor(log)
        for process in processes(manifests, places, settings, secrets.filled(manifests, environment)):
            children.keep(process, places.log(process.name))
        _serve(children, log, settings)
    finally:
        os.close(lock)
    return 0


def _publish_own_days(places: LocalPaths, log: Log) -> None:
    """Let what is about to run obey calendar.toml in the strategies' folder."""
    try:
        days = json.dumps(own_days.as_json(own_days.read(places.strategies / own_days.TOML)))
    except own_days.OwnDaysError as error:
        raise CommandError(str(error)) from None
    control = f"OPENBELL_CONTROL={places.data / 'control'}"
    code, end_of_output = quiet(("env", control, sys.executable, "-m", "openbell", "own-days", days), log)
    if code:
        raise CommandError("\n".join(end_of_output), code)


def lock_data(places: LocalPaths) -> int:
    """Return the lock of the data folder, which one service at a time holds; CommandError if another one does."""
    places.data.mkdir(parents=True, exist_ok=True)
    lock = os.open(places.data / "local.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        msg = f"everything runs here already, with its data in {places.data}: end that one with Ctrl-C or `make down`, or set OPENBELL_DATA"
        raise CommandError(msg) from None
    return lock


def install_packages(strategies: Iterable[str], places: LocalPaths, log: Log) -> None:
    """Install the packages that only these strategies ask for, where that is not done; CommandError if it fails."""
    for strategy in strategies:
        if command := install(strategy, places):
            log.info("installing the packages that only this strategy asks for", strategy=strategy)
            code, end = quiet(command, log)
            if code and is_offline(end):
                msg = (
                    f"no network: the packages of {strategy} could not be fetched; check the connection, DNS and proxy"
                )
                raise CommandError(msg, code)
            if code:
                print("\n".join(f"    | {line}" for line in end), file=sys.stderr, flush=True)
                msg = f"strategies/{strategy}/requirements.txt could not be installed: the reason is above"
                raise CommandError(msg, code)


def _cannot_start(children: ProcessSupervisor) -> str:
    """Return why the supervisor refuses to start, if it does: the user can fix that, and another start cannot."""
    refused = [one for one in children.kept if one.wanted.name == SUPERVISOR and one.exit_code == EXIT_CANNOT_START]
    return last_line(refused[0].log) if refused else ""


def _serve(children: ProcessSupervisor, log: Log, settings: Settings) -> None:
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        log.info("the page will be there in a moment; Ctrl-C ends everything in order", page=settings.page)
        problem = ""
        while not asked and not problem:
            children.step(now())
            problem = _cannot_start(children)
            time.sleep(CHECK_EVERY)
        end_all(children, log, asked, settings.stop_grace)
        if problem:
            raise CommandError(problem)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
