"""`openbell supervise` and `openbell status` as processes."""

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.commands import status
from openbell.supervisor.service.settings import from_environment
from tests.ports import free_port
from tests.unit.supervisor.world import World

ROOT = Path(__file__).parents[3]


def environment(world: World, port: int) -> dict[str, str]:
    """Return what tells a process where the world is."""
    return {
        **os.environ,
        "OPENBELL_STRATEGIES": str(world.strategies),
        "OPENBELL_JOURNAL": str(world.journal),
        "OPENBELL_CONTROL": str(world.control),
        "OPENBELL_SUPERVISOR_STATE": str(world.root / "state"),
        "OPENBELL_LISTEN": f"127.0.0.1:{port}",
    }


READY_WITHIN = 90.0  # seconds; a busy machine takes that long for the imports


class Supervisor:
    """A supervisor in a process of its own."""

    def __init__(self, world: World) -> None:
        self.port = free_port()
        self.environment = environment(world, self.port)
        command = [sys.executable, "-m", "openbell", "supervise"]
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def ask(self, path: str) -> tuple[int, str]:
        """Return the code and the text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def wait(self, path: str = "/api/status") -> str:
        """Return the first good answer."""
        end = time.monotonic() + READY_WITHIN
        while time.monotonic() < end:
            try:
                code, text = self.ask(path)
            except OSError:
                code, text = 0, ""
            if code == 200:
                return text
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.process.kill()
        pytest.fail(f"no answer from the supervisor:\n{self.process.communicate()[0]}")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, list[dict[str, object]]]:
        """Send a signal; return the exit code and the lines of the log."""
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=10)
        return self.process.returncode, [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def supervisor(world: World) -> Iterator[Supervisor]:
    """A supervisor over a world whose loop is alive."""
    world.now = datetime.now(UTC)
    world.start()
    world.beat()
    supervisor = Supervisor(world)
    yield supervisor
    if supervisor.process.poll() is None:
        supervisor.process.kill()
        supervisor.process.communicate()


def test_it_serves_and_ends_at_once(supervisor: Supervisor) -> None:
    """SIGTERM: exit code 0 within a moment, with a browser's connection still open; its log is JSON."""
    answer = json.loads(supervisor.wait())
    assert answer["headline"] == "No bot is down, but no channel is set for alerts: 1 strategy, 1 bot (1 new)"
    assert supervisor.ask("/healthz")[0] == 200
    with socket.create_connection(("127.0.0.1", supervisor.port)):
        began = time.monotonic()
        code, lines = supervisor.end()
    assert code == 0
    assert time.monotonic() - began < 5
    assert [line["event"] for line in lines] == ["supervisor.started", "headline.changed", "supervisor.stopped"]


def test_a_kill_loses_nothing(supervisor: Supervisor, world: World) -> None:
    """The next one takes up where this one was."""
    supervisor.wait()
    supervisor.process.kill()
    supervisor.process.communicate()
    again = Supervisor(world)
    try:
        assert json.loads(again.wait())["ok"] is True
    finally:
        again.end(signal.SIGINT)


def test_a_watch_that_dies_does_not_look_alive(world: World) -> None:
    """Whatever went wrong, the process ends, so that the restart policy revives it."""
    code = (
        "import sys; from openbell.supervisor import watch; from openbell.supervisor.service import main as service; "
        "watch.Watch.step = lambda *_: 1 / 0; sys.exit(service.main([]))"
    )
    settings = environment(world, 0)
    done = subprocess.run(
        [sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    (died,) = [json.loads(line) for line in done.stdout.splitlines() if "watch.died" in line]
    assert "ZeroDivisionError" in died["exception"]


def test_a_store_that_fails_is_tried_once_a_second_whatever_news_arrives(supervisor: Supervisor, world: World) -> None:
    """Each try costs a line of the log: lines of the journal must not multiply it."""
    supervisor.wait()
    with closing(sqlite3.connect(world.root / "state" / "supervisor.sqlite")) as database:
        database.execute("DROP TABLE marks")
    began = time.monotonic()
    while time.monotonic() - began < 4:
        world.now = datetime.now(UTC)
        world.write("note", message="news")
        time.sleep(0.02)
    _, lines = supervisor.end()
    failures = [line for line in lines if line["event"] == "store.failed"]
    assert 1 <= len(failures) <= 6


def test_a_store_that_is_deleted_while_in_use_is_begun_anew_and_told(supervisor: Supervisor, world: World) -> None:
    """The process ends by itself, once; the next one says what happened and watches as before."""
    supervisor.wait()
    (world.root / "state" / "supervisor.sqlite").unlink()
    supervisor.process.communicate(timeout=15)
    assert supervisor.process.returncode == 1
    world.now = datetime.now(UTC)
    world.beat()
    again = Supervisor(world)
    try:
        (condition,) = json.loads(again.wait())["conditions"]
        assert condition["kind"] == "store_rebuilt"
        assert "was deleted while it was in use" in condition["reason"]
    finally:
        again.end()


def test_the_command_says_the_same(supervisor: Supervisor, world: World) -> None:
    """`openbell status`: the headline, a table, and an exit code."""
    supervisor.wait()
    command = [sys.executable, "-m", "openbell", "status"]
    well = subprocess.run(command, env=supervisor.environment, capture_output=True, text=True, check=False)
    assert well.returncode == 0, well.stderr
    first, *_, titles, row = well.stdout.splitlines()
    assert first == "No bot is down, but no channel is set for alerts: 1 strategy, 1 bot (1 new)"
    assert titles.split()[:3] == ["STRATEGY", "BOT", "STATUS"]
    assert row.split()[:3] == ["pulse", "pulse", "new"]
    world.write("error", stage="start", error="no module x", traceback="", will_retry=True)
    world.write("service_stop", reason="cannot start: no module x")
    for _ in range(100):
        ill = subprocess.run(command, env=supervisor.environment, capture_output=True, text=True, check=False)
        if ill.returncode:
            break
    assert ill.returncode == 1
    assert ill.stdout.startswith("pulse cannot start\n")
    assert "no module x" in ill.stdout


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """One clear line, exit code 1."""
    assert status.main(["--page", "http://127.0.0.1:9"]) == 1
    assert "the supervisor does not answer at http://127.0.0.1:9: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("OPENBELL_SUPERVISOR_STATE", "/proc/nowhere", "cannot be written"),
        ("OPENBELL_STRATEGIES", "/nowhere", "/nowhere"),
        ("OPENBELL_LISTEN", "8080", "OPENBELL_LISTEN"),
        ("OPENBELL_LISTEN", "0.0.0.0:99999", "OPENBELL_LISTEN"),
        ("OPENBELL_LISTEN", "203.0.113.9:80", "assign requested address"),
    ],
)
def test_it_cannot_start(world: World, name: str, value: str, said: str) -> None:
    """One clear line, exit code 3."""
    command = [sys.executable, "-m", "openbell", "supervise"]
    settings = {**environment(world, 0), name: value}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False, timeout=READY_WITHIN)
    assert done.returncode == 3
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("the supervisor cannot start: ")
    assert said in line


def test_the_defaults_are_the_images() -> None:
    """Nothing has to be set inside the image."""
    settings = from_environment({"OPENBELL_HOSTS": "a.example, b.example"})
    assert (settings.port, settings.journal) == (8080, Path("/journal"))
    assert settings.hosts == ("a.example", "b.example")


def test_the_supervisor_and_the_runner_stay_apart() -> None:
    """They share the manifest, the slots and the journal's format, and nothing else."""
    code = "import sys, openbell.supervisor.service.main; sys.exit(any(name.startswith('openbell.runner') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
