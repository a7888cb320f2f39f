"""The beat: a loop's sign of life, a small file beside its journal that is replaced every few seconds."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from openbell.journal import instant, stamp

INTERVAL = 5.0  # seconds between two beats
OLD = 30.0  # seconds after which a loop counts as stalled; the container's health check has the same figure


@dataclass(frozen=True)
class Beat:
    """When a loop last turned, and which of its boots it was."""

    timestamp: datetime
    boot_id: str
    running: tuple[str, ...]  # ids of the bots that have a run in progress


def write(folder: Path, beat: Beat) -> None:
    """Replace the beat in a strategy's journal folder; OSError if that cannot be done."""
    temporary = folder / "beat.json.new"
    content = {"timestamp": stamp(beat.timestamp), "boot_id": beat.boot_id, "running": list(beat.running)}
    temporary.write_text(json.dumps(content) + "\n")
    temporary.replace(folder / "beat.json")


def read(folder: Path) -> Beat | None:
    """Return the beat in a strategy's journal folder, or None if there is none that can be read."""
    try:
        content = json.loads((folder / "beat.json").read_text())
        timestamp, boot_id, running = instant(content["timestamp"]), content["boot_id"], content["running"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if timestamp is None or not isinstance(boot_id, str) or not isinstance(running, list):
        return None
    return Beat(timestamp, boot_id, tuple(str(bot) for bot in running))
