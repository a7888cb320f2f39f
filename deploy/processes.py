"""The one place that starts other programs on this machine; master.py and ssh.py start those that reach a host."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from deploy.errors import CommandError
from deploy.log import Log

SIGN_EVERY = 8.0  # seconds between two signs of life


def run(command: Sequence[str]) -> int:
    """Run a command in the foreground, its output where ours goes, and return its exit code."""
    try:
        return subprocess.run(command, check=False).returncode
    except FileNotFoundError:
        msg = f"{command[0]} is not installed: run `make up`, which sets up what is missing"
        raise CommandError(msg) from None


def output(command: Sequence[str]) -> str:
    """Run a command that must succeed and return what it prints; Problem with what it said if it does not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        msg = f"{command[0]} is not installed: run `make up`, which sets up what is missing"
        raise CommandError(msg) from None
    if done.returncode:
        msg = f"`{' '.join(command)}` failed: {done.stderr.strip()}"
        raise CommandError(msg, done.returncode)
    return done.stdout


def long(command: Sequence[str], log: Log) -> int:
    """Run a command that may take minutes, with a sign of life where its own output may pause."""
    with _signs_of_life(log):
        return run(command)


@contextmanager
def _signs_of_life(log: Log) -> Iterator[None]:
    # On a terminal Docker draws its own progress, counting seconds: a line of ours would break its drawing.
    if sys.stdout.isatty():
        yield
        return
    done = threading.Event()
    started = time.monotonic()

    def tell() -> None:
        while not done.wait(SIGN_EVERY):
            log.info("still working", seconds=round(time.monotonic() - started))

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
