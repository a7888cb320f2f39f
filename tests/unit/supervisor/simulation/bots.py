"""What a simulated loop keeps of each of its bots."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from openbell.control import Pause
from openbell.manifest import Bot

Fate = Callable[["SimulatedBot", datetime, datetime], None]  # what becomes of a slot: bot, slot, now


@dataclass
class OpenRun:
    """A run in progress."""

    run_id: str
    slot: datetime
    attempt: int = 1
    trigger: str = "loop"
    hung: bool = False


@dataclass
class SimulatedBot:
    """One bot: what is to become of its next slots, and which have no outcome yet."""

    bot: Bot
    fates: deque[Fate] = field(default_factory=deque)
    pending: list[datetime] = field(default_factory=list)
    open: OpenRun | None = None
    pause: Pause | None = None
    heard: datetime | None = None  # of a stream, its newest beat
    silent: bool = False  # of a stream: no events arrive
    overlapped: set[datetime] = field(default_factory=set)  # slots that came due during the run before
    creeps_since: datetime | None = None  # its runs take longer from then on, day by day
