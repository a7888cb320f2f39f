"""Keeps processes alive: starts them, starts them again with growing pauses when they die, and ends them in order."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.docker.compose import SUPERVISOR
from deploy.docker.engine import in_words
from deploy.local.processes import Process
from deploy.log import Log
from openbell.restarts import NOW, Restart

RAN_WELL = 60.0  # seconds; a process that lived so long is started again soon
LAST_BYTES = 4096  # of a log, which are searched for its last line
CHECK_EVERY = 0.1  # seconds between two checks
LAST_WAIT = 10.0  # seconds that the supervisor is given to end
LARGEST_LOG = 10_000_000  # bytes; at a start, a log that is larger is kept as .old, and a new one is begun


@dataclass
class ManagedProcess:
    """A process that is kept alive."""

    wanted: Process
    log: Path
    running: subprocess.Popen[bytes] | None = None
    restart: Restart = NOW
    started: float = 0.0  # when it was started, in seconds of the epoch
    is_held: bool = False  # kept away on purpose
    is_unwanted: bool = False  # leaves for good when it has ended
    kill_at: float | None = None  # it was asked to end, and is killed then
    restarts: int = 0  # after it died by itself
    exit_code: int = 0  # of its last end


@dataclass
class ProcessSupervisor:
    """Keeps processes running; `step()` does what is to be done now, and waits for nothing."""

    log: Log
    kept: list[ManagedProcess] = field(default_factory=list)
    is_ending: bool = False

    def keep(self, process: Process, log: Path) -> None:
        """Keep a process running from the next step on."""
        self.kept.append(ManagedProcess(process, log))

    def converge(self, wanted: Iterable[Process], log: Callable[[str], Path], grace: float, now: float) -> None:
        """Keep exactly these: what has not changed runs on, the rest is asked to end and has `grace` seconds for it."""
        kept = {one.wanted.name: one for one in self.kept}
        names = set()
        for process in wanted:
            names.add(process.name)
            one = kept.get(process.name)
            if one is None:
                self.keep(process, log(process.name))
            elif one.wanted.version != process.version or one.is_unwanted:
                one.wanted, one.is_unwanted, one.restart, one.restarts = process, False, NOW, 0
                _ask_to_end(one, now + grace)
        for one in self.kept:
            if one.wanted.name not in names:
                one.is_unwanted = True
                _ask_to_end(one, now + grace)

    def step(self, now: float) -> None:
        """Start what is to run, and see what has ended."""
        for one in self.kept:
            if one.running is not None and one.running.poll() is not None:
                self._has_ended(one, now)
            if one.running is not None and one.kill_at is not None and now >= one.kill_at:
                _kill_session(one.running.pid)
            if one.running is None and not (self.is_ending or one.is_held or one.is_unwanted) and now >= one.restart.at:
                self._start(one, now)
        self.kept = [one for one in self.kept if one.running is not None or not one.is_unwanted]

    @property
    def are_all_gone(self) -> bool:
        """Tell whether nothing runs any more."""
        return all(one.running is None for one in self.kept)

    def end(self, names: Iterable[str], number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal to these processes; from now on nothing is started again."""
        self.is_ending = True
        wanted = set(names)
        for one in self.kept:
            if one.running is not None and one.wanted.name in wanted:
                if number is signal.SIGKILL:
                    _kill_session(one.running.pid)
                else:
                    _signal(one.running.pid, number)

    def kill(self, name: str) -> None:
        """Kill a process and keep it away until `release`."""
        for one in self.kept:
            if one.wanted.name == name:
                one.is_held = True
                if one.running is not None:
                    one.running.kill()

    def release(self, name: str) -> None:
        """Let a process that was kept away start at the next step."""
        for one in self.kept:
            if one.wanted.name == name:
                one.is_held, one.restart = False, NOW

    def running(self) -> list[str]:
        """Return the names of the processes that run."""
        return [one.wanted.name for one in self.kept if one.running is not None]

    def _start(self, one: ManagedProcess, now: float) -> None:
        one.log.parent.mkdir(parents=True, exist_ok=True)
        if one.log.exists() and one.log.stat().st_size > LARGEST_LOG:
            one.log.replace(one.log.with_suffix(".old"))
        with one.log.open("ab") as output:
            # A session of its own: Ctrl-C on the terminal is for this process to hear, which then ends the others in order.
            one.running = subprocess.Popen(
                one.wanted.command,
                env=dict(one.wanted.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        one.restart, one.started, one.kill_at = one.restart.started(now), time.time(), None
        self.log.info("started", service=one.wanted.name, process=one.running.pid, log=str(one.log))

    def _has_ended(self, one: ManagedProcess, now: float) -> None:
        code = one.running.returncode if one.running is not None else 0
        one.running, one.exit_code = None, code
        ending = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if self.is_ending or one.kill_at is not None:
            one.kill_at = None
            self.log.info("stopped" if code == 0 else ending, service=one.wanted.name)
            return
        if one.is_held:
            self.log.warning(ending, service=one.wanted.name)
            return
        one.restart = one.restart.ended(now, RAN_WELL)
        one.restarts += 1
        said = last_line(one.log)
        self.log.warning("starting it again", service=one.wanted.name, it=ending, seconds=one.restart.pause, said=said)


def _ask_to_end(one: ManagedProcess, kill_at: float) -> None:
    if one.running is not None and one.kill_at is None:
        one.kill_at = kill_at
        _signal(one.running.pid, signal.SIGTERM)


def _kill_session(leader: int) -> None:
    # All of it: a strategy's runs have groups of their own.
    for process in _session(leader):
        _signal(process, signal.SIGKILL)


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _session(leader: int) -> list[int]:
    """Return the processes of a session, its leader first: no new one can begin once that is gone."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            process, _, rest = path.read_text(errors="replace").partition(" (")
            session = int(rest.rpartition(") ")[2].split()[3])  # state, parent, group, session (proc_pid_stat(5))
            if session == leader and int(process) != leader:
                found.append(int(process))
    return [leader, *found]


def last_line(log: Path) -> str:
    """Return the end of what a process wrote, in words."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LAST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return in_words(lines[-1]) if lines else ""


def now() -> float:
    """Return seconds that no clock step disturbs."""
    return time.monotonic()


def end_all(children: ProcessSupervisor, log: Log, asked: Sequence[int], grace: int) -> None:
    """Let runs that are under way end by themselves; a second Ctrl-C kills. The supervisor sees it all, and goes last."""
    strategies = [name for name in children.running() if name != SUPERVISOR]
    log.info("stopping: runs that are under way still end by themselves (Ctrl-C again kills them)")
    children.end(strategies)
    until, heard = now() + grace, len(asked)
    while set(children.running()) - {SUPERVISOR} and now() < until and len(asked) == heard:
        children.step(now())
        time.sleep(CHECK_EVERY)
    children.end(strategies, signal.SIGKILL)
    children.end([SUPERVISOR])
    until = now() + LAST_WAIT
    while not children.are_all_gone and now() < until:
        children.step(now())
        time.sleep(CHECK_EVERY)
    children.end(children.running(), signal.SIGKILL)
    while not children.are_all_gone:
        children.step(now())
        time.sleep(CHECK_EVERY)
