"""One connection to a host, by the system's own ssh: the user's config, agent, keys, known_hosts and jump hosts apply."""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from deploy.errors import CommandError
from deploy.ssh import errors, host
from deploy.ssh.control_master import ControlMaster, end
from deploy.ssh.host import Host
from deploy.ssh.session import Session

__all__ = ["LOST", "Connection", "Host", "Result"]

LOST = 255  # ssh's own exit code when it, and not the command, has failed
_PIECE = 1 << 16
_WELCOME = 1 << 16  # bytes of a welcome that are kept until the command itself speaks
_REFUSED = re.compile(r"session request failed|Session open refused by peer")

# Runs what follows until it ends or its input closes: then its output has no reader, and nothing may go on on the host.
# The signal goes to all of its processes: `docker` alone would leave it to its plugin, which a terminal would signal.
_WHILE_HEARD = """\
exec 3<&0
setsid "$@" </dev/null & heard=$!
{ cat <&3; kill -TERM "-$heard"; } >/dev/null 2>&1 & listener=$!
wait $heard; code=$?
kill $listener 2>/dev/null
exit $code"""


@dataclass(frozen=True)
class Result:
    """How a command on the host ended."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """The output as text, without the last line's end."""
        return self.stdout.decode(errors="replace").rstrip("\n")


class Connection:
    """One authenticated connection, shared by every command until the end of the `with` block.

    Commands are lists of arguments, quoted here and nowhere else. At most two are under way at a time: some servers allow no
    more sessions on a connection. Ctrl-C reaches this process only: what becomes of a command is its caller's
    to say. A command that was started on the host may go on there when the connection is lost.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._master: ControlMaster | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self.session: Session | None = None  # what answers the commands of our program there

    def open(self) -> Self:
        """Connect; CommandError says why it did not work. A `with` block opens what is not open yet, and closes it."""
        if self._master is None:
            self._master = ControlMaster(self.host)
        return self

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, command: Sequence[str], *, input: bytes | None = None, timeout: float | None = None) -> Result:  # noqa: A002 - as subprocess calls it
        """Run a command on the host and return how it ended; CommandError if the connection is lost or the time is over."""
        given = {"stdin": subprocess.DEVNULL} if input is None else {}
        try:
            ended = subprocess.run(  # type: ignore[call-overload] # stdin is given or input is, which no type can say
                self.command_line(command),
                input=input,
                capture_output=True,
                timeout=timeout,
                check=False,
                start_new_session=True,
                **given,
            )
        except subprocess.TimeoutExpired:
            msg = f"{self.host.name}: no answer to `{short(command)}` within {timeout:g} s: try again, or look there with `{self.host.ssh}`"
            raise CommandError(msg) from None
        stderr = host.after_welcome(ended.stderr).decode(errors="replace")
        result = Result(ended.returncode, host.after_welcome(ended.stdout), stderr)
        self.must_live(result.code, command)
        if _REFUSED.search(stderr):
            raise CommandError(self._too_many_sessions())
        return result

    def check(
        self,
        command: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002 - as subprocess calls it
        timeout: float | None = None,
        doing: str | None = None,
    ) -> Result:
        """Run a command that must succeed; otherwise CommandError says what was done (`doing`) and how it failed."""
        result = self.run(command, input=input, timeout=timeout)
        if result.code:
            said = errors.reason(result.stderr).removeprefix("openbell: ") or f"exit code {result.code}"
            msg = f"{self.host.name}: {doing or f'`{short(command)}`'} failed: {said}"
            raise CommandError(msg)
        return result

    def start(
        self,
        command: Sequence[str],
        *,
        errors: IO[bytes] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a command on the host; its exit code 255 means that the connection may be lost: ask `must_live`.

        Its output begins after what a login shell says to everybody. errors: a file for its standard error, instead of ours.
        """
        process = subprocess.Popen(
            self.command_line(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors or subprocess.PIPE,
            start_new_session=True,
        )
        self._started.append(process)
        assert process.stdout  # noqa: S101 - a pipe
        if process.stderr:
            threading.Thread(target=_pass_on, args=(process.stderr,), daemon=True).start()
            process.stderr = None  # the thread's
        for line in process.stdout:
            if host.is_begin(line):
                return process
        if process.wait() == LOST and self.alive:
            raise CommandError(self._too_many_sessions())
        return process

    def foreground(self, command: Sequence[str], *, given: bytes | None = None) -> int:
        """Run a command whose output goes where ours goes, with `given` as its input, and return its exit code.

        Without `given` it is ended on the host too when this process is interrupted or the connection is lost.
        """
        watched = ("sh", "-c", _WHILE_HEARD, "sh", *command) if given is None else tuple(command)
        process = self.start(watched)
        assert process.stdin  # noqa: S101 - a pipe
        assert process.stdout  # noqa: S101 - a pipe
        try:
            if given is not None:
                with contextlib.suppress(BrokenPipeError):  # then its exit code says more
                    process.stdin.write(given)
                    process.stdin.close()
            sys.stdout.flush()
            while some := process.stdout.read1(_PIECE):  # type: ignore[attr-defined] # a buffered reader has it
                _write(sys.stdout.fileno(), some)
            code = process.wait()
        except BrokenPipeError:  # the reader of our output has closed it
            return -signal.SIGPIPE
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            end(process)
            process.stdout.close()
        self.must_live(code, command)
        return code

    def forward(self, port: int, address: str = "127.0.0.1", local: int | None = None) -> int:
        """Lead a port of this machine's loopback to a port of the host's, and return it; `local` None is one that is free."""
        target = f"{f'[{address}]' if ':' in address else address}:{port}"
        said = ""
        for _ in range(5):  # another process may take the port in between
            ours = local or free_port()
            said = self._forward(f"127.0.0.1:{ours}:{target}")
            if not said:
                return ours
        msg = (
            f"{self.host.name}: ssh does not forward a port ({said}): see AllowTcpForwarding in the host's sshd_config"
        )
        raise CommandError(msg)

    def forward_socket(self, remote: str) -> Path:
        """Lead a socket in a folder that is this user's alone to a socket of the host, and return it."""
        folder = self._open.folder
        ours = folder / f"socket-{len(list(folder.iterdir()))}"
        if said := self._forward(f"{ours}:{remote}"):
            msg = f"{self.host.name}: ssh does not forward a socket ({said}): see AllowStreamLocalForwarding in the host's sshd_config"
            raise CommandError(msg)
        return ours

    def _forward(self, what: str) -> str:
        """Return what ssh has against it, or nothing."""
        done = self._open.control("forward", "-L", what)
        if done.returncode == 0:
            return ""
        self.must_live(LOST, ("ssh", "-L"))
        return done.stderr.decode(errors="replace").strip() or "no reason given"

    @property
    def alive(self) -> bool:
        """Whether the connection holds, as far as ssh knows."""
        return self._master is not None and self._master.alive

    def wait(self) -> None:
        """Wait until the connection ends."""
        self._open.wait()

    def must_live(self, code: int, command: Sequence[str]) -> None:
        """Raise CommandError if a command ended with this code because the connection was lost."""
        if code in {LOST, -signal.SIGPIPE} and not self.alive:
            msg = f"{self.host.name}: the connection was lost in `{short(command)}`: {self._open.reason()}; see that `{self.host.ssh}` works, and try again"
            raise CommandError(msg)

    def close(self) -> None:
        """End the connection and what still runs over it here."""
        if self.session:
            self.session.end()
            self.session = None
        for process in self._started:
            end(process)
        self._started = []
        if self._master:
            self._master.end()
            self._master = None

    def command_line(self, command: Sequence[str]) -> tuple[str, ...]:
        """Return the words that run a command on the host over this connection; its output has a welcome before it."""
        return (*self._open.words, "-T", *self.host.destination, host.shell_line(command))

    def _too_many_sessions(self) -> str:
        return f"{self.host.name}: the server refuses another session on this connection: set MaxSessions to 2 or more in its sshd_config"

    @property
    def _open(self) -> ControlMaster:
        if self._master is None:
            msg = f"{self.host.name}: there is no connection"
            raise CommandError(msg)
        return self._master


def _pass_on(errors: IO[bytes]) -> None:
    """Write what a command says on its standard error to ours, without the welcome of a login shell."""
    with errors:
        said = b""
        for line in errors:
            said = b"" if host.is_begin(line) else said + line
            if not said or len(said) > _WELCOME:
                break
        with contextlib.suppress(OSError):
            _write(sys.stderr.fileno(), said)
            for line in errors:
                _write(sys.stderr.fileno(), line)


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def free_port() -> int:
    """Return a port of this machine's loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def short(command: Sequence[str]) -> str:
    """Return a command as a person recognises it, in one line and not too long."""
    line = " ".join(shlex.join(command).split())
    return line if len(line) <= 60 else f"{line[:57]}..."
