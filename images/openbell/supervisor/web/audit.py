"""The audit trail: who changed what through the page or the API, when and from where, as JSON lines in a file next to the store."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from openbell.journal import instant, stamp

FILE = "audit.jsonl"
LARGEST = 1_000_000  # bytes of the file, after which a new one is begun; the one before is kept


@dataclass(frozen=True)
class AuditEntry:
    """One change. `by` is how it was permitted (token or session), `address` the machine that asked."""

    at: datetime
    action: str
    strategy: str
    bot: str
    by: str
    address: str
    details: Mapping[str, object] = field(default_factory=dict)


def record(folder: Path, entry: AuditEntry) -> None:
    """Append an entry. OSError if that cannot be done."""
    path = folder / FILE
    with suppress(FileNotFoundError):
        if path.stat().st_size > LARGEST:
            path.replace(path.with_suffix(".old.jsonl"))
    written = {
        "timestamp": stamp(entry.at),
        "action": entry.action,
        "strategy": entry.strategy,
        "bot": entry.bot,
        "by": entry.by,
        "address": entry.address,
        "details": dict(entry.details),
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(written) + "\n")


def newest(folder: Path, limit: int) -> Sequence[AuditEntry]:
    """Return the newest entries, newest first; what cannot be read is left out."""
    path = folder / FILE
    found: list[AuditEntry] = []
    for one in (path, path.with_suffix(".old.jsonl")):
        with suppress(FileNotFoundError):
            lines = one.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [entry for line in reversed(lines) for entry in _entry(line)]
        if len(found) >= limit:
            break
    return found[:limit]


def _entry(line: str) -> Iterator[AuditEntry]:
    with suppress(ValueError, AttributeError):
        written = json.loads(line)
        at, details = instant(written.get("timestamp")), written.get("details")
        if at is not None:
            action, strategy, bot, by, address = (
                str(written.get(name, "")) for name in ("action", "strategy", "bot", "by", "address")
            )
            yield AuditEntry(at, action, strategy, bot, by, address, details if isinstance(details, dict) else {})
