"""Word by word what people are told of a bot and of a loop, case by case: judgements.txt has it.

`python -m tests.unit.supervisor.health.test_words` writes the file anew: read what has changed in it before it is kept.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell.calendars.ending import NOTICE
from openbell.control import Deployment
from openbell.heartbeat import Heartbeat
from openbell.manifest import Bot, windows
from openbell.supervisor.health.bot_conditions import bot_conditions
from openbell.supervisor.health.bot_status import judge_bot, manual_failure
from openbell.supervisor.health.facts import BotFacts, Verdict
from openbell.supervisor.health.loop_status import judge_loop
from openbell.supervisor.health.shared_hosts import Move, SharedHosts
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.durations import Durations
from openbell.supervisor.model.records import Finding, RunRecord, Streak
from tests.unit.supervisor.health import test_bot_conditions as conditions
from tests.unit.supervisor.health import test_bot_status as status
from tests.unit.supervisor.health import test_loop_conditions as loops
from tests.unit.supervisor.health import test_loop_status as loop_status

FILE = Path(__file__).with_name("judgements.txt")
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ago = conditions.ago
STREAM = replace(conditions.STREAM, timeout=timedelta(seconds=60))
UP = conditions.UP


def blacked_out(text: str) -> Bot:
    """Return the stream with a blackout."""
    return replace(STREAM, schedule=replace(STREAM.schedule, blackout=windows.windows([text]) or ()))


def opened(begun: float, *, attempt: float | None = None) -> RunRecord:
    """Return a run that goes on; its newest attempt began later."""
    return RunRecord("r", "b", ago(begun), "loop", 2, ago(begun), None if attempt is None else ago(attempt))


def ended(number: int, outcome: str | None, trigger: str = "manual", error: str = "") -> RunRecord:
    """Return a run that has ended."""
    at = ago(60.0 * number)
    return RunRecord(f"r{number}", "b", at, trigger, 1, at, at, 1.0, at, outcome, error=error)


def stale(*symbols: str) -> tuple[Finding, ...]:
    """Return what one run found of the bars of several symbols."""
    return tuple(conditions.stale(1, symbol=symbol) for symbol in symbols)


def order(kind: str, **detail: object) -> Finding:
    """Return what came of an order."""
    return Finding(ago(60), kind, "b", ago(60), "r", {"symbol": "AAPL", **detail})


def failed(outcome: str, count: int = 1, error: str = "", reason: str = "") -> BotFacts:
    """Return a bot whose newest slots ended badly."""
    slots = (
        conditions.slot(1, outcome)._replace(error=error, reason=reason, count=count),
        conditions.slot(9, "failed"),
    )
    return BotFacts(conditions.BOT, slots, streaks=(Streak(outcome, count, ago(60.0 * count), ago(60)),))


BLACKOUT = "daily 14:00 - 16:00 UTC"
DEPLOYED = Deployment("r2", ("s",), ago(0), NOW + 60 * SECOND, "ann")
MORE_BOTS: list[tuple[str, BotFacts, Verdict]] = [
    ("a stream runs", BotFacts(STREAM, open_runs=(opened(900, attempt=30),)), UP),
    ("a stream of one attempt runs", BotFacts(STREAM, open_runs=(opened(30),)), UP),
    ("a stream of several runs", BotFacts(STREAM, open_runs=(opened(900), opened(20))), UP),
    ("a stream is silent", BotFacts(STREAM, open_runs=(opened(900),), stream_heartbeat=ago(70)), UP),
    ("a stream is nearly silent", BotFacts(STREAM, open_runs=(opened(900),), stream_heartbeat=ago(69)), UP),
    ("a stream is about to start", BotFacts(STREAM, loop_started=ago(5)), UP),
    ("a stream is about to start again", BotFacts(STREAM, stream_ends=(ago(5), ago(90)), runs=(ended(1, "failed", "stream", "no"),)), UP),
    ("a stream did not start", BotFacts(STREAM, loop_started=ago(10)), UP),
    ("a stream was not started again", BotFacts(STREAM, stream_ends=(ago(20),), runs=(ended(1, "failed", "stream", "no"),)), UP),
    ("a stream has ended without an error", BotFacts(STREAM, stream_ends=(ago(20),), runs=(ended(1, "succeeded", "stream"), )), UP),
    ("a stream's newest run goes on", BotFacts(STREAM, stream_ends=(ago(20),), runs=(opened(3), ended(1, "failed", "stream", "no"))), UP),
    ("a stream ends again and again", BotFacts(STREAM, stream_ends=(ago(20), ago(90), ago(299), ago(300))), UP),
    ("a stream ended twice", BotFacts(STREAM, open_runs=(opened(3),), stream_ends=(ago(20), ago(90), ago(300))), UP),
    ("nothing is known of a stream", BotFacts(STREAM), UP),
    ("a stream in a blackout", BotFacts(blacked_out(BLACKOUT)), UP),
    ("a stream after a blackout", BotFacts(blacked_out("daily 14:00 - 14:59 UTC"), loop_started=ago(1800)), UP),
    ("a stream's ends in a blackout", BotFacts(blacked_out("daily 14:00 - 14:59 UTC"), stream_ends=(ago(70), ago(80), ago(90))), UP),
    ("a stream of a loop that starts", BotFacts(STREAM), Verdict("new", "it starts", NOW + SECOND)),
    ("a stream of a loop that is down", BotFacts(STREAM), Verdict("down", "it is down", NOW + SECOND, "stalled")),
    ("one slot failed", failed("failed", error="ValueError: no"), UP),
    ("one slot was missed", failed("missed"), UP),
    ("one slot was missed for a reason", failed("missed", reason="loop down"), UP),
    ("two slots timed out", failed("timed_out", 2), UP),
    ("three slots were missed", failed("missed", 3), UP),
    ("a skipped slot between two", BotFacts(conditions.BOT, conditions.slots("fof")), UP),
    ("a slot of another outcome between two", BotFacts(conditions.BOT, conditions.slots("fmf")), UP),
    ("two runs hang", BotFacts(conditions.BOT, open_runs=(opened(900, attempt=800), opened(700))), UP),
    ("a run hangs", BotFacts(conditions.BOT, open_runs=(opened(900, attempt=800),)), UP),
    ("a run goes on", BotFacts(conditions.BOT, open_runs=(opened(9, attempt=3),)), UP),
    ("three symbols are stale", BotFacts(conditions.BOT, findings=stale("A", "B", "C")), UP),
    ("four symbols are stale", BotFacts(conditions.BOT, findings=stale("D", "C", "B", "A")), UP),
    ("a stream's bars are stale", BotFacts(STREAM, open_runs=(opened(9),), findings=stale("A")), UP),
    ("an order of unknown fate", BotFacts(conditions.BOT, findings=(order("order_uncertain", side="buy", quantity=2.0),)), UP),
    ("a rejected order", BotFacts(conditions.BOT, findings=(order("order_rejected", side="buy", qty=2.0, reason="no"),)), UP),
    ("a rejected order without a reason", BotFacts(conditions.BOT, findings=(order("order_rejected", action="buy", qty=2.0),)), UP),
    ("its runs get slower", BotFacts(conditions.BOT, durations=Durations(900, 1000, (), 60_000, limit_at=NOW + timedelta(days=90))), UP),
    ("it ran late", BotFacts(conditions.BOT, (conditions.slot(1)._replace(late=True, lateness_ms=9_000.0, duration_ms=5.0),)), UP),
    ("a run where no slot was", BotFacts(conditions.BOT, last_success=ago(30), findings=(conditions.unexpected(1)._replace(slot=None), conditions.unexpected(5))), UP),
    ("runs where no slot was", BotFacts(conditions.BOT, findings=(conditions.unexpected(1)._replace(slot=None), conditions.unexpected(5))), UP),
    ("a run where no slot was, a day ago", BotFacts(conditions.BOT, findings=(conditions.unexpected(1440),)), UP),
    ("an order of a day ago", BotFacts(conditions.BOT, findings=(conditions.order("order_rejected", 1440),)), UP),
    ("a stream's bars of an hour ago", BotFacts(STREAM, open_runs=(opened(9),), findings=(conditions.stale(60),)), UP),
    ("two symbols are gone", BotFacts(conditions.BOT, findings=(conditions.gone(1), conditions.gone(2))), UP),
    ("stale bars before and after a success", BotFacts(conditions.BOT, conditions.slots("fsfff"), findings=(
        conditions.stale(0), conditions.stale(2), conditions.stale(4)._replace(slot=None))), UP),
    ("stale bars without a slot", BotFacts(conditions.BOT, conditions.slots("fsfff"), findings=(
        conditions.stale(0)._replace(slot=None), conditions.stale(2))), UP),
    ("a heartbeat ten seconds after a start", BotFacts(conditions.BOT, open_runs=(opened(900),), heartbeat_at=ago(890)), UP),
    ("a run of one attempt hangs", BotFacts(conditions.BOT, open_runs=(opened(900),)), UP),
    ("overlaps that were long ago", BotFacts(conditions.BOT, conditions.slots("osoosssssoo")), UP),
    ("overlaps and nothing but pauses", BotFacts(conditions.BOT, conditions.slots("opopopo")), UP),
    ("stale bars before and after a failure", BotFacts(conditions.BOT, conditions.slots("fffff"), findings=(conditions.stale(0), conditions.stale(2))), UP),
    ("a silent stream in a blackout", BotFacts(blacked_out(BLACKOUT), open_runs=(opened(900),)), UP),
    ("overlaps and pauses", BotFacts(conditions.BOT, conditions.slots("opospopospo")), UP),
    ("a stream was cut in a blackout", BotFacts(blacked_out(BLACKOUT), stream_ends=(ago(20), ago(30), ago(40)), loop_started=ago(99)), UP),
    ("a failure before the next slot", BotFacts(conditions.BOT, conditions.slots("f"), awaited=NOW), UP),
    ("a skipped slot before the next", BotFacts(conditions.BOT, conditions.slots("p"), awaited=NOW), UP),
    ("the next slot is late", BotFacts(conditions.BOT, conditions.slots("s"), awaited=ago(3)), UP),
    ("the next slot is late, and deployed soon", BotFacts(conditions.BOT, awaited=ago(3), deployment=DEPLOYED), UP),
    ("it is deployed", BotFacts(conditions.BOT, awaited=ago(30), deployment=DEPLOYED), UP),
]  # fmt: skip
MANUAL = [
    (),
    (ended(1, "succeeded"), ended(2, "failed")),
    (ended(1, "failed", "loop"),),
    (ended(1, None), ended(2, "timed_out", error="too long")),
    (ended(1, "failed"), ended(2, "failed"), ended(3, "failed", "loop"), ended(4, "failed")),
    (ended(1, "failed"), ended(2, "failed"), ended(3, "succeeded"), ended(4, "failed")),
]
DIFFERENT = [{**loops.DIFFERENCE, "symbol": name} for name in "ABCD"]
MORE_LOOPS = [
    ("three differences", replace(loops.ALIVE, reconciled=(loops.compared(60, *DIFFERENT[:3]),))),
    ("four differences", replace(loops.ALIVE, reconciled=(loops.compared(60, *DIFFERENT),))),
    ("differences of a sort of their own", replace(loops.ALIVE, reconciled=(
        Finding(ago(60), "reconciled", "b", None, "", {"differences": "x" * 300}),
        Finding(ago(90), "reconciled", "b", None, "", {"differences": [{"symbol": "A", "kind": "not_there"}, {}, 3]}),
    ))),
    ("a difference without a kind", replace(loops.ALIVE, reconciled=(
        Finding(ago(90), "reconciled", "b", None, "", {"differences": [{"symbol": "A", "kind": "not_there"}, {}, 3]}),
    ))),
    ("two steps of the clock", replace(loops.ALIVE, events=(loops.event(60, "clock_stepped", "-7"), loops.event(70, "clock_stepped", "9"), loops.event(900)))),
    ("differences that are no list", replace(loops.ALIVE, reconciled=(Finding(ago(60), "reconciled", "b", None, "", {"differences": 5}),))),
    ("stopped after crashes", replace(loops.STOPPED, events=(loops.event(5, "service_stop", "SIGTERM", "x"), *loops.crashes(20, 60, 90)), heartbeat=None)),
    ("stopped by a clock that is ahead", replace(loops.ALIVE, events=(loops.event(-6000, "service_stop", "SIGTERM"),), heartbeat=None)),
    ("a calendar that ends today", replace(loops.ALIVE, calendar="XNYS", calendar_ends=NOW.date())),
    ("a calendar that ends in time for a notice", replace(loops.ALIVE, calendar="XNYS", calendar_ends=NOW.date() + NOTICE)),
    ("holidays that end in time for a notice", replace(loops.ALIVE, calendar="XNYS", holidays_end=NOW.date() + NOTICE)),
    ("a line without a slot", replace(loops.ALIVE, unwritten=ago(600), last_line_at=ago(900))),
    ("it is deployed from now on", replace(loops.SILENT, deployment=DEPLOYED)),
    ("it was stopped for a deployment", replace(loops.STOPPED, deployment=DEPLOYED, watched_since=ago(10))),
    ("it has a beat of the very instant", replace(loops.STOPPED, heartbeat=Heartbeat(ago(900), "c", ()))),
    ("the clock made a step of a second", replace(loops.ALIVE, events=(loops.event(60, "clock_stepped", "1.0"), loops.event(900)))),
    ("the clock made a step of now", replace(loops.ALIVE, events=(loops.event(0, "clock_stepped", "-7"), loops.event(900)))),
    ("the clock made an unknown step", replace(loops.ALIVE, events=(loops.event(60, "clock_stepped", "x"), loops.event(900)))),
    ("three crashes, one of now", replace(loops.ALIVE, events=loops.crashes(0, 60, 299))),
    ("four crashes and one long before", replace(loops.ALIVE, events=loops.crashes(5, 60, 200, 400, 700))),
    ("tries after a good start", replace(loops.ALIVE, heartbeat=None, events=(
        loops.event(5, "start_failed", "no keys", "c"), loops.event(60, "start_failed", "no", "d"), loops.event(90), loops.event(99, "start_failed", "old", "e"),
    ))),
    ("a stop that says why", replace(loops.ALIVE, heartbeat=None, events=(loops.event(5, "service_stop", "cannot start: bad keys", "c"),))),
]  # fmt: skip
MOVE = Move("pulse", "a", "b", 18 * SECOND, NOW)
HOSTS = [
    SharedHosts("h"),
    SharedHosts("h", lost_since=ago(10), error="refused"),
    SharedHosts("h", lost_since=ago(9), gone={"a": ago(30)}, moves=(MOVE,)),
    SharedHosts("h", gone={"a": ago(40), "c": ago(50)}, moves=(MOVE,), homeless=("x", "y")),
    SharedHosts("h", gone={"a": ago(3)}, moves=(MOVE,)),
    SharedHosts("h", gone={"a": ago(3)}, moves=(MOVE,), homeless=("x",)),
    SharedHosts("h", gone={"c": ago(3)}, moves=(MOVE,)),
]


def judgements() -> Iterator[str]:
    """Yield the lines of the file."""
    bots = [(name, facts, loop) for name, facts, loop, _ in conditions.CASES]
    bots += [(name, facts, loop) for name, facts, loop, *_ in status.BOTS]
    for name, facts, loop in (*bots, *MORE_BOTS):
        yield from _lines(f"bot: {name}", judge_bot(facts, loop, NOW))
        found = bot_conditions(facts, loop, NOW, paused=False)
        yield from (f"    {condition.kind} holds until {until}" for condition, until in found if until is not None)
    cases = [(name, facts) for name, facts, _, _ in loops.CASES]
    cases += [(name, facts) for name, facts, *_ in loop_status.LOOPS]
    for name, one in (*cases, *MORE_LOOPS):
        yield from _lines(f"loop: {name}", judge_loop(one, NOW))
    for runs in MANUAL:
        yield f"manual runs: {manual_failure(runs, 'America/New_York')!r}"
    for hosts in HOSTS:
        yield f"hosts: {hosts.is_lost(NOW)}, {hosts.is_blind(NOW)}, {hosts.may_send(NOW)}"
        yield from map(_condition, hosts.conditions(NOW))


def _lines(name: str, verdict: Verdict) -> Iterator[str]:
    yield f"{name}: {verdict.status} until {verdict.until}: {verdict.reason} [{verdict.condition}]"
    yield from map(_condition, verdict.conditions)


def _condition(one: Condition) -> str:
    return f"    {one.kind} of {one.strategy}/{one.bot} since {one.since}, {one.count}: {one.reason}; {one.expected}"


def test_what_people_are_told_is_what_the_file_says() -> None:
    """A changed word, a changed instant or a changed count is seen, and is kept only on purpose."""
    assert list(judgements()) == FILE.read_text().splitlines()


if __name__ == "__main__":
    FILE.write_text("\n".join(judgements()) + "\n")
