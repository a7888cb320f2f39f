"""A slot on its way to its outcome."""

from datetime import datetime

from openbell.control import Request
from openbell.ledger import Claim
from openbell.manifest import Bot
from openbell.records import dataclass
from openbell.runner.processes import Ending, RunProcess
from openbell.strategy.run_state import Run


@dataclass
class Active:
    """A slot on its way from being due to having an outcome: queued, running, or waiting for its next attempt."""

    claim: Claim
    bot: Bot
    queued_at: float  # elapsed seconds
    request: Request | None = None
    claimed: bool = False
    begun: bool = False  # run_start of the current attempt is written
    started_at: float = 0.0
    attempt_at: float = 0.0  # elapsed seconds before which the next attempt may not start
    process: RunProcess | None = None
    beat: datetime | None = None  # of a stream, the newest
    beat_at: float = 0.0  # elapsed seconds at which it was noticed
    asked_to_stop_at: float | None = None  # a stream
    asked_stack_at: float | None = None  # the attempt is past its time-out
    stack: str | None = None  # the stack that a timed-out attempt hung in
    ending: Ending | None = None
    duration: float = 0.0  # seconds
    told: bool = False  # the failure is in the journal
    retry_in: float | None = None  # seconds, if the failure is to be retried
    ended: bool = False  # run_end is in the journal

    @property
    def run(self) -> Run:
        """The run, as a context and the journal know it."""
        return Run(self.bot, self.claim.slot, self.claim.run_id, self.claim.attempt)

    @property
    def may_start_late(self) -> bool:
        """Tell whether the slot's grace does not bind the run."""
        return self.request is not None or self.bot.is_stream

    @property
    def start_by(self) -> datetime | None:
        """The instant after which the current attempt may not start any more; None if it may at any time."""
        if self.claim.attempt > 1:
            return self.bot.retry_by(self.claim.slot)
        return None if self.may_start_late else self.bot.catch_up_by(self.claim.slot)

    @property
    def times_out_at(self) -> float:
        """The elapsed seconds at which the attempt is hung: after its start, or a stream's last beat."""
        return max(self.started_at, self.beat_at) + self.bot.timeout.total_seconds()

    @property
    def outcome(self) -> str:
        """How the slot ends, once `ending` is there and no retry follows."""
        if self.ending is not None and self.ending.failure is None:
            return "succeeded"
        return "failed" if self.stack is None else "timed_out"

    @property
    def due(self) -> datetime:
        """When the run is due: at its slot with the bot's share of the stagger, which runs that have no slot do not have."""
        return self.claim.slot if self.may_start_late else self.claim.slot + self.bot.shift

    @property
    def timeout_text(self) -> str:
        """The error of an attempt that was killed because it hung."""
        timeout = f"its timeout of {self.bot.timeout.total_seconds():g} s and was killed"
        return (
            f"the stream has not beaten for {timeout}" if self.bot.is_stream else f"the run took longer than {timeout}"
        )


def milliseconds(seconds: float) -> float:
    """Return a duration as the journal has it."""
    return round(seconds * 1000, 3)
