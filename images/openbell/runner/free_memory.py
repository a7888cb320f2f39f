"""How much memory this container may still use."""

import contextlib
import re
from pathlib import Path

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
