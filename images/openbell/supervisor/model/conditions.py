"""Conditions: everything that can be wrong, each with its words for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Kind:
    """What all conditions of one name have in common.

    title: what is wrong, as the end of a sentence that begins with the strategy's or the bot's name.
    advice: what a person can do about it. critical: it is told in quiet hours too.
    """

    title: str
    advice: str
    critical: bool = True


@dataclass(frozen=True)
class Condition:
    """Something that is wrong now. Its identity is (kind, strategy, bot); the rest is evidence, which may change.

    bot: empty if it concerns the strategy's loop; strategy: empty too if it concerns the machine or the supervisor.
    since: when it began. expected: what should have been instead. count: slots in a row that went this way.
    """

    kind: str
    strategy: str
    bot: str
    since: datetime
    reason: str
    expected: str = ""
    count: int = 1

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same condition as before."""
        return self.kind, self.strategy, self.bot


KINDS: Mapping[str, Kind] = {
    "never_started": Kind("has never started", "Start it: `make up`, then `make ps`"),
    "cannot_start": Kind("cannot start", "Fix what the error names and deploy again"),
    "bad_manifest": Kind("has a manifest that is not valid", "`make check` names the line; fix it and deploy again"),
    "crash_loop": Kind("is in a crash loop", "`make logs STRATEGY={strategy}` shows why its container dies"),
    "stalled": Kind(
        "shows no sign of life", "`make logs STRATEGY={strategy}`; restart its container or process if it hangs"
    ),
    "stopped": Kind("was stopped and not started again", "`make up` starts it"),
    "journal_unreadable": Kind("cannot be watched", "Look at the journal volume: its permissions, its disk"),
    "missed": Kind(
        "missed a slot", "`make logs STRATEGY={strategy}`; `make run STRATEGY={strategy} BOT={bot}` runs it now"
    ),
    "failed": Kind("failed", "Its page shows the traceback; `make run STRATEGY={strategy} BOT={bot}` tries it again"),
    "timed_out": Kind(
        "ran out of its timeout", "Its page shows where it hung; raise `timeout` if it only needs longer"
    ),
    "interrupted": Kind("was interrupted in mid-run", "Look at its orders before the next slot"),
    "hung": Kind("hangs", "restart its container or process if it does not end by itself"),
    "calendar_expired": Kind("has a calendar that has run out", "Update openbell: its calendars reach further"),
    "calendar_ending": Kind(
        "has a calendar that runs out soon",
        "Update openbell in time, or write the holidays that it lacks into strategies/calendar.toml and `make calendar APPLY=1`",
        critical=False,
    ),
    "stream_ended": Kind("has lost its stream", "Its page shows why; its loop starts it again"),
    "stream_silent": Kind("has a silent stream", "Look at its data source"),
    "stale_data": Kind(
        "ran on old bars", "Look at its data source; its orders were held back unless it says otherwise"
    ),
    "order_rejected": Kind(
        "had an order turned away",
        "Its page shows the broker's reason: mend the account or the strategy",
        critical=False,
    ),
    "order_uncertain": Kind(
        "has an order whose fate is unknown",
        "Look at the broker; then `make reconcile STRATEGY={strategy} ADOPT=1` takes what it says",
    ),
    "symbol_unavailable": Kind(
        "has a symbol that its market does not know",
        "Mend its symbols: was it delisted or renamed? The others go on",
        critical=False,
    ),
    "broker_differs": Kind("does not hold what its ledger says", "Compare the broker's account with its page"),
    "unexpected_run": Kind("ran where no slot was", "Look at its schedule and its calendar", critical=False),
    "overlapping": Kind(
        "has runs that last longer than the time between its slots",
        "Its page shows how long runs take; give it more time between slots, or make it faster",
        critical=False,
    ),
    "slower": Kind(
        "takes longer from week to week",
        "Its page shows the trend; make it faster or raise `timeout` before a run reaches it",
        critical=False,
    ),
    "volume_full": Kind(
        "has hardly any room left on its disk", "Free some: old journals, unused images (`docker system df`)"
    ),
    "not_written": Kind("does not write its journal", "Look at the journal volume: its permissions, its disk"),
    "store_failed": Kind("cannot keep its records", "Look at the supervisor's volume: its permissions, its disk"),
    "store_rebuilt": Kind(
        "had damaged records, which were rebuilt",
        "Look at the machine's disk: `dmesg` names what fails; the file put aside may be deleted",
    ),
    "database_lost": Kind(
        "cannot reach the database that hosts share",
        "Nothing trades without it: check the database, its network, its certificate and its password",
    ),
    "host_gone": Kind(
        "has lost a host",
        "Look at that machine; what it ran goes on elsewhere if the reason says so",
    ),
    "clock_wrong": Kind("has a clock that is wrong", "Look at the machine's time synchronisation (`timedatectl`)"),
}
