"""What each import of our loop costs, in memory that every container pays for and in time at start-up."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.containers import HERE, Bench
from tests.bench.figures import UNKNOWN, Report, Table
from tests.bench.progress import doing

LOOP = ("openbell.__main__", "openbell.runner.service")  # what `openbell run` loads
SHOWN = 100  # KiB written, from which on a module has a row of its own


@dataclass(frozen=True)
class Cost:
    """What one import took: seconds, and KiB of RSS and of memory that is written to and so not shared."""

    seconds: float
    rss: float
    written: float


def measure(bench: Bench) -> Report:
    """Import all of the loop in fresh interpreters of its own image."""
    with doing("importing what the loop imports, in fresh interpreters"):
        found = json.loads(bench.once("runtime", HERE / "inside" / "imports.py", "all", *LOOP))
    inside, asked_by = _traced(found["trace"])
    alone = {name: _cost([line[2:] for line in lines]) for name, lines in found["alone"].items()}
    bare, everything = inside.pop("(python)"), inside.pop("(all)")
    rows = [_row("the interpreter itself", "", None, bare), _row("all that the loop imports", "", None, everything)]
    ordered = sorted(inside.items(), key=lambda item: -item[1].written)
    rows += [_row(name, asked_by[name], alone.get(name), cost) for name, cost in ordered if cost.written >= SHOWN]
    notes = (
        "in the loop: with what it loads in turn and what came before it already there, in the loop's own order; alone: in a bare interpreter",
        "written: memory that no other container can share (private dirty); a row's figures include the rows that it brings in",
        f"modules below {SHOWN} KB are left out; medians of 3",
    )
    headings = ("", "first asked for by", "written", "RSS", "time", "alone: written", "RSS", "time")
    return Report((Table("What the loop's imports cost", headings, tuple(rows), notes, labels=2),))


def _traced(traces: Sequence[Sequence[Sequence[str]]]) -> tuple[dict[str, Cost], dict[str, str]]:
    """Return what each module cost in the loop's order of imports, and who asked for it first."""
    series: dict[str, list[Sequence[str]]] = {}
    asked_by: dict[str, str] = {}
    for trace in traces:
        # A module that is looked for again and again has none (another system's); the first answer counts.
        for module, by, *figures in {line[0]: line for line in reversed(trace)}.values():
            series.setdefault(module, []).append(figures)
            asked_by[module] = by
    return {module: _cost(figures) for module, figures in series.items()}, asked_by


def _cost(figures: Sequence[Sequence[str]]) -> Cost:
    seconds, rss, written = (median(map(float, column)) for column in zip(*figures, strict=True))
    return Cost(seconds, rss, written)


def _row(name: str, by: str, alone: Cost | None, cost: Cost) -> tuple[str, ...]:
    return (name, by, *_cells(cost), *(_cells(alone) if alone else [UNKNOWN] * 3))


def _cells(cost: Cost) -> tuple[str, str, str]:
    return (
        f"{cost.written:,.0f} KB",
        f"{cost.rss:,.0f} KB",
        f"{cost.seconds * 1000:.1f} ms" if cost.seconds else UNKNOWN,
    )
