"""What the supervisor remembers, as values. Every instant is aware UTC.

They are tuples, since a day's news makes several hundred thousand of them: a frozen dataclass takes four times as long.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from openbell.supervisor.model.conditions import Condition

CRASH_WINDOW = timedelta(minutes=5)
CRASHES = 3  # unclean starts within the window that make a crash loop
MANUAL = "run by hand"  # the reason of a manual run that is shown among the slots


class SlotRecord(NamedTuple):
    """An expected slot, or a range of them with one fate. `outcome` is None while its run is in progress."""

    first: datetime
    last: datetime
    count: int  # type: ignore[assignment]
    outcome: str | None
    reason: str = ""
    late: bool = False  # its run started after its grace
    judged: bool = False  # the supervisor's own conclusion; what the journal says later replaces it
    run_id: str | None = None
    lateness_ms: float | None = None
    duration_ms: float | None = None
    error: str = ""  # the last line of its run's last error


class Streak(NamedTuple):
    """The slots with one bad outcome since the last good one. They need not be neighbours."""

    outcome: str
    count: int  # type: ignore[assignment]
    first: datetime
    last: datetime


class RunRecord(NamedTuple):
    """One run. `outcome` is None while it is in progress."""

    run_id: str
    bot: str
    slot: datetime
    trigger: str
    attempt: int
    started_at: datetime | None = None  # of the first attempt
    attempt_at: datetime | None = None  # of the newest attempt
    lateness_ms: float | None = None
    ended_at: datetime | None = None
    outcome: str | None = None
    duration_ms: float | None = None
    orders: int = 0
    error: str = ""
    judged: bool = False  # as in SlotRecord


class DecisionRecord(NamedTuple):
    """What a run decided about one symbol, and why. `about` holds what else the line said (signal, price, source)."""

    at: datetime
    bot: str
    slot: datetime | None
    run_id: str
    symbol: str
    action: str
    quantity: float | None
    reason: str
    about: Mapping[str, object]


class SignalRecord(NamedTuple):
    """What a run computed for one symbol: the signal as text, and the values that it was computed from."""

    at: datetime
    bot: str
    slot: datetime | None
    run_id: str
    symbol: str
    signal: str
    values: Mapping[str, object]


class NoteRecord(NamedTuple):
    """A line that a run has printed (`kind` is output), or written with ctx.log (note)."""

    at: datetime
    bot: str
    slot: datetime | None
    run_id: str
    kind: str
    level: str
    text: str
    values: Mapping[str, object]


class AccountRecord(NamedTuple):
    """What an account held at the end of a run. Positions: symbol → qty, average_price, price, value, as far as known."""

    at: datetime
    bot: str
    broker: str
    cash: float | None
    equity: float | None
    currency: str
    positions: Mapping[str, Mapping[str, float]]
    day_profit_loss: float | None = None


class OrderRecord(NamedTuple):
    """An order as the journal tells of it. `reason` is the broker's, `why` the strategy's; what is not known is None."""

    client_order_id: str
    bot: str
    run_id: str
    symbol: str
    side: str
    quantity: float | None
    status: str
    filled: float | None
    price: float | None  # average of what was filled
    fee: float | None
    at: datetime  # when the journal first named it
    changed_at: datetime  # when the journal last named it
    reason: str
    why: str


class Finding(NamedTuple):
    """What a run or a loop found about the world outside: stale_data, reconciled. `detail` is what the line said of it."""

    at: datetime
    kind: str
    bot: str
    slot: datetime | None
    run_id: str
    detail: Mapping[str, object]


class ErrorRecord(NamedTuple):
    """An error of a run, or of a start (`bot` is empty then)."""

    at: datetime
    bot: str
    slot: datetime | None
    run_id: str
    error: str
    traceback: str
    will_retry: bool


class ServiceEvent(NamedTuple):
    """Something that happened to a strategy's loop: service_start, start_failed, service_stop, clock_stepped and so on."""

    at: datetime
    event: str
    boot_id: str
    detail: str = ""  # the release of a start, the reason of a stop, the error of a failed start
    unclean: bool = False  # the loop before this start did not stop by itself


class Fault(NamedTuple):
    """An entry in the log of what went wrong, in the order in which it became known. `last` is the last slot concerned."""

    id: int
    condition: Condition
    last: datetime


class Day(NamedTuple):
    """How long a bot's runs took on one day in UTC."""

    day: date
    runs: int
    median_ms: float
    p95_ms: float


class Uptime(NamedTuple):
    """The part of a bot's slots that succeeded over the last 7, 30 and 90 days, from 0 to 1; None if there were none."""

    week: float | None = None
    month: float | None = None
    quarter: float | None = None


class Worth(NamedTuple):
    """What an account is worth, and its gain since the day began, the week began, and since its first record."""

    at: datetime
    currency: str
    equity: float
    today: float | None
    week: float | None
    start: float | None
    started_at: datetime | None = None


class Expected(NamedTuple):
    """From when on a bot's slots are expected, and up to where each of them has a record."""

    strategy: str
    bot: str
    schedule: str  # identifies the schedule; after a change, slots are expected from then on
    since: datetime
    recorded_until: datetime
    started: bool = False  # its container was seen to start


def why_not(slot: SlotRecord) -> str:
    """Return in words why a slot has no run; the journal's own word for "past its grace" is late."""
    return "not started within its grace" if (slot.outcome, slot.reason) == ("missed", "late") else slot.reason


def crashes(events: Iterable[ServiceEvent]) -> list[datetime]:
    """Return when loops were started after a crash, newest first."""
    return sorted((event.at for event in events if event.event == "service_start" and event.unclean), reverse=True)
