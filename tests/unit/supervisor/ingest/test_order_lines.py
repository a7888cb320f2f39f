"""What the supervisor makes of journal lines about orders."""

import pytest

from openbell.supervisor.ingest import parse

LINE = {
    "timestamp": "2026-11-20T15:00:00.000Z",
    "event": "decision",
    "bot": "b",
    "slot": "2026-11-20T15:00:00.000Z",
    "run_id": "r1",
    "symbol": "BTC/USDT",
    "action": "sell",
    "qty": 999,
    "reason": "below",
    "broker_reason": "insufficient balance",
}


@pytest.mark.parametrize("status, action, kind", [
    ("filled", "sell", None),
    ("accepted", "sell", None),
    ("rejected", "rejected", "order_rejected"),
    ("expired", "expired", "order_rejected"),
    ("uncertain", "uncertain", "order_uncertain"),
])  # fmt: skip
def test_an_order_that_came_to_nothing_is_no_sale(status: str, action: str, kind: str | None) -> None:
    """A rejected sale is shown as rejected in every list of decisions, and it is news (T14, T33)."""
    line = {**LINE, "status": status}
    decision, problem = parse.decision(line), parse.order_problem(line)
    assert decision is not None
    assert decision.action == action
    assert decision.about.get("side") == (None if kind is None else "sell")
    assert (problem.kind if problem else None) == kind
