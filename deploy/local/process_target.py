"""Plain processes of this machine as a place where commands act, like containers here and on a host."""

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy import processes, supervisor_client
from deploy.docker.compose import SUPERVISOR, Logs, ServiceCommand
from deploy.docker.engine import Service
from deploy.errors import CommandError
from deploy.hosts import facts
from deploy.hosts.facts import Facts
from deploy.local import control_socket
from deploy.local.process_supervisor import last_line
from deploy.settings import Settings
from deploy.supervisor_client import BotStatus

START = "make up"
OPENBELL = str(Path(sys.executable).parent / "openbell")
OLD = timedelta(
    seconds=30
)  # without a beat for so long, a loop is not well; the container's health check has the same figure


class ProcessTarget:
    """What the background service of `make up` keeps running where there are no containers."""

    option, start = "", START

    def __init__(self, settings: Settings, data: Path) -> None:
        self.project, self.page, self._data = settings.project, settings.page, data

    @property
    def engine(self) -> str | None:
        """There is none."""
        msg = "plain processes run here, not containers: their memory and CPU are in `ps -o pid,rss,time,args -u $USER`"
        raise CommandError(msg)

    @property
    def runs(self) -> bool:
        """Tell whether the background service runs."""
        return self._ask({"do": "services"}) is not None

    @property
    def root(self) -> str:
        """The folder of the installation whose background service runs; empty without one."""
        return str((self._ask({"do": "services"}) or {}).get("root", ""))

    @property
    def listens_on(self) -> str:
        """The address that the running supervisor listens on; empty without one."""
        answer = self._ask({"do": "environment", "service": SUPERVISOR}) or {}
        found = answer.get("environment")
        return str(found.get("OPENBELL_LISTEN", "")) if isinstance(found, dict) else ""

    def services(self) -> tuple[Service, ...]:
        """Ask the background service, and judge each process by its sign of life, as a container's health check does."""
        answer = self._ask({"do": "services"}) or {}
        found = answer.get("services")
        listed = [self._service(one) for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
        return tuple(sorted(listed, key=lambda one: one.name))

    def bots(self, patience: float) -> tuple[BotStatus, ...] | None:
        """Ask the page."""
        return supervisor_client.fetch(self.page, patience)

    def run(self, command: ServiceCommand | Logs) -> int:
        """Run a command of openbell as the service's own process would, or show what services wrote."""
        if isinstance(command, Logs):
            return processes.run(self._tail(command))
        environment = self._environment(command.strategy or command.service)
        return processes.run((OPENBELL, *command.arguments), environment)

    def facts(self) -> Facts:
        """Look as at any host."""
        return facts.read_own()

    def _ask(self, question: Mapping[str, object]) -> dict[str, object] | None:
        return control_socket.ask(self._data, question)

    def _environment(self, service: str) -> dict[str, str]:
        answer = self._ask({"do": "environment", "service": service}) or {}
        found = answer.get("environment")
        if not isinstance(found, dict) or not found:
            msg = f"{service} does not run: start it with `{START}`"
            raise CommandError(msg)
        user = {"OPENBELL_USER": os.environ["OPENBELL_USER"]} if "OPENBELL_USER" in os.environ else {}
        return {**found, **user}

    def _service(self, one: Mapping[str, object]) -> Service:
        name, state = str(one.get("name")), str(one.get("state"))
        started = datetime.fromtimestamp(float(str(one.get("started", 0))), UTC)
        log = Path(str(one.get("log")))
        found = Service(
            name=name,
            image=f"process {one['process']}" if one.get("process") else "-",
            state=state,
            health=self._health(name, started) if state == "running" else "",
            restarts=int(str(one.get("restarts", 0))),
            exit_code=int(str(one.get("exit_code", 0))),
            strategies=(name,),
        )
        return found if found.well else Service(**{**vars(found), "last_line": last_line(log)})

    def _health(self, name: str, started: datetime) -> str:
        now = datetime.now(UTC)
        if name == SUPERVISOR:
            is_well = supervisor_client.answers(self.page)
        else:
            beat = _written_at(self._data / "journal" / name / "beat.json")
            is_well = beat is not None and beat >= started and now - beat < OLD
        if is_well:
            return "healthy"
        return "starting" if now - started < OLD else "unhealthy"

    def _tail(self, command: Logs) -> tuple[str, ...]:
        answer = self._ask({"do": "services"}) or {}
        found = answer.get("services")
        logs = {str(one["name"]): str(one["log"]) for one in found} if isinstance(found, list) else {}
        if command.service and command.service not in logs:
            msg = f"{command.service} does not run here; what runs: {', '.join(sorted(logs)) or 'nothing'}"
            raise CommandError(msg)
        files = [logs[command.service]] if command.service else sorted(logs.values())
        if not files:
            msg = f"nothing runs: start it with `{START}`"
            raise CommandError(msg)
        return ("tail", "-n", "200", *(("-F",) if command.follow else ()), *files)


def _written_at(file: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError:
        return None
