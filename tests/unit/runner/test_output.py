"""What strategies print: bounded by time, line by line."""

import pytest

from openbell.runner.output import A_MINUTE, LONGEST_LINE, Lines, PrintedLines


class Teller:
    """Collects what is handed on, and has a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[tuple[str, str]] = []
        self.printed = PrintedLines(lambda text, level: self.told.append((text, level)), lambda: self.now)


def test_a_stream_is_heard_for_life() -> None:
    """525 lines of 40 characters over hours are all handed on (they were silenced after 422)."""
    teller = Teller()
    for number in range(525):
        teller.now = number * 30.0
        teller.printed.line("x" * 40)
    assert teller.told == [("x" * 40, "info")] * 525


def test_a_flood_is_bounded_by_the_minute_and_counted() -> None:
    """What is more than a minute may hold is told as a number when the minute is over, and the next one is heard again."""
    teller = Teller()
    for _ in range(1_000):
        teller.printed.line("x" * 100)
    assert sum(len(text) for text, _ in teller.told) == A_MINUTE
    teller.now = 60.0
    teller.printed.line("again")
    left_out = f"[840 lines with 84000 characters were printed and left out: {A_MINUTE} a minute are kept]"
    assert teller.told[-2:] == [(left_out, "warning"), ("again", "info")]
    teller.printed.end()
    assert len(teller.told) == 162


def test_what_was_left_out_is_told_of_a_stream_that_fell_silent() -> None:
    """A look at the clock is enough: no further line is needed."""
    teller = Teller()
    teller.printed.line("x" * (A_MINUTE + 1))
    teller.now = 61.0
    teller.printed.tick()
    assert teller.told[-1][0].startswith("[1 lines with 1 characters")


@pytest.mark.parametrize(
    "written, expected",
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"o", b"ne\r\n", b"\n", b"last"], ["one", "last"]),
        ([b"10%\r20%\r100%\n"], ["100%"]),
        ([b"10%\r", b"20%\r"], ["20%"]),
        ([b"\xff\xfe\n"], ["\\xff\\xfe"]),
        ([b"a\x00b\n"], ["a\x00b"]),
    ],
)
def test_bytes_become_lines(written: list[bytes], expected: list[str]) -> None:
    """Lines end with a line feed; a progress bar is its last state; what is not UTF-8 is shown as bytes."""
    told: list[str] = []
    lines = Lines(lambda text, _: told.append(text))
    for content in written:
        lines.write(content)
    lines.end()
    assert told == expected


def test_a_line_without_an_end_takes_bounded_memory() -> None:
    """What is beyond a limit is counted only."""
    told: list[tuple[int, int]] = []
    lines = Lines(lambda text, more: told.append((len(text), more)))
    for _ in range(100):
        lines.write(b"x" * 10_000)
    lines.end()
    assert told == [(LONGEST_LINE, 1_000_000 - LONGEST_LINE)]
