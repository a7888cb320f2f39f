"""Keeps processes alive: starts them, starts them again with growing pauses when they die, and ends them in order."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.processes import Process
from deploy.log import Log

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds before a process that died is started again
RAN_WELL = 60.0  # seconds; a process that lived so long begins with the first pause again
LARGEST_LOG = 10_000_000  # bytes; at a start, a log that is larger is kept as .old and begun anew


@dataclass
class ManagedProcess:
    """A process that is kept alive."""

    wanted: Process
    log: Path
    running: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    pause: float = FIRST_PAUSE
    is_held: bool = False  # kept away on purpose


@dataclass
class ProcessSupervisor:
    """Looks after processes; `step()` does what is to be done now, and waits for nothing."""

    log: Log
    kept: list[ManagedProcess] = field(default_factory=list)
    is_ending: bool = False

    def keep(self, process: Process, log: Path) -> None:
        """Look after a process from the next step on."""
        self.kept.append(ManagedProcess(process, log))

    def step(self, now: float) -> None:
        """Start what is to run, and see what has ended."""
        for one in self.kept:
            if one.running is not None and one.running.poll() is not None:
                self._has_ended(one, now)
            if one.running is None and not self.is_ending and not one.is_held and now >= one.start_at:
                self._start(one, now)

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
                # To all of its session when it is not to be asked any more: its runs have groups of their own.
                for process in _session(one.running.pid) if number is signal.SIGKILL else [one.running.pid]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, number)

    def kill(self, name: str) -> None:
        """Kill a process and keep it away until `release`."""
        for one in self.kept:
            if one.wanted.name == name:
                one.is_held = True
                if one.running is not None:
                    one.running.kill()

    def release(self, name: str, now: float) -> None:
        """Let a process that was kept away start at the next step."""
        for one in self.kept:
            if one.wanted.name == name:
                one.is_held, one.start_at = False, now

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
        one.started_at = now
        self.log.info("started", service=one.wanted.name, process=one.running.pid, log=str(one.log))

    def _has_ended(self, one: ManagedProcess, now: float) -> None:
        code = one.running.returncode if one.running is not None else 0
        one.running = None
        ending = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if self.is_ending:
            self.log.info("stopped" if code == 0 else ending, service=one.wanted.name)
            return
        if one.is_held:
            self.log.warning(ending, service=one.wanted.name)
            return
        if now - one.started_at >= RAN_WELL:
            one.pause = FIRST_PAUSE
        one.start_at = now + one.pause
        self.log.warning("starting it again", service=one.wanted.name, it=ending, seconds=one.pause, log=str(one.log))
        one.pause = min(2 * one.pause, LONGEST_PAUSE)


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


def now() -> float:
    """Return seconds that no clock step disturbs."""
    return time.monotonic()
