"""/metrics: the snapshot, the counters and the alerts for Prometheus."""

import os
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

import openbell
from openbell import foreign_files, heartbeat
from openbell.journal import days
from openbell.supervisor.alerts import view as alerts_view
from openbell.supervisor.health.bot_status import GOOD
from openbell.supervisor.health.snapshot import BotView, Snapshot, StrategyView
from openbell.supervisor.store.counters import DURATION, LATENESS, Totals
from openbell.supervisor.store.store import Store
from openbell.supervisor.web.dependencies import Dependencies

Labels = Mapping[str, str]

# Each counter is there from the start: Prometheus' increase() does not see the first one of a counter that begins at 1.
NO_SLOTS = {
    **{(outcome, ""): 0.0 for outcome in ("succeeded", "failed", "timed_out", "interrupted")},
    **{("missed", reason): 0.0 for reason in ("late", "unheard", "other")},
}
STATUSES = ("new", "up", "running", "late", "down", "paused")


def gauge(name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> Metric:
    """Return a family of values that go up and down."""
    return _family(name, "gauge", text, ((name, labels, value) for labels, value in samples))


def counter(name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> Metric:
    """Return a family of values that only grow; its name ends with _total."""
    return _family(name.removesuffix("_total"), "counter", text, ((name, labels, value) for labels, value in samples))


def histogram(
    name: str, text: str, bounds: Iterable[float], samples: Iterable[tuple[Labels, Mapping[str, float], float]]
) -> Metric:
    """Return a histogram. samples: labels, how many lie up to each bound and above the one before, and the sum of all."""
    names = [*(str(bound) for bound in bounds), "+Inf"]
    found: list[tuple[str, Labels, float]] = []
    for labels, buckets, total in samples:
        count = 0.0
        for le in names:
            count += buckets.get(le, 0.0)
            found.append((f"{name}_bucket", {**labels, "le": le}, count))
        found += [(f"{name}_sum", labels, total), (f"{name}_count", labels, count)]
    return _family(name, "histogram", text, found)


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[str, Labels, float]]) -> Metric:
    family = Metric(name, text, kind)
    for sample, labels, value in samples:
        family.add_sample(sample, dict(labels), value)
    return family


class Metrics(Collector):
    """The route /metrics."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def answer(self, _: Request) -> Response:
        """Answer with all metrics."""
        return Response(generate_latest(self), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics that have samples, for prometheus_client."""
        return (family for family in self.families() if family.samples)

    def families(self) -> Iterator[Metric]:
        """Yield all metrics; before the first judgement only what concerns the supervisor itself."""
        dependencies, snapshot = self._dependencies, self._dependencies.snapshot()
        yield from self._own(snapshot)
        if snapshot is None:
            return
        yield from _statuses(snapshot)
        yield from _bots([(view.name, bot) for view in snapshot.strategies for bot in view.bots])
        yield from _money(snapshot)
        yield from self._files(snapshot)
        with dependencies.records() as store:
            yield from _totals(snapshot, store.totals())
            yield _equity(snapshot, store)
        yield from self._alerts()

    def _own(self, snapshot: Snapshot | None) -> Iterator[Metric]:
        build = {"version": openbell.__version__, "python": platform.python_version()}
        yield gauge("openbell_build_info", "Which openbell this is.", [(build, 1)])
        yield gauge(
            "openbell_watch_idle_seconds", "Since the watch's last progress.", [({}, self._dependencies.idle())]
        )
        yield gauge("openbell_memory_bytes", "Resident memory of the supervisor.", [({}, _resident())])
        yield gauge("openbell_ready", "1 once the journals have been read.", [({}, snapshot is not None)])
        name, said = "openbell_journal_unreadable_lines_total", "Lines passed over since the supervisor started."
        yield counter(name, said, [({}, self._dependencies.passed_over())])

    def _files(self, snapshot: Snapshot) -> Iterator[Metric]:
        now, root = self._dependencies.now(), self._dependencies.journal
        ages, sizes = [], []
        for view in snapshot.strategies:
            try:
                if (beat := heartbeat.read(root / view.name)) is not None:
                    ages.append(({"strategy": view.name}, max(0.0, (now - beat.timestamp) / timedelta(seconds=1))))
                size = sum(foreign_files.size_of(path, root) for _, path in days(root / view.name))
            except OSError:
                continue  # not there yet, pruned just now, or not a strategy's file
            sizes.append(({"strategy": view.name}, size))
        yield gauge("openbell_beat_age_seconds", "Since the loop's last sign of life.", ages)
        yield gauge("openbell_journal_bytes", "Size of the journal.", sizes)

    def _alerts(self) -> Iterator[Metric]:
        found = alerts_view.read(self._dependencies.alerts)
        if found is None:
            return
        channels = [({"channel": channel.name}, channel) for channel in found.channels]
        yield gauge("openbell_alert_incidents", "Open incidents.", [({}, len(found.incidents))])
        now = self._dependencies.now()
        unanswered = sum(one.needs_answer(now) for one in found.incidents)
        yield gauge(
            "openbell_alert_incidents_unacknowledged", "Open incidents that no person has answered.", [({}, unanswered)]
        )
        queue = "Messages that wait for their channel."
        yield gauge("openbell_alert_queue", queue, [(labels, channel.waiting) for labels, channel in channels])
        sent, failed = "Messages handed over.", "Attempts that failed."
        yield counter("openbell_alerts_sent_total", sent, [(labels, channel.sent) for labels, channel in channels])
        yield counter(
            "openbell_alerts_failed_total", failed, [(labels, channel.failed) for labels, channel in channels]
        )


def _statuses(snapshot: Snapshot) -> Iterator[Metric]:
    yield gauge("openbell_ok", "1 while all is well.", [({}, snapshot.ok)])
    yield gauge(
        "openbell_strategy_status",
        "1 for the status that the strategy's loop has.",
        [
            ({"strategy": view.name, "status": status}, view.status == status)
            for view in snapshot.strategies
            for status in STATUSES
        ],
    )
    yield gauge("openbell_bots", "Bots by status.", [one for view in snapshot.strategies for one in _by_status(view)])
    found = Counter((condition.kind, condition.strategy) for condition in snapshot.conditions)
    said = "What is wrong now; strategy is empty if it concerns the machine."
    conditions = [({"kind": kind, "strategy": strategy}, count) for (kind, strategy), count in sorted(found.items())]
    yield gauge("openbell_conditions", said, conditions)


def _by_status(view: StrategyView) -> Iterator[tuple[dict[str, str], float]]:
    counts = Counter(bot.status for bot in view.bots)
    for status in STATUSES:
        yield {"strategy": view.name, "status": status}, counts[status]


def _bots(bots: list[tuple[str, BotView]]) -> Iterator[Metric]:
    labelled = [({"strategy": strategy, "bot": bot.id}, bot) for strategy, bot in bots]
    yield gauge(
        "openbell_bot_healthy", "0 while the bot is down.", [(one, bot.status in GOOD) for one, bot in labelled]
    )
    yield gauge(
        "openbell_bot_next_slot_timestamp_seconds",
        "When the bot is due next.",
        [(one, bot.next_slot.timestamp()) for one, bot in labelled if bot.next_slot is not None],
    )
    yield gauge(
        "openbell_bot_uptime_ratio",
        "The part of the slots of the last 30 days that succeeded.",
        [(one, bot.uptime.month) for one, bot in labelled if bot.uptime is not None and bot.uptime.month is not None],
    )
    succeeded = [(one, bot.last_success) for one, bot in labelled]
    yield gauge(
        "openbell_bot_last_succeeded_slot_timestamp_seconds",
        "The newest slot that succeeded.",
        [(one, at.timestamp()) for one, at in succeeded if at is not None],
    )


def _money(snapshot: Snapshot) -> Iterator[Metric]:
    gains = [
        ({"strategy": view.name, "since": since, "currency": view.worth.currency}, value)
        for view in snapshot.strategies
        if view.worth is not None
        for since, value in (("day", view.worth.today), ("week", view.worth.week), ("start", view.worth.start))
        if value is not None
    ]
    yield gauge("openbell_account_gain", "What the account has gained since the day, the week and its start.", gains)
    waiting = [({"strategy": view.name}, sum(bot.open_orders for bot in view.bots)) for view in snapshot.strategies]
    yield gauge("openbell_open_orders", "Orders that wait, or whose fate is unknown.", waiting)


def _totals(snapshot: Snapshot, totals: dict[str, Totals]) -> Iterator[Metric]:
    known = [(view.name, totals.get(view.name, Totals())) for view in snapshot.strategies]
    yield counter(
        "openbell_slots_total",
        "Slots by how they ended. Kept by the supervisor across its restarts.",
        [
            ({"strategy": name, "outcome": outcome, "reason": reason}, value)
            for name, one in known
            for (outcome, reason), value in sorted({**NO_SLOTS, **one.slots}.items())
        ],
    )
    yield counter(
        "openbell_runs_total",
        "Runs by how they ended and what started them. Kept across restarts.",
        [
            ({"strategy": name, "outcome": outcome, "trigger": trigger}, value)
            for name, one in known
            for (outcome, trigger), value in sorted(one.runs.items())
        ],
    )
    for metric, said, bounds, key in (
        ("openbell_run_lateness_seconds", "From a slot to the start of its run.", LATENESS, "lateness"),
        ("openbell_run_duration_seconds", "How long runs took.", DURATION, "duration"),
    ):
        samples = [({"strategy": name}, one.buckets.get(key, {}), one.sums.get(key, 0.0)) for name, one in known]
        yield histogram(metric, said, bounds, samples)


def _equity(snapshot: Snapshot, store: Store) -> Metric:
    newest = [(view.name, account) for view in snapshot.strategies for account in store.accounts(view.name, 1)]
    return gauge(
        "openbell_account_equity",
        "Equity of the strategy's account, in its currency.",
        [
            ({"strategy": name, "broker": account.broker, "currency": account.currency}, account.equity)
            for name, account in newest
            if account.equity is not None
        ],
    )


def _resident() -> float:
    try:
        return float(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0.0
