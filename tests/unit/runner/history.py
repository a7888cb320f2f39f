"""The strategy of a simulated history, and what was seen of the history."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from openbell.manifest import Anchor, Bot, Limits, Manifest, Schedule

MINUTE = timedelta(minutes=1)


def the_manifest() -> Manifest:
    """Return a strategy with bots of all kinds."""
    daily = Schedule(
        "America/New_York",
        "XNYS",
        at=(Anchor("clock", datetime(2026, 1, 1, 9, 35).time()), Anchor("close", shift=-10 * MINUTE)),  # noqa: DTZ001 - local
    )

    def bot(name: str, schedule: Schedule, index: int, **settings: object) -> Bot:
        shift = index * timedelta(seconds=2)
        return Bot("demo", name, ("AAPL", "MSFT")[: 1 + index % 2], schedule, shift=shift, **settings)  # type: ignore[arg-type]

    bots = (
        bot("daily", daily, 0, grace=5 * MINUTE, retries=3),
        bot("five", Schedule("UTC", every=5 * MINUTE), 1, timeout=8 * MINUTE),
        bot("quarter", Schedule("UTC", every=15 * MINUTE, offset=timedelta(seconds=5)), 2, catch_up="latest", halt_after=6),
        bot("hourly", Schedule("UTC", every=60 * MINUTE, offset=7 * MINUTE), 3, grace=10 * MINUTE, timeout=5 * MINUTE),
        bot("patient", Schedule("UTC", every=30 * MINUTE), 5, grace=70 * MINUTE, retries=1, timeout=MINUTE),
        bot("hasty", Schedule("UTC", every=30 * MINUTE), 4, grace=timedelta(seconds=9), timeout=timedelta(seconds=4), retries=0),
        bot("stream", Schedule("UTC"), 6, kind="stream", timeout=30 * MINUTE),
    )  # fmt: skip
    return Manifest("demo", "", "UTC", None, "sample", "paper", (), "warm", 2, bots, limits=Limits(short=True))


@dataclass(frozen=True)
class Result:
    """What a simulation saw."""

    seed: int
    slots: int
    outcomes: Counter[str]
    events: Counter[str]
    boots: int
    runs: int
    orders: int
    seconds: float
    problems: list[str]

    def __str__(self) -> str:
        """Return the figures, and the seed first, so that a failure can be had again."""
        told = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        events = ", ".join(f"{count} {name}" for name, count in sorted(self.events.items()))
        head = (
            f"seed {self.seed}: {self.slots} slots in {self.seconds:.1f} s: {self.boots} boots, {self.runs} attempts, "
            f"{self.orders} orders; {told}; {events}"
        )
        return "\n".join([head, *(f"  {problem}" for problem in self.problems[:20])])


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the loop's complaints about its simulated disk off the terminal."""
    terminal = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
