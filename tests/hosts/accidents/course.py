"""How far accidents have come with each broker, what they took, and what was counted; kept for the next call."""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from tests.engine.kit import ROOT
from tests.hosts.accidents.accidents import ACCIDENTS
from tests.hosts.accidents.checker import Findings
from tests.hosts.accidents.stage import MEMORIES, Memory

KEPT = ROOT / ".pytest_cache" / "accidents.json"


@dataclass(frozen=True)
class Recovery:
    """What one accident has brought about."""

    what: str
    seconds: float  # the longest time without an order
    owners: str
    adopted: bool  # a person had to take the broker's word for what is held

    def __str__(self) -> str:
        """Return it as a line."""
        by = ", after a person had adopted the broker's holdings" if self.adopted else ""
        return f"{self.what}: {self.seconds:g} s without an order{by} ({self.owners})"


@dataclass(frozen=True)
class Piece:
    """The accidents of one stage, by their names. After each of them the checker has found no problem."""

    memory: Memory
    recoveries: Mapping[str, Recovery] = field(default_factory=dict)
    slots: int = 0
    orders: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)

    def after(self, accident: str, recovery: Recovery, findings: Findings) -> "Piece":
        """Return how far it is after one accident more; the findings are of the whole stage."""
        known = {**self.recoveries, accident: recovery}
        return Piece(self.memory, known, findings.slots, findings.orders, dict(findings.outcomes))


@dataclass(frozen=True)
class Course:
    """All pieces so far."""

    seed: int
    of: str  # the sources
    pieces: Sequence[Piece] = ()

    @classmethod
    def kept(cls, seed: int, of: str) -> "Course":
        """Return what earlier calls have come to with this seed for these sources."""
        try:
            given = json.loads(KEPT.read_text())
            course = cls(given["seed"], given["of"], [_piece(one) for one in given["pieces"]])
        except (OSError, ValueError, TypeError, KeyError):
            return cls(seed, of)
        return course if of and (course.seed, course.of) == (seed, of) else cls(seed, of)

    def with_piece(self, piece: Piece) -> "Course":
        """Return the course with one piece more."""
        return Course(self.seed, self.of, [*self.pieces, piece])

    def keep(self) -> None:
        """Write it down for the next call."""
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(asdict(self)))

    def recoveries(self, memory: Memory) -> dict[str, Recovery]:
        """Return what has happened with one kind of broker."""
        return {name: found for one in self.pieces if one.memory == memory for name, found in one.recoveries.items()}

    def left(self, memory: Memory, only: str = "") -> list[str]:
        """Return the accidents that have not happened with one kind of broker, in an order by chance."""
        names = random.Random(f"{self.seed} {memory}").sample(sorted(ACCIDENTS), len(ACCIDENTS))
        done = self.recoveries(memory)
        return [name for name in names if only in name and name not in done]

    def table(self) -> list[Sequence[str]]:
        """Return a row for each accident: the longest time without an order, with either broker."""
        found = [self.recoveries(memory) for memory in MEMORIES]
        rows = [(name, *(_cell(one.get(name)) for one in found)) for name in ACCIDENTS]
        return [("SECONDS WITHOUT AN ORDER", *(f"THE BROKER {memory.upper()} IDS" for memory in MEMORIES)), *rows]

    def summary(self) -> str:
        """Return what was counted with either broker."""
        return "\n".join(self._summary(memory) for memory in MEMORIES)

    def _summary(self, memory: Memory) -> str:
        pieces = [one for one in self.pieces if one.memory == memory]
        slots, orders = sum(one.slots for one in pieces), sum(one.orders for one in pieces)
        outcomes = sum((Counter(one.outcomes) for one in pieces), Counter())
        return (
            f"the broker {memory} ids: {len(self.recoveries(memory))} accidents on {len(pieces)} stages, {slots} slots, "
            f"{orders} orders: 0 slots twice, 0 unaccounted, 0 doubled orders; {dict(outcomes)}"
        )


def _piece(given: Mapping[str, object]) -> Piece:
    recoveries: Mapping[str, Mapping[str, object]] = given["recoveries"]  # type: ignore[assignment]
    found = {name: Recovery(**one) for name, one in recoveries.items()}  # type: ignore[arg-type]
    return Piece(**{**given, "recoveries": found})  # type: ignore[arg-type]


def _cell(recovery: Recovery | None) -> str:
    return f"{recovery.seconds:.1f}{' (adopted)' * recovery.adopted}" if recovery else "-"
