"""The streams of a command: what passes through them, and what becomes of the stream below."""

import gc
import io
import sys

import pytest

from openbell import terminal


def test_a_guarded_stream_writes_what_is_printable_and_leaves_the_one_below_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program that calls a command's main goes on with its own standard output after the command has ended."""
    raw = io.BytesIO()
    own = io.TextIOWrapper(raw, encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", own)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    terminal.guard()
    print("a\x1b[31mb")
    sys.stdout = own
    gc.collect()
    own.write("after\n")
    own.flush()
    assert raw.getvalue() == b"a\\x1b[31mb\nafter\n"
