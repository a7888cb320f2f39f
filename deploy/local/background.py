"""`python -m deploy.local.background DATA`: keeps everything running as plain processes after `make up` has ended.

What it is to keep running arrives over its socket, and can change there at any time. It holds the lock of the data
folder, so there is one of it, or of `make local`, for a folder.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from deploy.errors import CommandError
from deploy.local import control_socket
from deploy.local.control_socket import Message, answer_one, listening
from deploy.local.process_supervisor import CHECK_EVERY, ManagedProcess, ProcessSupervisor, end_all, now
from deploy.local.processes import INHERITED, LocalPaths, Process
from deploy.local.run import lock_data
from deploy.log import Log, log_to_stdout

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 20.0  # seconds
LOG = "background"


def start(places: LocalPaths) -> None:
    """Start the service with its data in the folder, detached from this terminal; CommandError if it does not come."""
    places.data.mkdir(parents=True, exist_ok=True)
    log = places.log(LOG)
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with log.open("ab") as output:
        started = subprocess.Popen(
            (sys.executable, "-m", "deploy.local.background", str(places.data)),
            cwd=ROOT,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    until = time.monotonic() + STARTS_WITHIN
    while control_socket.ask(places.data, {"do": "services"}) is None:
        if started.poll() is not None or time.monotonic() >= until:
            said = log.read_text(errors="replace").splitlines() or ["it wrote nothing"]
            msg = f"the service that keeps the processes running did not start: {said[-1].removeprefix('openbell: ')}"
            raise CommandError(msg)
        time.sleep(CHECK_EVERY / 2)


def converge(places: LocalPaths, wanted: Iterable[Process], grace: int) -> None:
    """Let the running service keep exactly these processes."""
    question = {"do": "converge", "processes": [asdict(one) for one in wanted], "grace": grace}
    if control_socket.ask(places.data, question) is None:
        msg = f"the service that keeps the processes running does not answer: see {places.log(LOG)}"
        raise CommandError(msg)


def stop(places: LocalPaths, grace: int, log: Log) -> None:
    """End the service and all that it keeps, in order, and return when that is done; CommandError if it takes too long."""
    if control_socket.ask(places.data, {"do": "end"}) is None:
        return
    log.info("stopping: runs that are under way still end by themselves")
    until = time.monotonic() + grace + STARTS_WITHIN
    while time.monotonic() < until:
        try:
            os.close(lock_data(places))
        except CommandError:
            time.sleep(CHECK_EVERY)
        else:
            return
    msg = f"it has not ended within {grace} s: see {places.log(LOG)}"
    raise CommandError(msg)


@dataclass
class Service:
    """The processes, and the answers to what is asked about them."""

    places: LocalPaths
    children: ProcessSupervisor
    asked: list[int]
    grace: int = 0

    def answer(self, question: Message) -> Message:
        """Do what a command asks, and tell what it wants to know."""
        match question:
            case {"do": "converge", "processes": list(given), "grace": int(grace)}:
                self.grace = grace
                wanted = [Process(**{**one, "command": tuple(one["command"])}) for one in given]
                self.children.converge(wanted, self.places.log, grace, now())
                self.children.step(now())
            case {"do": "end"}:
                self.asked.append(signal.SIGTERM)
            case {"do": "environment", "service": str(name)}:
                found = [one.wanted.environment for one in self.children.kept if one.wanted.name == name]
                return {"environment": dict(found[0]) if found else {}}
        return {"root": str(ROOT), "services": [_described(one) for one in self.children.kept]}

    def serve(self, log: Log) -> None:
        """Keep everything running and answer, until a signal or a command ends it."""
        with listening(self.places.data) as server:
            while not self.asked:
                self.children.step(now())
                answer_one(server, CHECK_EVERY, self.answer)
        end_all(self.children, log, self.asked, self.grace)


def _described(one: ManagedProcess) -> Message:
    running = one.running is not None
    state = "restarting" if not running else "running" if one.kill_at is None else "stopping"
    return {
        "name": one.wanted.name,
        "process": one.running.pid if one.running is not None else None,
        "state": state,
        "started": one.started,
        "restarts": one.restarts,
        "exit_code": 0 if running else one.exit_code,
        "log": str(one.log),
    }


def main(data: Path) -> int:
    """Serve until a signal or a command ends it."""
    places = LocalPaths(Path(), data)
    log = log_to_stdout("text")
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the end of the terminal or notebook that it was started from
    try:
        lock = lock_data(places)
    except CommandError as problem:
        print(f"openbell: {problem}", file=sys.stderr)
        return problem.exit_code
    try:
        Service(places, ProcessSupervisor(log), asked).serve(log)
    finally:
        os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
