"""`python -m deploy demo`: a minute in which all goes well, a strategy is killed, a slot is missed, and everything is reported and recovers.

Everything is real: the strategy `pulse`, its loop, the supervisor and its page, as processes of this machine with data in
a folder that is removed at the end. Only time is not: all of them go by a clock that runs SPEED times as fast.
"""

import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from types import FrameType

from deploy.docker.compose import SUPERVISOR
from deploy.errors import CommandError
from deploy.local.demo_output import JournalTail, Message, WebhookReceiver, words
from deploy.local.process_supervisor import ProcessSupervisor, end_all, now
from deploy.local.processes import INHERITED, LocalPaths, processes, supported
from deploy.log import Log, log_to_stdout
from deploy.settings import Settings
from openbell.manifest import load_all

STRATEGY = "pulse"
SPEED = 5  # a slot a minute is one every twelve seconds, and its grace of twenty is four
RUNS = 2  # runs to see before the strategy is killed
LIMIT = 30.0  # seconds for each step: on a busy machine all takes its time
TURN = 0.05  # seconds between two checks
GRACE = 10  # seconds that a run may take to end at the end


class Interrupted(Exception):  # noqa: N818 - the user's wish is no error
    """The user has pressed Ctrl-C."""


def run(strategies: Path, settings: Settings) -> int:
    """Show it all; return 0, or 1 with a line that says which step did not come, or 130 after Ctrl-C."""
    supported()
    log = log_to_stdout(settings.log)
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with TemporaryDirectory(prefix="openbell-demo-") as folder, closing(WebhookReceiver()) as letters:
            stage = Stage(
                Path(folder), strategies, replace(settings, bind="127.0.0.1", port=_free_port()), letters, log, asked
            )
            try:
                stage.play()
            except Interrupted:
                return 130
            finally:
                end_all(stage.children, log, asked, GRACE)
            stage.sum_up()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


class Stage:
    """What happens, step by step; each step waits until it is seen, in the journal or in what the alerts' channel got."""

    def __init__(
        self, folder: Path, strategies: Path, settings: Settings, letters: WebhookReceiver, log: Log, asked: list[int]
    ) -> None:
        copytree(strategies / STRATEGY, folder / "strategies" / STRATEGY)
        places = LocalPaths(folder / "strategies", folder / "data")
        self.children = ProcessSupervisor(log)
        self._page, self._letters, self._log, self._asked = settings.page, letters, log, asked
        self._journal = JournalTail(places.data / "journal" / STRATEGY)
        self._began = now()
        self._places = places
        self._seen: list[Mapping[str, object]] = []
        self._got: list[Message] = []
        manifests, errors = load_all(places.strategies)
        if errors:
            raise CommandError(str(errors[0]))
        for process in processes(manifests, places, settings, _environment(letters)):
            self.children.keep(process, places.log(process.name))

    def play(self) -> None:
        """Do and wait for one thing after the other; CommandError if one of them does not come in time."""
        say = self._log.info
        say("the page, for as long as this takes (about a minute)", page=self._page)
        say("time runs faster here: a minute takes twelve seconds", strategy=STRATEGY, due="every minute")
        self._wait("the page answers", self._answers)
        self._wait(f"{RUNS} runs", lambda: self._count("run_end", outcome="succeeded") >= RUNS)
        say(f"now {STRATEGY} is killed (kill -9) and kept away until its next slot is missed")
        self.children.kill(STRATEGY)
        self._wait("an alert about the missed slot", lambda: any("missed" in one.title for one in self._got))
        runs = self._count("run_end", outcome="succeeded")
        say(f"now {STRATEGY} may start again, as a restart policy would have made it do at once")
        self.children.release(STRATEGY)
        self._wait("the restart", lambda: self._count("service_start") >= 2)
        self._wait("the missed slot in the journal", lambda: self._count("slot_skipped", outcome="missed") >= 1)
        self._wait("a run after the restart", lambda: self._count("run_end", outcome="succeeded") > runs)
        self._wait("the message that it has recovered", lambda: any("recovered" in one.title for one in self._got))
        self._wait("the page that says so", self._is_well)

    def sum_up(self) -> None:
        """Say what was seen."""
        runs, missed = self._count("run_end", outcome="succeeded"), self._count("slot_skipped", outcome="missed")
        self._log.info(
            "the demo has ended, and nothing is left behind",
            runs=runs,
            missed=missed,
            messages=len(self._got),
            seconds=round(now() - self._began),
        )
        self._log.info("`make local` runs all strategies this way, `make up` each in a container of its own")

    def _wait(self, what: str, is_done: Callable[[], bool]) -> None:
        until = now() + LIMIT
        while True:
            self.children.step(now())
            self._poll()
            if is_done():
                return
            if self._asked:
                raise Interrupted
            if now() >= until:
                for name in (STRATEGY, SUPERVISOR):
                    self._log.warning("the end of its output", service=name, output=_tail(self._places.log(name)))
                msg = f"the demo did not come to its end: {what} did not come within {LIMIT:.0f} s"
                raise CommandError(msg)
            time.sleep(TURN)

    def _poll(self) -> None:
        """Show what is new."""
        for event in self._journal.new():
            self._seen.append(event)
            if said := words(event):
                self._log.info(said)
        for message in self._letters.new():
            self._got.append(message)
            self._log.info(f"ALERT  {message.title}")
            for line in message.text.splitlines():
                self._log.info(f"       {line}")

    def _count(self, kind: str, **fields: object) -> int:
        return sum(1 for event in self._seen if event["event"] == kind and fields.items() <= event.items())

    def _answers(self) -> bool:
        return self._get("/healthz") is not None

    def _is_well(self) -> bool:
        return self._get("/healthz") == 200

    def _get(self, path: str) -> int | None:
        try:
            with urllib.request.urlopen(self._page + path, timeout=5) as answer:  # noqa: S310 - our own page
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None


def _environment(letters: WebhookReceiver) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    clock = f"{SPEED}@{datetime.now(UTC).isoformat()}"
    return inherited | {"OPENBELL_CLOCK": clock, "OPENBELL_ALERT_URLS": f"terminal={letters.url}"}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.exists() else "none"
