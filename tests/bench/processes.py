"""What the processes of a container take, read from this machine's /proc; other users' memory is for root only to see."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from docker.models.containers import Container


@dataclass(frozen=True)
class Memory:
    """KiB: each process's share of what it maps (PSS), what it maps alone, and all it maps."""

    pss: int
    private: int
    rss: int

    def __add__(self, other: "Memory") -> "Memory":
        """Return the sum."""
        return Memory(self.pss + other.pss, self.private + other.private, self.rss + other.rss)


def why_unreadable(container: Container) -> str:
    """Return in one line why the memory of a container's processes cannot be read here; empty if it can."""
    pid = main(container)
    try:
        of_process(pid)
    except PermissionError:
        return "not measured: only root may read the memory of other users' processes (run `make bench` as root)"
    except FileNotFoundError:
        return f"not measured: /proc/{pid} is not on this machine (the engine runs elsewhere)"
    return ""


def of_container(container: Container) -> Memory:
    """Return the memory of all processes of a container, its init included."""
    total = Memory(0, 0, 0)
    for pid in tree(main(container)):
        with suppress(ProcessLookupError, FileNotFoundError):  # a health check or a run that has just ended
            total += of_process(pid)
    return total


def cpu_of_container(container: Container) -> float:
    """Return the CPU seconds of all processes of a container and of their ended children."""
    total = 0.0
    for pid in tree(main(container)):
        with suppress(ProcessLookupError, FileNotFoundError):
            total += cpu_seconds(pid)
    return total


class PeakMemory:
    """The most that the processes of a container take at once (KiB of PSS), sampled from now until `stop`."""

    EVERY = 0.2  # seconds: a process that sends an alert lives for three

    def __init__(self, container: Container) -> None:
        self._main = main(container)
        self._most = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Return it; 0 if this machine does not let it be read."""
        self._stop.set()
        self._thread.join()
        return self._most

    def _sample(self) -> None:
        while not self._stop.wait(self.EVERY):
            total = 0
            for pid in tree(self._main):
                with suppress(OSError):  # it has ended, or may not be read
                    total += of_process(pid).pss
            self._most = max(self._most, total)


def of_shim(container: Container) -> Memory:
    """Return the memory of the engine's process that stands over the container."""
    return of_process(shim(container))


def of_process(pid: int) -> Memory:
    """Return one process's memory."""
    fields: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        fields[name] = int(rest.split()[0])
    return Memory(fields["Pss"], fields["Private_Clean"] + fields["Private_Dirty"], fields["Rss"])


def shim(container: Container) -> int:
    """Return the id of the engine's process that stands over the container."""
    status = Path(f"/proc/{main(container)}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:"))


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process and its ended children have taken, to a hundredth."""
    # The name, in parentheses, may hold spaces; after it come state, and from the 11th on the four times.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def running_seconds(pid: int) -> float:
    """Return the CPU seconds that the threads of a process have taken, to a nanosecond, without its ended children."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def main(container: Container) -> int:
    """Return the id of the container's first process."""
    container.reload()
    return int(container.attrs["State"]["Pid"])


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all that it has started."""
    yield pid
    with suppress(ProcessLookupError, FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree(int(child))
