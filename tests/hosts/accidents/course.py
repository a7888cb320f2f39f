"""How far accidents have come, what they took, and what was counted; kept for the next call."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from tests.engine.kit import ROOT
from tests.hosts.accidents.checker import Findings

KEPT = ROOT / ".pytest_cache" / "accidents.json"


@dataclass(frozen=True)
class Recovery:
    """What one accident has brought about."""

    accident: str
    seconds: float  # the longest time without an order
    owners: str
    adopted: bool  # a person had to take the broker's word for what is held

    def __str__(self) -> str:
        """Return it as a line."""
        by = ", after a person had adopted the broker's holdings" if self.adopted else ""
        return f"{self.accident}: {self.seconds:g} s without an order{by} ({self.owners})"


@dataclass(frozen=True)
class Course:
    """All pieces so far; each of their slots was told once, and no order was doubled, or they would have ended."""

    seed: int
    of: str  # the sources
    pieces: int = 0
    slots: int = 0
    orders: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    recoveries: Sequence[Recovery] = ()

    @property
    def done(self) -> int:
        """The accidents so far."""
        return len(self.recoveries)

    @classmethod
    def kept(cls, seed: int, of: str) -> "Course":
        """Return what earlier calls have come to with this seed for these sources."""
        try:
            given = json.loads(KEPT.read_text())
            course = cls(**given | {"recoveries": [Recovery(**one) for one in given["recoveries"]]})
        except (OSError, ValueError, TypeError, KeyError):
            return cls(seed, of)
        return course if of and (course.seed, course.of) == (seed, of) else cls(seed, of)

    def after(self, found: Sequence[Recovery], findings: Findings) -> "Course":
        """Return how far it is after one piece more."""
        return Course(
            *(self.seed, self.of, self.pieces + 1, self.slots + findings.slots, self.orders + findings.orders),
            dict(Counter(self.outcomes) + Counter(findings.outcomes)),
            [*self.recoveries, *found],
        )

    def keep(self) -> None:
        """Write it down for the next call."""
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(asdict(self)))

    def table(self) -> list[Sequence[str]]:
        """Return a row for each accident."""
        rows = [
            (one.accident, f"{one.seconds:.1f}", one.owners, "adopted" if one.adopted else "")
            for one in self.recoveries
        ]
        return [("ACCIDENT", "SECONDS WITHOUT AN ORDER", "OWNER", "BY A PERSON"), *rows]

    def summary(self) -> str:
        """Return what was counted."""
        return (
            f"{self.done} accidents, {self.slots} slots, {self.orders} orders: 0 slots twice, 0 unaccounted, 0 doubled orders; "
            f"{dict(self.outcomes)}"
        )
