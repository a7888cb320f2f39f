"""`openbell supervise` as a process of its own, over folders of a test."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

import pytest

from tests.ports import free_port

READY_WITHIN = 90.0  # seconds; a busy machine


class Supervisor:
    """A supervisor whose strategies, journal and control are below `root`."""

    def __init__(self, root: Path, *, port: int = 0, token: str = "") -> None:
        self.root = root
        self.port = port or free_port()
        self.page = f"http://127.0.0.1:{self.port}"
        self._log = root / f"supervisor-{self.port}.log"
        self.status_headers: dict[str, str] = {}  # with which it is asked whether it is ready
        self.environment = {
            **os.environ,
            "OPENBELL_STRATEGIES": str(root / "strategies"),
            "OPENBELL_JOURNAL": str(root / "journal"),
            "OPENBELL_CONTROL": str(root / "control"),
            "OPENBELL_SUPERVISOR_STATE": str(root / f"state-{self.port}"),
            "OPENBELL_LISTEN": f"127.0.0.1:{self.port}",
            "OPENBELL_TOKEN": token,
        }

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "openbell", "supervise"]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until and self.process.poll() is None:
            if self._answers():
                return self
            time.sleep(0.05)
        self.__exit__()
        pytest.fail(f"no answer from the supervisor:\n{self.log}")

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def log(self) -> str:
        """What it wrote."""
        return self._log.read_text()

    def _answers(self) -> bool:
        try:
            request = urllib.request.Request(f"{self.page}/api/status", headers=self.status_headers)
            with urllib.request.urlopen(request, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
