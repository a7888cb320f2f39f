"""Lines of a strategy's journal: whatever stands there, the watch, page and API go on, and another strategy stays well."""

import json
from pathlib import Path

import pytest

from tests.fuzz.inputs import fuzz_together, rounds
from tests.unit.supervisor.web.client import Client
from tests.unit.supervisor.world import World

EACH = 30  # lines of one example
PATHS = ("/api/status", "/api/strategies/pulse", "/api/conditions", "/strategies/pulse", "/", "/metrics")
LINES: list[dict[str, object]] = [
    {"event": "service_start", "release": "abc", "timezone": "UTC", "bots": ["pulse"], "previous_stop": "clean"},
    {"event": "run_start", "symbols": ["AAPL"], "lateness_ms": 1.5, "queue_wait_ms": 0.1, "trigger": "loop"},
    {"event": "signal", "symbol": "AAPL", "signal": "buy", "values": {"fast": 1.5, "at": "2026-11-20T12:00:00.000Z"}},
    {
        "event": "decision",
        "symbol": "AAPL",
        "action": "buy",
        "qty": 2,
        "reason": "up",
        "status": "filled",
        "price": 1.5,
    },
    {"event": "decision", "symbol": "AAPL", "action": "sell", "status": "rejected", "broker_reason": "no", "qty": 9},
    {"event": "order", "symbol": "AAPL", "side": "buy", "status": "uncertain", "client_order_id": "c-1"},
    {"event": "stale_data", "symbol": "AAPL", "timeframe": "1m", "newest_bar": "2026-11-19", "action": "refused"},
    {"event": "output", "text": "hello"},
    {"event": "note", "message": "hello", "n": 1},
    {"event": "error", "error": "ValueError: no bars", "traceback": "Traceback\n  line", "will_retry": False},
    {"event": "error", "error": "no numpy", "traceback": "", "will_retry": True, "stage": "start"},
    {"event": "run_end", "outcome": "succeeded", "tick_duration_ms": 12.5, "orders": 1, "trigger": "loop"},
    {"event": "account", "broker": "paper", "cash": 1.5, "equity": 2.5, "positions": {"AAPL": {"qty": 1, "price": 2}}},
    {"event": "reconciled", "broker": "paper", "differences": [{"symbol": "AAPL", "kind": "position", "ours": 1}]},
    {"event": "slot_skipped", "outcome": "missed", "reason": "late", "count": 3, "first": "2026-11-20T11:58:00.000Z"},
    {"event": "clock_stepped", "by_s": -3.5},
    {"event": "service_stop", "reason": "SIGTERM"},
]
HEAD: dict[str, object] = {
    "timestamp": "2026-11-20T12:00:30.000Z",
    "level": "info",
    "strategy": "pulse",
    "boot_id": "boot-1",
}
RUN: dict[str, object] = {"bot": "pulse", "slot": "2026-11-20T12:00:00.000Z", "run_id": "run-1", "attempt": 1}
VALID = [json.dumps({**HEAD, **RUN, **line}).encode() + b"\n" for line in LINES]


@rounds()
@pytest.mark.timeout(900)
def test_any_lines_in_a_journal(number: int, tmp_path: Path) -> None:
    """Each step ends, everything that is shown is valid JSON and no error, and the victim has no condition."""
    world = World(tmp_path)
    for name in ("pulse", "victim"):
        world.strategy(name)
        world.start(name, (name,))
    client = Client(world)
    path = world.journal / "pulse" / f"{world.now:%Y-%m-%d}.jsonl"
    with path.open("ab") as journal:

        def check(lines: list[bytes]) -> int:
            before = world.watch.passed_over
            content = b"".join(lines) + b"\n"
            journal.write(content)
            journal.flush()
            for name in ("pulse", "victim"):
                world.beat(name)
            snapshot = world.see()
            assert [one for one in snapshot.conditions if one.strategy == "victim"] == []
            for shown in PATHS:
                answer = client.ask(shown)
                assert answer.status_code == 200, (shown, answer.text)
                if shown.startswith("/api"):
                    json.loads(answer.text, parse_constant=pytest.fail)
            return max(
                0, content.count(b"\n") - (world.watch.passed_over - before)
            )  # a change may make two lines of one

        fuzz_together(number, VALID, check, EACH)
