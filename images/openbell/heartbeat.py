"""The beat: a loop's sign of life, a small file beside its journal that is replaced every few seconds.

A stream has a beat of its own: a file that is touched while its events arrive.
"""

import contextlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from openbell import foreign_files
from openbell.foreign_files import ForeignFileError
from openbell.journal import instant, stamp
from openbell.records import dataclass, field

INTERVAL = 15.0  # seconds between two beats; an idle loop wakes for nothing else
UNTIL_NEXT = "nothing more is due"  # the reason of a service_stop that cron's next start follows, whenever that is
FILE = "beat.json"  # in a strategy's journal folder
_STANDBY = "standby.json"
_STREAMS = "streams"
OLD = 30.0  # seconds after which a loop counts as stalled; the container's health check has the same figure


@dataclass(frozen=True)
class Heartbeat:
    """When a loop last turned, and which of its boots it was."""

    timestamp: datetime
    boot_id: str
    running: tuple[str, ...]  # ids of the bots that have a run in progress
    streams: Mapping[str, datetime] = field(default_factory=dict)  # the newest beats of streams, by bot
    host: str = field(default="", compare=False)  # the container that it comes from; "" from versions up to 0.1.0
    release: str = field(default="", compare=False)  # of the strategy's folder; "" from versions that did not say it


def write(folder: Path, beat: Heartbeat) -> None:
    """Replace the beat in a strategy's journal folder; OSError if that cannot be done."""
    content: dict[str, object] = {
        "timestamp": stamp(beat.timestamp),
        "boot_id": beat.boot_id,
        "running": list(beat.running),
        # While a deploy starts a container beside the old one, both have this folder.
        "host": os.uname().nodename,
        **({"release": beat.release} if beat.release else {}),
    } | ({"streams": {bot: stamp(at) for bot, at in beat.streams.items()}} if beat.streams else {})
    foreign_files.write_object(folder / FILE, folder.parent, content, durable=False)


def read(folder: Path) -> Heartbeat | None:
    """Return the beat in a strategy's journal folder, or None if there is none that can be read.

    OSError if this process is short of something, such as descriptors: that says nothing of the loop.
    """
    try:
        content = foreign_files.read_object(folder / FILE, folder.parent)
    except (FileNotFoundError, ForeignFileError):
        return None
    timestamp, boot_id, running = instant(content.get("timestamp")), content.get("boot_id"), content.get("running")
    if timestamp is None or not isinstance(boot_id, str) or not isinstance(running, list):
        return None
    said = content.get("streams", {})
    streams = {str(bot): at for bot, text in said.items() if (at := instant(text))} if isinstance(said, dict) else {}
    host, release = (text if isinstance(text := content.get(key), str) else "" for key in ("host", "release"))
    return Heartbeat(timestamp, boot_id, tuple(str(bot) for bot in running), streams, host, release)


def is_there(folder: Path) -> bool:
    """Tell whether a loop has begun to beat and has not stopped in order since."""
    return written_at(folder) is not None


def written_at(folder: Path) -> datetime | None:
    """Return when the beat was written, by the file system's clock, or None if there is none."""
    return _written_at(folder / FILE, folder.parent)


def end(folder: Path) -> None:
    """Take the beat away: the loop stops in order."""
    foreign_files.remove(folder / FILE, folder.parent)


def stand_by(folder: Path, at: datetime) -> None:
    """Say that this host's loop waits while one elsewhere runs the strategy, whose beat is the one in the folder."""
    content: dict[str, object] = {"timestamp": stamp(at), "host": os.uname().nodename}
    foreign_files.write_object(folder / _STANDBY, folder.parent, content, durable=False)


def end_standby(folder: Path) -> None:
    """Say that this host's loop runs the strategy itself, or has ended."""
    foreign_files.remove(folder / _STANDBY, folder.parent)


def stands_by(folder: Path, since: float) -> bool:
    """Tell whether a loop of this container has begun to stand by since then, in seconds of the epoch."""
    try:
        content = foreign_files.read_object(folder / _STANDBY, folder.parent)
    except (FileNotFoundError, ForeignFileError):
        return False
    at = _written_at(folder / _STANDBY, folder.parent)
    return content.get("host") == os.uname().nodename and at is not None and at.timestamp() > since


def touch_stream(folder: Path, bot: str) -> None:
    """Leave a stream's sign of life in a strategy's journal folder; a full disk does not stop it."""
    with contextlib.suppress(OSError):
        path = folder / _STREAMS / bot
        path.parent.mkdir(exist_ok=True)
        file = foreign_files.open_file(path, folder.parent, os.O_WRONLY | os.O_CREAT)
        try:
            os.utime(file)
        finally:
            os.close(file)


def stream_beat(folder: Path, bot: str) -> datetime | None:
    """Return when a stream last beat, or None if it never has."""
    return _written_at(folder / _STREAMS / bot, folder.parent)


def _written_at(path: Path, trusted: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(foreign_files.status_of(path, trusted).st_mtime, UTC)
    except (OSError, ValueError, OverflowError):  # there is none, or its time is beyond all years
        return None
