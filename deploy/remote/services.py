"""A service's containers: created, started side by side, judged, stopped and removed.

A service may have two containers for a while: the new one is made and started beside the old one, and waits for the locks
of its strategies. At each moment at least one of them is one that the engine starts again after a reboot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.remote.docker_client import Answer, Container, DockerClient, DockerError
from deploy.remote.files import read_text
from deploy.remote.plan import DATABASE, SUPERVISOR, TransactionPlan

PREFLIGHT = "openbell.preflight"  # a label: this container tries something out, and goes
ONCE = "openbell.once"  # a label: this service ends by itself
NO_BEAT_WITHIN = 3.0  # seconds in which a container that waits for an old one is not expected to beat
READY_WITHIN = 120.0  # seconds for a new container to import what it runs
BEAT_WITHIN = 120  # seconds for the first heartbeat of a container that had nothing to wait for
JUDGED = 3  # exit code of `openbell gate`: the container was judged, and is not well
COMPOSE_WITHIN = 900.0  # seconds
STAYS_UP = 5.0  # seconds for which a container of another program is watched
NO_PROGRAM = frozenset({126, 127})  # exit codes of `docker exec` for a command that is not there
STOP_WITHIN = 4000.0  # seconds; the engine ends what does not stop within its own grace
_WAITS = re.compile(r"^(\S+): .*waiting until it ends", re.MULTILINE)
_ERROR = re.compile(r'"level": "error".*"error": "((?:[^"\\]|\\.)*)"')


class StepFailed(Exception):  # noqa: N818 - it is an outcome
    """A step did not succeed; the text is the reason that people read."""


def named(service: str, reason: str) -> str:
    """Return a reason with the service's name in front of it, once."""
    return reason if reason.startswith(f"{service}: ") else f"{service}: {reason}"


def why_it_ended(log: str) -> str:
    """Return the last error in a container's output, or its last line."""
    if errors := _ERROR.findall(log):
        return str(errors[-1])
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"


def waits_for(log: str) -> frozenset[str]:
    """Return the strategies whose loops wait, as a container's output says."""
    return frozenset(_WAITS.findall(log))


def once(compose: str) -> list[str]:
    """Return the services of a Compose file that end by themselves."""
    try:
        services = json.loads(compose).get("services", {})
    except ValueError:
        return []
    return [name for name, one in services.items() if (one.get("labels") or {}).get(ONCE)]


class Services:
    """What is done with containers of one project; a release's folder says what they are made from."""

    def __init__(self, docker: DockerClient, project: str, release: Callable[[str], Path]) -> None:
        self._docker = docker
        self._project = project
        self._release = release

    def compose(self, release: str, *words: str) -> tuple[str, ...]:
        """Return the words of a command of Docker Compose with a release's files."""
        folder = self._release(release)
        files = [folder / "compose.yaml", *sorted(folder.glob("secrets/*.json"))]
        options = [word for file in files for word in ("--file", str(file))]
        where = ("--project-name", self._project, "--project-directory", str(folder))
        return ("compose", "--ansi", "never", *where, *options, *words)

    def of(self, service: str) -> list[Container]:
        """Return a service's containers."""
        return self._docker.containers(self._project, service)

    def running_strategies(self, service: str) -> list[Container]:
        """Return a service's containers that run strategies; none of the supervisor's."""
        return [one for one in self.of(service) if one.running and service != SUPERVISOR]

    def preflight(self, release: str, service: str) -> None:
        """See in a throw-away container of the release whether the service will work."""
        rehearse = () if service == SUPERVISOR else ("--rehearse",)
        options = ("run", "--rm", "--no-deps", "--no-TTY", "--label", f"{PREFLIGHT}=1")
        command = self.compose(release, *options, service, "openbell", "preflight", *rehearse)
        try:
            self._docker.must(*command, seconds=COMPOSE_WITHIN)
        except DockerError as error:
            msg = f"preflight of {named(service, str(error))}"
            raise StepFailed(msg) from None

    def prepare(self, release: str) -> None:
        """Run what does its work before the others start and ends by itself, such as giving volumes their owners."""
        for service in once(read_text(self._release(release) / "compose.yaml")):
            options = ("run", "--rm", "--no-deps", "--no-TTY", "--label", f"{PREFLIGHT}=1")
            try:
                self._docker.must(*self.compose(release, *options, service), seconds=COMPOSE_WITHIN)
            except DockerError as error:
                msg = f"{service} could not be prepared: {error}"
                raise StepFailed(msg) from None

    def rename(self, release: str, old: str, new: str, *options: str) -> None:
        """Give a strategy's data another name, or announce it, with the program that a release prepares volumes with."""
        for service in once(read_text(self._release(release) / "compose.yaml")):
            words = ("run", "--rm", "--no-deps", "--no-TTY", "--label", f"{PREFLIGHT}=1", service)
            try:
                self._docker.must(*self.compose(release, *words, "openbell", "rename", old, new, *options))
            except DockerError as error:
                msg = f"{old} could not be renamed to {new}: {error}"
                raise StepFailed(msg) from None

    def create(self, release: str, service: str) -> str:
        """Create another container of the service, from the release, and return its id. It is not started."""
        before = {one.id for one in self.of(service)}
        options = ("up", "--no-start", "--no-deps", "--no-build", "--no-recreate", "--scale")
        command = self.compose(release, *options, f"{service}={len(before) + 1}", service)
        try:
            self._docker.must(*command, seconds=COMPOSE_WITHIN)
        except DockerError as error:
            msg = f"{service} could not be created: {error}"
            raise StepFailed(msg) from None
        made = [one.id for one in self.of(service) if one.id not in before]
        if len(made) != 1:
            msg = f"{service} could not be created: Compose made {len(made)} containers"
            raise StepFailed(msg)
        return made[0]

    def start(self, service: str, container: str) -> None:
        """Start a container."""
        try:
            self._docker.must("start", container)
        except DockerError as error:
            msg = f"{service} could not be started: {error}"
            raise StepFailed(msg) from None

    def stop(self, service: str, containers: Sequence[Container]) -> None:
        """Stop containers: runs that are in progress end by themselves."""
        for one in containers:
            try:
                self._docker.must("stop", one.id, seconds=STOP_WITHIN)
            except DockerError as error:
                msg = f"{service} could not be stopped: {error}"
                raise StepFailed(msg) from None

    def remove(self, container: str) -> None:
        """Stop and remove a container; DockerError if it stays."""
        state = self._docker.state(container)[0]
        if state == "gone":
            return
        if state not in {"exited", "created", "dead"}:
            self._docker.must("stop", container, seconds=STOP_WITHIN)
        self._docker.must("rm", "--volumes", container)

    def restart_policy(self, container: str, policy: str) -> None:
        """Say when the engine starts a container by itself; an engine that refuses changes nothing."""
        self._docker.ask("update", "--restart", policy, container)

    def inside(self, container: str, *words: str, seconds: float) -> Answer:
        """Run one of our commands in a container."""
        return self._docker.execute(container, "openbell", *words, seconds=seconds)

    def is_quiet(self, container: str, *words: str, seconds: float) -> bool:
        """Wait until no run is in progress or due soon in a container; another program's has no runs."""
        answer = self.inside(container, "idle", *words, seconds=seconds)
        return answer.ok or answer.code in NO_PROGRAM

    def wait_until_ready(
        self, service: str, container: str, strategies: Sequence[str], *, again: bool = False, waits: bool = False
    ) -> None:
        """Wait until a container has imported its strategies and only waits for other ones, or already beats.

        again: it has run before, and what it printed then says nothing. waits: there are other ones, so its output will say when
        it is ready, and for some seconds it is not asked for a beat, which is a process beside the import. The import has at
        least half of a slow processor: the pauses are as long as the questions.
        """
        since = self._since_its_start(container) if again else ()
        begun = self._docker.now()
        end, ask_at = begun + READY_WITHIN, begun + (NO_BEAT_WITHIN if waits else 0.0)
        while True:
            asked = self._docker.now()
            log = (
                self._docker.ask("logs", "--tail", "500", *since, container).text
                if since
                else self._docker.logs(container, 500)
            )
            if set(strategies) <= waits_for(log):
                return
            now = self._docker.now()
            if now >= ask_at:
                if self.inside(container, "gate", "--beat", "0", seconds=30).ok:
                    return
                ask_at = now + 2
            self._must_run(service, container)
            if now >= end:
                msg = f"{service}: it has not imported its strategies within {READY_WITHIN:g} s"
                raise StepFailed(msg)
            self._docker.sleep(max(0.1, self._docker.now() - asked))

    def _since_its_start(self, container: str) -> tuple[str, ...]:
        form = "{{.State.StartedAt}}"
        answer = self._docker.ask("inspect", "--type", "container", "--format", form, container)
        return ("--since", answer.reason) if answer.ok else ()

    def gate(self, service: str, container: str, *words: str) -> str:
        """Wait until a container has shown that it works; return what it said."""
        end = self._docker.now() + BEAT_WITHIN
        while True:
            answer = self.inside(container, "gate", "--beat", str(BEAT_WITHIN), *words, seconds=BEAT_WITHIN + 120)
            if answer.ok:
                return answer.text
            if answer.code == JUDGED:
                raise StepFailed(named(service, answer.reason))
            if not self._docker.answers():
                if not self._docker.wait_until_back():
                    msg = f"{service}: the engine did not come back"
                    raise StepFailed(msg)
                end = self._docker.now() + BEAT_WITHIN
                continue
            self._must_run(service, container)
            if self._docker.now() >= end:
                raise StepFailed(named(service, answer.reason))
            self._docker.sleep(0.3)

    def must_work(self, plan: TransactionPlan, service: str, container: str) -> None:
        """Raise StepFailed if a container does not work: one of ours gives no sign of life, another program's ends."""
        if plan.runs_openbell(service):
            self.gate(service, container)
        elif service == DATABASE:
            self.database_must_answer(container)
        else:
            self.must_stay_up(service, container)

    def must_stay_up(self, service: str, container: str) -> None:
        """Watch a container of another program for some seconds: it must not end."""
        end = self._docker.now() + STAYS_UP
        while self._docker.now() < end:
            self._must_run(service, container)
            self._docker.sleep(0.3)

    def database_must_answer(self, container: str) -> None:
        """Wait until the database that `make database` starts answers; its first start makes the cluster."""
        end = self._docker.now() + READY_WITHIN
        ask = ("exec", container, "pg_isready", "--quiet", "--host=/tmp", "--username=openbell")
        while not self._docker.ask(*ask, seconds=30).ok:
            self._must_run(DATABASE, container)
            if self._docker.now() >= end:
                msg = f"{DATABASE}: it has not answered within {READY_WITHIN:g} s"
                raise StepFailed(msg)
            self._docker.sleep(0.3)

    def _must_run(self, service: str, container: str) -> None:
        """Raise StepFailed with its last words if a container has ended, whether or not it was started again."""
        state, restarts = self._docker.state(container)
        if state == "unknown" or (state == "running" and not restarts):
            return
        log = self._docker.logs(container, 50)
        msg = f"{service}: its container ended: {why_it_ended(log)}"
        raise StepFailed(msg)

    def announce(self, plan: TransactionPlan, what: str, release: str) -> bool:
        """Tell the supervisor of a deployment through the control volume, which every container of ours has."""
        touched = (*plan.recreated, *plan.remove)
        words = ("--release", release, "--strategies", ",".join(plan.strategies), "--by", plan.by)
        limit = ("--for", str(300 * (len(touched) + 1)))
        running = (one for service in (SUPERVISOR, *touched) for one in self.of(service) if one.running)
        return any(self.inside(one.id, "deployment", what, *words, *limit, seconds=60).ok for one in running)
