"""The beat: a loop's sign of life, a small file beside its journal that is replaced every few seconds.

A stream has a beat of its own: a file that is touched while its events arrive.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from openbell.journal import instant, stamp

INTERVAL = 5.0  # seconds between two beats
UNTIL_NEXT = "nothing more is due"  # the reason of a service_stop that cron's next start follows, whenever that is
OLD = 30.0  # seconds after which a loop counts as stalled; the container's health check has the same figure


@dataclass(frozen=True)
class Heartbeat:
    """When a loop last turned, and which of its boots it was."""

    timestamp: datetime
    boot_id: str
    running: tuple[str, ...]  # ids of the bots that have a run in progress
    streams: Mapping[str, datetime] = field(default_factory=dict)  # the newest beats of streams, by bot


def write(folder: Path, beat: Heartbeat) -> None:
    """Replace the beat in a strategy's journal folder; OSError if that cannot be done."""
    temporary = folder / "beat.json.new"
    content = {"timestamp": stamp(beat.timestamp), "boot_id": beat.boot_id, "running": list(beat.running)} | (
        {"streams": {bot: stamp(at) for bot, at in beat.streams.items()}} if beat.streams else {}
    )
    temporary.write_text(json.dumps(content) + "\n")
    temporary.replace(folder / "beat.json")


def read(folder: Path) -> Heartbeat | None:
    """Return the beat in a strategy's journal folder, or None if there is none that can be read."""
    try:
        content = json.loads((folder / "beat.json").read_text())
        timestamp, boot_id, running = instant(content["timestamp"]), content["boot_id"], content["running"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if timestamp is None or not isinstance(boot_id, str) or not isinstance(running, list):
        return None
    said = content.get("streams", {})
    streams = {str(bot): at for bot, text in said.items() if (at := instant(text))} if isinstance(said, dict) else {}
    return Heartbeat(timestamp, boot_id, tuple(str(bot) for bot in running), streams)


def is_there(folder: Path) -> bool:
    """Tell whether a loop has begun to beat and has not stopped in order since."""
    return (folder / "beat.json").exists()


def end(folder: Path) -> None:
    """Take the beat away: the loop stops in order."""
    (folder / "beat.json").unlink(missing_ok=True)


def touch_stream(folder: Path, bot: str) -> None:
    """Leave a stream's sign of life in a strategy's journal folder; a full disk does not stop it."""
    with contextlib.suppress(OSError):
        path = folder / "streams" / bot
        try:
            os.utime(path)
        except FileNotFoundError:
            path.parent.mkdir(exist_ok=True)
            path.touch()


def stream_beat(folder: Path, bot: str) -> datetime | None:
    """Return when a stream last beat, or None if it never has."""
    try:
        return datetime.fromtimestamp((folder / "streams" / bot).stat().st_mtime, UTC)
    except OSError:
        return None
