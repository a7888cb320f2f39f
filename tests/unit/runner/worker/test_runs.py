"""What runs do, in real processes: forked from the loop and in new interpreters, with the same end."""

import pytest

from tests.unit.runner.fakes import wait_for
from tests.unit.runner.worker.conftest import WARM_FIRST, Bench

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


# What is as it should be


def test_a_strategy_decides_and_orders(bench: Bench) -> None:
    """Signals, decisions and notes are lines of the run; a symbol nothing was decided about is held and says so."""
    done = bench.attempt("""
        def run(ctx):
            closes = ctx.bars("AAPL", "1d", 5).closes
            ctx.signal("AAPL", closes[-1] - closes[0], bars=len(closes))
            ctx.order("AAPL", "buy", 2, reason="it rose")
            ctx.log("all is well", weight=0.5)
    """)
    assert done.failure is None
    told = [(line["event"], line.get("symbol"), line.get("action")) for line in done.lines]
    assert told == [
        ("signal", "AAPL", None),
        ("decision", "AAPL", "buy"),
        ("note", None, None),
        ("decision", "IBM", "hold"),
        ("account", None, None),
    ]
    assert done.lines[-2]["reason"] == "the strategy decided nothing for this symbol"
    assert {(line["bot"], line["run_id"], line["attempt"], line["boot_id"]) for line in done.lines} == {
        ("b", "r1", 1, "boot")
    }


def test_state_is_kept_if_the_run_succeeds_and_only_then(bench: Bench) -> None:
    """What a failing attempt puts into ctx.state is forgotten; nested changes count as well as new names."""
    bench.attempt("def run(ctx): ctx.state['positions'] = {'AAPL': [1]}")
    assert bench.state() == {"positions": {"AAPL": [1]}}
    bench.attempt("def run(ctx):\n ctx.state['positions']['AAPL'].append(2)\n raise ValueError")
    assert bench.state() == {"positions": {"AAPL": [1]}}
    bench.attempt("def run(ctx): ctx.state['positions']['AAPL'].append(2)")
    assert bench.state() == {"positions": {"AAPL": [1, 2]}}


def test_an_order_is_sent_once_over_all_attempts(bench: Bench) -> None:
    """An attempt that breaks after its order is repeated; the order is found and not sent again."""
    code = """
        def run(ctx):
            ctx.order("AAPL", "buy", 2, reason="it rose")
            assert ctx.state.get("again"), "broken"
    """
    assert bench.attempt(code).error == "AssertionError: broken"
    done = bench.attempt(code.replace('assert ctx.state.get("again"), "broken"', "pass"))
    orders = [line for line in done.lines if line["event"] == "decision" and line["action"] == "buy"]
    assert [line.get("repeated") for line in orders] == [None, True]
    assert len({line["order_id"] for line in orders}) == 1


# What goes wrong


@WARM_FIRST
@pytest.mark.parametrize(
    "body, error",
    [
        pytest.param('raise ValueError("no such thing")', "ValueError: no such thing", id="raises"),
        pytest.param("1 / 0", "ZeroDivisionError: division by zero", id="divides by zero"),
        pytest.param("raise KeyboardInterrupt", "KeyboardInterrupt", id="interrupts"),
        pytest.param("raise MemoryError", "MemoryError", id="no memory"),
        pytest.param("run(ctx)", "RecursionError: maximum recursion depth exceeded", id="recurses"),
        pytest.param("import sys; sys.exit(3)", "the strategy called sys.exit(3): return from run() instead", id="exits"),
        pytest.param("import sys; sys.exit()", "the strategy called sys.exit(None): return from run() instead", id="exits without a code"),
        pytest.param("import os; os._exit(0)", "the run's process ended itself with exit code 0 (os._exit) before the strategy returned", id="ends its process"),
        pytest.param("import ctypes; ctypes.string_at(0)", "the run's process crashed with SIGSEGV (a segmentation fault in native code)", id="segfaults"),
        pytest.param("import os; os.abort()", "the run's process crashed with SIGABRT", id="aborts"),
        pytest.param("import os; os.kill(os.getpid(), 9)", "the run was killed by SIGKILL: it used more memory than the container may, or another process sent that signal", id="kills itself"),
        pytest.param("import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); bytearray(2 << 30)", "MemoryError", id="leaks two gigabytes"),
        pytest.param('ctx.order("AAPL", "hold", 1, reason="x")', "openbell.strategy.run_state.StrategyError: side is \"buy\" or \"sell\", not 'hold'", id="orders nonsense"),
        pytest.param('ctx.state["x"] = {1, 2}', 'openbell.strategy.run_state.StrategyError: ctx.state["x"] takes numbers, texts, lists and mappings of them: Object of type set is not JSON serializable', id="remembers a set"),
        pytest.param('ctx.signal("AAPL", 1.0, run_id="mine")', "openbell.strategy.run_state.StrategyError: the name run_id belongs to the journal: choose another for this value", id="takes a name of the journal"),
        pytest.param('ctx.signal("AAPL", 1.0, event="mine")', "openbell.strategy.run_state.StrategyError: the name event belongs to the journal: choose another for this value", id="takes the event's name"),
        pytest.param('ctx.secret("OTHER")', 'openbell.strategy.run_state.StrategyError: OTHER is not in the manifest: add it, as in secrets = ["OTHER"]', id="wants a secret"),
    ],
)  # fmt: skip
def test_a_failure_is_told_in_words(bench: Bench, body: str, error: str) -> None:
    """However a strategy ends, its author reads why."""
    assert bench.attempt(f"def run(ctx): {body}").error.startswith(error)


def test_a_traceback_begins_in_the_strategy(bench: Bench) -> None:
    """The author sees the own lines that led to the error, and none of openbell's above them."""
    failure = bench.attempt("""
        def decide(ctx):
            raise ValueError("no such thing")

        def run(ctx):
            decide(ctx)
    """).failure
    assert failure is not None
    assert "worker.py" not in failure.traceback
    lines = failure.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "strategy.py" in lines[1]
    assert lines[1].endswith("in run")
    assert lines[-1] == "ValueError: no such thing"


def test_a_huge_error_is_cut(bench: Bench) -> None:
    """Megabytes of message and a traceback of thousands of frames become a few pages."""
    failure = bench.attempt("def run(ctx): raise ValueError('x' * 50_000_000)").failure
    assert failure is not None
    assert len(failure.error) + len(failure.traceback) < 50_000
    assert "characters left out" in failure.error


def test_a_hung_strategy_is_killed_and_tells_where(bench: Bench) -> None:
    """A strategy that ignores SIGTERM and never returns shows the line that it hangs in, and is gone after the kill."""
    process = bench.start("""
        import signal, time
        def waits_for_ever():
            print("here")
            while True:
                time.sleep(60)
        def run(ctx):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            waits_for_ever()
    """)
    wait_for(lambda: '"here"' in bench.raw(), "the strategy's output", 30)
    process.terminate()
    process.ask_stack()
    wait_for(lambda: "in waits_for_ever" in process.stack(), "a stack")
    assert process.poll() is None
    process.kill()
    wait_for(lambda: process.poll() is not None, "the end")
