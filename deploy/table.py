"""Rows as aligned columns, in colours on a terminal."""

import sys
from collections.abc import Sequence
from io import StringIO

import rich.table
from rich.console import Console
from rich.text import Text

WIDEST = 1000  # characters
STYLES = {
    **dict.fromkeys(("healthy", "up", "succeeded"), "green"),
    **dict.fromkeys(("late", "paused", "starting", "skipped"), "yellow"),
    **dict.fromkeys(("down", "unhealthy", "failed", "timed_out", "interrupted", "missed"), "red"),
}


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns, each as wide as its widest cell; the first row is the heading.

    On a terminal headings are bold and states have colours, unless NO_COLOR is set.
    """
    table = rich.table.Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in rows[0]:
        table.add_column(heading, no_wrap=True)
    for row in rows[1:]:
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    text = StringIO()
    # As wide as the cells: a line that the terminal wraps is still whole for a person who copies it.
    Console(file=text, width=WIDEST, force_terminal=sys.stdout.isatty()).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
