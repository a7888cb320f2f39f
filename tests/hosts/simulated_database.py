"""The database of the simulation: one strategy's rows, and what its transactions do, each in one step."""

from dataclasses import dataclass, field

from openbell.postgres.lease import IN_FLIGHT, LEASE, SEND_WITHIN

Answer = object


@dataclass(frozen=True)
class Rules:
    """What the database insists on. The tests weaken it, to see that the simulation would notice."""

    in_flight: float = IN_FLIGHT
    send_within: float = SEND_WITHIN
    is_guarded: bool = True


@dataclass
class Database:
    """One strategy's rows."""

    rules: Rules
    rate: float
    epoch: int = 0
    until: float = float("-inf")  # by its own clock
    now: float = 0.0  # its own clock
    claims: dict[int, tuple[int, int]] = field(default_factory=dict)  # slot → epoch and run, while it has no outcome
    outcomes: list[int] = field(default_factory=list)  # slots, one for each outcome that was written
    decided: int = 0  # slots up to here are claimed or passed over
    intended: set[int] = field(default_factory=set)
    acquired_at: list[float] = field(default_factory=list)  # true time of each epoch
    granted_at: float = 0.0  # true time of the last acquisition or renewal
    true_now: float = 0.0
    longest_takeover: float = 0.0  # true seconds

    def owns(self, epoch: int) -> bool:
        """Tell whether a transaction of this epoch goes through."""
        return not self.rules.is_guarded or (epoch == self.epoch and self.now < self.until)

    def acquire(self) -> Answer:
        """Become the owner, if there is none; return the epoch."""
        if self.until + self.rules.in_flight >= self.now:
            return None
        if self.epoch:
            self.longest_takeover = max(self.longest_takeover, self.true_now - self.granted_at)
        self.epoch += 1
        self.until = self.now + LEASE
        self.granted_at = self.true_now
        self.acquired_at.append(self.true_now)
        return self.epoch

    def renew(self, epoch: int) -> Answer:
        """Own for another lease; False if it is not owned any more."""
        if epoch != self.epoch or self.now >= self.until:
            return False
        self.until, self.granted_at = self.now + LEASE, self.true_now
        return True

    def recover(self, epoch: int) -> Answer:
        """End what epochs before have left open."""
        if self.owns(epoch):
            self.outcomes += self.claims
            self.claims = {}
        return None

    def claim(self, epoch: int, slot: int, run: int) -> Answer:
        """Take a slot, and account for those before it."""
        if self.owns(epoch) and self.claims.get(slot) == (epoch, run):
            return True  # from an attempt without an answer
        if not self.owns(epoch) or slot <= self.decided:
            return False
        self.outcomes += range(self.decided + 1, slot)  # passed over, and told in the same step
        self.claims[slot] = epoch, run
        self.decided = slot
        return True

    def intend(self, epoch: int, slot: int) -> Answer:
        """Record that the slot's order is about to be sent."""
        if not self.owns(epoch) or slot in self.intended:
            return False
        self.intended.add(slot)
        return True

    def finish(self, epoch: int, slot: int) -> Answer:
        """Write the run's end."""
        if self.owns(epoch) and self.claims.pop(slot, None) is not None:
            self.outcomes.append(slot)
        return None
