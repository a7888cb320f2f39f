"""Command lines that every login shell passes on as they are: sh, bash, zsh, csh, tcsh and fish. Pure."""

import shlex
from collections.abc import Sequence

# Login shells and sshrc may print a welcome: what comes before this line, on either output, is not the command's.
BEGIN = "-- openbell: output begins --"
# Where a login without a terminal may not look: sbin, and what snap installs.
_PATHS = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/snap/bin"
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ./:=_,@+-")


def line(command: Sequence[str]) -> str:
    """Return the line that runs a command through the host's own sh.

    Within single quotes shells differ about quotes, backslashes, exclamation marks and line ends: none of these is in the
    line, since each is written as a number, which printf turns back.
    """
    script = (
        f"printf '\\n%s\\n' '{BEGIN}'; printf '\\n%s\\n' '{BEGIN}' >&2; "
        f'PATH="$PATH:{_PATHS}"; export PATH; exec {shlex.join(command)}'
    )
    encoded = "".join(chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in script.encode())
    return f'exec sh -c \'eval "$(printf %b "{encoded}")"\''


def after_welcome(output: bytes) -> bytes:
    """Return what the command itself has written; all of it if the command was never begun."""
    _, found, rest = output.partition(f"{BEGIN}\n".encode())
    return rest if found else output


def is_begin(line: bytes) -> bool:
    """Tell whether a line is the last one that is not the command's."""
    return line.endswith(f"{BEGIN}\n".encode())
