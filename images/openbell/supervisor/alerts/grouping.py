"""Grouping: which conditions have one cause, so that one outage is one message. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from openbell.supervisor.alerts.model import Incident
from openbell.supervisor.model.conditions import Condition

ABSENCE = "absence"  # of the supervisor itself
CANARY = "canary"
CANARY_STRATEGY = "openbell canary"  # no folder can have this name
JOIN = timedelta(minutes=2)  # a condition that comes later than this after the newest member is a new incident

# How an outage of the machine, the Docker engine or a container shows, in any order.
OUTAGE = frozenset({"host_gone", "never_started", "stalled", "stopped", "crash_loop", "missed", "interrupted"})
# A stream is judged only while its loop is up: what is wrong with it is its feed, or the network, and no outage.
STREAMS = frozenset({"stream_ended", "stream_silent"})
# The reason of these is a line of an error: bots with the same line have one cause.
BY_ERROR = frozenset({"cannot_start", "bad_manifest", "failed", "timed_out"})

_PREFIX = re.compile(r"^slots? .*?(failed|timed out)( \(\d+ in a row\))?:? *|\(last tried .*\)$")
_DETAIL = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}|\d+")
# Of an address its host has one cause, for every request: a symbol, a page, an order.
_ADDRESS = re.compile(r"(https?|wss?)://([^/\s?#'\"]+)[^\s'\"]*")
_BETWEEN = r"(?:[/.:_-]|%2F)?"  # what may stand, or not, between the parts of a symbol: BTC/USDT is BTCUSDT elsewhere

Symbols = Mapping[tuple[str, str], Sequence[str]]  # by strategy and bot


def cause_of(condition: Condition, symbols: Sequence[str] = ()) -> str:
    """Return the cause that a condition points to. symbols: those of its bot."""
    if condition.strategy == CANARY_STRATEGY:
        return CANARY
    if condition.kind in OUTAGE:
        return "outage"
    if not condition.strategy:
        return f"machine: {condition.kind}"
    if condition.kind in STREAMS:
        return "streams"
    if condition.kind in BY_ERROR:
        return f"{condition.kind}: {_normalised(condition, symbols)}"
    return condition.kind


def _normalised(condition: Condition, symbols: Sequence[str]) -> str:
    # A bot's own symbols and names, numbers, paths of addresses and ids differ where the error is the same.
    text = _ADDRESS.sub(r"\1://\2", _PREFIX.sub("", condition.reason).strip())
    for symbol in sorted(symbols, key=len, reverse=True):
        parts = map(re.escape, re.split(r"[/.:_-]", symbol))
        text = re.sub(rf"(?<![A-Za-z0-9]){_BETWEEN.join(parts)}(?![A-Za-z0-9])", "#", text, flags=re.IGNORECASE)
    for own in (condition.bot, condition.strategy):
        text = re.sub(rf"\b{re.escape(own)}\b", "#", text) if own else text
    return _DETAIL.sub("#", text)[:200]


class IncidentIndex:
    """Finds the open incident to which a new condition belongs. Built for each snapshot."""

    def __init__(self, incidents: Iterable[Incident], now: datetime, symbols: Symbols | None = None) -> None:
        self._symbols = symbols or {}
        self._absence: int | None = None
        self._by_key: dict[tuple[str, str, str], int] = {}
        self._by_loop: dict[str, int] = {}  # strategies whose loop has a condition
        self._by_cause: dict[str, int] = {}
        for incident in incidents:
            if incident.cause == ABSENCE and incident.hold_until is not None and now < incident.hold_until:
                self._absence = incident.id
            is_fresh = now - incident.joined_at <= JOIN or incident.cause.partition(":")[0] in BY_ERROR
            if incident.cause != CANARY and is_fresh:
                self._by_cause[incident.cause] = incident.id
            for member in incident.members:
                if incident.cause != CANARY:
                    self.join(incident.id, member.condition, is_open=member.closed_at is None)

    def find(self, condition: Condition) -> int | None:
        """Return the id of the incident to which a condition belongs, or None if it needs a new one."""
        cause = self.cause_of(condition)
        if cause == CANARY:
            return None
        if self._absence is not None:
            return self._absence
        if condition.key in self._by_key:
            return self._by_key[condition.key]  # it was gone for a moment
        if condition.bot and condition.strategy in self._by_loop:
            return self._by_loop[condition.strategy]
        return self._by_cause.get(cause)

    def cause_of(self, condition: Condition) -> str:
        """Return the cause that a condition points to."""
        return cause_of(condition, self._symbols.get((condition.strategy, condition.bot), ()))

    def add(self, incident: int, cause: str) -> None:
        """Add a new incident."""
        self._by_cause[cause] = incident

    def join(self, incident: int, condition: Condition, *, is_open: bool = True) -> None:
        """Add a condition as part of an incident."""
        self._by_key[condition.key] = incident
        if is_open and condition.strategy and not condition.bot:
            self._by_loop[condition.strategy] = incident
