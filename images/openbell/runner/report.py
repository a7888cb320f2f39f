"""How an attempt ended, as its process leaves it for the loop to read."""

import json
import os
import signal

from openbell.records import dataclass

LONGEST_REPORT = 20_000  # characters of an error and of a traceback; the loop does not pay for a strategy's megabytes


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed, in words that the strategy's author understands, and the stack where it did."""

    error: str
    traceback: str = ""


def write_report(report: int, failure: Failure | None) -> None:
    """Leave the attempt's end for the loop to read."""
    content = {
        "failure": None if failure is None else {"error": _cut(failure.error), "traceback": _cut(failure.traceback)}
    }
    os.ftruncate(report, 0)
    os.pwrite(report, json.dumps(content).encode(), 0)


def _cut(text: str) -> str:
    left_out = len(text) - LONGEST_REPORT
    if left_out <= 0:
        return text
    half = LONGEST_REPORT // 2
    return f"{text[:half]} [{left_out} characters left out] {text[-half:]}"


def failure_of(code: int, report: str, stack: str) -> Failure | None:
    """Tell how the attempt ended: its exit code (negative: a signal), its report and the stack of its crash, or none."""
    try:
        content = json.loads(report)
        failure = content["failure"]
        return Failure(failure["error"], failure["traceback"]) if failure else None
    except (ValueError, KeyError, TypeError):
        pass
    if code == -signal.SIGKILL:
        return Failure(
            "the run was killed by SIGKILL: it used more memory than the container may, or another process sent that signal"
        )
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
        return Failure(
            f"the run's process crashed with {name}"
            + (" (a segmentation fault in native code)" if name == "SIGSEGV" else ""),
            _cut(stack),
        )
    return Failure(f"the run's process ended itself with exit code {code} (os._exit) before the strategy returned")
