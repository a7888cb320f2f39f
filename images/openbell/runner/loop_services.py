"""What a loop works with, and what its parts share: one value each."""

from collections.abc import Mapping
from typing import NamedTuple

from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import Bot
from openbell.records import dataclass, field
from openbell.runner.armed import ArmedRuns
from openbell.runner.clock import Clock
from openbell.runner.flattening import Flattening
from openbell.runner.loop_control import LoopControl
from openbell.runner.order_follower import OrderFollower
from openbell.runner.processes import Launcher
from openbell.runner.runs import Runs
from openbell.runner.slot_progress import SlotProgress
from openbell.runner.unwritten import Unwritten


@dataclass(frozen=True)
class LoopServices:
    """The clock, the stores and the parts of one loop.

    follower: follows open orders between slots; without one they are queried before each run.
    armed: starts the processes of runs ahead of their slots; without it they are started when they are due.
    flattening: closes what is held when a person asks for it.
    """

    clock: Clock
    ledger: Ledger
    journal: Journal
    control: LoopControl
    launcher: Launcher
    follower: OrderFollower | None = None
    armed: ArmedRuns | None = None
    flattening: Flattening = field(default_factory=Flattening)


class LoopParts(NamedTuple):
    """The bots of a loop, their runs, how far their slots are decided, what is still to be written, and what people ask."""

    bots: Mapping[str, Bot]
    runs: Runs
    progress: SlotProgress
    unwritten: Unwritten
    control: LoopControl
