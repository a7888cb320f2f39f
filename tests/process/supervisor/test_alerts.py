"""The whole path in real processes: journals, watch, flips, policy, store, channel; and what can be asked of it."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import heartbeat
from openbell.supervisor.alerts import view
from tests.process.supervisor.test_service import Supervisor
from tests.process.supervisor.test_service import environment as places
from tests.unit.supervisor.alerts.webhook import Hook, wait_until
from tests.unit.supervisor.world import World

TOKEN = "t0k3n-9f8e7d"
QUICK = 'timezone = "UTC"\n[defaults]\ngrace = "1s"\ntimeout = "30s"\n[[bot]]\nsymbols = ["AAPL"]\nevery = "2s"\n'
SELDOM = QUICK.replace('"2s"', '"1d"')


class Beating:
    """A loop that beats and runs nothing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            heartbeat.write(self._world.journal / "pulse", heartbeat.Heartbeat(datetime.now(UTC), self._world.boot, ()))


@contextmanager
def running(world: World, monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str]) -> Iterator[Supervisor]:
    """Run a supervisor with these settings, over a strategy whose loop lives."""
    for name, value in settings.items():
        monkeypatch.setenv(f"OPENBELL_{name}", value)
    world.now = datetime.now(UTC)
    world.start()
    world.beat()
    with Beating(world):
        supervisor = Supervisor(world)
        try:
            supervisor.wait()
            yield supervisor
        finally:
            if supervisor.process.poll() is None:
                supervisor.process.kill()
                supervisor.process.communicate()


def command(world: World, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours in the supervisor's surroundings."""
    return subprocess.run(
        [sys.executable, "-m", "openbell", *words],
        env={**places(world, 0), **os.environ, "OPENBELL_STRATEGIES": str(world.strategies)},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def test_a_missed_slot_reaches_the_channel(world: World, webhook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot that does not run is told of, once; when it runs again, that is told; no secret is anywhere on the way."""
    world.strategy("pulse", QUICK)
    url = webhook.url(f"ok/{TOKEN}")
    with running(world, monkeypatch, {"ALERT_URLS": f"phone={url}"}) as supervisor:
        wait_until(lambda: webhook.titles(f"ok/{TOKEN}"), "the alert", 60)
        shown = view.read(world.root / "state" / "alerts.sqlite")
        assert shown is not None
        (incident,) = shown.incidents
        assert (incident.title, incident.critical) == ("pulse missed a slot", True)
        (channel,) = shown.channels
        wait_until(lambda: view.read(world.root / "state" / "alerts.sqlite").channels[0].sent, "the mark", 20)  # type: ignore[union-attr]
        assert (channel.name, channel.scheme, channel.waiting <= 1) == ("phone", "json", True)
        arguments = Path(f"/proc/{supervisor.process.pid}/cmdline").read_text()
        answers = "".join(supervisor.ask(path)[1] for path in ("/", "/api/status", "/healthz"))
        stop = threading.Event()

        def run_again() -> None:
            while not stop.wait(0.2):
                world.now = datetime.now(UTC)
                slot = world.now.replace(second=world.now.second // 2 * 2, microsecond=0)
                if slot not in ran:
                    ran.add(slot)
                    world.run(slot)

        ran = set[datetime]()
        again = threading.Thread(target=run_again)
        again.start()
        try:
            wait_until(lambda: len(webhook.titles(f"ok/{TOKEN}")) == 2, "the recovery", 60)
        finally:
            stop.set()
            again.join()
        _, lines = supervisor.end()
    assert webhook.titles(f"ok/{TOKEN}") == ["CRITICAL: pulse missed a slot", "OK: pulse recovered"]
    events = [line["event"] for line in lines]
    steps = ["flip.stored", "message.stored", "delivery.sent"]
    places_ = [events.index(step) for step in steps]
    assert places_ == sorted(places_), "each step is told, in its order"
    everything = (
        arguments + answers + json.dumps(lines) + "".join(path.read_text() for path in world.journal.rglob("*.jsonl"))
    )
    assert TOKEN not in everything
    kept = [path for path in (world.root / "state").rglob("*") if path.is_file()]
    assert kept
    for file in kept:
        assert TOKEN.encode() not in file.read_bytes(), "the memory knows channels by their names"


def test_the_canary_proves_the_path(world: World, webhook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """`openbell canary` shows each step with its latency; the page says all the while that all is well."""
    world.strategy("pulse", SELDOM)
    with running(world, monkeypatch, {"ALERT_URLS": f"phone={webhook.url('ok')}"}) as supervisor:
        done = command(world, "canary")
        assert json.loads(supervisor.wait())["ok"] is True
    assert done.returncode == 0, done.stdout + done.stderr
    assert webhook.titles("ok") == ["INFO: canary (a test)"]
    steps = [line for line in done.stdout.splitlines() if re.search(r"\+\d+\.\d{3} s  ", line)]
    assert [step.split(" s  ")[1] for step in steps] == [
        "found missing: the flip is stored",
        "the message is stored",
        "handed to the first channel",
        "taken by every channel",
    ]


def test_a_canary_that_does_not_arrive(world: World, webhook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how far it came and why, with an exit code that is not 0."""
    with running(world, monkeypatch, {"ALERT_URLS": f"phone={webhook.url('fail')}"}):
        done = command(world, "canary", "--limit", "15")
    assert done.returncode == 1
    assert "it did not get as far as: handed to the first channel" in done.stderr
    assert "phone: waiting:" in done.stdout
    assert "500" in done.stdout


def test_a_canary_without_a_channel(world: World) -> None:
    """It says at once what nothing could change, and misses no slot."""
    done = command(world, "canary")
    assert (done.returncode, done.stdout) == (2, ""), "nothing was asked for"
    assert done.stderr.startswith("no channel is set")
    assert len(done.stderr.splitlines()) == 1


def test_a_canary_without_a_supervisor(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says that there is none."""
    monkeypatch.setenv("OPENBELL_ALERT_URLS", "phone=json://127.0.0.1:9/")
    done = command(world, "canary")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is the supervisor running?" in done.stderr


def test_alert_test_tries_every_channel(world: World, webhook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each, those that failed with the reason, and no secret; the code says whether all took it."""
    urls = f"good={webhook.url(f'ok/{TOKEN}')} bad={webhook.url(f'refuse/{TOKEN}')} dead={webhook.url(f'hang/{TOKEN}')}"
    monkeypatch.setenv("OPENBELL_ALERT_URLS", urls)
    done = command(world, "alert-test", "--limit", "15")
    assert done.returncode == 1
    lines = sorted(done.stdout.splitlines())
    assert lines[0].startswith("bad   FAILED (json): ")
    assert "401" in lines[0]
    assert lines[1] == "dead  FAILED (json): no answer within 15 s"
    assert lines[2].startswith("good  ok (json, ")
    assert TOKEN not in done.stdout + done.stderr
    assert webhook.titles(f"ok/{TOKEN}") == ["INFO: openbell alert test"]
    monkeypatch.setenv("OPENBELL_ALERT_URLS", f"good={webhook.url('ok')}")
    assert command(world, "alert-test").returncode == 0


def test_alert_test_without_channels(world: World) -> None:
    """It says what to set."""
    done = command(world, "alert-test")
    assert done.returncode == 2
    assert "OPENBELL_ALERT_URLS" in done.stderr


@pytest.mark.parametrize(
    "name,value,said",
    [
        ("ALERT_URLS", f"phone=nosuchservice://{TOKEN}", 'OPENBELL_ALERT_URLS: channel "phone" (nosuchservice://…): '),
        ("ALERT_URLS", f"phone={TOKEN}", "OPENBELL_ALERT_URLS: entry 1 is not a channel"),
        ("QUIET_HOURS", "at night", "OPENBELL_QUIET_HOURS: found"),
    ],
)
def test_a_wrong_setting_ends_the_start(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """One line that names the variable and not its secret, and an exit code."""
    monkeypatch.setenv(f"OPENBELL_{name}", value)
    done = command(world, "supervise")
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("the supervisor cannot start: ")
    assert said in line
    assert TOKEN not in done.stdout + done.stderr


def test_the_dead_man_is_pinged(world: World, webhook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor pings after its first cycle."""
    ping = f"http://127.0.0.1:{webhook.port}/ok/{TOKEN}"
    with running(world, monkeypatch, {"DEADMAN_URL": ping, "DEADMAN_EVERY": "10s"}) as supervisor:
        wait_until(lambda: webhook.pings, "the first ping", 60)
        code, lines = supervisor.end()
    assert code == 0
    assert TOKEN not in json.dumps(lines)
