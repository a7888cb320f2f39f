"""How long an owner may act, and when another may take over. Pure: the simulation runs on it as the loops do.

The database judges ownership by its own clock, from the instant at which it grants a renewal. The owner counts from the
earlier instant at which it asked, by a clock that never steps, and stops before its time is up. Two clocks need not agree
on the time for that, only on how long some seconds take.
"""

from openbell.records import dataclass, replace

LEASE = 12.0  # seconds that a renewal is good for
RENEW = 3.0  # seconds from one renewal to the next
PATIENCE = 2.5  # seconds that an owner's loop waits for an answer: it has to stop in time if none comes
RETRY = 0.5  # seconds to the next attempt after one that failed
END_BEFORE = 4.0  # seconds before its end at which an owner that could not renew has ended its runs
IN_FLIGHT = 5.0  # seconds after its end that an order of the owner before may still be on its way
SEND_WITHIN = 1.0  # seconds from the last check of the ownership in which an order leaves, or does not leave at all
ASK = 1.0  # seconds between two attempts of a standby
# From an owner's last renewal to another owner, if the database answers at once.
LONGEST_TAKEOVER = LEASE + IN_FLIGHT + ASK


@dataclass(frozen=True)
class Lease:
    """An owner's own view of its time, in seconds of its steady clock."""

    epoch: int
    asked_at: float  # when it asked for the renewal that it was granted last
    next_at: float  # when it asks again

    @classmethod
    def granted(cls, epoch: int, asked_at: float) -> "Lease":
        """Return the lease of an owner that asked then."""
        return cls(epoch, asked_at, asked_at + RENEW)

    @property
    def ends_at(self) -> float:
        """When its runs have to be ended unless it is renewed."""
        return self.asked_at + LEASE - END_BEFORE

    def failed(self, steady: float) -> "Lease":
        """Return the lease after an attempt without an answer: whether it was granted is not known, so it counts as not."""
        return replace(self, next_at=steady + RETRY)

    def is_due(self, steady: float) -> bool:
        """Tell whether it is time to ask."""
        return steady >= self.next_at

    def is_over(self, steady: float) -> bool:
        """Tell whether nothing may go on under this lease."""
        return steady >= self.ends_at
