"""The program on a host as one process that answers commands over a channel that stays open."""

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from deploy.ssh import host
from deploy.ssh.control_master import end

ALIVE_EVERY = 5.0  # seconds; the host ends a session, and frees its lock, when its peer was silent for 30
_ENDS_WITHIN = 15  # seconds for ssh to end after its output has


@dataclass(frozen=True)
class Answer:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


class SessionEndedError(Exception):
    """The process on the host has ended, with this exit code and these words."""

    def __init__(self, code: int, said: str) -> None:
        self.code, self.said = code, said
        super().__init__(said)


class Session:
    """Commands are answered one after the other. One that is given up ends the session: its answer may still come."""

    def __init__(self, process: "subprocess.Popen[bytes]", errors: BinaryIO) -> None:
        self._process, self._errors = process, errors
        self._answers: queue.Queue[bytes] = queue.Queue()
        self._asking, self._writing, self._over = threading.Lock(), threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._read, self._beat)]
        for thread in self._threads:
            thread.start()

    @property
    def is_over(self) -> bool:
        """Whether it answers no more."""
        return self._over.is_set()

    def ask(self, words: Sequence[str], given: str, timeout: float | None) -> Answer:
        """Run a command of the program with this input; TimeoutError if there is no answer in time."""
        with self._asking:
            try:
                self._write(json.dumps({"words": list(words), "input": given}).encode() + b"\n")
                answer = self._answers.get(timeout=timeout)
            except queue.Empty:
                self.end()
                raise TimeoutError from None
            except BaseException:
                self.end()
                raise
        if not answer:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_ENDS_WITHIN)
            said = self._said()
            self.end()
            raise SessionEndedError(self._process.returncode, said)
        return Answer(**json.loads(answer))

    def end(self) -> None:
        """End it, and so free its lock; nothing stays behind here."""
        self._over.set()
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        end(self._process)
        self._errors.close()

    def _said(self) -> str:
        self._errors.seek(0)
        return host.after_welcome(self._errors.read()).decode(errors="replace")

    def _write(self, line: bytes) -> None:
        assert self._process.stdin  # noqa: S101 - a pipe
        # If it breaks, the end of the output says more.
        with contextlib.suppress(OSError, ValueError), self._writing:
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout  # noqa: S101 - a pipe
        with self._process.stdout as lines:
            for line in lines:
                self._answers.put(line)
        self._answers.put(b"")

    def _beat(self) -> None:
        while not self._over.wait(ALIVE_EVERY):
            self._write(b"alive\n")
