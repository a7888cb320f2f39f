"""What a journal line says, as records. A value that is missing or of the wrong kind counts as not said."""

import json
import math
from datetime import datetime

from openbell.journal import Event, instant
from openbell.supervisor.records import DecisionRecord, ErrorRecord, ServiceEvent

LONGEST_NAME = 200  # characters of what should be an identity; anything longer is none
_YEARS = (1971, 2500)
_HEAD = {"timestamp", "event", "level", "strategy", "boot_id", "bot", "slot", "run_id", "attempt"}
_DECISION = {"symbol", "action", "qty", "reason"}
_SERVICE = {
    "service_start": "release",
    "service_stop": "reason",
    "error": "error",
    "clock_stepped": "by_s",
    "bot_paused": "reason",
    "request_refused": "reason",
}


def text(line: Event, name: str) -> str:
    """Return a field's text, or an empty one."""
    value = line.get(name)
    if value is None or isinstance(value, dict | list):
        return ""
    return _whole(str(value))


def _whole(content: str) -> str:
    # Half a surrogate pair is valid in JSON, and nowhere else.
    return content.encode("utf-8", "replace").decode()


def name(line: Event, field: str) -> str:
    """Return a field's text if it can be an identity, else an empty one."""
    value = line.get(field)
    return text(line, field) if isinstance(value, str) and len(value) <= LONGEST_NAME else ""


def number(line: Event, name: str) -> float | None:
    """Return a field's number, or None."""
    value = line.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 2**53 and math.isfinite(value) else None


def whole(line: Event, name: str, default: int) -> int:
    """Return a field's number as a whole one."""
    value = number(line, name)
    return default if value is None else int(value)


def at(line: Event, name: str = "timestamp") -> datetime | None:
    """Return a field's instant, or None; one outside our times counts as none, so that calculating with it cannot fail."""
    try:
        found = instant(line.get(name))
    except OverflowError:  # in the year 0 or 10000 of another zone
        return None
    return found if found is not None and _YEARS[0] <= found.year <= _YEARS[1] else None


def decision(line: Event) -> DecisionRecord | None:
    """Return the decision that a line records."""
    when = at(line)
    if when is None:
        return None
    about = {key: value for key, value in line.items() if key not in _HEAD | _DECISION and value is not None}
    return DecisionRecord(
        at=when,
        bot=name(line, "bot"),
        slot=at(line, "slot"),
        run_id=name(line, "run_id"),
        symbol=text(line, "symbol"),
        action=text(line, "action"),
        quantity=number(line, "qty"),
        reason=text(line, "reason"),
        about=json.loads(_whole(json.dumps(about, ensure_ascii=False))),
    )


def error(line: Event) -> ErrorRecord | None:
    """Return the error that a line records."""
    when = at(line)
    if when is None:
        return None
    return ErrorRecord(
        at=when,
        bot=name(line, "bot"),
        slot=at(line, "slot"),
        run_id=name(line, "run_id"),
        error=text(line, "error"),
        traceback=text(line, "traceback"),
        will_retry=line.get("will_retry") is True,
    )


def service(line: Event) -> ServiceEvent | None:
    """Return what a line says of a strategy's loop."""
    when, event = at(line), str(line["event"])
    if when is None or event not in _SERVICE:
        return None
    detail = text(line, _SERVICE[event])
    if bot := name(line, "bot"):
        detail = f"{bot}: {detail}"
    kind = "start_failed" if event == "error" else event
    return ServiceEvent(when, kind, name(line, "boot_id"), detail, unclean=line.get("previous_stop") == "unclean")


def last_line(error_text: str) -> str:
    """Return the last line of an error that is not empty: the one that says what happened."""
    lines = [one.strip() for one in error_text.splitlines() if one.strip()]
    return lines[-1] if lines else ""
