"""The truth: what the simulation did to each slot, and what had to be said of it and when. Knows nothing of the watch."""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

CALENDAR_RAN_OUT = "its calendar had run out"  # a cause: slots of the past become known
SHOWN = 20  # slots of a bot by which overlaps are judged
Key = tuple[str, str, str]  # kind, strategy, bot


@dataclass
class Trouble:
    """Something that is wrong from `begin` to `end`, and that a supervisor has to say in just that time, once."""

    kind: str
    strategy: str
    bot: str
    begin: datetime
    cause: str
    end: datetime | None = None
    undone: bool = False  # its only slot ran after all: what is told of it later is that it succeeded, late

    @property
    def key(self) -> Key:
        """What makes it the same trouble as before."""
        return self.kind, self.strategy, self.bot


class Truth:
    """Keeps the outcome of each slot, and all troubles."""

    def __init__(self, attend: Callable[[datetime], None]) -> None:
        """`attend` is told the instants at which something begins or ends: there is a judgement right after them."""
        self.outcomes: dict[tuple[str, str], dict[datetime, str | None]] = defaultdict(dict)
        self.troubles: list[Trouble] = []
        self._open: dict[Key, Trouble] = {}
        self._rows: dict[tuple[str, str], dict[datetime, str]] = defaultdict(
            dict
        )  # went wrong since the newest good slot
        self._good: dict[tuple[str, str], datetime] = {}
        self._attend = attend

    def expect(self, strategy: str, bot: str, slot: datetime) -> None:
        """Say that a slot is due."""
        self.outcomes[strategy, bot].setdefault(slot, None)

    def expects(self, strategy: str, bot: str, slot: datetime) -> bool:
        """Tell whether an instant is one of the bot's slots."""
        return slot in self.outcomes[strategy, bot]

    def outcome(self, at: datetime, strategy: str, bot: str, slot: datetime, outcome: str, cause: str) -> None:
        """Say how a slot ended, as it can be known from `at` on; a later word replaces an earlier one."""
        self.outcomes[strategy, bot][slot] = outcome
        row, good = self._rows[strategy, bot], self._good.get((strategy, bot))
        was = row.pop(slot, None)
        if outcome == "succeeded":
            good = self._good[strategy, bot] = max(slot, good or slot)
            for older in [older for older in row if older < good]:
                del row[older]
        elif outcome != "skipped" and (good is None or slot > good):
            row[slot] = outcome
        if was is not None and outcome == "succeeded" and was not in row.values():
            self._open[was, strategy, bot].undone = True
        for kind in ("missed", "failed", "timed_out", "interrupted"):
            if kind in row.values():
                self.begin(at, kind, strategy, bot, cause)
            else:
                self.end(at, kind, strategy, bot)

    def overlaps(self, at: datetime, strategy: str, bot: str, overlapped: set[datetime], cause: str) -> None:
        """Say that runs overlap or no longer do, from the bot's newest slots as a text: o overlap, r ran, - anything else."""
        newest = islice(reversed(self.outcomes[strategy, bot].items()), SHOWN)
        ran = {"succeeded", "failed", "timed_out", "interrupted"}
        text = "".join("o" if slot in overlapped else "r" if was in ran else "-" for slot, was in newest)
        recent = re.split("r-*r-*r-*r-*r", text)[0].replace("-", "")
        long = recent.startswith("o") and recent.count("o") >= 10 and not self._rows[strategy, bot]
        goes_on = long or (recent.count("o") >= 3 and re.search("or+o", recent))
        if goes_on and ("hung", strategy, bot) not in self._open:
            self.begin(at, "overlapping", strategy, bot, cause)
        else:
            self.end(at, "overlapping", strategy, bot)

    def is_open(self, strategy: str, bot: str, slot: datetime) -> bool:
        """Tell whether a slot has no outcome yet."""
        return self.outcomes[strategy, bot].get(slot) is None

    def begin(self, at: datetime, kind: str, strategy: str, bot: str, cause: str) -> None:
        """Say that something is wrong from now on."""
        key = (kind, strategy, bot)
        if key not in self._open:
            self._open[key] = Trouble(*key, at, cause)
            self.troubles.append(self._open[key])
            self._attend(at)

    def end(self, at: datetime, kind: str, strategy: str, bot: str) -> None:
        """Say that it is over."""
        trouble = self._open.pop((kind, strategy, bot), None)
        if trouble is not None:
            trouble.end = at
            self._attend(at)

    def has_trouble(self, strategy: str) -> bool:
        """Tell whether anything is wrong with a strategy or its bots."""
        return any(key[1] == strategy for key in self._open)
