"""Files that a strategy has opened and not closed: what is still in their buffers is written at the end of a run.

A run's process ends without Python's own clean-up, which would undo what belongs to the loop.
"""

import contextlib
import gc
import os
from _io import _IOBase
from pathlib import Path

from openbell import journal as journals
from openbell.runner import output

_OURS = (".sqlite", ".sqlite-wal", ".sqlite-shm", ".lock")


def flush(journal: Path) -> None:
    """Flush every file that is open for writing. `journal` is the folder of our own lines, which need none of it."""
    # Going through all objects takes milliseconds: only where a file of the strategy's is open.
    ours = {str(journals.echo_file()), str(output.real_error())}  # written without buffers
    if not any(one.name not in ours and _may_wait(one, journal) for one in Path("/proc/self/fd").iterdir()):
        return
    gc.unfreeze()  # what was imported before the fork is not among the objects otherwise
    for one in gc.get_objects():  # `io.IOBase` is asked in Python, which takes ten times as long
        if issubclass(type(one), _IOBase):
            with contextlib.suppress(Exception):  # closed, broken, or a file of the strategy's own making
                if not one.closed and one.writable():
                    one.flush()


def _may_wait(number: Path, journal: Path) -> bool:
    """Tell whether the descriptor is a file of the strategy's that is open for writing."""
    try:
        name = str(number.readlink())
        is_device = name.startswith("/dev/") and not name.startswith("/dev/shm/")  # noqa: S108 - where anyone may have files
        if not name.startswith("/") or name.startswith("/memfd:") or is_device or name.endswith(_OURS):
            return False
        if Path(name).parent == journal:
            return False
        flags = Path(f"/proc/self/fdinfo/{number.name}").read_text().partition("flags:")[2].split()[0]
        return bool(int(flags, 8) & os.O_ACCMODE)
    except (OSError, ValueError, IndexError):
        return False
