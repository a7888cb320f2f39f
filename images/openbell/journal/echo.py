"""Lines of the journal on standard output as well, for `docker logs`."""

import contextlib
import os


def echo(line: bytes) -> None:
    """Write a line to standard output as well."""
    # The file is the record; a closed or blocked standard output must not stop a strategy from trading.
    with contextlib.suppress(OSError):
        os.write(_Echo.file, line)


class _Echo:
    file = 1  # where standard output really is: in a strategy's processes the descriptor 1 is a pipe


def echo_to(file: int) -> None:
    """Take this descriptor for standard output from now on."""
    _Echo.file = file


def echo_file() -> int:
    """Return the descriptor that lines are echoed to."""
    return _Echo.file
