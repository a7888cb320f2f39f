"""Docker's command line: started with a time limit, and asked again when the engine went away under it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.remote.engine_api import EngineApi

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"
TIMED_OUT = 124  # exit code of a command that was ended because it took too long
_ATTEMPTS = 5
_QUESTION = ("version",)  # whether an engine is there
_BACK_WITHIN = 180.0  # seconds for an engine to come back
_GONE = re.compile(
    r"^(Cannot connect to the Docker daemon|error during connect|unexpected EOF"
    r"|Error response from daemon: .*(shutting down|context canceled))|docker\.sock",
    re.MULTILINE,
)
# Lines that end an error message of Docker or Compose and do not say what went wrong.
_NOISE = re.compile(r"^(See 'docker|Run 'docker|exit status \d+$|time=\S+ level=(warning|info))")


@dataclass(frozen=True)
class Answer:
    """How a command ended, and all that it printed."""

    code: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.code == 0

    @property
    def reason(self) -> str:
        """The last line that says something."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        said = [line for line in lines if not _NOISE.match(line)]
        return (said or lines or [f"exit code {self.code}"])[-1]


Runner = Callable[[Sequence[str], float], Answer]


@dataclass(frozen=True)
class Container:
    """A service's container."""

    id: str
    service: str
    running: bool
    image_id: str
    restart_policy: str = "unless-stopped"


class DockerError(Exception):
    """A command of Docker's failed, and trying again does not help; the text says why."""


def run_process(command: Sequence[str], seconds: float) -> Answer:
    """Run a command with a time limit; afterwards none of its processes is left."""
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return Answer(127, f"{command[0]}: {error.strerror}")
    try:
        output, _ = process.communicate(timeout=seconds)
        return Answer(process.returncode, output.decode(errors="replace"))
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        said = output.decode(errors="replace")
        return Answer(TIMED_OUT, f"{said}\nno answer within {seconds:g} s")


class DockerClient:
    """The engine, by its command line, and for what is asked often by its API. With `on_return`, what is called when it is back, an engine that went away is waited for."""

    def __init__(
        self,
        say: Callable[[str], None],
        run: Runner = run_process,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
        api: EngineApi | None = None,
    ) -> None:
        self._say = say
        self._api = api
        self._run = run
        self.sleep = sleep
        self.now = now
        self.on_return: Callable[[], None] | None = None
        self._is_away = False  # as far as the last command has seen

    def ask(self, *words: str, seconds: float = 60.0) -> Answer:
        """Run a command of Docker's once."""
        if words != _QUESTION:
            self._must_not_be_away()
        answer = self._run(("docker", *words), seconds)
        self._is_away = not answer.ok and bool(_GONE.search(answer.text))
        return answer

    def must(self, *words: str, seconds: float = 300.0) -> str:
        """Run a command until it succeeds or fails with the engine there; return what it printed, or DockerError."""
        answer = Answer(1, "the engine is away")
        for attempt in range(1, _ATTEMPTS + 1):
            answer = self.ask(*words, seconds=seconds)
            if answer.ok:
                return answer.text
            if self.answers() and not _GONE.search(answer.text):
                break
            self._say(f"the engine went away (attempt {attempt}): waiting until it is back")
            if not self.wait_until_back():
                break
        raise DockerError(answer.reason)

    def answers(self) -> bool:
        """Tell whether the engine is there."""
        if self._api and self._api.is_there():
            self._is_away = False
            return True
        return self.ask(*_QUESTION, seconds=20).ok

    def execute(self, container: str, *words: str, seconds: float = 60.0) -> Answer:
        """Run a command in a container."""
        self._must_not_be_away()
        try:
            if self._api and (ended := self._api.execute(container, words, seconds)):
                return Answer(*ended)
        except TimeoutError:
            return Answer(TIMED_OUT, f"no answer within {seconds:g} s")
        except ConnectionError:
            self._is_away = True
            return Answer(1, "error during connect: the engine went away")
        return self.ask("exec", container, *words, seconds=seconds)

    def logs(self, container: str, tail: int) -> str:
        """Return the last lines of a container's output."""
        content = self._api.logs(container, tail) if self._api else None
        return self.ask("logs", "--tail", str(tail), container).text if content is None else content

    def _must_not_be_away(self) -> None:
        if self._is_away and self.on_return:
            self.wait_until_back()

    def wait_until_back(self) -> bool:
        """Wait until the engine answers; tell whether it does."""
        end = self.now() + _BACK_WITHIN
        while not self.answers():
            if self.now() >= end:
                self._say(f"the engine did not come back within {_BACK_WITHIN / 60:g} minutes")
                return False
            self.sleep(1)
        if self.on_return:
            self.on_return()
        return True

    def containers(self, project: str, service: str | None = None) -> list[Container]:
        """Return the project's containers, of one service if it is given; DockerError if the engine cannot say."""
        found = [_container(one) for one in self.inspect_project(project)]
        return [one for one in found if service is None or one.service == service]

    def inspect_project(self, project: str) -> list[dict[str, Any]]:
        """Return what the engine says of each of the project's containers."""
        labels = (f"{PROJECT}={project}", f"{ONE_OFF}=False")
        if self._api and (found := self._api.containers(labels)) is not None:
            return found
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        for _ in range(_ATTEMPTS):
            ids = self.must("ps", "--all", "--quiet", "--no-trunc", *filters, seconds=60).split()
            if not ids:
                return []
            answer = self.ask("inspect", "--type", "container", *ids)
            with contextlib.suppress(ValueError):
                # A container that vanished in between is reported after the list.
                content = json.JSONDecoder().raw_decode(answer.text[answer.text.index("[") :])[0]
                return [one for one in content if isinstance(one, dict)]
        raise DockerError(answer.reason)

    def labelled(self, *labels: str) -> list[str]:
        """Return the ids of all containers with these labels, as far as the engine says."""
        if self._api and (found := self._api.containers(labels)) is not None:
            return [str(one["Id"]) for one in found]
        answer = self.ask("ps", "--all", "--quiet", *(word for one in labels for word in ("--filter", f"label={one}")))
        return answer.text.split() if answer.ok else []

    def image(self, name: str) -> tuple[str, list[str]] | None:
        """Return the id of an image and its names, or None if it is not there."""
        if self._api and (content := self._api.image(name)) is not None:
            return (str(content["Id"]), [str(tag) for tag in content.get("RepoTags") or ()]) if content else None
        answer = self.ask("image", "inspect", "--format", "{{.Id}} {{range .RepoTags}}{{.}} {{end}}", name)
        identity, *names = answer.text.split() or [""]
        return (identity, names) if answer.ok and identity else None

    def create(self, name: str, image: str) -> Answer:
        """Make a container that reaches no network, and is not started."""
        if self._api and self._api.create(name, image):
            return Answer(0, "")
        return self.ask("create", "--pull", "never", "--name", name, "--network", "none", image, "true")

    def remove(self, name: str) -> None:
        """Remove a container that does not run, and its volumes, if it is there."""
        if not (self._api and self._api.remove(name)):
            self.ask("rm", "--force", "--volumes", name)

    def untag(self, *names: str) -> None:
        """Take names from an image, which goes with its last one."""
        if left := [one for one in names if not (self._api and self._api.untag(one))]:
            self.ask("image", "rm", *left)

    def images(self) -> list[dict[str, Any]]:
        """Return the id, the tags and the layers of each image."""
        if self._api and (found := self._api.images()) is not None:
            return [
                {"id": one["Id"], "tags": one.get("RepoTags"), "layers": one.get("RootFS", {}).get("Layers")}
                for one in found
            ]
        content = []
        if ids := sorted(set(self.ask("image", "ls", "--quiet", "--no-trunc").text.split())):
            form = '{"id":{{json .Id}},"tags":{{json .RepoTags}},"layers":{{json .RootFS.Layers}}}'
            for line in self.ask("image", "inspect", "--format", form, *ids).text.splitlines():
                with contextlib.suppress(ValueError):  # one that vanished in between is not listed
                    content.append(json.loads(line))
        return [one for one in content if isinstance(one, dict)]

    def info(self) -> dict[str, Any]:
        """Return what the engine says of itself; DockerError if it is away."""
        if self._api and (found := self._api.info()):
            return found
        # `docker info` alone calls an engine that does not answer a success.
        if not (there := self.ask(*_QUESTION, seconds=20)).ok:
            raise DockerError(there.reason)
        content = json.loads(self.must("info", "--format", "{{json .}}", seconds=60))
        return content if isinstance(content, dict) else {}

    def states(self, containers: Sequence[str]) -> dict[str, str]:
        """Return the states of those of the containers that are there, by id."""
        if not containers:
            return {}
        if self._api:
            known = {one: self._api.container(one) for one in containers}
            if None not in known.values():
                return {one: str(content["State"]["Status"]) for one, content in known.items() if content}
        form = "{{.Id}} {{.State.Status}}"
        answer = self.ask("inspect", "--type", "container", "--format", form, *containers)
        words = [line.split() for line in answer.text.splitlines()]
        return {found[0]: found[1] for found in words if len(found) == 2 and found[0] in containers}

    def state(self, container: str) -> tuple[str, int]:
        """Return a container's state and how often it was restarted; "gone" if it is not there."""
        if self._api and (content := self._api.container(container)) is not None:
            return (str(content["State"]["Status"]), int(content["RestartCount"])) if content else ("gone", 0)
        answer = self.ask(
            "inspect", "--type", "container", "--format", "{{.State.Status}} {{.RestartCount}}", container
        )
        words = answer.text.split()
        if not answer.ok or len(words) < 2:
            return "gone" if self.answers() else "unknown", 0
        return words[0], int(words[1])


def _container(attributes: dict[str, Any]) -> Container:
    labels = attributes["Config"].get("Labels") or {}
    policy = (attributes.get("HostConfig") or {}).get("RestartPolicy") or {}
    return Container(
        id=str(attributes["Id"]),
        service=str(labels.get(SERVICE, "")),
        running=attributes["State"]["Status"] in {"running", "restarting"},
        image_id=str(attributes.get("Image", "")),
        restart_policy=str(policy.get("Name") or "no"),
    )
