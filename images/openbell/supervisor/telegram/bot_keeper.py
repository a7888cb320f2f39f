"""Keeps the bot's process alive, from a thread of the supervisor: started again after pauses that grow, if it dies."""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from openbell.restarts import NOW
from openbell.supervisor.alerts.sender_client import PASSED
from openbell.supervisor.telegram.settings import TelegramSettings

RAN_WELL = 60.0  # seconds after which a death is the first again
_LONGEST_LINE = 500

log = structlog.get_logger()


class BotKeeper:
    """The process with its settings. key: the API accepts requests and actions with it; each start makes a new one."""

    def __init__(
        self,
        settings: TelegramSettings,
        host: str,
        port: int,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """host, port: of the page."""
        self.key = secrets.token_hex(24)
        self._stop = threading.Event()
        self._sleep = sleep or self._stop.wait
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, name="telegram", daemon=True)
        everywhere = {"0.0.0.0", "::", ""}  # noqa: S104 - compared, not bound
        about: dict[str, object] = {"token": settings.token, "chats": settings.chats, "server": settings.server}
        about |= {"host": "127.0.0.1" if host in everywhere else host, "port": port, "key": self.key}
        self._line = json.dumps(about)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the process, and do not start it again."""
        self._stop.set()
        if self._process is not None:
            self._process.kill()
        if self._thread.ident is not None:
            self._thread.join(2.0)

    def _run(self) -> None:
        restart = NOW
        while not self._stop.is_set():
            restart = restart.started(time.monotonic())
            try:
                code = self._live()
            except OSError as error:
                code = None
                log.error("telegram.cannot_start", error=str(error))  # noqa: TRY400 - the machine, not the code
            if self._stop.is_set():
                return
            restart = restart.ended(time.monotonic(), RAN_WELL)
            log.warning("telegram.ended", exit_code=code, restart_s=restart.pause)
            self._sleep(restart.pause)

    def _live(self) -> int:
        """Run the process to its end and pass on what it says; return its exit code."""
        with subprocess.Popen(
            [sys.executable, "-m", "openbell.supervisor.telegram.bot_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a traceback could have the token
            text=True,
            env={name: os.environ[name] for name in PASSED if name in os.environ},
        ) as process:
            self._process = process
            if self._stop.is_set():
                process.kill()
            assert process.stdin is not None  # noqa: S101 - for the type checker
            assert process.stdout is not None  # noqa: S101 - as above
            with suppress(BrokenPipeError):
                process.stdin.write(f"{self._line}\n")
                process.stdin.flush()
            log.info("telegram.started", pid=process.pid)
            for line in process.stdout:
                log.warning("telegram.said", text=line.strip()[:_LONGEST_LINE])
            return process.wait()
