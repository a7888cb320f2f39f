"""`openbell status`: whether all is well, bot by bot, from the running supervisor."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import pytz

TIMEOUT = 5.0  # seconds for the supervisor's answer
_TITLES = ("STRATEGY", "BOT", "STATUS", "LAST SLOT", "OUTCOME", "NEXT SLOT", "REASON")


def main(arguments: Sequence[str]) -> int:
    """Print what the status page says; return 0 if all is well, 1 if not or if nobody answers."""
    port = os.environ.get("OPENBELL_LISTEN", ":8080").rpartition(":")[2]
    parser = argparse.ArgumentParser(prog="openbell status", description="say whether all is well, bot by bot")
    parser.add_argument("--page", default=f"http://127.0.0.1:{port}", help="the status page's address")
    page: str = parser.parse_args(arguments).page
    try:
        answer = fetch(f"{page.rstrip('/')}/api/status")
    except (URLError, OSError, ValueError) as error:
        print(f"the supervisor does not answer at {page}: {getattr(error, 'reason', error)}", file=sys.stderr)
        return 1
    for line in lines(answer):
        print(line)
    return 0 if answer.get("ok") is True else 1


def fetch(address: str) -> Mapping[str, object]:
    """Return the API's answer, be it that it is not ready yet; ValueError if it is no such answer."""
    opener = build_opener(ProxyHandler({}))  # a proxy for the web has no business here
    try:
        with opener.open(address, timeout=TIMEOUT) as response:
            answer = json.load(response)
    except HTTPError as error:
        with error:
            answer = json.load(error)
    if not isinstance(answer, dict) or "headline" not in answer:
        msg = "that is no answer of openbell's supervisor"
        raise ValueError(msg)
    return answer


def lines(answer: Mapping[str, object]) -> Iterator[str]:
    """Yield the headline, and a table with a row for each bot."""
    yield str(answer["headline"])
    rows = [row for strategy in _list(answer, "strategies") for row in _rows(strategy)]
    if not rows:
        return
    yield ""
    table = [_TITLES, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(_TITLES))]
    for row in table:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _rows(strategy: Mapping[str, object]) -> Iterator[tuple[str, ...]]:
    name, bots = str(strategy.get("name", "")), _list(strategy, "bots")
    if strategy.get("status") == "down" or not bots:
        yield (name, "", str(strategy.get("status", "")), "", "", "", str(strategy.get("reason", "")))
    for bot in bots:
        zone = str(bot.get("timezone") or strategy.get("timezone") or "UTC")
        outcome = str(bot.get("last_outcome") or "-").replace("_", " ")
        last, following = _local(bot.get("last_slot"), zone), _local(bot.get("next_slot"), zone)
        yield (
            name,
            str(bot.get("id", "")),
            str(bot.get("status", "")),
            last,
            outcome,
            following,
            str(bot.get("reason", "")),
        )


def _list(table: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    value = table.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _local(text: object, timezone: str) -> str:
    if not isinstance(text, str):
        return "-"
    return f"{datetime.fromisoformat(text).astimezone(pytz.timezone(timezone)):%a %m-%d %H:%M:%S %Z}"
