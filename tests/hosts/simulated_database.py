"""The database of the simulation: one strategy's rows, and what its transactions do, each in one step."""

import copy
from dataclasses import dataclass, field
from typing import NamedTuple

from openbell.postgres.lease import IN_FLIGHT, LEASE, SEND_WITHIN

Answer = object


@dataclass(frozen=True)
class Rules:
    """What the database insists on. The tests weaken it, to see that the simulation would notice."""

    in_flight: float = IN_FLIGHT
    send_within: float = SEND_WITHIN
    is_guarded: bool = True
    minds_history: bool = (
        True  # what is due when commits were lost is passed over, and orders on their way are waited for
    )


class Guard(NamedTuple):
    """What an owner writes under."""

    epoch: int
    owner: int  # no two acquisitions have the same, also where the database forgets one
    timeline: int
    has_lost: bool  # commits were lost since the strategy was owned before


@dataclass
class Rows:
    """What the database keeps, and may lose."""

    epoch: int = 0
    owner: int = 0
    until: float = float("-inf")  # by its own clock
    claims: dict[int, tuple[Guard, int]] = field(default_factory=dict)  # slot → guard and run, while it has no outcome
    outcomes: list[int] = field(default_factory=list)  # slots, one for each outcome that was written
    decided: int = 0  # slots up to here are claimed or passed over
    intended: set[int] = field(default_factory=set)
    settled: int = 1  # the timeline on which an owner was last sure of these rows


@dataclass
class Database(Rows):
    """One strategy's rows."""

    rules: Rules = field(default_factory=Rules)
    rate: float = 1.0
    now: float = 0.0  # its own clock
    timeline: int = 1
    acquired_at: list[float] = field(default_factory=list)  # true time of each acquisition, when it began to act
    granted_at: float = 0.0  # true time of the last acquisition or renewal
    true_now: float = 0.0
    longest_takeover: float = 0.0  # true seconds

    def snapshot(self) -> Rows:
        """Return the rows as a standby has them now."""
        return copy.deepcopy(Rows(**{name: getattr(self, name) for name in Rows.__dataclass_fields__}))

    def promote(self, rows: Rows) -> None:
        """Go on with what a standby has, on a new timeline; what came later is lost."""
        for name in Rows.__dataclass_fields__:
            setattr(self, name, getattr(copy.deepcopy(rows), name))
        self.timeline += 1
        self.granted_at = self.true_now

    def owns(self, guard: Guard) -> bool:
        """Tell whether a transaction under this guard goes through."""
        is_mine = (guard.epoch, guard.owner, guard.timeline) == (self.epoch, self.owner, self.timeline)
        return not self.rules.is_guarded or (is_mine and self.now < self.until)

    def acquire(self) -> Answer:
        """Become the owner, if there is none; return the guard."""
        if self.until + self.rules.in_flight >= self.now:
            return None
        if self.epoch:
            self.longest_takeover = max(self.longest_takeover, self.true_now - self.granted_at)
        self.epoch += 1
        self.owner = len(self.acquired_at) + 1
        self.until = self.now + LEASE
        self.granted_at = self.true_now
        has_lost = self.rules.minds_history and self.settled != self.timeline
        self.acquired_at.append(self.true_now + (IN_FLIGHT if has_lost else 0.0))
        return Guard(self.epoch, self.owner, self.timeline, has_lost)

    def renew(self, guard: Guard) -> Answer:
        """Own for another lease; False if it is not owned any more, or commits were lost meanwhile."""
        if (guard.epoch, guard.owner, guard.timeline) != (
            self.epoch,
            self.owner,
            self.timeline,
        ) or self.now >= self.until:
            return False
        self.until, self.granted_at = self.now + LEASE, self.true_now
        return True

    def recover(self, guard: Guard) -> Answer:
        """End what epochs before have left open; pass over what may have run where commits were lost."""
        if self.owns(guard):
            self.outcomes += self.claims
            self.claims = {}
            if guard.has_lost:
                due = int(self.true_now)
                self.outcomes += range(self.decided + 1, due + 1)
                self.decided = max(self.decided, due)
            self.settled = self.timeline
        return None

    def claim(self, guard: Guard, slot: int, run: int) -> Answer:
        """Take a slot, and account for those before it."""
        if self.owns(guard) and self.claims.get(slot) == (guard, run):
            return True  # from an attempt without an answer
        if not self.owns(guard) or slot <= self.decided:
            return False
        self.outcomes += range(self.decided + 1, slot)  # passed over, and told in the same step
        self.claims[slot] = guard, run
        self.decided = slot
        return True

    def intend(self, guard: Guard, slot: int) -> Answer:
        """Record that the slot's order is about to be sent."""
        if not self.owns(guard) or slot in self.intended:
            return False
        self.intended.add(slot)
        return True

    def finish(self, guard: Guard, slot: int) -> Answer:
        """Write the run's end."""
        if self.owns(guard) and self.claims.pop(slot, None) is not None:
            self.outcomes.append(slot)
        return None
