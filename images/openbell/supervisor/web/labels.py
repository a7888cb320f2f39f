"""The texts of the page: cells, values, conditions. Pure."""

from collections.abc import Mapping, Sequence

from openbell.supervisor.model.conditions import KINDS, Condition, Kind
from openbell.supervisor.model.formatting import dated, milliseconds
from openbell.supervisor.model.records import SlotRecord, why_not

# A mark of its own for each outcome: colour is never the only sign.
MARKS = {"succeeded": "✓", "failed": "F", "timed_out": "T", "interrupted": "I", "skipped": "-", "missed": "M", "": "…"}
OUTCOMES = tuple(MARKS)
_UNKNOWN = Kind("has something wrong", "")


def slot_title(slot: SlotRecord, timezone: str) -> str:
    """Return what a cell of the strip of slots says in full."""
    outcome = (slot.outcome or "running").replace("_", " ")
    parts = [f"{dated(slot.last, timezone)}: {outcome}"]
    if slot.outcome in {"skipped", "missed"}:
        parts.append(why_not(slot))
    if slot.lateness_ms is not None:
        parts.append(
            f"started {milliseconds(slot.lateness_ms)} after its slot" + (", beyond its grace" if slot.late else "")
        )
    if slot.duration_ms is not None:
        parts.append(f"took {milliseconds(slot.duration_ms)}")
    if slot.error:
        parts.append(slot.error[:200])
    return ", ".join(part for part in parts if part)


def strip_summary(slots: Sequence[SlotRecord]) -> str:
    """Return what a strip of slots says as a whole: "last 20 slots: 18 succeeded, 2 missed"."""
    counted = [(outcome, sum((slot.outcome or "") == outcome for slot in slots)) for outcome in OUTCOMES]
    said = ", ".join(f"{count} {(outcome or 'running').replace('_', ' ')}" for outcome, count in counted if count)
    return f"last {len(slots)} slots, oldest first: {said}" if len(slots) > 1 else f"last slot: {said}"


def about(values: Mapping[str, object]) -> str:
    """Return what else a line said, in one line."""
    shown = {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in values.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())


def figure(value: float | None) -> str:
    """Return a number as a person reads it: grouped if it is large, six digits if it is not."""
    if value is None:
        return "?"
    return f"{value:,.2f}" if abs(value) >= 1000 else f"{value:.6g}"


def kind_of(condition: Condition) -> Kind:
    """Return the words of a condition's kind."""
    return KINDS.get(condition.kind, _UNKNOWN)


def advice(condition: Condition) -> str:
    """Return what a person can do about a condition."""
    return kind_of(condition).advice.replace("{strategy}", condition.strategy).replace("{bot}", condition.bot)
