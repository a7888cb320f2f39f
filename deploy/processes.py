"""The one place that starts other programs on this machine; the modules of `ssh/` start those that reach a host."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from deploy.errors import CommandError
from deploy.log import Log


@dataclass(frozen=True)
class Command:
    """A command and, if it is not this process's, its environment."""

    words: Sequence[str]
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Output:
    """How a command ended."""

    code: int
    text: str
    errors: str


SIGN_EVERY = 8.0  # seconds between two signs of life
END = 20  # lines of a failed program's output that are shown
_OFFLINE = re.compile(
    "Temporary failure (in name resolution|resolving)|Name or service not known|Network is unreachable|No route to host|"
    "NewConnectionError|ConnectTimeoutError|Could not resolve|Could not connect"
)


def run(
    command: Sequence[str], environment: Mapping[str, str] | None = None, *, answers_interrupt: bool = False
) -> int:
    """Run a command in the foreground, its output where ours goes, and return its exit code.

    environment: all of the command's; by default it is that of this process. answers_interrupt: the command, which gets the
    terminal's Ctrl-C too, is left to end in its own time; else it is killed a moment later.
    """
    if answers_interrupt:
        before = signal.signal(signal.SIGINT, lambda *_: None)  # no SIG_IGN: the command would inherit it
        try:
            return run(command, environment)
        finally:
            signal.signal(signal.SIGINT, before)
    try:
        return subprocess.run(command, check=False, env=environment).returncode
    except FileNotFoundError:
        msg = f"{command[0]} is not installed: run `make up`, which sets up what is missing"
        raise CommandError(msg) from None


def run_into(path: Path, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command with its output into a file, and its messages where ours go; return its exit code."""
    with path.open("wb") as file:
        return subprocess.run(command, check=False, env=environment, stdout=file).returncode


def output(command: Sequence[str]) -> str:
    """Run a command that must succeed and return what it prints; CommandError with what it said if it does not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        msg = f"{command[0]} is not installed: run `make up`, which sets up what is missing"
        raise CommandError(msg) from None
    if done.returncode:
        msg = f"`{' '.join(command)}` failed: {done.stderr.strip()}"
        raise CommandError(msg, done.returncode)
    return done.stdout


def private_output(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> str:
    """Return what a command prints and show nothing of it; CommandError, without any of it, if the command fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, env=environment, stdin=subprocess.DEVNULL, timeout=seconds
        )
        if done.returncode:
            msg = f"{command[0]} failed with exit code {done.returncode}"
            raise CommandError(msg)
        return done.stdout.decode()
    except subprocess.TimeoutExpired:
        msg = f"{command[0]} did not end within {seconds:.0f} s"
    except OSError as error:
        msg = f"{command[0]} cannot be started: {error.strerror}"
    except UnicodeDecodeError:
        msg = f"{command[0]} printed what is not text"
    raise CommandError(msg)


def piped(command: Command, source: BinaryIO | None, target: BinaryIO | None = None) -> Output:
    """Run a command that reads one file and writes another; return its exit code, what else it printed, and its errors."""
    try:
        done = subprocess.run(
            command.words,
            env=command.environment,
            stdin=source or subprocess.DEVNULL,
            stdout=target or subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
    except FileNotFoundError:
        msg = f"{command.words[0]} is not installed: run `make up`, which sets up what is missing"
        raise CommandError(msg) from None
    return Output(done.returncode, (done.stdout or b"").decode(errors="replace"), done.stderr.decode(errors="replace"))


def long(command: Sequence[str], log: Log, environment: Mapping[str, str] | None = None) -> int:
    """Run a command that may take minutes, with a sign of life where its own output may pause."""
    with _signs_of_life(log):
        return run(command, environment)


def quiet(command: Sequence[str], log: Log, heard: Callable[[str], None] = lambda _: None) -> tuple[int, list[str]]:
    """Run a command that may take minutes without showing its output; return its exit code and its last lines.

    heard: is handed each line as it comes.
    """
    last = deque[str](maxlen=END)
    with _signs_of_life(log):
        try:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
            )
        except FileNotFoundError:
            msg = f"{command[0]} is not installed: run `make up`, which sets up what is missing"
            raise CommandError(msg) from None
        with process:
            for line in process.stdout or ():
                last.append(line.rstrip())
                heard(line)
    return process.returncode, list(last)


def is_offline(lines: Iterable[str]) -> bool:
    """Tell whether a failed program's output says that a server could not be reached.

    Without a network pip ends with "No matching distribution found", which names an innocent package.
    """
    return any(_OFFLINE.search(line) for line in lines)


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
