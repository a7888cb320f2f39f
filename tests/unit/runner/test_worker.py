"""Strategies that misbehave, in real processes: forked from the loop and in new interpreters, with the same end."""

import base64
import json
import os
import sys
import textwrap
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import manifest as manifests
from openbell.journal import Event, Journal, since
from openbell.ledger import Claim, Ledger
from openbell.paths import Paths, from_environment
from openbell.runner import output, worker
from openbell.runner.launchers import ForkLauncher, FreshLauncher
from openbell.runner.processes import Ending, Launcher, RunProcess
from openbell.runner.report import Failure
from openbell.strategy import loader
from openbell.strategy.run_state import Run
from tests.unit.runner.fakes import wait_for

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

ROOT = Path(__file__).parents[3]
SLOT = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
TOML = 'timezone = "UTC"\nsecrets = ["API_KEY"]\n[[bot]]\nid = "b"\nsymbols = ["AAPL", "IBM"]\nevery = "5m"\n'
KEY = "sk-live-0123456789"


@dataclass
class Attempted:
    """What one attempt of a strategy left behind."""

    failure: Failure | None
    lines: list[Event]
    raw: str  # the journal file as it is

    def texts(self) -> list[str]:
        """Return what the strategy printed, and what was said of it."""
        return [str(line["text"]) for line in self.lines if line["event"] == "output"]

    @property
    def error(self) -> str:
        """The words for the failure."""
        assert self.failure is not None, self.lines
        return self.failure.error


class Bench:
    """Runs a strategy's code in a real process, warm or fresh, with the real market, broker, ledger and journal."""

    def __init__(self, places: Paths, mode: str) -> None:
        self.places = places
        self.mode = mode
        self.attempts = 0

    def start(self, code: str) -> RunProcess:
        """Start one attempt of the same slot."""
        self.attempts += 1
        (self.places.folder / "strategy.py").write_text(textwrap.dedent(code))
        manifest = manifests.load_named(self.places.folder / "strategy.toml", "demo")
        run = Run(manifest.bots[0], SLOT, "r1", self.attempts)
        ledger = Ledger(self.places.state / "ledger.sqlite")
        ledger.claim([Claim("b", SLOT, "r1", 1, "loop", SLOT)])
        ledger.next_attempt(Claim("b", SLOT, "r1", self.attempts, "loop", SLOT))
        ledger.close()
        return self._launcher(manifest).start(run)

    def _launcher(self, manifest: manifests.Manifest) -> Launcher:
        journal = Journal(self.places.journal, "demo", "boot")
        journal.redact([KEY])
        if self.mode == "fresh":
            return FreshLauncher(worker.fresh_command, printer=worker.printer(journal))

        def attempt(run: Run, _: object) -> Failure | None:
            # The loop loads it before the fork; here it must not stay in the tests' process.
            output.capture(worker.printed_at_import(journal))
            functions = loader.load(self.places.folder)
            return worker.attempt(manifest, functions, self.places, journal, run)

        return ForkLauncher(attempt, printer=worker.printer(journal))

    def attempt(self, code: str) -> Attempted:
        """Run one attempt to its end."""
        process = self.start(code)
        endings: list[Ending] = []

        def has_ended() -> bool:
            ending = process.poll()
            endings.extend([ending] if ending else [])
            return bool(endings)

        wait_for(has_ended, "the end of the attempt", 60)
        return Attempted(endings[0].failure, self.lines(), self.raw())

    def lines(self) -> list[Event]:
        """Return the journal, without the look at the account that the first run of a boot takes."""
        lines = since(self.places.journal / "demo", datetime(2000, 1, 1, tzinfo=UTC).date())
        return [line for line in lines if line["event"] != "reconciled"]

    def raw(self) -> str:
        """Return the bytes of the journal as text."""
        return "".join(path.read_text() for path in sorted((self.places.journal / "demo").glob("*.jsonl")))

    def state(self) -> dict[str, object]:
        """Return what the bot remembers."""
        ledger = Ledger(self.places.state / "ledger.sqlite")
        try:
            return ledger.state("b")
        finally:
            ledger.close()


@pytest.fixture(params=["warm", "fresh"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A strategy's folder, journal and state."""
    for name, value in {
        "OPENBELL_STRATEGY": "demo",
        "OPENBELL_FOLDER": str(tmp_path / "strategy"),
        "OPENBELL_JOURNAL": str(tmp_path / "journal"),
        "OPENBELL_STATE": str(tmp_path / "state"),
        "OPENBELL_CONTROL": str(tmp_path / "control"),
        "OPENBELL_BOOT_ID": "boot",
        "API_KEY": KEY,
        "PYTHONPATH": str(ROOT / "images"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "strategy.toml").write_text(TOML)
    return Bench(from_environment(os.environ), request.param)


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


# What it prints


def test_what_is_printed_is_in_the_journal_line_by_line(bench: Bench) -> None:
    """Standard output and standard error become lines of the run, also a last one without an end."""
    done = bench.attempt("""
        import sys
        def run(ctx):
            print("one\\n\\ntwo", end="")
            print(" and more")
            print("three", file=sys.stderr)
            sys.stdout.write("four")
    """)
    assert done.texts() == ["one", "two and more", "three", "four"]


def test_a_hundred_megabytes_of_output_are_a_few_lines(bench: Bench) -> None:
    """Output beyond a few pages is counted, not written; the loop does not notice."""
    began = time.monotonic()
    done = bench.attempt("""
        def run(ctx):
            for _ in range(100):
                print("x" * 999_999)
            for _ in range(1000):
                print("y")
    """)
    assert done.failure is None
    assert len(done.raw) < 30_000
    kept = "16000 a minute are kept"
    assert (
        done.texts()[-1]
        == f"[1100 lines with {100 * 999_999 + 1000 - 16_000} characters were printed and left out: {kept}]"
    )
    assert time.monotonic() - began < 30


def test_secrets_do_not_reach_the_journal(bench: Bench) -> None:
    """A secret that is printed, logged, raised or used as a reason is cut out of every line."""
    done = bench.attempt("""
        def run(ctx):
            key = ctx.secret("API_KEY")
            print("the key is", key)
            ctx.log(key, key=key, **{key: 1})
            ctx.hold("AAPL", reason=f"because of {key}")
            raise ValueError(key)
    """)
    assert KEY not in done.raw
    assert "the key is [secret]" in done.texts()


def test_what_is_printed_past_python_is_in_the_journal(bench: Bench) -> None:
    """A child's output, bytes at a descriptor and native code's are lines of the run as well."""
    done = bench.attempt("""
        import ctypes, os, subprocess
        def run(ctx):
            subprocess.run(["echo", "from a child"])
            os.write(1, b"from a descriptor\\n")
            os.write(2, b"from another")
    """)
    assert sorted(done.texts()) == ["from a child", "from a descriptor", "from another"]
    assert {line["run_id"] for line in done.lines if line["event"] == "output"} == {"r1"}


def test_the_last_words_of_a_crash_are_in_the_journal(bench: Bench) -> None:
    """What a process wrote before it was killed is read when it has ended."""
    done = bench.attempt("""
        import os
        def run(ctx):
            os.write(2, b"terminate called after throwing an instance of std::bad_alloc")
            os.abort()
    """)
    assert done.texts() == ["terminate called after throwing an instance of std::bad_alloc"]


def test_log_handlers_of_the_import_reach_the_journal(bench: Bench) -> None:
    """What `logging.basicConfig` at import has set up logs into the run that logs."""
    done = bench.attempt("""
        import logging
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", force=True)
        def run(ctx):
            logging.getLogger("mine").info("a line")
    """)
    assert done.texts() == ["mine: a line"]


def test_a_child_that_prints_megabytes_is_not_held_up(bench: Bench) -> None:
    """Who prints past Python never waits for the loop for long, and what is too much is counted."""
    done = bench.attempt("""
        import subprocess
        def run(ctx):
            subprocess.run("yes | head -c 5000000", shell=True)
    """)
    assert done.failure is None
    assert done.texts()[-1].startswith("[")
    assert "characters were printed and left out" in done.texts()[-1]


def test_standard_output_is_a_file_like_any_other(bench: Bench) -> None:
    """It has a descriptor, a buffer for bytes and settings, and is no terminal; a progress bar is its last state."""
    done = bench.attempt("""
        import os, sys
        def run(ctx):
            assert not sys.stdout.isatty()
            sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)
            sys.stdout.buffer.write("bytes ü\\n".encode())
            sys.stdout.buffer.flush()
            os.write(sys.stdout.fileno(), b"")
            os.write(sys.stderr.fileno(), b"")
            assert (sys.stdout.encoding, sys.stdout.writable(), sys.stdout.closed) == ("utf-8", True, False)
            for percent in (10, 50, 100):
                print(f"\\r{percent} %", end="", file=sys.stderr)
    """)
    assert done.failure is None
    assert sorted(done.texts()) == ["100 %", "bytes ü"]


def test_no_secret_leaves_the_process(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    """Not by a handler of the import, a child, a descriptor or an encoding: not in the journal, not on standard output."""
    done = bench.attempt("""
        import base64, logging, os, subprocess, sys
        logging.basicConfig(level=logging.INFO)
        def run(ctx):
            key = ctx.secret("API_KEY")
            logging.info(key)
            subprocess.run(["echo", key])
            os.write(1, key.encode())
            os.write(2, base64.b64encode(b"user:" + key.encode()))
            sys.__stdout__.write(key)
            sys.__stdout__.flush()
            raise ValueError("https://host/?key=" + "".join(f"%{byte:02x}" for byte in key.encode()))
    """)
    told = done.raw + "".join(capfd.readouterr()) + done.error
    for form in (KEY, base64.b64encode(b"user:" + KEY.encode()).decode()[8:-4]):
        assert form not in told
    assert done.texts()


# What it does to its process


def test_a_closed_standard_output_doubles_and_loses_nothing(bench: Bench) -> None:
    """Without a standard output the journal has each line once, also when its file is opened anew."""
    done = bench.attempt("""
        import os, sys
        sys.stdout.close()
        os.close(0)
        def run(ctx):
            sys.stdout.close()
            os.close(1)
            print("still heard")
            ctx.hold("AAPL", reason="no output")
    """)
    assert done.failure is None
    assert done.texts() == ["still heard"]
    assert [line["symbol"] for line in done.lines if line["event"] == "decision"] == ["AAPL", "IBM"]


def test_another_working_directory_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    """A strategy that changes its directory finds journal, ledger and account where they are."""
    done = bench.attempt("""
        import os
        def run(ctx):
            os.chdir("/")
            ctx.order("AAPL", "buy", 1, reason="from elsewhere")
    """)
    assert done.failure is None
    assert [line["status"] for line in done.lines if line.get("action") == "buy"] == ["filled"]


def test_threads_end_with_the_run(bench: Bench) -> None:
    """A thread that goes on keeps no run from ending, and is named."""
    done = bench.attempt("""
        import threading, time
        def run(ctx):
            for name in ("feed", "clock"):
                threading.Thread(target=time.sleep, args=(600,), name=name).start()
    """)
    assert done.failure is None
    assert done.texts() == ["threads still running at the end of the run are ended: feed, clock"]


def test_a_child_that_is_left_behind_ends_with_the_run(bench: Bench, tmp_path: Path) -> None:
    """A process that the strategy starts and forgets is gone with the run."""
    done = bench.attempt(f"""
        import os, subprocess
        def run(ctx):
            child = subprocess.Popen(["sleep", "600"])
            open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
    """)
    assert done.failure is None
    child = int((tmp_path / "pid").read_text())
    wait_for(lambda: not is_running(child), "the end of the strategy's child")


@pytest.mark.parametrize(
    "start",
    [
        pytest.param("subprocess.Popen(['sleep', '600'], start_new_session=True).pid", id="a session of its own"),
        pytest.param("detached()", id="twice forked"),
    ],
)
def test_a_child_that_has_detached_itself_ends_with_the_run(bench: Bench, tmp_path: Path, start: str) -> None:
    """Neither a session of its own nor a parent that is gone lets a process outlive its run."""
    done = bench.attempt(f"""
        import os, subprocess
        def detached():
            read, write = os.pipe()
            if not os.fork():
                os.setsid()
                if not os.fork():
                    os.write(write, str(os.getpid()).encode())
                    os.execvp("sleep", ["sleep", "600"])
                os._exit(0)
            os.wait()
            return int(os.read(read, 20))
        def run(ctx):
            with open({str(tmp_path / "pid")!r}, "w") as file:
                file.write(str({start}))
    """)
    assert done.failure is None
    child = int((tmp_path / "pid").read_text())
    assert not is_running(child)


def test_a_file_that_was_not_closed_is_flushed(bench: Bench, tmp_path: Path) -> None:
    """Whether it was opened at import or in the run, all that was written is there."""
    done = bench.attempt(f"""
        import csv
        at_import = open({str(tmp_path / "import.csv")!r}, "a")
        at_import.write("header\\n")
        def run(ctx):
            global in_run
            in_run = open({str(tmp_path / "run.txt")!r}, "w")
            in_run.write("a line")
            csv.writer(at_import).writerow(["AAPL", 1])
    """)
    assert done.failure is None
    assert (tmp_path / "run.txt").read_text() == "a line"
    assert (tmp_path / "import.csv").read_text().splitlines() == ["header", "AAPL,1"]


def is_running(process: int) -> bool:
    """Tell whether a process is there and not just waiting to be reaped."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def test_a_fork_that_comes_back_is_no_second_run(bench: Bench) -> None:
    """A copy of the process that returns from run() reports nothing, keeps no state and decides nothing more."""
    done = bench.attempt("""
        import os
        def run(ctx):
            child = os.fork()
            if child:
                os.waitpid(child, 0)
            ctx.state["runs"] = ctx.state.get("runs", 0) + 1
    """)
    assert done.failure is None
    assert [line["symbol"] for line in done.lines if line["event"] == "decision"] == ["AAPL", "IBM"]
    assert bench.state() == {"runs": 1}


def test_a_fork_that_fails_is_no_failure_of_the_run(bench: Bench) -> None:
    """A copy that raises ends without a word; the run is judged by its own process."""
    done = bench.attempt("""
        import os
        def run(ctx):
            child = os.fork()
            if not child:
                raise ValueError("x" * 1000)
            os.waitpid(child, 0)
    """)
    assert done.failure is None


# What it hands over


def test_a_returned_value_is_not_used(bench: Bench) -> None:
    """Garbage that run() returns is said to be of no use."""
    done = bench.attempt("def run(ctx): return {'AAPL': 'buy'}")
    assert done.failure is None
    assert done.texts() == ["run() returned {'AAPL': 'buy'}; it is not used: order with ctx.order()"]


def test_every_value_becomes_json(bench: Bench) -> None:
    """NaN, infinities, arrays' scalars, dates, sets and objects are lines that any JSON parser reads."""
    done = bench.attempt("""
        import datetime, decimal, enum
        class Scalar:
            shape = ()
            def item(self):
                return 1.5
        class Array:
            shape = (2,)
            def __repr__(self):
                return "Array(1, 2)"
        class Side(enum.IntEnum):
            LONG = 1
        def run(ctx):
            ctx.signal("AAPL", float("nan"), up=float("inf"), scalar=Scalar(), array=Array(), side=Side.LONG,
                at=datetime.datetime(2026, 3, 2, 9, 5, tzinfo=datetime.timezone.utc), amount=decimal.Decimal("1.50"),
                some={3}, pair=(1, None), odd="\\ud800", deep={"a": [float("-inf")], 2: True})
            ctx.hold("AAPL", reason=None)
    """)
    assert done.failure is None
    for line in done.raw.splitlines():
        json.loads(line, parse_constant=pytest.fail)
    signal = done.lines[0]
    names = ("signal", "up", "scalar", "array", "side", "at", "amount", "some", "pair", "odd", "deep")
    assert [signal[name] for name in names] == [
        "nan",
        "inf",
        1.5,
        "Array(1, 2)",
        1,
        "2026-03-02T09:05:00.000Z",
        1.5,
        [3],
        [1, None],
        "?",
        {"a": ["-inf"], "2": True},
    ]


def test_a_value_that_cannot_be_shown_fails_no_run(bench: Bench) -> None:
    """Whatever was logged or signalled before, the order has its decision line and the run succeeds."""
    done = bench.attempt("""
        import datetime
        class Angry:
            def __repr__(self):
                raise RuntimeError
        def run(ctx):
            ring = [1]
            ring.append(ring)
            values = (Angry(), 10**5000, ring, datetime.datetime.min, ["x" * 1000] * 1000)
            for number, value in enumerate(values):
                ctx.log("a value", value=value)
                ctx.signal("AAPL", value)
                ctx.order("AAPL", "buy", 1, reason=value, leg=str(number))
    """)
    assert done.failure is None
    assert [line["action"] for line in done.lines if line["event"] == "decision"] == ["buy"] * 5 + ["hold"]
    for line in done.raw.splitlines():
        json.loads(line, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    "body",
    [
        "ctx.state['x'].append(object())",
        "ctx.state['x'].append(float('nan'))",
        "ctx.state['x'].append(ctx.state['x'])",
        "ctx.state['x'] = 10**5000",
    ],
)
def test_an_unfit_value_in_the_state_names_its_key(bench: Bench, body: str) -> None:
    """Also one that was put into a list which the state keeps already."""
    bench.attempt("def run(ctx): ctx.state['x'] = []")
    assert (
        'ctx.state["x"] takes numbers, texts, lists and mappings of them: '
        in bench.attempt(f"def run(ctx): {body}").error
    )


# Threads and coroutines


def test_threads_order(bench: Bench) -> None:
    """Orders from a pool of threads are sent once each, with a decision line each."""
    done = bench.attempt("""
        from concurrent.futures import ThreadPoolExecutor
        def run(ctx):
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda leg: ctx.order("AAPL", "buy", 1, reason="r", leg=str(leg)), range(20)))
    """)
    assert done.failure is None
    bought = [line for line in done.lines if line.get("action") == "buy"]
    assert len({line["order_id"] for line in bought}) == len(bought) == 20


def test_an_order_of_a_thread_that_outlives_run_has_its_line(bench: Bench) -> None:
    """run() may return while another thread still waits for the broker: its order is not left without a decision."""
    done = bench.attempt("""
        import threading, time
        def run(ctx):
            submit, sent = ctx._broker.submit, threading.Event()
            def slowly(order):
                sent.set()
                time.sleep(0.5)
                return submit(order)
            ctx._broker.submit = slowly
            threading.Thread(target=lambda: ctx.order("AAPL", "buy", 1, reason="r"), name="late").start()
            sent.wait()
    """)
    assert done.failure is None
    assert [line["status"] for line in done.lines if line.get("action") == "buy"] == ["filled"]


def test_an_async_run_is_awaited(bench: Bench) -> None:
    """`async def run` decides and orders as any other."""
    done = bench.attempt("""
        import asyncio
        async def run(ctx):
            await asyncio.sleep(0.01)
            ctx.order("AAPL", "buy", 1, reason="awaited")
    """)
    assert done.failure is None
    assert [line["action"] for line in done.lines if line["event"] == "decision"] == ["buy", "hold"]


def test_a_run_that_would_not_execute_fails(bench: Bench) -> None:
    """A lazy result is no success."""
    assert (
        "run() returned a map, of which nothing has executed"
        in bench.attempt("def run(ctx): return map(print, 'a')").error
    )
