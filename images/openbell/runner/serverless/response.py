"""What a function answers: `status`, and what its runs decided."""

from collections.abc import Iterable, Mapping, Sequence

from openbell.journal import Event

Answer = dict[str, object]
_OF_A_DECISION = (
    "symbol",
    "action",
    "reason",
    "signal",
    "qty",
    "status",
    "filled_price",
    "order_id",
    "client_order_id",
)


def of_runs(strategy: str, events: Sequence[Event]) -> Answer:
    """Return the answer about runs whose lines are given. With one decision in all, it stands at the top as well."""
    runs = [_run(run_id, events) for run_id in dict.fromkeys(str(event["run_id"]) for event in events)]
    decisions = [decision for run in runs for decision in _decisions(run)]
    answer: Answer = {"status": "ok" if all(run["outcome"] == "succeeded" for run in runs) else "failed"}
    answer["strategy"] = strategy
    if len(decisions) == 1:
        answer |= {name: decisions[0].get(name) for name in ("symbol", "action", "reason", "signal")}
    elif not runs:
        answer["action"] = "none"  # nothing was due, or another call has run it
    errors = [run["error"] for run in runs if "error" in run]
    return answer | ({"error": errors[0]} if errors else {}) | {"runs": runs}


def refusal(status: str, line: str) -> Answer:
    """Return the answer to what was not run, and why."""
    return {"status": status, "error": line}


def _run(run_id: str, events: Iterable[Event]) -> Answer:
    mine = [event for event in events if event["run_id"] == run_id]
    end = next((event for event in mine if event["event"] == "run_end"), {})
    run: Answer = {name: mine[0].get(name) for name in ("bot", "slot")}
    run |= {"run_id": run_id, "outcome": end.get("outcome", "unknown")}
    # What an attempt decided before it failed counts too: an order that was sent is sent.
    newest = {str(event["symbol"]): event for event in mine if event["event"] == "decision"}
    run["decisions"] = [_picked(event) for event in newest.values()]
    errors = [event for event in mine if event["event"] == "error"]
    return run | ({"error": errors[-1].get("error")} if errors and run["outcome"] != "succeeded" else {})


def _decisions(run: Answer) -> list[Mapping[str, object]]:
    decisions = run["decisions"]
    return decisions if isinstance(decisions, list) else []


def _picked(event: Event) -> Answer:
    return {name: event[name] for name in _OF_A_DECISION if name in event}
