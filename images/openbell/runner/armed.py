"""Runs whose processes are started shortly before their slot, and wait there for the loop.

At the slot the loop has to claim, to write run_start and to release them; forking, importing and connecting is done. A
process whose slot is not run after all is killed: it has done nothing that can be seen from outside.
"""

import contextlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from openbell.manifest import Bot
from openbell.records import dataclass
from openbell.runner.processes import ArmedProcess, ArmingLauncher, RunProcess
from openbell.strategy.run_state import Run

SHORTEST_LEAD, LONGEST_LEAD = 1.0, 60.0  # seconds before its slot that a run's process is started
MARGIN = 2.0  # the lead in times of what the slowest of the last processes took to get ready
FORGET = 0.9  # of what it took, per process since: one slow start is not remembered for ever
MOST_OF_FREE = 0.25  # of the memory that is free, for one process: being early must not use up the last of it
FIRST_COST = 4 << 20  # bytes that a process is expected to need before one has been measured
CGROUP = Path("/sys/fs/cgroup")  # of this container, version 2
MACHINE = Path("/proc/meminfo")


def free_memory() -> int | None:
    """Return the bytes that are left below the container's limit and on the machine; None if neither is known."""
    found = [free for free in (_below_limit(), _on_machine()) if free is not None]
    return min(found, default=None)


def _below_limit() -> int | None:
    # What was read from files long ago is given back before anything is killed.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        limit, used = int((CGROUP / "memory.max").read_text()), int((CGROUP / "memory.current").read_text())
        given_back = re.search(r"^inactive_file (\d+)$", (CGROUP / "memory.stat").read_text(), re.MULTILINE)
        return limit - used + int(given_back[1])  # type: ignore[index]
    return None


def _on_machine() -> int | None:
    with contextlib.suppress(OSError, ValueError, TypeError):
        return 1024 * int(re.search(r"^MemAvailable: +(\d+) kB$", MACHINE.read_text(), re.MULTILINE)[1])  # type: ignore[index]
    return None


@dataclass(frozen=True)
class _Armed:
    run: Run
    process: ArmedProcess


class ArmedRuns:
    """The processes that wait for their slots, at most one a bot."""

    def __init__(
        self,
        launcher: ArmingLauncher,
        first_lead: float = SHORTEST_LEAD,
        free_memory: Callable[[], int | None] = free_memory,
    ) -> None:
        """first_lead: seconds that the first processes are given to get ready."""
        self._launcher = launcher
        self._armed: dict[str, _Armed] = {}
        self._tried: dict[str, datetime] = {}  # per bot: the slot that a process was started for, or could not be
        self._released: list[ArmedProcess] = []  # those that are not measured yet
        self._ended: list[RunProcess] = []
        self._took = first_lead / MARGIN  # seconds
        self._cost = FIRST_COST  # bytes
        self._free_memory = free_memory

    @property
    def lead(self) -> timedelta:
        """How long before its slot a run's process is started."""
        return timedelta(seconds=min(max(MARGIN * self._took, SHORTEST_LEAD), LONGEST_LEAD))

    @property
    def count(self) -> int:
        """How many processes wait."""
        return len(self._armed)

    def has_tried(self, bot_id: str, slot: datetime) -> bool:
        """Tell whether a process was started for the slot, or passed over: it is tried once a slot."""
        return self._tried.get(bot_id) == slot

    def pass_over(self, bot_id: str, slot: datetime) -> None:
        """Start no process for the slot before it is there."""
        self._tried[bot_id] = slot

    def run_id(self, bot_id: str, slot: datetime) -> str | None:
        """Return the id of the run that waits for the slot, or None."""
        armed = self._armed.get(bot_id)
        return armed.run.run_id if armed and armed.run.slot == slot else None

    def due_by(self, at: datetime) -> list[Run]:
        """Return the runs that wait and are due by an instant."""
        return [one.run for one in self._armed.values() if one.run.slot + one.run.bot.shift <= at]

    def arm(self, bot: Bot, slot: datetime, run_id: str) -> None:
        """Start a process for the slot, if there is memory to spare for it."""
        self.pass_over(bot.id, slot)
        free = self._free_memory()
        if free is not None and self._cost > MOST_OF_FREE * free:
            return
        run = Run(bot, slot, run_id, 1)
        # Without a process now the run is started at its slot, and an error is told then.
        with contextlib.suppress(OSError):
            self._armed[bot.id] = _Armed(run, self._launcher.arm(run))

    def release(self, run: Run) -> RunProcess | None:
        """Let the process that waits for the run begin; None if there is none."""
        armed = self._armed.get(run.bot.id)
        if armed is None or armed.run != run:
            return None
        del self._armed[run.bot.id]
        process = armed.process.release()
        if process is None:
            self._ended.append(armed.process)
        self._released.append(armed.process)
        return process

    def measure(self) -> None:
        """Learn from the processes that were released how early, and with how much memory, the next ones are to start."""
        for process in self._released:
            took = process.seconds_to_get_ready()
            # One that is not ready yet has had the whole lead, and needs longer.
            took = self.lead.total_seconds() if took is None else took
            self._took = max(took, FORGET * self._took)
        if self._released:
            self._cost = max(self._released[-1].memory(), FIRST_COST)
        self._released.clear()

    def keep(self, is_wanted: Callable[[Run], bool]) -> bool:
        """Kill the processes whose run is not wanted, and reap those that have ended; tell whether any was killed.

        For the slot of a process that was killed another may be started, should it come to that.
        """
        waited = self.count
        for bot_id, armed in list(self._armed.items()):
            if armed.process.poll() is not None:
                del self._armed[bot_id]
            elif not is_wanted(armed.run):
                armed.process.kill()
                self._ended.append(self._armed.pop(bot_id).process)
                self._tried.pop(bot_id, None)
        self._ended = [process for process in self._ended if process.poll() is None]
        return self.count < waited

    @property
    def has_processes(self) -> bool:
        """Tell whether any process waits, or was ended and is not reaped."""
        return bool(self._armed or self._ended)
