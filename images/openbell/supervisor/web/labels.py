"""The texts of the page: cells, values, conditions. Pure."""

from collections.abc import Mapping, Sequence

from openbell.order_terms import FINAL
from openbell.supervisor.health.snapshot import BotView, Snapshot
from openbell.supervisor.model.conditions import KINDS, Condition, Kind
from openbell.supervisor.model.formatting import dated, milliseconds
from openbell.supervisor.model.records import MANUAL, DecisionRecord, SlotRecord, why_not

SNOOZES = {"30m": "30 minutes", "1h": "1 hour", "4h": "4 hours", "12h": "12 hours", "1d": "1 day"}  # of an incident
# A mark of its own for each outcome: colour is never the only sign.
MARKS = {"succeeded": "✓", "failed": "F", "timed_out": "T", "interrupted": "I", "skipped": "-", "missed": "M", "": "…"}
OUTCOMES = tuple(MARKS)
TURNED_AWAY = ("rejected", "refused", "expired", "lost")  # an order that never did what it was for
NAMED = 5  # bots in a banner
_UNKNOWN = Kind("has something wrong", "")


def slot_title(slot: SlotRecord, timezone: str) -> str:
    """Return what a cell of the strip of slots says in full."""
    outcome = (slot.outcome or "running").replace("_", " ")
    parts = [f"{dated(slot.last, timezone)}: {outcome}"]
    if slot.reason == MANUAL or slot.outcome in {"skipped", "missed"}:
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


def order_state(decision: DecisionRecord) -> str:
    """Return how a decision's order stands (waiting, rejected, refused and so on), empty if it is filled."""
    status = str(decision.about.get("status") or "")
    if decision.action not in {"buy", "sell"}:
        state = decision.action if decision.action != "hold" else ""
    elif status in {"", "filled"}:
        state = ""
    else:
        state = status if status in FINAL else "waiting"
    if not decision.about.get("filled_qty"):
        return state
    if state == "waiting":
        return "partly filled"
    return f"partly filled, {state}" if state in FINAL else state


def orders_banner(snapshot: Snapshot) -> str:
    """Return which orders wait, and in whose newest run one was turned away, in one line; empty if all were filled."""
    bots = [bot for view in snapshot.strategies for bot in view.bots]
    parts = []
    if waiting := [bot for bot in bots if bot.open_orders]:
        count = sum(bot.open_orders for bot in waiting)
        parts.append(f"{count} order{'' if count == 1 else 's'} waiting or of unknown fate: {_names(waiting)}")
    decided = [(bot, order_state(bot.last_decision)) for bot in bots if bot.last_decision is not None]
    away = {state: [bot for bot, found in decided if found == state] for state in TURNED_AWAY}
    parts += [f"an order of the newest run was {state}: {_names(found)}" for state, found in away.items() if found]
    return "; ".join(parts)


def _names(bots: Sequence[BotView]) -> str:
    names = ", ".join(bot.id for bot in bots[:NAMED])
    return f"{names} and {len(bots) - NAMED} more" if len(bots) > NAMED else names


def order_class(state: str) -> str:
    """Return the class in the style sheet of an order's state."""
    if state.startswith("partly filled"):
        return "late"
    return {"waiting": "late", "cancelled": "skipped", "": ""}.get(state, "turned-away")


def gain(value: float | None) -> str:
    """Return a profit or a loss with its sign; colour is never the only one."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 1000 else 2
    text = f"{value:+,.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return text if text.strip("+\N{MINUS SIGN}0.") else "0"


def gain_class(value: float | None) -> str:
    """Return the class in the style sheet of a profit or a loss."""
    return "" if not value else "gain" if value > 0 else "loss"


def amount(value: float | None) -> str:
    """Return an amount of money as a list shows it: without cents if it is large."""
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"


def percent(part: float | None) -> str:
    """Return a part of one in per cent; only what is whole is 100."""
    if part is None:
        return ""
    return "100" if part == 1 else f"{min(part * 100, 99.9):.1f}"


def kind_of(condition: Condition) -> Kind:
    """Return the words of a condition's kind."""
    return KINDS.get(condition.kind, _UNKNOWN)


def advice(condition: Condition) -> str:
    """Return what a person can do about a condition."""
    return kind_of(condition).advice.replace("{strategy}", condition.strategy).replace("{bot}", condition.bot)
