"""What runs leave behind, in real processes: working directories, threads, children, open files, forks."""

from pathlib import Path

import pytest

from tests.unit.runner.fakes import wait_for
from tests.unit.runner.worker.conftest import Bench

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


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
