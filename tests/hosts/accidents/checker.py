"""Judges what is left after accidents, and shares no code with what it judges: it knows the formats, and reads them itself.

The evidence is the broker's log, the database's tables, and the journals in the folders of the hosts, which also have the lines
that a database has lost. A slot that may have run before commits were lost is told as `unknown`: that is its outcome.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

EVERY = timedelta(seconds=5)
UNKNOWN = "unknown"
NEWEST = 4  # runs that may begin or end while the evidence is taken

Line = Mapping[str, object]
Rows = Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Findings:
    """What the evidence shows of all slots between the first and the last."""

    slots: int
    orders: int
    outcomes: Mapping[str, int]
    twice: Sequence[str]  # slots that were told of or run more than once
    unaccounted: Sequence[str]  # slots that nothing is told of
    doubled: Sequence[str]  # orders of one occasion, or under one id, after the first
    others: Sequence[str]  # books that differ, and lines of an owner that had been replaced

    @property
    def problems(self) -> list[str]:
        """All that must not be."""
        named = {"twice": self.twice, "unaccounted": self.unaccounted, "doubled": self.doubled, "": self.others}
        return [f"{name} {one}".strip() for name, found in named.items() for one in found]


def examine(evidence: Mapping[str, object]) -> Findings:
    """Examine all that is left. The strategy runs: its newest slot may be under way."""
    tables: Mapping[str, Rows] = evidence["tables"]  # type: ignore[assignment]
    journals: Mapping[str, Sequence[str]] = evidence["journals"]  # type: ignore[assignment]
    broker: Rows = evidence["broker"]  # type: ignore[assignment]
    lines = [json.loads(str(row["line"])) for row in tables["journal"]]
    kept = {name: [json.loads(line) for line in text if line.endswith("}")] for name, text in journals.items()}
    told = _told(lines)
    last_of = {slot: outcomes[-1] for slot, outcomes in told.items()}
    first, last = min(told), max(told)
    under_way = _newest_runs(lines)
    expected = [first + EVERY * number for number in range((last - first) // EVERY + 1)]
    return Findings(
        slots=len(expected),
        orders=len(broker),
        outcomes=Counter(last_of.values()),
        twice=[f"{slot} has the outcomes {', '.join(found)}" for slot, found in told.items() if len(found) > 1]
        + list(_run_twice(lines, kept, last_of)),
        unaccounted=[str(slot) for slot in expected if slot not in told],
        doubled=list(_doubled(broker)),
        others=[
            *_late_lines(lines),
            *_claims(tables["claims"], lines, under_way),
            *_books(tables, broker, last_of, under_way),
        ],
    )


def _told(lines: Sequence[Line]) -> dict[datetime, list[str]]:
    """Return all outcomes that lines tell of each slot; more than one is wrong.

    A slot that was passed over comes once more if a clock that was ahead of it is set back to before it: what is told later
    replaces that. What has run never comes again.
    """
    told: dict[datetime, list[str]] = defaultdict(list)
    passed_over: dict[datetime, int] = {}  # slots that no line has told of since, with the number of that line
    times = [_time(line) for line in lines]
    for number, line in enumerate(lines):
        if line["event"] == "run_end" and line["trigger"] == "loop":
            slots, outcome = [_slot(line)], str(line["outcome"])
        elif line["event"] == "slot_skipped":
            slots = [_slot(line) - back * EVERY for back in range(int(str(line["count"])))]
            outcome = str(line["reason"])
        else:
            continue
        for slot in slots:
            before = passed_over.pop(slot, None)
            if before is not None and min(times[before + 1 : number + 1]) < slot:
                told[slot].pop()  # since then a line was written before the slot, by the clock of that time
            told[slot].append(outcome)
            if line["event"] == "slot_skipped":
                passed_over[slot] = number
    return told


def _run_twice(
    lines: Sequence[Line], kept: Mapping[str, Sequence[Line]], told: Mapping[datetime, str]
) -> Iterator[str]:
    """Yield attempts that began in two runs, and runs that only the host's journal ends and something else is told of."""
    runs = defaultdict(set)
    ended = {(_slot(line), line["run_id"]) for line in lines if line["event"] == "run_end"}
    for line in (*lines, *(one for file in kept.values() for one in file)):
        if line.get("trigger") != "loop":
            continue
        if line["event"] == "run_start":
            runs[_slot(line), line["attempt"]].add((line["run_id"], line["boot_id"]))
        elif line["event"] == "run_end" and (_slot(line), line["run_id"]) not in ended:
            outcome = told.get(_slot(line))
            if outcome != UNKNOWN:
                yield f"{_slot(line)} ended on a host as {line['outcome']}, and the database tells {outcome}"
    yield from (
        f"attempt {key[1]} of {key[0]} began in {len(found)} runs" for key, found in runs.items() if len(found) > 1
    )


def _doubled(broker: Rows) -> Iterator[str]:
    for key in ("occasion", "id"):
        yield from (
            f"{key} {one}: {count} orders" for one, count in Counter(row[key] for row in broker).items() if count > 1
        )


def _late_lines(lines: Sequence[Line]) -> Iterator[str]:
    """Yield lines that a loop has written after another one began: an older epoch has no effect."""
    owner: object = None
    for line in lines:
        owner = line["boot_id"] if line["event"] == "service_start" else owner
        if line["boot_id"] != owner:
            yield f"{line['timestamp']} {line['event']} is of {line['boot_id']}, and {owner} is the owner"


def _newest_runs(lines: Sequence[Line]) -> set[datetime]:
    """Return the slots of the newest runs: the books are read one after the other, and may differ in these."""
    starts = [_slot(line) for line in lines if line["event"] == "run_start" and line["trigger"] == "loop"]
    return set(starts[-NEWEST:])


def _claims(claims: Rows, lines: Sequence[Line], under_way: AbstractSet[datetime]) -> Iterator[str]:
    """Yield claims that tell another outcome than the journal, and old ones that are open."""
    ends = {line["run_id"]: line["outcome"] for line in lines if line["event"] == "run_end"}
    for claim in claims:
        slot, outcome = datetime.fromisoformat(str(claim["slot"])), claim["outcome"]
        is_under_way = outcome is None and slot in under_way
        if claim["trigger"] == "loop" and not is_under_way and outcome != ends.get(claim["run_id"]):
            yield f"the claim of {slot} says {outcome}, the journal {ends.get(claim['run_id'])}"


def _books(
    tables: Mapping[str, Rows], broker: Rows, told: Mapping[datetime, str], under_way: AbstractSet[datetime]
) -> Iterator[str]:
    """Yield orders that one side alone knows, and holdings that differ."""
    ours = {str(row["client_order_id"]): row for row in tables["orders"]}
    theirs = {str(row["id"]) for row in broker}
    for order in broker:
        outcome = told.get(_occasion(order))
        if str(order["id"]) not in ours and outcome != UNKNOWN:
            yield f"the ledger has no order for {order['occasion']}, of which {outcome} is told"
    bought = sum(float(str(row["quantity"])) for row in broker)
    for name, order in ours.items():
        if order["status"] != "filled" or name in theirs:
            continue
        if datetime.fromisoformat(str(order["slot"])) in under_way:  # the broker's log was read before
            bought += float(str(order["quantity"]))
        else:
            yield f"the ledger says that {name} is filled, and the broker never had it"
    held = sum(float(str(row["quantity"])) for row in tables["holdings"])
    if abs(held - bought) > 1:  # one may be on its way
        yield f"the ledger holds {held:g}, the broker {bought:g}"


def _time(line: Line) -> datetime:
    return datetime.fromisoformat(str(line["timestamp"]))


def _occasion(order: Line) -> datetime:
    return datetime.fromisoformat(str(order["occasion"]).split(" ")[1])


def _slot(line: Line) -> datetime:
    return datetime.fromisoformat(str(line["slot"]))
