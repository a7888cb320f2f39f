"""What the accidents' checker finds in evidence that is wrong, and how a course of accidents goes on; the accidents are `make test-hosts`."""

import copy
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.accidents.checker import Findings, examine
from tests.hosts.accidents.course import Course, Recovery


def slot(number: int) -> str:
    """Return the slot of that number, five seconds after the one before."""
    return f"2026-11-27T09:00:{5 * number:02}+00:00"


def line(event: str, number: int, boot: str = "one", **more: object) -> dict[str, object]:
    """Return a line of the journal."""
    return {"event": event, "timestamp": slot(number), "slot": slot(number), "boot_id": boot, **more}


def ran(number: int, run: str, boot: str = "one") -> list[dict[str, object]]:
    """Return what a run writes that has succeeded."""
    more = {"run_id": run, "attempt": 1, "trigger": "loop"}
    return [line("run_start", number, boot, **more), line("run_end", number, boot, outcome="succeeded", **more)]


def well() -> dict[str, Any]:
    """Return evidence of three slots and a takeover, without a fault: the second slot was missed."""
    skipped = line("slot_skipped", 1, "two", outcome="missed", reason="down", count=1)
    journal = [line("service_start", 0), *ran(0, "r0"), line("service_start", 2, "two"), skipped, *ran(2, "r2", "two")]
    claims = [{"slot": slot(at), "run_id": f"r{at}", "trigger": "loop", "outcome": "succeeded"} for at in (0, 2)]
    orders = [{"client_order_id": f"o{at}", "status": "filled", "slot": slot(at), "quantity": 1.0} for at in (0, 2)]
    broker = [{"id": f"o{at}", "occasion": f"five {slot(at)}", "quantity": 1.0} for at in (0, 2)]
    return {
        "broker": broker,
        "tables": {
            "journal": [{"line": json.dumps(one)} for one in journal],
            "claims": claims,
            "orders": orders,
            "holdings": [{"quantity": 2.0}],
        },
        "journals": {"a": [json.dumps(one) for one in journal], "b": []},
    }


def write(evidence: dict[str, Any], *lines: Mapping[str, object]) -> None:
    """Add lines to the journal in the database."""
    evidence["tables"]["journal"] += [{"line": json.dumps(one)} for one in lines]


def ran_again(evidence: dict[str, Any]) -> None:
    """Let a slot have another run."""
    write(evidence, *ran(2, "r9", "two"))


def ran_on_a_host(evidence: dict[str, Any]) -> None:
    """Let a host's journal have the run of a slot that the database tells was missed."""
    evidence["journals"]["b"] += [json.dumps(one) for one in ran(1, "r9", "one")]


def lost(evidence: dict[str, Any]) -> None:
    """Let no line tell of a slot."""
    evidence["tables"]["journal"] = [one for one in evidence["tables"]["journal"] if "slot_skipped" not in one["line"]]


def ordered_again(evidence: dict[str, Any]) -> None:
    """Let an occasion have two orders, under two ids."""
    evidence["broker"].append({**evidence["broker"][0], "id": "o9"})
    evidence["tables"]["orders"].append({"client_order_id": "o9", "status": "filled", "slot": slot(0), "quantity": 1.0})


def written_late(evidence: dict[str, Any]) -> None:
    """Let the owner before write once more."""
    write(evidence, line("note", 2, "one"))


def claimed_otherwise(evidence: dict[str, Any]) -> None:
    """Let a claim tell another outcome."""
    evidence["tables"]["claims"][0]["outcome"] = None


def held_otherwise(evidence: dict[str, Any]) -> None:
    """Let the ledger hold what was not bought."""
    evidence["tables"]["holdings"][0]["quantity"] = 9.0


def bought_unknown(evidence: dict[str, Any]) -> None:
    """Let the ledger not know of an order."""
    del evidence["tables"]["orders"][0]


@pytest.mark.parametrize(
    "fault, where",
    [
        (ran_again, "twice"),
        (ran_on_a_host, "twice"),
        (lost, "unaccounted"),
        (ordered_again, "doubled"),
        (written_late, "others"),
        (claimed_otherwise, "others"),
        (held_otherwise, "others"),
        (bought_unknown, "others"),
    ],
)
def test_each_fault_is_found(fault: Callable[[dict[str, Any]], None], where: str) -> None:
    """And named as what it is."""
    evidence = copy.deepcopy(well())
    fault(evidence)
    assert getattr(examine(evidence), where)


def test_what_is_well_has_no_problem() -> None:
    """A missed slot is told of, and so is one that the database has lost with its run."""
    assert examine(well()).problems == []
    evidence = json.loads(json.dumps(well()).replace("down", "unknown"))
    ran_on_a_host(evidence)
    assert examine(evidence).problems == []


@pytest.mark.parametrize("seconds, is_well", [(-40, True), (40, False)])
def test_a_slot_whose_time_comes_twice_may_run_then(seconds: int, is_well: bool) -> None:
    """If it was passed over before the clock was set back; otherwise it has two outcomes."""
    evidence = well()
    at = (datetime.fromisoformat(slot(1)) + timedelta(seconds=seconds)).isoformat()
    write(evidence, *({**one, "timestamp": at} for one in ran(1, "r1", "two")))
    assert (not examine(evidence).twice) is is_well


def test_a_course_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its seed and for the same sources; otherwise it begins anew."""
    monkeypatch.setattr("tests.hosts.accidents.course.KEPT", tmp_path / "cache" / "accidents.json")
    findings = Findings(10, 9, {"succeeded": 9, "down": 1}, (), (), (), ())
    first = Course.kept(1, "sources").after([Recovery("host a killed", 19.5, "a -> b", adopted=False)], findings)
    first.keep()
    second = Course.kept(1, "sources").after([Recovery("pooler killed", 3.0, "b -> b", adopted=True)], findings)
    assert (second.pieces, second.done, second.slots, second.outcomes) == (2, 2, 20, {"succeeded": 18, "down": 2})
    assert [row[1] for row in second.table()[1:]] == ["19.5", "3.0"]
    for seed, of in ((2, "sources"), (1, "others"), (1, "")):
        assert Course.kept(seed, of).done == 0
