"""A backtest beside what really ran, from the lines of two journals: where they differ, by how much, and why. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from statistics import fmean
from typing import cast

from openbell.journal import Event, instant
from openbell.records import dataclass, field

SAME_SIGNAL = 1e-9  # the relative difference up to which two signals are one


@dataclass(frozen=True)
class Decided:
    """What one side decided about a symbol at a slot."""

    action: str  # buy, sell, hold, refused
    quantity: float = 0.0
    filled: float = 0.0
    price: float | None = None  # of what was filled
    reason: str = ""
    signal: object = None


@dataclass
class Run:
    """One run, as a journal tells of it."""

    lateness_ms: float = 0.0
    outcome: str = ""  # of its end; or of a slot that was passed over, with why
    error: str = ""
    decided: dict[str, Decided] = field(default_factory=dict)  # by symbol


@dataclass(frozen=True)
class Row:
    """One decision on both sides; None where a side has none."""

    slot: datetime
    bot: str
    symbol: str
    live: Decided | None
    past: Decided | None
    why: str  # empty where both did the same at the same price
    slippage: float | None = None  # basis points by which live paid more, or got less; None if one side has not filled
    cost: float = 0.0  # what that came to, in the quote currency


@dataclass(frozen=True)
class Summary:
    """What all rows come to."""

    slots: int
    ran: int  # live
    same: int  # decisions
    different: int
    slippage: float | None  # basis points, on average
    worst: float | None
    cost: float


Runs = dict[tuple[datetime, str], Run]


def runs_of(events: Iterable[Event]) -> Runs:
    """Return the runs of a journal by slot and bot. A retry takes the place of the attempt before it."""
    found: Runs = {}
    orders: dict[str, tuple[Run, str]] = {}  # by client_order_id: the run that has sent it, and its symbol
    for event in events:
        slot, bot = instant(event.get("slot")), str(event.get("bot", ""))
        kind = event.get("event")
        if kind in {"order", "order_cancel", "order_replace"}:
            _follow(orders.get(str(event.get("client_order_id"))), event)
        elif slot is None:
            continue
        elif kind == "run_start":
            found[slot, bot] = Run(lateness_ms=_number(event.get("lateness_ms")) or 0.0)
        elif kind == "slot_skipped":
            found.setdefault((slot, bot), Run()).outcome = f"{event.get('outcome')} ({event.get('reason')})"
        elif (slot, bot) in found:
            _take(found[slot, bot], event, orders)
    return found


def _take(one: Run, event: Event, orders: dict[str, tuple[Run, str]]) -> None:
    """Take a line of a run after its first."""
    match event.get("event"):
        case "error":
            one.error = str(event.get("error", ""))
        case "run_end":
            one.outcome = str(event.get("outcome", ""))
        case "decision":
            symbol = str(event.get("symbol"))
            _decide(one, symbol, event)
            orders[str(event.get("client_order_id"))] = one, symbol


def _decide(one: Run, symbol: str, event: Event) -> None:
    action = str(event.get("action"))
    if event.get("status") == "rejected":
        action = "rejected"
    before = one.decided.get(symbol)
    if before is not None and action == "hold":
        return  # an order says more than the line that nothing else was done
    reason = event.get("broker_reason") or event.get("reason") or ""
    quantity, filled = (_number(event.get(name)) or 0.0 for name in ("qty", "filled_qty"))
    price = _number(event.get("filled_price"))
    one.decided[symbol] = Decided(action, quantity, filled, price, str(reason), event.get("signal"))


def _follow(order: tuple[Run, str] | None, event: Event) -> None:
    """Take what became of an order after its run."""
    if order is None:
        return
    one, symbol = order
    before = one.decided[symbol]
    filled = _number(event.get("filled_qty"))
    if filled:
        price = _number(event.get("filled_price"))
        one.decided[symbol] = Decided(
            before.action, before.quantity, filled, price or before.price, before.reason, before.signal
        )


def compare(live: Runs, past: Runs) -> list[Row]:
    """Return every decision of both sides, in the order of the slots. Slots of one side only have rows, too."""
    rows: list[Row] = []
    for key in sorted(live.keys() | past.keys()):
        ours, theirs = live.get(key), past.get(key)
        symbols = dict.fromkeys([*(ours.decided if ours else ()), *(theirs.decided if theirs else ())]) or {"": None}
        for symbol in symbols:
            one, other = (side.decided.get(symbol) if side else None for side in (ours, theirs))
            slippage, cost = _slippage(one, other)
            why = _why(ours, theirs, one, other)
            if not why and slippage is not None and abs(slippage) > 0.005:
                late = f", {ours.lateness_ms / 1000:.1f} s after its slot" if ours else ""
                why = f"filled at another price{late}"
            rows.append(Row(*key, symbol, one, other, why, slippage, cost))
    return rows


def _why(ours: Run | None, theirs: Run | None, live: Decided | None, past: Decided | None) -> str:
    if ours is None or (
        not ours.decided and ours.outcome not in {"", "succeeded", "failed", "timed_out", "interrupted"}
    ):
        return f"did not run live: {ours.outcome if ours and ours.outcome else 'no line tells of that slot'}"
    if theirs is None:
        return "a run that no schedule asks for: the backtest has no such slot"
    for where, run in (("live", ours), ("in the backtest", theirs)):
        if run.error and run.outcome != "succeeded":
            return f"the run failed {where}: {run.error}"
    if live is None or past is None:
        return f"decided {'in the backtest' if live is None else 'live'} only"
    return _why_decided(live, past)


def _why_decided(live: Decided, past: Decided) -> str:
    """Return why two decisions differ; empty if they do not."""
    for where, side in (("live", live), ("in the backtest", past)):
        if side.action in {"refused", "rejected"} and live.action != past.action:
            return f"{side.action} {where}: {side.reason}"
    if _differs(live.signal, past.signal):
        told = f"signal {_shown(live.signal)} live, {_shown(past.signal)} in the backtest: it saw other bars"
        return told if live.action != past.action or live.quantity != past.quantity else f"the same, on another {told}"
    if live.action != past.action:
        return "another decision on the same signal: position, cash or state were others"
    if live.quantity != past.quantity:
        return "another quantity: position, cash or price were others"
    if live.filled != past.filled:
        return "filled another part of it"
    return ""


def _differs(one: object, other: object) -> bool:
    first, second = _number(one), _number(other)
    if first is None or second is None:
        return one != other
    return abs(first - second) > SAME_SIGNAL * max(1.0, abs(first), abs(second))


def _slippage(live: Decided | None, past: Decided | None) -> tuple[float | None, float]:
    if live is None or past is None or not live.price or not past.price or live.action != past.action:
        return None, 0.0
    worse = (live.price - past.price) * (1 if live.action == "buy" else -1)
    return worse / past.price * 10_000, worse * live.filled


def summary(rows: Iterable[Row], live: Runs, past: Runs) -> Summary:
    """Return what all rows come to."""
    every = list(rows)
    slips = [row.slippage for row in every if row.slippage is not None]
    decided = [row for row in every if row.symbol]
    alike = sum(_is_alike(row) for row in decided)
    return Summary(
        len(live.keys() | past.keys()),
        sum(bool(one.decided) or one.outcome in {"succeeded", "failed"} for one in live.values()),
        alike,
        len(every) - alike,
        fmean(slips) if slips else None,
        max(slips, default=None),
        sum(row.cost for row in every),
    )


def _is_alike(row: Row) -> bool:
    """Tell whether both sides decided the same, at whatever price."""
    live, past = row.live, row.past
    return live is not None and past is not None and (live.action, live.quantity) == (past.action, past.quantity)


def _shown(signal: object) -> str:
    number = _number(signal)
    return str(signal) if number is None else f"{number:.6g}"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def cash_at_start(events: Iterable[Event]) -> tuple[float, Mapping[str, object]] | None:
    """Return the cash and the positions of the first line that tells of the account; None if none does."""
    for event in events:
        cash = _number(event.get("cash"))
        if event.get("event") == "account" and cash is not None:
            held = event.get("positions")
            return cash, cast("Mapping[str, object]", held) if isinstance(held, dict) else {}
    return None
