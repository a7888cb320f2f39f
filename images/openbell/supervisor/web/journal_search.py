"""Searches the journals' files for the page: the newest lines first, back to any moment, within a bound of bytes."""

import heapq
import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from openbell import journal
from openbell.journal import Event

MOST_LINES = 100  # on a page
MOST_BYTES = 16_000_000  # that are read for a page
_SHOWN = frozenset({"timestamp", "event", "level", "strategy", "boot_id", "bot", "symbol", "slot", "run_id", "attempt"})


@dataclass(frozen=True)
class Filters:
    """Which lines are wanted. An empty text wants all; `text` is found anywhere in a line, in upper or lower case."""

    event: str = ""
    bot: str = ""
    symbol: str = ""
    text: str = ""

    def matches(self, event: Event) -> bool:
        """Tell whether a line is wanted."""
        # A strategy may have written anything there, also what no set could hold.
        if self.event not in ("", event["event"]) or self.bot not in ("", event.get("bot")):
            return False
        if self.symbol not in ("", event.get("symbol")) and self.symbol not in _list(event.get("symbols")):
            return False
        return not self.text or self.text.casefold() in json.dumps(event, ensure_ascii=False).casefold()


def export_command(strategy: str, filters: Filters, day: date) -> str:
    """Return the command that exports the lines that pass the filters, from a day on, on the machine of the operator."""
    given = {
        "STRATEGY": strategy,
        "BOT": filters.bot,
        "EVENT": filters.event,
        "SYMBOL": filters.symbol,
        "TEXT": filters.text,
    }
    variables = {"TO": "journal.csv", **given, "SINCE": day.isoformat()}
    return " ".join(("make export", *(f"{name}={shlex.quote(text)}" for name, text in variables.items() if text)))


@dataclass(frozen=True)
class Line:
    """A line of a journal: its head, and the rest as text."""

    at: datetime
    event: Event

    @property
    def rest(self) -> str:
        """All that is not in a column, as JSON."""
        more = {key: value for key, value in self.event.items() if key not in _SHOWN}
        return json.dumps(more, ensure_ascii=False) if more else ""


@dataclass(frozen=True)
class SearchResult:
    """The lines that were found, newest first; is_cut: not all was searched, `searched_to` says how far back."""

    lines: Sequence[Line]
    has_more: bool
    is_cut: bool = False
    searched_to: datetime | None = None


def search(
    root: Path, strategies: Sequence[str], filters: Filters, until: datetime, limit: int = MOST_LINES
) -> SearchResult:
    """Return the newest lines up to `until` that are wanted; OSError if a journal cannot be read."""
    room = MOST_BYTES // max(1, len(strategies))
    reaches: list[datetime] = []
    newest = heapq.merge(
        *(_backwards(root / name, filters, until, room, reaches) for name in strategies),
        key=lambda line: line.at,
        reverse=True,
    )
    lines = []
    for line in newest:
        lines.append(line)
        if len(lines) > limit:
            return SearchResult(lines[:limit], has_more=True)
    return SearchResult(lines, has_more=False, is_cut=bool(reaches), searched_to=max(reaches, default=None))


def _backwards(folder: Path, filters: Filters, until: datetime, room: int, reaches: list[datetime]) -> Iterator[Line]:
    """Yield one strategy's lines, newest first; where the room for bytes ends, say in `reaches` how far back it went."""
    for day, path in reversed(journal.days(folder)):
        if day > until.astimezone(UTC).date():
            continue
        used = 0
        for used, event in journal.backwards(path):
            at = journal.instant(event.get("timestamp"))
            if at is None:
                continue
            if used > room:
                reaches.append(at)
                return
            if at <= until and filters.matches(event):
                yield Line(at, event)
        room -= used


def whole_day(root: Path, strategies: Sequence[str], filters: Filters, day: datetime) -> Iterator[str]:
    """Yield the lines of one UTC day that are wanted, strategy by strategy, oldest first, as JSON lines."""
    for name in strategies:
        path = root / name / f"{day.date().isoformat()}.jsonl"
        if not path.exists():
            continue
        for _, event in journal.read(path):
            if event is not None and filters.matches(event):
                yield json.dumps(event) + "\n"


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
