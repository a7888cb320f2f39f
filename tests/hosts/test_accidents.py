"""What the accidents' checker finds in evidence that is wrong, and how a course of accidents goes on; the accidents are `make test-hosts`."""

import copy
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.accidents.accidents import ACCIDENTS
from tests.hosts.accidents.checker import NEWEST, Findings, examine
from tests.hosts.accidents.course import Course, Piece, Recovery
from tests.hosts.accidents.networks import ROLES, TALKING, silent_pairs
from tests.hosts.accidents.nodes import Node


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
    evidence["tables"]["claims"][1]["outcome"] = "failed"


def left_open(evidence: dict[str, Any]) -> None:
    """Let a claim have no outcome, long after its run has ended."""
    evidence["tables"]["claims"][0]["outcome"] = None
    for number in range(3, 3 + NEWEST):
        write(evidence, *ran(number, f"r{number}", "two"))


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
        (left_open, "others"),
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


def taken_back(evidence: dict[str, Any], at: str, *later: Mapping[str, object]) -> dict[str, Any]:
    """Let the clock be set back to a time, and lines follow."""
    write(evidence, {**line("clock_stepped", 2, "two"), "timestamp": at}, *later)
    return evidence


SKIPPED = line("slot_skipped", 1, "two", outcome="skipped", reason="coalesced", count=1)


@pytest.mark.parametrize(
    "back_to, later, is_well",
    [
        (slot(0), ran(1, "r1", "two"), True),  # it was not time yet, by the clock that is right
        (slot(0), [SKIPPED], True),
        (slot(1), ran(1, "r1", "two"), False),  # the time of the slot did not come once more
        (slot(1), [SKIPPED], False),
        (slot(0), [*ran(1, "r1", "two"), SKIPPED], False),  # what has run stays
        (slot(0), [*ran(1, "r1", "two"), *ran(1, "r2", "two")], False),
    ],
)
def test_a_slot_whose_time_comes_twice_is_told_of_anew(
    back_to: str, later: list[dict[str, object]], is_well: bool
) -> None:
    """If it was passed over before the clock was set back to before it; otherwise it has two outcomes."""
    evidence = taken_back(well(), back_to, *later)
    assert (not examine(evidence).twice) is is_well


def test_what_replaces_a_skip_is_the_outcome() -> None:
    """Of a slot that was missed and then ran, the run alone is counted."""
    evidence = taken_back(well(), slot(0), *ran(1, "r1", "two"))
    assert examine(evidence).outcomes == {"succeeded": 3}


def test_a_course_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its seed and for the same sources; otherwise it begins anew."""
    monkeypatch.setattr("tests.hosts.accidents.course.KEPT", tmp_path / "cache" / "accidents.json")
    findings = Findings(10, 9, Counter(succeeded=9, down=1), (), (), (), ())
    killed = Recovery("host a killed", 19.5, "a -> b", adopted=False)
    Course(1, "sources").with_piece(Piece("forgets").after("host killed", killed, findings)).keep()
    pooler = Recovery("pooler killed", 3.0, "b -> b", adopted=True)
    second = Course.kept(1, "sources").with_piece(Piece("forgets").after("pooler killed", pooler, findings))
    assert "2 accidents on 2 stages, 20 slots, 18 orders" in second.summary()
    assert [row for row in second.table() if row[1:] != ("-", "-")][1:] == [
        ("host killed", "-", "19.5"),
        ("pooler killed", "-", "3.0 (adopted)"),
    ]
    assert len(second.left("remembers")) == len(second.left("forgets")) + 2 == len(ACCIDENTS)
    assert second.left("forgets", "killed") == [one for one in second.left("forgets") if "killed" in one]
    for seed, of in ((2, "sources"), (1, "others"), (1, "")):
        assert not Course.kept(seed, of).pieces


def test_networks_are_cut_between_every_two_machines() -> None:
    """Each pair that talks in each direction; all the others at once, the other waiting host's as the first one's."""
    machines = {name: Node.__new__(Node) for name in ROLES}
    assert len(silent_pairs(machines)) + len(TALKING) + 1 == 7 * 6 // 2
    assert sum("network cut" in name for name in ACCIDENTS) == 3 * (len(TALKING) + 1)
