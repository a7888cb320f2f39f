"""`openbell status`: whether all is well, what is wrong, what is next, bot by bot, from the running supervisor."""

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import pytz

from openbell.command_parser import command_parser

TIMEOUT = 5.0  # seconds for the supervisor's answer
MOST_ROWS = 50  # bots in the table, unless all are asked for
MOST_CONDITIONS = 20
MOST_COMING = 3
_TITLES = ("STRATEGY", "BOT", "STATUS", "LAST SLOT", "OUTCOME", "NEXT SLOT", "REASON")
_WELL = frozenset({"new", "up", "running"})

Object = Mapping[str, object]


def main(arguments: Sequence[str]) -> int:
    """Print what the status page says; return 0 if all is well, 1 if not or if there is no answer."""
    port = os.environ.get("OPENBELL_LISTEN", ":8080").rpartition(":")[2]
    parser = command_parser("status")
    parser.add_argument("--page", default=f"http://127.0.0.1:{port}", help="the status page's address")
    parser.add_argument("--json", action="store_true", help="the answer of /api/status as it is")
    parser.add_argument("--all", action="store_true", help=f"every bot, even if there are more than {MOST_ROWS}")
    options = parser.parse_args(arguments)
    page: str = options.page
    try:
        answer = fetch(f"{page.rstrip('/')}/api/status")
    except (URLError, OSError, ValueError) as error:
        print(f"the supervisor does not answer at {page}: {getattr(error, 'reason', error)}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(answer, indent=2))
    else:
        for line in lines(answer, everything=options.all):
            print(_plain(line, ascii_only=not sys.stdout.isatty()))
    return 0 if answer.get("ok") is True else 1


def fetch(address: str) -> Object:
    """Return the API's answer, also one that is not ready yet; ValueError if it is no such answer."""
    opener = build_opener(ProxyHandler({}))  # a proxy for the web has no business here
    try:
        with opener.open(Request(address, headers=_authorization()), timeout=TIMEOUT) as response:  # noqa: S310 - our page
            answer = json.load(response)
    except HTTPError as error:
        with error:
            answer = json.load(error)
    if not isinstance(answer, dict) or "headline" not in answer:
        said = answer.get("error") if isinstance(answer, dict) else None
        msg = str(said or "that is no answer of openbell's supervisor")
        raise ValueError(msg)
    return answer


def _authorization() -> dict[str, str]:
    """Return the header with the token of this environment, which in the container is the supervisor's."""
    for name in ("OPENBELL_READ_TOKEN", "OPENBELL_TOKEN"):
        token = os.environ.get(name, "").strip()
        if not token and (file := os.environ.get(f"{name}_FILE", "")):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                token = Path(file).read_text(encoding="utf-8").strip()
        if token:
            return {"Authorization": f"Bearer {token}"}
    return {}


def lines(answer: Object, *, everything: bool = False) -> Iterator[str]:
    """Yield the headline, what is wrong, what is next, and a table with a row for each bot."""
    yield str(answer["headline"])
    strategies = _list(answer, "strategies")
    zones = {str(one.get("name")): str(one.get("timezone") or "UTC") for one in strategies}
    yield from _deployment(answer.get("deployment"))
    yield from _conditions(_list(answer, "conditions"), zones)
    yield from _coming(strategies, _instant(answer.get("now")))
    rows = [row for strategy in strategies for row in _rows(strategy)]
    shown = rows if everything or len(rows) <= MOST_ROWS else [row for row in rows if row[2] not in _WELL][:MOST_ROWS]
    if shown:
        yield ""
        table = [_TITLES, *shown]
        widths = [max(len(row[column]) for row in table) for column in range(len(_TITLES))]
        for row in table:
            yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
    if len(shown) < len(rows):
        yield f"{len(rows) - len(shown)} more bots; --all shows them"


def _deployment(deployment: object) -> Iterator[str]:
    if isinstance(deployment, dict):
        names = ", ".join(str(one) for one in deployment.get("strategies") or ())
        until = _local(deployment.get("until"), "UTC")
        yield f"Release {deployment.get('release')} is being put in place by {deployment.get('by')} ({names}), until {until}"


def _conditions(conditions: Sequence[Object], zones: Mapping[str, str]) -> Iterator[str]:
    if conditions:
        yield ""
        yield "What is wrong:"
    for one in conditions[:MOST_CONDITIONS]:
        strategy, bot, count = str(one.get("strategy", "")), str(one.get("bot", "")), one.get("count")
        times = f" ({count} times)" if isinstance(count, int) and count > 1 else ""
        since = _local(one.get("since"), zones.get(strategy, "UTC"))
        yield f"  {bot or strategy or 'openbell'} {one.get('title')}{times}, since {since}: {one.get('reason')}"
        if one.get("advice"):
            yield f"    -> {one['advice']}"
    if len(conditions) > MOST_CONDITIONS:
        yield f"  and {len(conditions) - MOST_CONDITIONS} more"


def _coming(strategies: Iterable[Object], now: datetime | None) -> Iterator[str]:
    due: dict[datetime, list[str]] = {}
    for strategy in strategies:
        for bot in _list(strategy, "bots"):
            at = _instant(bot.get("next_slot"))
            if at is not None and bot.get("status") != "paused":
                due.setdefault(at, []).append(str(bot.get("id", "")))
    if due and now is not None:
        yield ""
        said = [f"{_names(due[at])} in {_span(at - now)}" for at in sorted(due)[:MOST_COMING]]
        yield f"Next: {', then '.join(said)}"


def _names(bots: Sequence[str]) -> str:
    return bots[0] + (f" and {len(bots) - 1} more" if len(bots) > 1 else "")


def _rows(strategy: Object) -> Iterator[tuple[str, ...]]:
    name, bots = str(strategy.get("name", "")), _list(strategy, "bots")
    if strategy.get("status") == "down" or not bots:
        yield (name, "", str(strategy.get("status", "")), "", "", "", str(strategy.get("reason", "")))
    for bot in bots:
        zone = str(bot.get("timezone") or strategy.get("timezone") or "UTC")
        stream = bot.get("stream")
        if isinstance(stream, dict):  # it has no slots
            last = (_local(stream.get("beat"), zone), f"{stream.get('orders_today')} orders today", "always on")
        else:
            outcome = str(bot.get("last_outcome") or "-").replace("_", " ")
            last = (_local(bot.get("last_slot"), zone), outcome, _local(bot.get("next_slot"), zone))
        yield (
            name,
            str(bot.get("id", "")),
            str(bot.get("status", "")),
            *last,
            "; ".join(str(text) for text in (bot.get("reason"), bot.get("manual_failure")) if text),
        )


def _list(table: Object, name: str) -> list[Object]:
    value = table.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _instant(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _local(text: object, timezone: str) -> str:
    at = _instant(text)
    return "-" if at is None else f"{at.astimezone(pytz.timezone(timezone)):%a %m-%d %H:%M:%S %Z}"


def _span(length: timedelta) -> str:
    seconds = max(0, round(length.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} d"


def _plain(line: str, *, ascii_only: bool) -> str:
    # A reason may hold whatever a strategy wrote: nothing of it may steer the terminal, or break a log of ASCII.
    printable = "".join(one if one.isprintable() else "?" for one in line)
    return printable.encode("ascii", "replace").decode() if ascii_only else printable
