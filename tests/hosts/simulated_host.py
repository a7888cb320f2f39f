"""A host of a simulated history."""

from random import Random

CLOCK_RATE = 0.005  # by so much a clock may be fast or slow


class Host:
    """A host: a loop, at most one child, and a link to the database."""

    def __init__(self, number: int, random: Random) -> None:
        self.number = number
        self.rate = 1 + random.uniform(-CLOCK_RATE, CLOCK_RATE)
        self.frozen_until = 0.0  # the whole machine
        self.loop_frozen_until = 0.0  # its loop only: a child goes on
        self.requests_cut_until = self.answers_cut_until = 0.0
        self.slow_until = 0.0
        self.boot = 0  # of the loop: what an older boot has begun does not go on
        self.child = 0  # number of the child that is alive; 0 is none
        self.watch_ends: float | None = None  # true time at which a loop that hangs is ended
        self.unlucky_until = 0.0  # until then this host is no standby that could take over in time
