"""Text of strategies on a terminal."""

import gc
import io
import subprocess
import sys

import pytest

from openbell import terminal
from openbell.terminal import one_line, printable


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain ü 漢 🙂", "plain ü 漢 🙂"),
        ("two\n\tlines", "two\n\tlines"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("halted\rrunning", "halted\\rrunning"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("\x7f\x00", "\\x7f\\x00"),
        ("abc\u202edef\u2066\u200f", "abc\\u202edef\\u2066\\u200f"),
        ("a\u200bb\ufeff\u2028", "a\\u200bb\\ufeff\\u2028"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_nothing_but_text_reaches_a_terminal(text: str, shown: str) -> None:
    """C0, C1, directions and what is invisible are shown as their escapes; letters and lines stay."""
    assert printable(text) == shown


def test_one_line_is_one_line() -> None:
    """Line feeds are shown as well where a text is part of a line."""
    assert one_line("a\nb\tc\x1b") == "a\\nb c\\x1b"


def test_all_commands_are_guarded() -> None:
    """Whatever a command prints, also an argument that it refuses."""
    done = subprocess.run(
        [sys.executable, "-m", "openbell", "check", "--strategies", "/no\x1b[2J\u202efolder"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "\x1b" not in done.stderr + done.stdout
    assert "\\x1b[2J\\u202efolder" in done.stderr


def test_a_guard_that_goes_leaves_the_stream_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream below belongs to the program: it can be written to when nothing guards it any more."""
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, "utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.guard()
    print("a\x1bb")
    sys.stdout = stream
    gc.collect()
    stream.write("after")
    stream.flush()
    assert buffer.getvalue() == b"a\\x1bb\nafter"
