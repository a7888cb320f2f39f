"""Whether the machine's clock can be trusted: for some minutes after a start or a jump it cannot. Pure but for its memory."""

from datetime import datetime, timedelta

JUMP = timedelta(seconds=60)  # two readings of the clock that are further apart mean a jump, or an absence
TRUSTED = timedelta(seconds=300)  # a clock that goes on for so long is trusted


class ClockTrust:
    """Follows the clock from one reading to the next."""

    def __init__(self, now: datetime) -> None:
        self._now = self.since = now  # since: when it has jumped last
        self._is_trusted = False

    def check(self, now: datetime) -> str:
        """Return "ahead" or "back" if the clock has jumped since the last check, "trusted" once it is, and otherwise nothing."""
        before, self._now = self._now, now
        if abs(now - before) > JUMP:
            self.since, self._is_trusted = now, False
            return "ahead" if now > before else "back"
        if self._is_trusted or now < self.since + TRUSTED:
            return ""
        self._is_trusted = True
        return "trusted"
