"""The lock on a host's project, held for as long as this process lives; its holder may start a transaction."""

import contextlib
import json
import subprocess
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from deploy.errors import CommandError
from deploy.release.host_state import folder
from deploy.ssh import program
from deploy.ssh.connection import LOST, Connection

ALIVE_EVERY = 5.0  # seconds; the host frees the lock of a peer that was silent for 30


class LockHeldError(Exception):
    """Another process holds the lock."""

    def __init__(self, holder: str) -> None:
        try:
            content = json.loads(holder)
        except ValueError:
            content = {}
        self.by = str(content.get("by", "another process"))
        self.purpose = str(content.get("purpose", "something"))
        self.since = str(content.get("since", "some time ago"))
        self.transaction = str(content.get("transaction", ""))
        super().__init__(f"{self.by} holds the lock since {self.since}: {self.purpose}")


class HostLock:
    """The lock, in a `with` block. Held says who has it, if it is not free."""

    def __init__(self, connection: Connection, by: str, purpose: str, transaction: str) -> None:
        self._connection = connection
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        holder = {"by": by, "purpose": purpose, "since": since, "transaction": transaction}
        self._holder = json.dumps(holder).encode() + b"\n"
        self._process: subprocess.Popen[bytes] | None = None
        self._writing = threading.Lock()
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        root = folder(self._connection.host)
        call = program.call(self._connection, "lock", root)
        self._process = self._connection.start(call.words)
        try:
            self._send(call.before + self._holder)
            self._take(self._answer(), root)
        except BaseException:
            self._end()
            raise
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._heart.join()
        self._end()

    def start(self, transaction: str) -> None:
        """Start a transaction that was uploaded. From here on it goes on by itself, and has the lock."""
        self._must(f"start {transaction}", "started", "the deployment could not be started, and nothing was touched")

    def stop(self, project: str) -> None:
        """Stop everything there at a quiet moment. It starts again when this block ends, however that comes about."""
        self._must(f"stop {project}", "stopped", "what runs there could not be stopped")

    def stay(self) -> None:
        """Let what was stopped stay so after this block too."""
        self._must("stay", "stays", "what was stopped there could not be kept so")

    def again(self) -> None:
        """Start what was stopped."""
        self._must("again", "runs", "what was stopped there could not be started again")

    def _must(self, order: str, expected: str, otherwise: str) -> None:
        self._send(f"{order}\n".encode())
        answer = self._answer()
        if answer != expected:
            self._connection.must_live(LOST, (order,))
            why = answer.removeprefix("failed ") or "the server gave no answer"
            msg = f"{self._connection.host.name}: {otherwise}: {why}"
            raise CommandError(msg)

    def _take(self, answer: str, root: str) -> None:
        word, _, value = answer.partition(" ")
        if word == "held":
            raise LockHeldError(value)
        if word != "locked":
            self._connection.must_live(LOST, ("the lock",))
            host = self._connection.host
            why = f" ({value})" if value else ""
            msg = f"{host.name}: {root} cannot be locked there{why}: see whether it can be written, with `{host.ssh}`"
            raise CommandError(msg)

    def _beat(self) -> None:
        while not self._over.wait(ALIVE_EVERY):
            # The code that uses the connection reports its loss.
            with contextlib.suppress(CommandError):
                self._send(b"alive\n")

    def _send(self, line: bytes) -> None:
        assert self._process  # noqa: S101 - within the block
        assert self._process.stdin  # noqa: S101 - a pipe
        try:
            with self._writing:
                self._process.stdin.write(line)
                self._process.stdin.flush()
        except OSError:
            self._connection.must_live(LOST, ("the lock",))
            msg = f"{self._connection.host.name}: the lock was lost: try again"
            raise CommandError(msg) from None

    def _answer(self) -> str:
        assert self._process  # noqa: S101 - within the block
        assert self._process.stdout  # noqa: S101 - a pipe
        return self._process.stdout.readline().decode(errors="replace").rstrip("\n")

    def _end(self) -> None:
        if self._process is None:
            return
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process = None
