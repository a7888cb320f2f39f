"""What reconciliation keeps in the ledger for the checks of orders: where our word is in doubt, and what others hold."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from openbell.ledger import Ledger
from openbell.position import decimal

DIFFERENCES = "differences"  # the ledger's facts: by symbol, what our orders say and what the broker holds
OTHERS = "held by others"  # by symbol, what the other strategies on the account hold, as they last said


def differences(ledger: Ledger) -> dict[str, tuple[float, float]]:
    """Return, by symbol that differs without an explanation, what our orders say and what the broker holds."""
    return {symbol: (ours, theirs) for symbol, (ours, theirs) in _read(ledger, DIFFERENCES).items()}


def keep_differences(ledger: Ledger, found: Mapping[str, tuple[float, float]]) -> None:
    """Keep what differs."""
    ledger.remember(DIFFERENCES, json.dumps(found))


def held_by_others(ledger: Ledger, symbol: str) -> Decimal:
    """Return how much of what the broker holds belongs to other strategies."""
    return decimal(_read(ledger, OTHERS).get(symbol, 0.0))


def keep_others(ledger: Ledger, held: Mapping[str, float]) -> None:
    """Keep what others hold, where it has changed."""
    text = json.dumps(held, sort_keys=True)
    if ledger.fact(OTHERS) != text:
        ledger.remember(OTHERS, text)


def _read(ledger: Ledger, fact: str) -> dict[str, Any]:
    text = ledger.fact(fact)
    kept: dict[str, Any] = json.loads(text) if text else {}
    return kept
