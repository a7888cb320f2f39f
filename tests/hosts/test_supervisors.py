"""The supervisors of two hosts, with real loops on one PostgreSQL: one of them alerts, and the pages of both can change everything."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.cluster import Cluster
from tests.hosts.test_without_database import send
from tests.ports import free_port
from tests.serverless.postgres import Server, running_server
from tests.unit.supervisor.alerts.webhook import Hook

TOKEN = "a-token-that-is-long-enough"
TAKEOVER = 60.0  # seconds for one on a busy machine, with its alert


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server that these tests may stop."""
    with running_server() as one:
        yield one


class Watched:
    """Two hosts, each with a loop and a supervisor; both supervisors know the same channel."""

    def __init__(self, folder: Path, url: str, hook: Hook) -> None:
        self.cluster = Cluster(folder, url)
        self.ports: dict[str, int] = {}
        self.supervisors: dict[str, subprocess.Popen[bytes]] = {}
        for name, host in self.cluster.hosts.items():
            self.ports[name] = free_port()
            host.environment |= {"OPENBELL_HOST": name}
            own = {
                "OPENBELL_STRATEGIES": str(self.cluster.folder.parent),
                "OPENBELL_SUPERVISOR_STATE": str(host.folder / "supervisor"),
                "OPENBELL_LISTEN": f"127.0.0.1:{self.ports[name]}",
                "OPENBELL_ALERT_URLS": f"phone={hook.url('ok/phone')}",
                "OPENBELL_TOKEN": TOKEN,
            }
            self._start(name, host.environment | own)

    def _start(self, name: str, environment: dict[str, str]) -> None:
        self.cluster.hosts[name].start()
        with (self.cluster.hosts[name].folder / "watched").open("wb") as file:
            self.supervisors[name] = subprocess.Popen(
                [sys.executable, "-m", "openbell", "supervise"], env=environment, stdout=file, stderr=file
            )
        self.wait(lambda: self.bot(name).get("last_run") or self.bot(name).get("status") == "up", f"the page of {name}")

    def ask(self, name: str, path: str, method: str = "GET", body: object = None) -> object:
        """Return what a page's API answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports[name]}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def bot(self, name: str) -> dict[str, object]:
        """Return what the API of a host says of the bot; nothing while it does not answer."""
        try:
            answer = self.ask(name, "/api/status")
        except OSError:
            return {}
        assert isinstance(answer, dict)
        return next((bot for one in answer["strategies"] for bot in one["bots"]), {})

    def wait(self, until: object, what: str) -> None:
        """Wait until something holds."""
        said = {name: (host.folder / "watched") for name, host in self.cluster.hosts.items()}
        try:
            self.cluster.wait(until, TAKEOVER, what)  # type: ignore[arg-type]
        except TimeoutError as error:
            texts = {name: file.read_text()[-2500:] for name, file in said.items() if file.exists()}
            msg = f"{error}\n{texts}"
            raise TimeoutError(msg) from None

    def close(self) -> None:
        """End all that runs."""
        for one in self.supervisors.values():
            one.kill()
            one.wait(10)
        self.cluster.close()


def told(hook: Hook) -> list[str]:
    """Return the alerts that were sent, but for those of the broker, which forgets what it holds."""
    found = [one["title"] + one["message"] for one in hook.received["ok/phone"]]
    return [text for text in found if "ledger says" not in text]


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A channel that both supervisors send to."""
    one = Hook()
    yield one
    one.close()


@pytest.fixture
def watched(tmp_path: Path, own: Server, hook: Hook) -> Iterator[Watched]:
    """Two hosts that are well."""
    os.environ.pop("OPENBELL_DATABASE", None)
    one = Watched(tmp_path, own.url(), hook)
    try:
        yield one
    finally:
        one.close()
        one.cluster.database.execute("DROP SCHEMA openbell CASCADE; DROP SCHEMA openbell_demo CASCADE")


@pytest.mark.hosts_long
def test_a_host_that_is_gone_is_one_alert(watched: Watched, hook: Hook) -> None:
    """With the strategy that moved, from the supervisor that is left, which has owned no alerts until then."""
    cluster = watched.cluster
    watched.supervisors["a"].send_signal(signal.SIGKILL)
    cluster.hosts["a"].kill()
    watched.wait(lambda: told(hook), "the alert")
    (text,) = told(hook)
    assert "has lost a host" in text
    assert "a gives no sign of life: demo runs on b after " in text


def test_what_is_asked_on_one_page_reaches_the_owner_and_is_seen_on_both(watched: Watched) -> None:
    """Pauses, resumes, runs and halts, from the host that does not run the strategy."""
    cluster = watched.cluster
    watched.ask("b", "/api/bots/b", "PATCH", {"paused": True, "reason": "earnings"})
    watched.wait(lambda: cluster.events("slot_skipped"), "a slot that is passed over")
    watched.wait(
        lambda: [watched.bot(one).get("status") for one in ("a", "b")] == ["paused"] * 2, "the pause on both pages"
    )
    watched.ask("b", "/api/bots/b", "PATCH", {"paused": False})
    watched.wait(
        lambda: [watched.bot(one).get("status") for one in ("a", "b")] == ["up"] * 2, "the resume on both pages"
    )
    answer = watched.ask("b", "/api/bots/b/run", "POST")
    assert isinstance(answer, dict)
    # It runs, or is refused since a slot's run is under way.
    watched.wait(lambda: [one for one in cluster.events() if one.get("request") == answer["request"]], "the request")
    watched.ask("b", "/api/halt", "POST", {"reason": "odd fills"})
    watched.wait(lambda: cluster.events("trading_halted"), "the halt")
    watched.ask("b", "/api/halt", "DELETE")
    watched.wait(lambda: cluster.events("trading_resumed"), "the end of the halt")


@pytest.mark.hosts_long
def test_a_lost_database_is_one_alert(watched: Watched, own: Server, hook: Hook) -> None:
    """From one of two supervisors, and not one for the bot; nothing is told of the other host, which is not known."""
    send(own, signal.SIGSTOP)
    try:
        watched.wait(lambda: told(hook), "the alert")
        (text,) = told(hook)
        assert "cannot reach the database" in text
    finally:
        send(own, signal.SIGCONT)
    watched.wait(lambda: len(told(hook)) > 1, "that it is over")
    assert not [text for text in told(hook) if "sign of life" in text or "missed" in text]
