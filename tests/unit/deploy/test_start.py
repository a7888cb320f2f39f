"""What `make up` starts; and its end: what runs is shown, and a newcomer sees one run."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from deploy import start
from deploy.docker.compose import Logs, ServiceCommand
from deploy.docker.engine import Listed, Service
from deploy.hosts.facts import Facts
from deploy.log import log_to_stdout
from deploy.settings import Settings
from deploy.supervisor_client import BotStatus

RUN = "2026-11-27T09:00:00+00:00"


@dataclass
class Place:
    """Where one service with one bot runs; it counts how often its page is asked."""

    project: str = "x"
    option: str = ""
    start: str = "make up"
    engine: str | None = None
    outcome: str = ""  # of the bot's newest slot; empty if it has had none
    asked: int = 0
    ran: list[ServiceCommand | Logs] = field(default_factory=list)

    def services(self) -> tuple[Service, ...]:
        """Return the one."""
        return (Service(start.EXAMPLE, "image", "running", "healthy", 0, 0),)

    def bots(self, patience: float) -> tuple[BotStatus, ...] | None:
        """Answer as the page does."""
        assert patience
        self.asked += 1
        slot = datetime.fromisoformat(RUN) if self.outcome else None
        return (BotStatus(start.EXAMPLE, "UTC", start.EXAMPLE, "up", slot, self.outcome, None, ""),)

    def run(self, command: ServiceCommand | Logs) -> int:
        """Note what is run."""
        self.ran.append(command)
        return 0

    def facts(self) -> Facts:
        """Nothing is known."""
        return Facts()


@pytest.mark.parametrize("outcome,runs", [("", 1), ("succeeded", 0)])
def test_the_page_is_asked_once(outcome: str, runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table and the decision whether to show a first run come from one answer."""
    monkeypatch.setattr(start, "wait_until_ready", lambda *_: True)
    place = Place(outcome=outcome)
    assert start._show(place, Settings(), log_to_stdout("text")) == 0
    assert (place.asked, len(place.ran)) == (1, runs)


WANTED: dict[str, Any] = {"services": {"pulse": {}, "supervisor": {}, "volumes": {}}}
PULSE = Listed("pulse", ("pulse",), "running", False, "/kit", False)
SUPERVISOR = replace(PULSE, service="supervisor")
VOLUMES = Listed("volumes", ("volumes",), "exited", True, "/kit", True)


@pytest.mark.parametrize(
    "there,do",
    [
        ([PULSE, SUPERVISOR, VOLUMES], True),
        ([PULSE, SUPERVISOR, VOLUMES, replace(PULSE, service="orphan")], True),
        ([], False),
        ([PULSE, SUPERVISOR], False),
        ([PULSE, SUPERVISOR, replace(VOLUMES, has_succeeded=False)], False),
        ([SUPERVISOR, VOLUMES], False),
        ([replace(PULSE, state="restarting"), SUPERVISOR, VOLUMES], False),
        ([replace(PULSE, state="exited", has_succeeded=True), SUPERVISOR, VOLUMES], False),
    ],
)
def test_whether_all_services_run(there: list[Listed], do: bool) -> None:
    """A service that ends by itself must have succeeded; every other service must be running."""
    assert start._all_run(there, WANTED) is do
