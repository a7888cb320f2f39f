"""What the parts of one loop share, as one value."""

from collections.abc import Mapping
from typing import NamedTuple

from openbell.manifest import Bot
from openbell.runner.loop_control import LoopControl
from openbell.runner.runs import Runs
from openbell.runner.slot_progress import SlotProgress
from openbell.runner.unwritten import Unwritten


class LoopParts(NamedTuple):
    """The bots of a loop, their runs, how far their slots are decided, what is still to be written, and what people ask."""

    bots: Mapping[str, Bot]
    runs: Runs
    progress: SlotProgress
    unwritten: Unwritten
    control: LoopControl
