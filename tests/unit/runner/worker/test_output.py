"""What runs print, in real processes: it is in the journal, without secrets and bounded."""

import base64
import time

import pytest

from tests.unit.runner.worker.conftest import KEY, WARM_FIRST, Bench

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


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


@WARM_FIRST
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
