"""What a terminal shows. Text of strategies, brokers and files must neither move the cursor nor change what was shown before.

Control characters (C0, C1), characters that change the direction of writing and invisible ones are shown as their escapes.
"""

import contextlib
import io
import re
import sys
from typing import TextIO

# C0 but for the tabulator and the line feed, DEL and C1; line and paragraph separators; bidirectional marks, embeddings, overrides
# and isolates; zero-width characters; tags. (Unicode Standard, chapters 23.1, 23.2 and 23.9.)
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """Return a text as a terminal may have it: several lines stay several lines, and nothing else moves anything."""
    return _UNSAFE.sub(_escaped, text)


def one_line(text: str) -> str:
    """Return a text as one line of a terminal."""
    return printable(text).replace("\n", "\\n").replace("\t", " ")


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


class _Printable(io.TextIOWrapper):
    """A standard stream through which only printable text passes."""

    def write(self, text: str) -> int:
        super().write(printable(text))
        return len(text)

    def close(self) -> None:
        """Leave the stream below open: it is the interpreter's, and this wrapper may go before it does."""
        with contextlib.suppress(ValueError):  # it is closed already
            self.flush()


def guard() -> None:
    """Let only printable text reach this program's standard output and error from now on."""
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, _Printable):
            stream.flush()
            wrapped = _Printable(
                stream.buffer, stream.encoding, "backslashreplace", line_buffering=name == "stderr" or stream.isatty()
            )
            setattr(sys, name, wrapped)


def progress(line: str) -> None:
    """Show a line of our own on standard error, over the one that `progress` has shown before."""
    stream = unguarded_error()
    stream.write(f"\r{printable(line)}\x1b[K")
    stream.flush()


def unguarded_error() -> TextIO:
    """Return standard error as it is, for a bar that moves the cursor. What a bar shows of others must be `printable`."""
    sys.stderr.flush()
    return sys.__stderr__ if isinstance(sys.stderr, _Printable) and sys.__stderr__ else sys.stderr
