"""An attempt in progress: how it ends, when it has taken too long, and whether a stream still beats."""

from pathlib import Path

from openbell import heartbeat
from openbell.runner.active import Active
from openbell.runner.processes import Ending, RunProcess
from openbell.runner.report import Failure

STOP_WAIT = 10.0  # seconds that a stream is given to end by itself
STACK_WAIT = 0.5  # seconds that a hung run is given to dump its stack


def watch(active: Active, process: RunProcess, steady: float, folder: Path) -> None:
    """Note how the attempt has ended; ask it for its stack once its time is over, and kill it soon after.

    folder: the strategy's in the journal, where a stream beats.
    """
    if active.bot.is_stream:
        _watch_stream(active, process, steady, folder)
    if active.asked_stack_at is not None and steady >= active.asked_stack_at + STACK_WAIT and active.stack is None:
        active.stack = process.stack()
        process.kill()
    ending = process.poll()
    if ending is not None:
        active.process = None
        if active.stack is not None:
            ending = Ending(Failure(active.timeout_text, active.stack))
        elif active.asked_to_stop_at is not None:
            ending = Ending(None)  # however it ended: it was to
        active.ending = ending
        active.duration = steady - active.started_at
    elif active.asked_stack_at is None and steady >= active.times_out_at:
        active.asked_stack_at = steady
        process.ask_stack()


def _watch_stream(active: Active, process: RunProcess, steady: float, folder: Path) -> None:
    newest = heartbeat.stream_beat(folder, active.bot.id)
    if newest != active.beat:
        active.beat, active.beat_at = newest, steady
    if active.asked_to_stop_at is not None and steady >= active.asked_to_stop_at + STOP_WAIT:
        process.kill()
