"""`openbell journal`: the lines of one strategy's journal, whole and as they are, for grep and jq."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell import foreign_files
from openbell.command_parser import command_parser
from openbell.journal import instant, since
from openbell.manifest import parse_duration, suggestion


def main(arguments: Sequence[str]) -> int:
    """Print the lines that fit; return 1 if there is none, as grep does."""
    parser = command_parser("journal")
    parser.add_argument("strategy")
    parser.add_argument("--symbol", default="", help="only lines about this symbol")
    parser.add_argument("--bot", default="", help="only lines of this bot")
    parser.add_argument("--event", default="", help="only this event, such as decision")
    parser.add_argument("--since", default="1d", help='a duration such as "2h" or "30d", or a date such as 2026-11-20')
    parser.add_argument("--journal", type=Path, default=Path(os.environ.get("OPENBELL_JOURNAL", "/journal")))
    options = parser.parse_args(arguments)
    start = since_instant(options.since, datetime.now(UTC))
    if start is None:
        print(
            f'--since: found "{options.since}"; allowed: a duration such as "2h" or a date such as 2026-11-20',
            file=sys.stderr,
        )
        return 2
    folder = options.journal / options.strategy
    wanted = {name: value for name in ("symbol", "bot", "event") if (value := getattr(options, name))}
    try:
        known = foreign_files.folders(options.journal)
        if options.strategy not in known:
            print(
                f"{options.strategy}: no journal of that strategy; {suggestion(options.strategy, known)}",
                file=sys.stderr,
            )
            return 1
        seen: dict[str, set[str]] = {name: set() for name in wanted}
        printed = False
        for event in since(folder, start.date()):
            at = instant(event.get("timestamp"))
            if at is None or at < start:
                continue
            for name, values in seen.items():
                values.add(str(event.get(name, "")))
            if all(event.get(name) == value for name, value in wanted.items()):
                print(json.dumps(event))
                printed = True
        if not printed:
            print(nothing(options.strategy, options.since, wanted, seen), file=sys.stderr)
            return 1
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"{options.strategy}: its journal cannot be read: {error}", file=sys.stderr)
        return 1
    return 0


def nothing(strategy: str, start: str, wanted: Mapping[str, str], seen: Mapping[str, set[str]]) -> str:
    """Return why no line fits: the value that the journal does not have, or that there is none in that time."""
    for name, value in wanted.items():
        known = seen[name] - {""}
        if value not in known:
            hint = f"; {suggestion(value, known)}" if known else ""
            return f'{strategy}: no line since {start} has {name} "{value}"{hint}'
    return f"{strategy}: no such line since {start}: give an earlier start, such as SINCE=30d"


def since_instant(text: str, now: datetime) -> datetime | None:
    """Return the instant that `--since` means, or None if the text means none."""
    duration = parse_duration(text)
    if duration is not None:
        return now - min(duration, timedelta(days=20000))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
