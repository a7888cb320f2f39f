"""Figures: what samples come to, how they are written, and how they stand beside their budget."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

UNKNOWN = "-"


@dataclass(frozen=True)
class Summary:
    """What a series of samples comes to, in their own unit."""

    count: int
    median: float
    p99: float
    largest: float


def summary(samples: Sequence[float]) -> Summary | None:
    """Return the summary of the samples, or None if there are none."""
    if not samples:
        return None
    return Summary(len(samples), percentile(samples, 50), percentile(samples, 99), max(samples))


def percentile(samples: Sequence[float], percent: float) -> float:
    """Return the smallest sample that so many per cent of all samples do not exceed (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def duration(seconds: float) -> str:
    """Return seconds in the unit that suits them, with three digits."""
    for factor, unit in ((1e6, "us"), (1e3, "ms")):
        if abs(seconds) * factor < 1000:
            return f"{_three_digits(seconds * factor)} {unit}"
    return f"{_three_digits(seconds)} s"


def mebibytes(kibibytes: float) -> str:
    """Return KiB as MB of 1024 KiB, as the engine's limits count them."""
    return f"{kibibytes / 1024:.1f} MB"


def ratio(figure: float, beside: float) -> str:
    """Return how many times `beside` the figure is."""
    return f"{_three_digits(figure / beside)}x" if beside > 0 else UNKNOWN


def _three_digits(figure: float) -> str:
    return f"{figure:.0f}" if abs(figure) >= 100 else f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"


@dataclass(frozen=True)
class Budget:
    """A figure that openbell has promised."""

    what: str
    figure: str
    target: str
    met: bool


@dataclass(frozen=True)
class Table:
    """Figures side by side: the first columns say whose, the others are right-aligned. Notes come below."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    labels: int = 1  # columns that are left-aligned

    def __str__(self) -> str:
        """Return the table as aligned text."""
        cells = [row for row in (self.headings, *self.rows) if any(row)]
        widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
        aligned = [str.ljust] * self.labels + [str.rjust] * (len(widths) - self.labels)
        lines = [
            "  ".join(align(cell, width) for align, cell, width in zip(aligned, row, widths, strict=True))
            for row in cells
        ]
        indented = [f"  {line}".rstrip() for line in lines]
        return "\n".join([self.title, "", *indented, *(f"  * {note}" for note in self.notes), ""])


@dataclass(frozen=True)
class Report:
    """What one topic has to say."""

    tables: tuple[Table, ...]
    budgets: tuple[Budget, ...] = ()


def budget_table(budgets: Sequence[Budget]) -> Table:
    """Return the table that closes the benchmark."""
    rows = tuple((one.what, one.figure, one.target, "met" if one.met else "MISSED") for one in budgets)
    return Table("Against the budgets", ("", "measured", "target", ""), rows)
