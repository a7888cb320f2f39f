"""What the engine knows about the project's containers.

Docker's library is loaded when an engine is asked: with all that it needs, that takes longer than most commands.
"""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from shutil import which
from typing import TYPE_CHECKING

from deploy.docker.services import ends_by_itself, strategies
from deploy.errors import CommandError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

NO_ANSWER = "no Docker engine answers ({error}): run `make up`, which starts one"
PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
FOLDER_LABEL = "com.docker.compose.project.working_dir"
ONE_OFF_LABEL = "com.docker.compose.oneoff"
AT_ONCE = 4  # starts or checks of containers: each makes a process, and those that have started need the CPU as well
NOT_STARTED = "a container could not be started ({error}): `make ps` shows which runs"
BUILD_PLATFORM = "DOCKER_DEFAULT_PLATFORM"  # names the kind of machine that Compose and BuildKit build for
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "i386": "386"}


def platform_of(system: str, machine: str) -> str:
    """Return a platform by Docker's names, from a machine's own."""
    return f"{system}/{_ARCHITECTURES.get(machine, machine)}"


@dataclass(frozen=True)
class Service:
    """One container as the engine sees it now."""

    name: str
    image: str
    state: str  # running, restarting, exited, ...
    health: str  # healthy, unhealthy, starting; empty without a health check
    restarts: int
    exit_code: int
    last_line: str = ""  # of its output, if it is not well
    strategies: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """Whether it runs and its health check has not failed."""
        # Right after its start a container has no verdict yet.
        return self.state == "running" and self.health in {"healthy", "starting", ""}

    @property
    def ready(self) -> bool:
        """Whether it has shown that it works."""
        return self.well and self.health != "starting"


@dataclass(frozen=True)
class Listed:
    """One container as the engine lists it, whatever became of it: quicker to have than a `Service`."""

    service: str
    strategies: tuple[str, ...]
    state: str
    has_succeeded: bool  # it has ended with exit code 0
    folder: str  # from which it was started
    ends_by_itself: bool


def client_is_missing() -> bool:
    """Tell whether there is no `docker` command to ask."""
    return which("docker") is None


@contextmanager
def client(base_url: str | None, timeout: int = 20, problem: str = NO_ANSWER) -> Iterator["DockerClient"]:
    """Give a client of the engine at that address; CommandError with the problem, and Docker's `error` in it, if it fails."""
    import docker  # noqa: PLC0415 - see above
    from docker.errors import DockerException  # noqa: PLC0415
    from requests.exceptions import RequestException, Timeout  # noqa: PLC0415

    try:
        made = docker.DockerClient(base_url=base_url, timeout=timeout)
        try:
            yield made
        finally:
            made.close()
    except Timeout:
        msg = f"the Docker engine did not answer within {made.api.timeout} s: see whether its machine is overloaded, then try again"
        raise CommandError(msg) from None
    except (DockerException, RequestException) as error:
        raise CommandError(problem.format(error=error)) from None


def listed(project: str) -> tuple[Listed, ...]:
    """Return the project's containers, also those that have ended; CommandError if no engine answers."""
    with client(address()) as asked:
        found = asked.api.containers(all=True, filters={"label": f"{PROJECT_LABEL}={project}"})
    return tuple(_as_listed(one, one.get("Labels") or {}) for one in found if not _is_one_off(one.get("Labels") or {}))


def _as_listed(attributes: Mapping[str, object], labels: Mapping[str, str]) -> Listed:
    name = labels.get(SERVICE_LABEL, "")
    return Listed(
        service=name,
        strategies=strategies(name, labels),
        state=str(attributes.get("State", "")),
        has_succeeded=str(attributes.get("Status", "")).startswith("Exited (0)"),
        folder=labels.get(FOLDER_LABEL, ""),
        ends_by_itself=ends_by_itself(labels),
    )


def image_ids(references: Iterable[str]) -> dict[str, str]:
    """Return the ids of the images that have these names now, by name, but for those that are not here."""
    from docker.errors import NotFound  # noqa: PLC0415 - see above

    found = {}
    with client(address()) as asked:
        for reference in references:
            with suppress(NotFound):
                found[reference] = str(asked.images.get(reference).id)
    return found


def start_created(project: str, services: Collection[str]) -> None:
    """Start those containers of these services that were made and never started; CommandError if one of them cannot be."""
    with client(address(), problem=NOT_STARTED) as asked:
        labels = [f"{PROJECT_LABEL}={project}", f"{ONE_OFF_LABEL}=False"]
        made = asked.containers.list(all=True, filters={"label": labels, "status": "created"})
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda one: one.start(), (one for one in made if one.labels.get(SERVICE_LABEL) in services)))


def remove(project: str, service: str) -> None:
    """Stop a service's containers, which lets their runs end, and remove them."""
    with client(address()) as asked:
        labels = [f"{PROJECT_LABEL}={project}", f"{SERVICE_LABEL}={service}"]
        for one in asked.containers.list(all=True, filters={"label": labels}):
            asked.api.timeout = int(one.attrs["Config"].get("StopTimeout") or 10) + 60
            one.stop()
            one.remove()


def services(project: str, healthy: set[str]) -> tuple[Service, ...]:
    """Return the project's containers by name; CommandError if no engine answers.

    `healthy` are the starts of containers that have passed their check when this command asked before: those are not
    asked again while the engine has no verdict of its own, and those that pass now are added.
    """
    with client(address()) as asked:
        containers = asked.containers.list(all=True, filters={"label": f"{PROJECT_LABEL}={project}"})
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda one: _as_service(one, healthy), _services_only(containers)))
    return tuple(sorted(found, key=lambda one: one.name))


def service(attributes: Mapping[str, object], last_line: str = "") -> Service:
    """Return the service that a container's inspection describes; the last line of its output is for one that is not well."""
    state, config = _mapping(attributes.get("State")), _mapping(attributes.get("Config"))
    labels = _mapping(config.get("Labels"))
    name = str(labels.get(SERVICE_LABEL, ""))
    found = Service(
        name=name,
        image=str(config.get("Image", "")),
        state=str(state.get("Status", "")),
        health=str(_mapping(state.get("Health")).get("Status", "")),
        restarts=int(str(attributes.get("RestartCount", 0))),
        exit_code=int(str(state.get("ExitCode", 0))),
        strategies=strategies(name, labels),
    )
    return found if found.well else replace(found, last_line=last_line)


def _as_service(container: "Container", healthy: set[str]) -> Service:
    found = service(container.attrs)
    # The engine asks at the end of each interval, half an hour. Where it has no answer yet, or a bad one, ask the same question now.
    if found.state == "running" and found.health == "unhealthy" and _passes_its_check(container):
        return replace(found, health="healthy")
    if not found.well:
        return replace(found, last_line=_last_line(container))
    if found.health != "starting":
        return found
    start = f"{container.id} {_mapping(container.attrs.get('State')).get('StartedAt')}"
    if start not in healthy and _passes_its_check(container):
        healthy.add(start)
    return replace(found, health="healthy") if start in healthy else found


def _passes_its_check(container: "Container") -> bool:
    from docker.errors import APIError  # noqa: PLC0415 - see above

    check = _mapping(_mapping(container.attrs.get("Config")).get("Healthcheck")).get("Test")
    match check:
        case ["CMD-SHELL", command]:
            words = ["/bin/sh", "-c", str(command)]
        case ["CMD", *arguments]:
            words = [str(one) for one in arguments]
        case _:
            return False
    try:
        return container.exec_run(words).exit_code == 0
    except APIError:  # it has ended meanwhile
        return False


def _services_only(containers: Iterable["Container"]) -> list["Container"]:
    return [one for one in containers if not _is_one_off(one.labels) and not ends_by_itself(one.labels)]


def _is_one_off(labels: Mapping[str, str]) -> bool:
    return labels.get(ONE_OFF_LABEL, "False") != "False"


def _last_line(container: "Container") -> str:
    from docker.errors import NotFound  # noqa: PLC0415 - see above

    try:
        lines = container.logs(tail=1).decode(errors="replace").splitlines()
    except NotFound:  # gone since it was listed
        return ""
    return in_words(lines[-1]) if lines else ""


def in_words(line: str) -> str:
    """Return what a line of output says to a person: of a journal line its reason or error, of another all of it."""
    try:
        content = _mapping(json.loads(line))
    except ValueError:
        return line
    said = content.get("reason") or content.get("error") or str(content.get("event", "")).replace("_", " ")
    return str(said or line)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def address() -> str | None:
    """Return the engine's address as Docker's own client finds it: DOCKER_HOST, then the context in use."""
    from docker.context import ContextAPI  # noqa: PLC0415 - see above

    return os.environ.get("DOCKER_HOST") or ContextAPI.get_current_context().Host
