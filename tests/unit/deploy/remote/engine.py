"""An engine that exists in memory: it answers the words that the program on a server gives to Docker's command line."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from deploy.remote.docker_client import PROJECT, SERVICE, Answer, DockerClient

OK = Answer(0, "")


@dataclass
class FakeContainer:
    """A container as the engine has it."""

    id: str
    service: str
    image: str
    state: str = "created"
    policy: str = "unless-stopped"
    stopped_by_hand: bool = False
    log: str = ""
    now: str = "image"  # the folders that its loops run after a start; see `openbell reload`
    beside: str = ""
    runs: str = "image"  # the folders that its loops run
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def comes_back(self) -> bool:
        """Whether the engine starts it after a reboot."""
        if self.state == "created":
            return False
        return self.policy == "always" or (self.policy == "unless-stopped" and not self.stopped_by_hand)


@dataclass
class FakeEngine:
    """`run` is what DockerClient starts its commands with; `calls` are the words that it was given, one text each.

    answers: beginnings of calls, and what is answered instead of the usual. after: called after each call.
    """

    project: str = "bells"
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    answers: dict[str, Callable[[str], Answer | None]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    after: Callable[[], None] = lambda: None
    time: float = 0.0
    away: int = 0  # commands that will find no engine
    _ids: "count[int]" = field(default_factory=count)

    def client(self) -> DockerClient:
        """Return a client of this engine whose clock is moved by sleeping."""
        return DockerClient(lambda line: None, self.run, self._sleep, lambda: self.time)

    def add(self, service: str, image: str = "old", state: str = "running") -> FakeContainer:
        """Add a container."""
        one = FakeContainer(f"{service}-{image}-{next(self._ids)}", service, image, state)
        self.containers[one.id] = one
        self.images.add(image)
        return one

    def running(self, service: str) -> list[str]:
        """Return the images that run for a service."""
        return [one.image for one in self.containers.values() if one.service == service and one.state == "running"]

    def run(self, command: Sequence[str], seconds: float) -> Answer:
        """Answer a command."""
        words = list(command[1:])
        call = " ".join(words)
        self.calls.append(call)
        if self.away:
            self.away -= 1
            return Answer(1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock")
        given = next((found for start, found in self.answers.items() if start in call), None)
        answer = given(call) if given else None
        if answer is None:
            answer = self._answer(words)
        self.after()
        return answer

    def crash(self) -> None:
        """Be away for some commands, and then take what ran for stopped by hand, as engines do after some crashes."""
        self.away = 4
        for one in self.containers.values():
            if one.state == "running":
                one.state, one.stopped_by_hand = "exited", True

    def _answer(self, words: Sequence[str]) -> Answer:
        match words:
            case ["ps", *rest] if f"label={PROJECT}={self.project}" in rest and "label=openbell.preflight" not in rest:
                return Answer(0, "\n".join(self.containers))
            case ["inspect", "--type", "container", *rest]:
                return self._inspect(rest)
            case ["compose", *rest] if "--no-start" in rest:
                release = rest[rest.index("--project-directory") + 1].rpartition("/")[2]
                if release not in self.images:
                    return Answer(1, f"No such image: {release}")
                self.add(rest[-1], release, "created")
            case ["compose", *_]:
                return OK
            case ["start" | "stop" | "kill" | "rm" | "update" as verb, *rest]:
                return self._do(verb, rest)
            case ["run" | "exec", one, *rest] if "reload" in rest:
                return self._reload(one, rest[rest.index("reload") + 1 :])
            case ["run", *_]:
                return Answer(0, "holder\n")
            case ["logs", *_, one]:
                return Answer(0, self.containers[one].log if one in self.containers else "")
            case _:
                pass
        return OK

    def _inspect(self, words: Sequence[str]) -> Answer:
        form, ids = (words[1], words[2:]) if words[0] == "--format" else ("", words)
        found = [self.containers[one] for one in ids if one in self.containers]
        if not form:
            return Answer(0, json.dumps([_attributes(one) for one in found]))
        if "Mounts" in form or "StopTimeout" in form:
            return Answer(0, "bells_reloads" if "Mounts" in form else "130")
        if "StartedAt" in form:
            return Answer(0, "2026-01-01T00:00:00Z")
        told = [f"{one.id} {one.state}" if form.startswith("{{.Id}}") else f"{one.state} 0" for one in found]
        return Answer(int(len(found) < len(ids)), "\n".join(told) or "no such container")

    def _reload(self, where: str, words: Sequence[str]) -> Answer:
        one = next((one for one in self.containers.values() if one.id[:12] in words[1:]), None)
        match words:
            case ["show"]:
                links = {"now": self.containers[where].now, "beside": self.containers[where].beside}
                return Answer(0, json.dumps({**links, "releases": {"pulse": links["now"], "slow": "same"}}))
            case ["place", *_]:
                return Answer(0, json.dumps({"tree": "tree", "releases": {"pulse": "tree", "slow": "same"}}))
            case ["point", _, *options] if one:
                given = dict(zip(options[::2], options[1::2], strict=True))
                one.now, one.beside = given.get("--now", one.now), given.get("--beside", "")
                one.log += "pulse: process 7 on x runs this strategy; waiting until it ends\n" if one.beside else ""
            case ["tell"]:
                self.containers[where].runs = self.containers[where].now
            case _:
                pass
        return OK

    def _do(self, verb: str, words: Sequence[str]) -> Answer:
        one = self.containers.get(words[-1])
        if one is None:
            return OK if words[-1] == "holder" else Answer(1, f"No such container: {words[-1]}")
        if verb == "start":
            one.state, one.stopped_by_hand = "running", False
        elif verb in {"stop", "kill"}:
            for each in [self.containers[word] for word in words if word in self.containers]:
                each.state, each.stopped_by_hand = "exited", True
        elif verb == "update":
            one.policy = words[1]
        elif one.state == "running":
            return Answer(1, "cannot remove a running container")
        else:
            del self.containers[one.id]
        return OK

    def _sleep(self, seconds: float) -> None:
        self.time += seconds


def _attributes(one: FakeContainer) -> dict[str, object]:
    return {
        "Id": one.id,
        "Image": one.image,
        "State": {"Status": one.state},
        "Config": {"Labels": {SERVICE: one.service, **one.labels}},
        "HostConfig": {"RestartPolicy": {"Name": one.policy}},
    }
