"""How long after its deadline a missed slot is in the hands of the channel, with 1,000 bots and a day of history."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from docker.models.containers import Container

from tests.bench import processes, supervised
from tests.bench.containers import Bench
from tests.bench.figures import UNKNOWN, Budget, Report, Table, duration, mebibytes, ratio, summary
from tests.bench.progress import doing, say, wait_until
from tests.bench.receiver import Receiver, receiving
from tests.bench.watched import BOTS, EVERY, GRACE, STEP, Live, WatchedBot, bots, write_manifests

DAY = timedelta(days=1)
CROWD = 250  # bots that miss one and the same slot
ROUNDS, QUICK_ROUNDS = 60, 10  # a slot missed by one bot, or by all of its group, each of which runs late after all
GROWING, QUICK_GROWING = 20, 5  # groups that miss their slots one after the other and do not come back
RUN_LATE = timedelta(seconds=3.2)  # after the deadline
LEAD = timedelta(seconds=15)  # between the plan and the first slot that it concerns


@dataclass(frozen=True)
class _Missed:
    """Bots that miss one slot, for which there is one deadline (seconds since 1970)."""

    bots: tuple[WatchedBot, ...]
    deadline: float


def measure(bench: Bench, *, quick: bool) -> Report:
    """Let slots be missed on purpose, and see when the webhook knows."""
    rounds, growing = (QUICK_ROUNDS, QUICK_GROWING) if quick else (ROUNDS, GROWING)
    with supervised.home(bench, "latency") as home, receiving() as receiver:
        # The crowd's slot comes after all rounds, however long the first reading takes: it is far enough ahead.
        fleet = bots()
        journals = supervised.journals(home, fleet)
        begin = datetime.now(UTC)
        crowd_at = begin + timedelta(seconds=210 if quick else 300) + (rounds + 2) * STEP
        crowd_at = crowd_at.replace(microsecond=0)
        midnight = crowd_at.replace(hour=0, minute=0, second=0)
        fleet = bots((crowd_at - midnight) % EVERY, CROWD)
        journals = supervised.journals(home, fleet)
        write_manifests(home.strategies, fleet)
        with doing(f"writing a day of journals of {BOTS:,} bots"):
            journals.start(begin - DAY)
            since = datetime.now(UTC)
            journals.history(begin - DAY, since)
            journals.touch_all()
        environment = {"OPENBELL_ALERT_URLS": receiver.url("json", "ours")}
        supervisor = supervised.start(bench, home, environment)
        peer = _start_peer(bench, home, receiver)
        with Live(journals, since) as live:
            with doing("reading the day for the first time"):
                supervised.seconds_until_ready(supervisor)
            memory = processes.PeakMemory(supervisor)
            single = _plan(live, fleet, datetime.now(UTC) + LEAD, rounds, late=True)
            wait_until(single[-1].deadline + 5, f"missing {len(single)} slots, one every {STEP.total_seconds():.0f} s")
            crowd = tuple(fleet[-CROWD:])
            if datetime.now(UTC) + timedelta(seconds=2) > crowd_at:
                say("the crowd's slot is over already: a slow machine")
                crowd = ()
            for bot in crowd:
                live.miss(bot, crowd_at, crowd_at + GRACE + RUN_LATE)
            deadline = (crowd_at + GRACE).timestamp()
            wait_until(deadline + 12, f"missing one slot of {CROWD} bots")
            more = _plan(live, fleet, datetime.now(UTC) + LEAD, growing, late=False)
            wait_until(max(more[-1].deadline + 15, time.time() + (20 if quick else 62)), "missing slots without an end")
        _complain(supervisor)
        peak = memory.stop()
        supervised.stop(supervisor)
        if peer is not None:
            peer.remove(force=True)
        report = _report(receiver, single, [_Missed(crowd, deadline)] if crowd else [], more, has_peer=peer is not None)
        what = f"most PSS of the supervisor while it sends, {BOTS:,} bots"
        met = 0 < peak <= 64 * 1024
        budget = Budget(what, mebibytes(peak) if peak else UNKNOWN, "<= 64 MB", met)
        return Report(report.tables, (*report.budgets, budget))


def _plan(live: Live, fleet: Sequence[WatchedBot], start: datetime, count: int, *, late: bool) -> list[_Missed]:
    """Let the next `count` groups miss their slots: one bot of each, of every fifth all."""
    planned: list[_Missed] = []
    groups: dict[datetime, list[WatchedBot]] = {}
    for bot in fleet[:-CROWD]:
        groups.setdefault(next(bot.slots(start, start + EVERY)), []).append(bot)
    for number, slot in enumerate(sorted(groups)[:count]):
        chosen = groups[slot] if number % 5 == 4 else groups[slot][:1]
        for bot in chosen:
            live.miss(bot, slot, slot + GRACE + RUN_LATE if late else None)
        planned.append(_Missed(tuple(chosen), (slot + GRACE).timestamp()))
    return planned


def _start_peer(bench: Bench, home: supervised.Home, receiver: Receiver) -> Container | None:
    if "deadman" in bench.missing:
        return None
    limit = (EVERY + GRACE).total_seconds()
    return bench.client.containers.run(
        bench.kit.image("deadman"),
        [str(limit), receiver.url("http", "peer")],
        detach=True,
        init=True,
        volumes={str(home.beats): {"bind": "/beats", "mode": "ro"}},
        extra_hosts={"host.docker.internal": "host-gateway"},
        labels={"com.docker.compose.project": bench.kit.project},
    )


def _complain(supervisor: Container) -> None:
    """Say what the supervisor's log has of failures, since the figures would be of something else then."""
    for line in supervisor.logs().decode(errors="replace").splitlines():
        if '"level": "error"' in line or "Traceback" in line:
            say(f"the supervisor: {line[:300]}")


def _latencies(receiver: Receiver, path: str, missed: Sequence[_Missed], *, each: bool) -> list[float | None]:
    """Return, for each bot, the seconds from its deadline to the first message that names it (`each`) or one of its group."""
    found: list[float | None] = []
    for one in missed:
        for bot in one.bots:
            names = [bot.id] if each else [other.id for other in one.bots]
            at = receiver.first(path, names, one.deadline)
            found.append(None if at is None else at - one.deadline)
    return found


def _report(
    receiver: Receiver, single: list[_Missed], crowd: list[_Missed], growing: list[_Missed], *, has_peer: bool
) -> Report:
    ours = _latencies(receiver, "ours", single, each=False)
    rows = [_row("openbell: missed one after the other", ours, ours)]
    if crowd:
        rows.append(_row(f"openbell: {CROWD} bots, one instant", _latencies(receiver, "ours", crowd, each=False), ours))
    rows.append(_row("openbell: one outage that grows", _latencies(receiver, "ours", growing, each=True), ours))
    if has_peer:
        rows.append(_row("cron and a script, every minute", _latencies(receiver, "peer", single, each=True), ours))
    notes = (
        "from the instant until which a run could have started to the arrival of the message at a webhook; 1 CPU",
        "one second of it is openbell's own patience: a run that begins at the last instant has to be written down first",
        "an outage that grows: told at once, and what joins it by later messages; a bot that none of them names is not counted",
    )
    table = Table(
        f"From the deadline of a missed slot to the channel, {BOTS:,} bots and a day of history",
        ("", "slots", "told", "median", "p99", "max", "median / ours"),
        tuple(rows),
        notes,
    )
    measured = [one for one in ours if one is not None]
    figures = summary(measured)
    if figures is None or len(measured) < len(ours):
        return Report((table,), (Budget("missed slot to the channel, p99", UNKNOWN, "<= 1.2 s", met=False),))
    budget = Budget("missed slot to the channel, p99", duration(figures.p99), "<= 1.2 s", figures.p99 <= 1.2)
    return Report((table,), (budget,))


def _row(name: str, latencies: Sequence[float | None], ours: Sequence[float | None]) -> tuple[str, ...]:
    measured = [one for one in latencies if one is not None]
    figures, beside = summary(measured), summary([one for one in ours if one is not None])
    if figures is None:
        return (name, str(len(latencies)), "0", *[UNKNOWN] * 4)
    times = [duration(figure) for figure in (figures.median, figures.p99, figures.largest)]
    against = UNKNOWN if beside is None else ratio(figures.median, beside.median)
    return (name, str(len(latencies)), str(len(measured)), *times, against)
