"""Files that a strategy has opened and not closed: what is still in their buffers is written at the end of a run.

A run's process ends without Python's own clean-up, which would undo what belongs to the loop.
"""

import contextlib
import gc
import io
import os
from pathlib import Path

_OURS = (".sqlite", ".sqlite-wal", ".sqlite-shm", ".lock")


def flush(journal: Path) -> None:
    """Flush every file that is open for writing. `journal` is the folder of our own lines, which need none of it."""
    # Going through all objects takes milliseconds: only where a file of the strategy's is open.
    if not any(_may_wait(number, journal) for number in Path("/proc/self/fd").iterdir()):
        return
    gc.unfreeze()  # what was imported before the fork is not among the objects otherwise
    for one in gc.get_objects():
        if issubclass(type(one), io.IOBase):
            with contextlib.suppress(Exception):  # closed, broken, or a file of the strategy's own making
                if not one.closed and one.writable():
                    one.flush()


def _may_wait(number: Path, journal: Path) -> bool:
    """Tell whether the descriptor is a file of the strategy's that is open for writing."""
    try:
        name = str(number.readlink())
        if not name.startswith("/") or name.startswith(("/memfd:", "/dev/")) or name.endswith(_OURS):
            return False
        if Path(name).parent == journal:
            return False
        flags = Path(f"/proc/self/fdinfo/{number.name}").read_text().partition("flags:")[2].split()[0]
        return bool(int(flags, 8) & os.O_ACCMODE)
    except (OSError, ValueError, IndexError):
        return False
