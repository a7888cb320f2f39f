"""Keeps the streams of a loop running: each is started again when it ends, after pauses that grow."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from openbell import heartbeat
from openbell.control import Control
from openbell.ledger import Claim
from openbell.manifest import Bot, windows
from openbell.restarts import NOW, Restart
from openbell.runner.runs import Runs, new_run_id

RAN_WELL = 10.0  # seconds; a stream that ran so long had its connection: what cut it is no reason to wait


class Streams:
    """The streams of one loop."""

    def __init__(self, bots: Mapping[str, Bot], runs: Runs, control: Control) -> None:
        self._bots = bots
        self._runs = runs
        self._control = control
        self._restarts: dict[str, Restart] = {}

    def add(self, bot_id: str) -> None:
        """Keep the bot running from now on."""
        self._restarts[bot_id] = NOW

    def stop(self, steady: float) -> None:
        """Ask all to end."""
        for bot_id in self._restarts:
            self._runs.stop_stream(bot_id, steady)

    def tend(self, now: datetime, steady: float) -> None:
        """Keep each running, unless its bot is paused or in a blackout."""
        for bot_id in self._restarts:
            pause = self._control.paused(bot_id)
            if self._runs.of(bot_id) is None and self._restarts[bot_id].began_at is not None:
                self._restarts[bot_id] = self._restarts[bot_id].ended(steady, RAN_WELL)
            blackout = windows.covering(self._bots[bot_id].schedule.blackout, now)
            if blackout or (pause is not None and pause.holds(now)):
                self._runs.stop_stream(bot_id, steady)
            elif self._runs.of(bot_id) is None and steady >= self._restarts[bot_id].at:
                self._restarts[bot_id] = self._restarts[bot_id].started(steady)
                self._runs.queue(Claim(bot_id, now, new_run_id(), 1, "stream", now), self._bots[bot_id])

    def beats(self, folder: Path) -> dict[str, datetime]:
        """Return the newest sign of life of each that has given one."""
        return {bot: at for bot in self._restarts if (at := heartbeat.stream_beat(folder, bot))}

    def waits(self, steady: float) -> Iterator[float]:
        """Yield in how many seconds each may be started again, of those that may not now."""
        # One that could be started and is not running is paused: the next step finds that it was resumed.
        return (one.at - steady for one in self._restarts.values() if one.at > steady)
