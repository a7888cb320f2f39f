"""Streams in the loop: kept running, watched by their beats, stopped in order."""

import os
from datetime import timedelta

import pytest

from openbell import heartbeat
from openbell.control import Pause
from openbell.runner.report import Failure
from tests.unit.runner.fake_processes import HANGS, SUCCEEDS, Plan
from tests.unit.runner.fakes import FIVE_MINUTES, NewRig, Rig, failing

STREAM = '[[bot]]\nid = "s"\nkind = "stream"\nsymbols = ["AAPL"]\ntimeout = "20s"\n'
BREAKS = Plan(seconds=0.1, failure=Failure("ConnectionError: the feed was cut"))


def beats(one: Rig, bot: str = "s") -> None:
    """Let the stream leave a beat, at the clock's time."""
    heartbeat.touch_stream(one.journal.folder, bot)
    at = one.clock.now().timestamp()
    os.utime(one.journal.folder / "streams" / bot, (at, at))


def run_beating(one: Rig, seconds: int) -> None:
    """Let the loop turn while the stream beats every five seconds."""
    for _ in range(0, seconds, 5):
        beats(one)
        one.run_for(5)


def starts(one: Rig) -> list[float]:
    """Return the seconds after the first boot at which the stream was started."""
    began = one.launcher.processes[0].started_at
    return [
        round((process.started_at - began).total_seconds())
        for process in one.launcher.processes
        if process.run.bot.id == "s"
    ]


def test_a_stream_is_started_at_once_and_stays(rig: NewRig) -> None:
    """It runs from the boot on as long as it beats, far beyond its timeout."""
    one = rig(STREAM)
    one.launcher.plan = lambda _: HANGS
    run_beating(one, 300)
    assert starts(one) == [0]
    (line,) = one.events("run_start")
    assert (line["trigger"], line["lateness_ms"]) == ("stream", 0.0)
    assert one.events("run_end") == []


def test_the_loops_beat_carries_the_streams(rig: NewRig) -> None:
    """The supervisor sees how old the newest beat of each stream is."""
    one = rig(STREAM)
    one.launcher.plan = lambda _: HANGS
    run_beating(one, 20)
    seen = heartbeat.read(one.journal.folder)
    assert seen is not None
    assert one.clock.now() - seen.streams["s"] <= timedelta(seconds=10)


def test_a_stream_that_breaks_is_started_again_after_growing_pauses(rig: NewRig) -> None:
    """After one second, two, four, up to a minute; each run has its end and its error."""
    one = rig(STREAM)
    one.launcher.plan = lambda _: BREAKS
    one.run_for(200)
    pauses = [later - earlier for earlier, later in zip(starts(one), starts(one)[1:], strict=False)]
    # Each counts from the end of the one before, which the loop notices within a second.
    grown = [1, 2, 4, 8, 16, 32, 60, 60]
    assert all(pause <= found <= pause + 1 for found, pause in zip(pauses, grown, strict=True)), pauses
    assert {line["outcome"] for line in one.events("run_end")} == {"failed"}
    assert len({line["run_id"] for line in one.events("run_end")}) == len(one.events("run_end")) == 9
    assert {line["error"] for line in one.events("error")} == {"ConnectionError: the feed was cut"}


def test_four_cuts_in_a_minute_make_no_stream_blind(rig: NewRig) -> None:
    """Each cut of a connection that held for a quarter of a minute costs a second."""
    one = rig(STREAM)
    one.launcher.plan = lambda _: Plan(seconds=15, failure=BREAKS.failure)
    run_beating(one, 70)
    assert starts(one) == [0, 16, 32, 48, 64]


def test_a_stream_that_ran_well_is_started_again_at_once(rig: NewRig) -> None:
    """A break after half an hour is not held against it."""
    one = rig(STREAM)
    one.launcher.plan = lambda run: BREAKS if len(one.launcher.processes) < 4 else Plan(seconds=1800)
    one.run_for(20)
    run_beating(one, 1900)
    assert starts(one)[:5] == [0, 1, 3, 7, 15]
    one.launcher.processes[4].ends_at = one.clock.elapsed()
    ended_at = one.clock.now()
    one.run_for(3)
    assert one.launcher.processes[-1].started_at - ended_at <= timedelta(seconds=2)


def test_a_stream_that_does_not_beat_is_killed_with_its_stack(rig: NewRig) -> None:
    """Silence for longer than its timeout is a hung stream: its stack is told, and another one is started."""
    one = rig(STREAM)
    one.launcher.plan = lambda _: HANGS
    run_beating(one, 60)
    one.run_for(30)
    assert [line["outcome"] for line in one.events("run_end")] == ["timed_out"]
    (error,) = one.events("error")
    assert error["error"] == "the stream has not beaten for its timeout of 20 s and was killed"
    assert "strategy.py, line 7" in str(error["traceback"])
    assert len(starts(one)) == 2


def test_an_old_beat_is_no_beat(rig: NewRig) -> None:
    """A stream that never beats is not kept alive by what the one before it left."""
    one = rig(STREAM)
    beats(one)
    one.launcher.plan = lambda _: HANGS
    one.run_for(60)
    assert [line["outcome"] for line in one.events("run_end")][:1] == ["timed_out"]


def test_a_paused_stream_is_stopped_and_resumed(rig: NewRig) -> None:
    """A pause asks the stream to end, which is no failure; a resume starts it within a second or so."""
    one = rig(STREAM)
    one.launcher.plan = lambda _: Plan(seconds=1e6)
    run_beating(one, 30)
    one.control.pause("s", Pause(one.clock.now(), None, "alice", "earnings"))
    one.run_for(5)
    assert one.launcher.processes[0].was_asked_to_end
    assert [line["outcome"] for line in one.events("run_end")] == ["succeeded"]
    one.run_for(600)
    assert len(starts(one)) == 1
    one.control.resume("s")
    one.run_for(3)
    assert len(starts(one)) == 2


def test_a_stream_that_will_not_stop_is_killed(rig: NewRig) -> None:
    """Asked once, given ten seconds, then ended: a stop takes no longer."""
    one = rig(STREAM)
    one.launcher.plan = lambda _: HANGS
    run_beating(one, 30)
    began = one.clock.elapsed()
    one.drain(30)
    assert one.clock.elapsed() - began == pytest.approx(10, abs=0.2)
    assert one.launcher.processes[0].was_killed
    assert [line["outcome"] for line in one.events("run_end")] == ["succeeded"]


def test_a_killed_loops_stream_is_interrupted_and_started_anew(rig: NewRig) -> None:
    """The run that a crash cut off has its outcome; the stream of the next loop is another run."""
    one = rig(STREAM)
    one.launcher.plan = lambda _: HANGS
    run_beating(one, 30)
    one.kill()
    one.boot()
    one.run_for(2)
    assert [(line["outcome"], line["trigger"]) for line in one.events("run_end")] == [("interrupted", "stream")]
    assert len({line["run_id"] for line in one.events("run_start")}) == 2
    assert one.events("slot_skipped") == []


def test_a_stream_takes_no_room_and_no_slot(rig: NewRig) -> None:
    """With room for one run the slots of another bot run on time beside it; a stop skips no slot of the stream."""
    one = rig(STREAM + FIVE_MINUTES, top="max_parallel = 1")
    one.launcher.plan = lambda run: HANGS if run.bot.is_stream else SUCCEEDS
    run_beating(one, 660)
    assert [(slot, late) for slot, _, late in one.starts()[1:]] == [("09:05", 0.0), ("09:10", 0.0)]
    one.clock.step(3600)
    one.run_for(2)
    one.drain(30)
    assert {line["bot"] for line in one.events("slot_skipped")} == {"b"}


def test_streams_that_keep_breaking_are_halted(rig: NewRig) -> None:
    """`halt_after` failures in a row pause a stream as they do a bot with slots."""
    one = rig(STREAM + "halt_after = 3\n")
    one.launcher.plan = lambda _: BREAKS
    one.run_for(120)
    assert len(starts(one)) == 3
    assert one.events("bot_paused")[0]["reason"] == "3 failures in a row"


def test_a_clock_set_back_disturbs_no_stream(rig: NewRig) -> None:
    """It goes on, whatever the wall clock shows, and its beats still count."""
    one = rig(STREAM)
    one.launcher.plan = lambda _: HANGS
    run_beating(one, 30)
    one.clock.step(-7200)
    run_beating(one, 60)
    one.clock.step(9000)
    run_beating(one, 60)
    assert starts(one) == [0]


def test_without_a_journal_no_stream_starts(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that cannot be accounted for does not trade."""
    one = rig(STREAM)
    one.launcher.plan = lambda _: HANGS
    with monkeypatch.context() as disk:
        disk.setattr(one.journal, "write", failing(OSError(28, "No space left on device")))
        one.run_for(30)
        assert one.launcher.processes == []
    one.run_for(5)
    assert len(one.launcher.processes) == 1


def test_a_stop_reaches_a_stream_without_a_journal(rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk too SIGTERM lets a stream end in order; its end is written when there is room."""
    one = rig(STREAM)
    one.launcher.plan = lambda _: Plan(seconds=1e6)
    run_beating(one, 30)
    with monkeypatch.context() as disk:
        disk.setattr(one.journal, "write", failing(OSError(28, "No space left on device")))
        disk.setattr(heartbeat, "write", failing(OSError(28, "No space left on device")))
        one.loop.draining = True
        one.run_for(3)
        assert one.launcher.processes[0].was_asked_to_end
        assert not one.loop.is_drained
    one.drain(30)
    assert [line["outcome"] for line in one.events("run_end")] == ["succeeded"]


def test_a_stream_is_stopped_for_a_blackout_and_started_again(rig: NewRig) -> None:
    """As a pause does it: asked to end at the window's start, run again from its end on."""
    one = rig(STREAM, top='blackout = ["2026-03-02 09:02 - 09:05 UTC"]')
    one.launcher.plan = lambda _: HANGS
    run_beating(one, 115)
    assert [process.was_asked_to_end for process in one.launcher.processes] == [False]
    run_beating(one, 10)
    assert [process.was_asked_to_end for process in one.launcher.processes] == [True]
    run_beating(one, 170)
    assert starts(one) == [0]
    run_beating(one, 10)
    assert starts(one) == [0, 300]
    assert [line["outcome"] for line in one.events("run_end")] == ["succeeded"]
