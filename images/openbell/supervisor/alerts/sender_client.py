"""The client of the sender's process, which it starts when there is something to send and replaces when it has died."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from openbell.supervisor.alerts import sender_process
from openbell.supervisor.alerts.model import Message
from openbell.supervisor.alerts.settings import Channel
from openbell.supervisor.store.freed_memory import return_freed_memory

LIMIT = 20.0  # seconds for one send
IDLE = 3.0  # seconds without a request after which the sender ends itself
_STAY = b"stay"  # a message without a request: the process waits for its idle time again
_MARGIN = 5.0  # seconds more for the process to start and to answer
_TYPES = {"critical": "failure", "warning": "warning", "good": "success", "info": "info"}
# The variables that the process needs; the others may be secret.
PASSED = (
    *(
        "PATH",
        "LANG",
        "LC_ALL",
        "TZ",
        "HOME",
        "TMPDIR",
        "PYTHONPATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
    ),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)


@dataclass(frozen=True)
class SendResult:
    """What became of a request: `error` is empty if the service took it. handed_at: when the sender began with it."""

    error: str
    handed_at: datetime | None = None


class SenderClient:
    """One process for all channels. Any thread may use it, and waits only for its own answer."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        limit: float = LIMIT,
        idle: float = IDLE,
        modules: Mapping[str, str] = MappingProxyType({}),
        *,
        alone: bool = False,
    ) -> None:
        """modules: by scheme, the Apprise plugins that are known; to find one costs a send as much memory as all 140.

        alone: requests come one after the other, from one channel, so that one that hangs delays no other.
        """
        self._alone = alone
        self._clock = clock
        self._idle = idle
        self._limit = limit
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self.modules = dict(modules)  # by scheme: the Apprise plugin that handles it

    def warm(self) -> None:
        """Start the process if it does not run, and let it wait anew if it does: a message is about to be sent."""
        with self._lock, suppress(OSError):  # `send` will report it
            self._start().send(_STAY)

    def send(self, channel: Channel, message: Message) -> SendResult:
        """Send a message and return what became of it; takes no longer than the limit and some seconds."""
        about = {"do": "send", "title": message.title, "body": message.body, "type": _TYPES[message.severity]}
        return self._request(channel, about)

    def check(self, channel: Channel) -> str:
        """Return why Apprise does not accept a channel's URL; an empty text if it does. Nothing is sent."""
        return self._request(channel, {"do": "check"}).error

    def close(self) -> None:
        """Let the process end; what it has begun to send, it still sends."""
        with self._lock:
            self._end()

    def _request(self, channel: Channel, about: Mapping[str, str]) -> SendResult:
        known = self.modules.get(channel.scheme, "")
        request = {"url": channel.url, "limit": str(self._limit), "module": known, **about}
        for _ in range(2):
            sent = self._exchange(channel, json.dumps(request).encode() + b"\n")
            if sent is not None:
                return sent
        return SendResult("the sender's process could not be started or died; see the log")

    def _exchange(self, channel: Channel, request: bytes) -> SendResult | None:
        """Return what became of a request, or None if the sender was gone before it began."""
        ours, theirs = socket.socketpair()
        handed_at = process = None
        with ours:
            with theirs:
                try:
                    with self._lock:
                        control = self._start()
                        process = self._process
                        socket.send_fds(control, [b"request"], [theirs.fileno()])
                except OSError:
                    self._discard(process)  # it ended because it was idle, or died; it may still be about to
                    return None
            ours.settimeout(self._limit + _MARGIN)
            try:
                ours.sendall(request)
                with ours.makefile("rb") as stream:
                    if not stream.readline():
                        self._discard(process)
                        return None
                    handed_at = self._clock()
                    line = stream.readline()
            except TimeoutError:
                if handed_at is None:
                    self._discard(process)  # the process itself hangs: the next request starts another one
                return SendResult(f"no answer within {self._limit:g} s", handed_at)
            except OSError:
                self._discard(process)
                return None
        if not line:
            return SendResult(f"no answer within {self._limit:g} s", handed_at)
        answer = json.loads(line)
        if answer["module"]:
            self.modules[channel.scheme] = answer["module"]
        return SendResult(answer["error"], handed_at)

    def _discard(self, process: subprocess.Popen[bytes] | None) -> None:
        """Kill a process that is dying, so that it is not used again; the children that it has forked go on."""
        with self._lock:
            if process is self._process:
                self._end(kill=True)

    def _start(self) -> socket.socket:
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._end()
        self._control, theirs = socket.socketpair()
        known = sorted(set(self.modules.values()))
        ways = sender_process.ALONE if self._alone else sender_process.AMONG_OTHERS
        return_freed_memory()  # it takes 20 MB
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", sender_process.__name__, f"{self._idle:g}", ways, *known],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,  # our own output is JSON lines; its answers come over sockets
                env={name: os.environ[name] for name in PASSED if name in os.environ},
            )
        return self._control

    def _end(self, *, kill: bool = False) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            if kill:
                self._process.kill()
            try:
                self._process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process, self._control = None, None


def check_channels(channels: Sequence[Channel]) -> Mapping[str, str]:
    """Return the Apprise plugin of each channel's scheme.

    ValueError with one line if Apprise does not accept a channel's URL; the line never shows the URL.
    """
    if not channels:
        return {}
    with closing(SenderClient(lambda: datetime.now(UTC), alone=True)) as sender:
        for channel in channels:
            if why := sender.check(channel):
                msg = f'OPENBELL_ALERT_URLS: channel "{channel.name}" ({channel.scheme}://…): {why}'
                raise ValueError(msg)
        return dict(sender.modules)
