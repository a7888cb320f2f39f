"""When something that has ended is started again: soon after it ran well, else after pauses that grow."""

from openbell.records import dataclass, replace

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between an end and the next start


@dataclass(frozen=True)
class Restart:
    """The next start of one thing. All instants are seconds that no clock step disturbs.

    at: not before then. pause: how long was waited for it. began_at: when it was started, None while it does not run.
    """

    at: float = float("-inf")
    pause: float = 0.0
    began_at: float | None = None

    def started(self, now: float) -> "Restart":
        """Return what holds once it is started."""
        return replace(self, began_at=now)

    def ended(self, now: float, ran_well: float) -> "Restart":
        """Return what holds once it has ended. ran_well: seconds after which its end is no reason to wait longer."""
        has_run_well = self.began_at is not None and now - self.began_at >= ran_well
        pause = FIRST_PAUSE if has_run_well or not self.pause else min(2 * self.pause, LONGEST_PAUSE)
        return Restart(now + pause, pause)


NOW = Restart()  # what has not run yet may start at once
