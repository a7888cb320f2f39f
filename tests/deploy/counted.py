"""What a walk counts: the slots that a journal tells of, read here as plain lines, and how far the walk has come."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from deploy.table import aligned
from tests.engine.kit import ROOT

EVERY = timedelta(seconds=5)
KEPT = ROOT / ".pytest_cache" / "walk.json"


@dataclass(frozen=True)
class Count:
    """What the journal tells of the slots between its first and its last."""

    slots: int
    lost: Sequence[str]
    doubled: Sequence[str]
    outcomes: Mapping[str, int] = field(default_factory=dict)


def count(lines: Sequence[Mapping[str, object]]) -> Count:
    """Count the slots of the one bot: each is run or passed over, and that is told once."""
    told: Counter[datetime] = Counter()
    outcomes: Counter[str] = Counter()
    for line in lines:
        if line["event"] == "run_end" and line["trigger"] == "loop":
            told[datetime.fromisoformat(str(line["slot"]))] += 1
            outcomes[str(line["outcome"])] += 1
        elif line["event"] == "slot_skipped":
            last, number = datetime.fromisoformat(str(line["slot"])), int(str(line["count"]))
            told.update(last - EVERY * back for back in range(number))
            outcomes[f"{line['outcome']}: {line['reason']}"] += number
    first, last = min(told), max(told)
    expected = [first + EVERY * number for number in range((last - first) // EVERY + 1)]
    lost = [str(slot) for slot in expected if slot not in told]
    doubled = [str(slot) for slot, number in told.items() if number > 1]
    return Count(len(expected), lost, doubled, outcomes)


@dataclass(frozen=True)
class Piece:
    """How far a walk has come; each of its slots was told once, or it would have ended."""

    seed: int
    of: str  # the sources
    pieces: int = 0
    steps: int = 0
    slots: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)  # of steps
    seconds: float = 0.0

    @classmethod
    def kept(cls, seed: int, of: str) -> "Piece":
        """Return what earlier calls have walked with this seed for these sources."""
        try:
            piece = cls(**json.loads(KEPT.read_text()))
        except (OSError, ValueError, TypeError):
            return cls(seed, of)
        return piece if of and (piece.seed, piece.of) == (seed, of) else cls(seed, of)

    def after(self, kinds: Mapping[str, int], found: Count, seconds: float) -> "Piece":
        """Return how far it is after one piece more, of steps of these kinds."""
        return Piece(
            self.seed,
            self.of,
            self.pieces + 1,
            self.steps + sum(kinds.values()),
            self.slots + found.slots,
            dict(Counter(self.outcomes) + Counter(found.outcomes)),
            dict(Counter(self.kinds) + Counter(kinds)),
            self.seconds + seconds,
        )

    def table(self) -> str:
        """Return how often each kind of step was taken."""
        counted = sorted(self.kinds.items(), key=lambda one: (-one[1], one[0]))
        return aligned([("STEPS", "KIND"), *((str(number), kind) for kind, number in counted)])

    def keep(self) -> None:
        """Write it down for the next call."""
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(asdict(self)))
