"""The ssh process that holds a connection, by OpenSSH's multiplexing; what runs over the connection is ssh.py's."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deploy import scratch
from deploy.errors import CommandError
from deploy.ssh import errors
from deploy.ssh.host import Host

ANSWER_WITHIN = 15  # seconds for a host to accept a connection
LOGIN_WITHIN = 60  # seconds until the host lets us in: an agent may ask its user
POLL_INTERVAL = 0.01  # seconds

# Ends ssh when this process has gone, however it went: then the other end of the input is closed. The connection has no
# session of its own, since some servers allow two in all.
_WHILE_HEARD = """\
exec 3<&0
"$@" </dev/null 3<&- & ssh=$!
{ cat <&3; kill "$ssh"; } >/dev/null 2>&1 & listener=$!
wait "$ssh"; code=$?
kill "$listener" 2>/dev/null
exit "$code"
"""
_OPTIONS = (
    "BatchMode=yes",
    f"ConnectTimeout={ANSWER_WITHIN}",
    "ServerAliveInterval=5",  # a dead peer is noticed within 20 s
    "ServerAliveCountMax=3",
    "LogLevel=INFO",
    # What a user's config may ask for by hand would disturb commands that a program sends.
    "RequestTTY=no",
    "RemoteCommand=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "ControlMaster=yes",
    "ControlPersist=no",
    "Compression=yes",  # questions and answers are text that repeats itself; what is shipped is packed, and passes through
)


class ControlMaster:
    """An authenticated connection in a folder of its own. It is open as soon as it is made; `end` closes it."""

    def __init__(self, host: Host) -> None:
        """Connect; CommandError says why it did not work, and what to do."""
        self.host = host
        # Not below TMPDIR: a socket's path may have 104 characters on some systems, of which ssh takes 17 for itself.
        scratch.sweep(Path("/tmp"))  # noqa: S108 - what is removed is checked
        self.folder = Path(tempfile.mkdtemp(prefix=scratch.prefix(), dir="/tmp"))
        self._errors = self.folder / "errors"
        try:
            self._process = self._start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        try:
            self._wait_until_ready()
        except BaseException:
            self.end()
            raise

    @property
    def words(self) -> tuple[str, ...]:
        """How a command line begins that uses the connection."""
        # No config: all that it says was for the connection, which is there. Were it gone, ssh would open one of its own
        # if it could.
        socket = str(self.folder / "ssh")
        return ("ssh", "-F", "/dev/null", "-S", socket, "-o", "ControlMaster=no", "-o", "ProxyCommand=false")

    @property
    def alive(self) -> bool:
        """Whether the connection holds, as far as ssh knows."""
        return self._process.poll() is None and self.control("check").returncode == 0

    def control(self, what: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        """Ask the process for something: check, forward, cancel."""
        return subprocess.run(
            (*self.words, "-O", what, *arguments, *self.host.destination),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            start_new_session=True,
        )

    def reason(self) -> str:
        """Return why the connection was lost, as far as ssh has said it."""
        return errors.reason(self._said()) or "the host does not answer any more"

    def wait(self) -> None:
        """Wait until the connection ends."""
        self._process.wait()

    def end(self) -> None:
        """Close the connection, and leave nothing behind."""
        assert self._process.stdin  # noqa: S101 - a pipe
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> "subprocess.Popen[bytes]":
        config = ("-F", str(self.host.config.expanduser())) if self.host.config else ()
        options = [word for option in _OPTIONS for word in ("-o", option)]
        hold = ("-N", "-S", str(self.folder / "ssh"))
        if shutil.which("ssh") is None:
            msg = "ssh is not installed here: install OpenSSH's client (on Debian and Ubuntu: apt-get install openssh-client), and try again"
            raise CommandError(msg)
        with self._errors.open("wb") as errors:
            # A session of its own: Ctrl-C must not take the connection from under a command that is to end well.
            return subprocess.Popen(
                ("sh", "-c", _WHILE_HEARD, "openbell", "ssh", *config, *options, *hold, *self.host.destination),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )

    def _wait_until_ready(self) -> None:
        """Return once the host has let us in; CommandError if it does not."""
        until = time.monotonic() + LOGIN_WITHIN
        # ssh makes its socket when the login is done.
        while not (self.folder / "ssh").exists():
            if self._process.poll() is not None:
                raise CommandError(errors.explain(self.host.name, self.host.ssh, self._said()))
            if time.monotonic() >= until:
                msg = f"{self.host.name}: no login within {LOGIN_WITHIN} s: see what `{self.host.ssh}` waits for"
                raise CommandError(msg)
            time.sleep(POLL_INTERVAL)
        if added := errors.added_key(self._said()):
            message = f"openbell: {self.host.name}: as your ssh config asks, an unknown host key was accepted: {added}"
            print(message, file=sys.stderr)

    def _said(self) -> str:
        return self._errors.read_text(errors="replace")


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process that is still there, and wait for it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
