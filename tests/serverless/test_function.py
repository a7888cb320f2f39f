"""A strategy as a function: what is due runs once, however often it is called from where."""

import contextlib
import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.postgres.database import Database
from openbell.runner.serverless.function import FunctionResponse
from tests.installed import Installed
from tests.serverless.calls import BUYS, FAILS, SCHEDULE, World, answer, go
from tests.serverless.postgres import running_server
from tests.unit.runner.fakes import wait_for

FAILS_ONCE = """
def run(ctx):
    ctx.order('AAPL', 'buy', 2, reason='test')
    if ctx._progress.run.attempt == 1:
        raise ValueError('later')
"""

SLOW = "import time\ndef run(ctx):\n    ctx.order('AAPL', 'buy', 2, reason='test')\n    time.sleep(60)\n"


def test_a_slot_that_is_due_runs_once(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """The next call has nothing to do, on this instance and on a new one; the journal is stored and on standard output."""
    world.write(BUYS)
    function = world.function()
    first = function.call(SCHEDULE, "test")
    assert (first.code, first.body["status"]) == (200, "ok")
    assert [start["trigger"] for start in world.events("run_start")] == ["serverless"]
    assert [end["outcome"] for end in world.events("run_end")] == ["succeeded"]
    assert [line["event"] for line in world.events()] == [
        name for line in capfd.readouterr().out.splitlines() for name in [line.split('"event": "')[1].split('"')[0]]
    ]
    for again in (function.call(SCHEDULE, "test"), world.call()):
        assert again == FunctionResponse(200, {"status": "ok", "strategy": "demo", "action": "none", "runs": []})
    assert len(world.events("run_start")) == 1


def test_the_same_slot_at_the_same_time_on_two_machines_runs_once(world: World) -> None:
    """One instance runs it, the other has nothing to do."""
    world.write(BUYS)
    instances = [world.instance(SCHEDULE) for _ in range(2)]
    for instance in instances:
        go(instance)
    answers = [answer(instance)[1] for instance in instances]
    assert sorted(len(one["runs"]) for one in answers if isinstance(one["runs"], list)) == [0, 1]
    assert len(world.events("run_start")) == len(world.events("run_end")) == 1
    assert len(world.query("SELECT number FROM orders", "openbell_demo_paper")) == 2


def test_slots_that_nobody_called_for_are_told_once(world: World) -> None:
    """By one of two instances that find out at the same time."""
    world.write(slot=False)
    world.call()
    ago = (datetime.now(UTC) - timedelta(days=3)).isoformat(timespec="microseconds")
    Database(world.url, "openbell_demo").execute("UPDATE accounted SET until = ?", (ago,))
    instances = [world.instance(SCHEDULE) for _ in range(2)]
    for instance in instances:
        go(instance)
    assert [answer(instance)[0] for instance in instances] == [200, 200]
    skips = world.events("slot_skipped")
    assert [(skip["outcome"], skip["reason"]) for skip in skips] == [("missed", "late")]


def test_a_failure_is_retried_under_the_same_order_ids(world: World) -> None:
    """Within the same call, as the loop does."""
    world.write(FAILS_ONCE)
    answered = world.call()
    assert (answered.code, answered.body["status"]) == (200, "ok")
    assert [start["attempt"] for start in world.events("run_start")] == [1, 2]
    assert len({start["run_id"] for start in world.events("run_start")}) == 1
    assert len(world.query("SELECT number FROM orders", "openbell_demo_paper")) == 1


def test_a_run_that_failed_is_answered_so(world: World) -> None:
    """With its error; the slot is not run again by the provider's own retries."""
    world.write(FAILS, "retries = 0")
    answered = world.call()
    assert (answered.code, answered.body["status"], answered.body["error"]) == (500, "failed", "ValueError: no bars")
    assert world.call().body["action"] == "none"


def test_a_run_that_hangs_is_killed(world: World) -> None:
    """After its timeout, with the stack."""
    world.write(SLOW, 'timeout = "1s"\nretries = 0')
    assert world.call().code == 500
    assert [end["outcome"] for end in world.events("run_end")] == ["timed_out"]
    assert "time.sleep(60)" not in str(world.events("error")[0]["error"])
    assert "strategy.py" in str(world.events("error")[0]["traceback"])


def cut_off(world: World) -> None:
    """Kill an instance in the middle of its run, with all that it has started."""
    instance = world.instance(SCHEDULE)
    go(instance)
    assert instance.stdout is not None
    while '"action": "buy"' not in (line := instance.stdout.readline()):
        assert line, instance.communicate()
    children = f"/proc/{instance.pid}/task/{instance.pid}/children"
    with open(children) as file:  # noqa: PTH123 - a file of the kernel's
        for child in file.read().split():
            os.kill(int(child), signal.SIGKILL)
    instance.kill()
    instance.communicate(timeout=10)


def test_a_run_that_was_cut_off_goes_on_elsewhere(world: World) -> None:
    """Not before its lease is over, then with the next attempt, and no second order."""
    world.write(SLOW)
    cut_off(world)
    world.write(SLOW.replace("60", "0"))
    assert world.call().body["action"] == "none"
    world.query("UPDATE leases SET until = until - interval '31 seconds'", "openbell_demo")
    answered = world.call()
    assert answered.body["status"] == "ok"
    assert [start["attempt"] for start in world.events("run_start")] == [1, 2]
    assert len(world.query("SELECT number FROM orders", "openbell_demo_paper")) == 1


def test_a_run_that_was_cut_off_too_long_ago_is_interrupted(world: World) -> None:
    """It is told, and not tried again."""
    world.write(SLOW, "retries = 0")
    cut_off(world)
    world.query("UPDATE leases SET until = until - interval '31 seconds'", "openbell_demo")
    assert world.call().body["action"] == "none"
    assert [end["outcome"] for end in world.events("run_end")] == ["interrupted"]


def test_a_bot_that_runs_elsewhere_is_busy(world: World) -> None:
    """A person's run is refused while a slot's goes on."""
    world.write("import time\ndef run(ctx):\n    print('here')\n    time.sleep(3)\n")
    instance = world.instance(SCHEDULE)
    go(instance)
    assert instance.stdout is not None
    while "here" not in (line := instance.stdout.readline()):
        assert line, instance.communicate()
    assert world.call(symbol="AAPL") == FunctionResponse(409, {"status": "busy", "error": "a run of b is in progress"})
    assert answer(instance)[0] == 200


def test_it_is_called_on_any_thread(world: World) -> None:
    """Web servers answer on threads of theirs."""
    world.write(BUYS)
    function = world.function()
    answers: list[FunctionResponse] = []
    thread = threading.Thread(target=lambda: answers.append(function.call(SCHEDULE, "test")))
    thread.start()
    thread.join(60)
    assert [one.code for one in answers] == [200]


def test_it_waits_for_a_slot_within_its_minute(world: World) -> None:
    """Schedulers know whole minutes only."""
    world.write()
    soon = datetime.now(UTC) + timedelta(seconds=3)
    text = (world.folder / "strategy.toml").read_text()
    line = next(line for line in text.splitlines() if line.startswith("at ="))
    (world.folder / "strategy.toml").write_text(text.replace(line, f'at = "{soon:%H:%M:%S}"'))
    assert world.call().body["status"] == "ok"
    (start,) = world.events("run_start")
    assert float(str(start["lateness_ms"])) >= 0


def test_no_run_goes_on_when_nobody_can_be_told(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that stays silent for a lease's length: the run is killed before another instance may take it over."""
    installed("postgres")
    monkeypatch.setattr("openbell.runner.serverless.session.LEASE", 1.0)
    monkeypatch.setattr("openbell.runner.serverless.session.RENEW", 0.2)
    with contextlib.ExitStack() as stack:
        world = World(tmp_path, stack.enter_context(running_server()).url())
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        mark = tmp_path / "run"
        world.write(
            f"import os, time\ndef run(ctx):\n    open({str(mark)!r}, 'w').write(str(os.getpid()))\n    time.sleep(60)\n"
        )
        function = world.function()
        answers: list[FunctionResponse] = []
        thread = threading.Thread(target=lambda: answers.append(function.call(SCHEDULE, "test")))
        thread.start()
        wait_for(lambda: mark.exists() and mark.read_text() != "", "the run's start")
        stack.close()  # the server ends
        thread.join(60)
    assert [one.code for one in answers] == [503]
    assert "silent for too long" in str(answers[0].body["error"])
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
