"""Newer folders of strategies for a container that hosts several: their loops are replaced, and the container lives on.

The folders come from the release's image onto a volume that the container reads, below a folder of its own (`openbell
reload`). New loops start beside the old ones and wait for their locks, as containers do; then one link is replaced, and the
old ones drain. Up to that a start of the container runs the old folders, and from there on the new ones.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from deploy.remote.docker_client import PROJECT, Container, DockerClient, DockerError
from deploy.remote.files import read_text
from deploy.remote.plan import BASE, FINGERPRINT, IN_DOUBT, TransactionPlan
from deploy.remote.records import Records
from deploy.remote.services import BEAT_WITHIN, PREFLIGHT, READY_WITHIN, Services, StepFailed, named, why_it_ended

VOLUME = "/reloads"
IMAGE = "image"  # in place of a tree: the folders of the container's own image
BEATS_WITHIN = 5  # seconds for each question whether the new loops beat
_WAITS = re.compile(r"^(\S+): .*(?:waiting until it ends|standing by)$", re.MULTILINE)
_CANNOT = re.compile(r"^(\S+): (cannot start: .*)$", re.MULTILINE)
_ENDED = re.compile(r"^openbell host: (\S+) ended with exit code ", re.MULTILINE)
_HAS_LEFT = re.compile(r"^openbell host: \S+: the loop of \S+ has ended$", re.MULTILINE)
_MOUNTED = f'{{{{range .Mounts}}}}{{{{if eq .Destination "{VOLUME}"}}}}{{{{.Name}}}}{{{{end}}}}{{{{end}}}}'


@dataclass
class Reload:
    """What is done with one container."""

    service: str
    container: Container
    volume: str
    before: str  # the tree that it ran
    old: dict[str, str]  # releases, by strategy
    left: str = ""  # the tree that a transaction which was cut off has left beside it
    tree: str = ""  # the new one
    new: dict[str, str] = field(default_factory=dict)
    began: bool = False  # whether loops may have been started beside the old ones
    handed_over: bool = False  # whether a start of the container may run the new folders

    @property
    def changed(self) -> tuple[str, ...]:
        """The strategies whose loops are replaced."""
        return tuple(sorted(name for name, release in self.new.items() if self.old.get(name) != release))

    @property
    def options(self) -> tuple[str, ...]:
        """The words that narrow a question to these strategies."""
        return ("--strategies", ",".join(self.changed))


def fingerprint_of(docker: DockerClient, attributes: dict[str, Any]) -> str:
    """Return what a container is as good as made from: its label, or that of the newer folders that it follows."""
    labels = attributes["Config"].get("Labels") or {}
    label = str(labels.get(FINGERPRINT, ""))
    if not labels.get(BASE) or attributes["State"]["Status"] != "running":
        return label
    container = str(attributes["Id"])
    own = f"{VOLUME}/{container[:12]}"
    script = f"cd {own} 2>/dev/null || exit 0; if [ -L beside ]; then echo {IN_DOUBT}; elif [ -L now ]; then cat now/fingerprint; fi"
    answer = docker.execute(container, "sh", "-c", script, seconds=30)
    return (answer.text.strip() or label) if answer.ok else IN_DOUBT


class Reloads:
    """The reloads of one transaction."""

    def __init__(self, plan: TransactionPlan, records: Records, docker: DockerClient, services: Services) -> None:
        self._plan, self._records, self._docker, self._services = plan, records, docker, services

    def prepare(self, service: str) -> Reload:
        """Bring the folders of the release's image to the container; nothing that runs is changed by it."""
        running = [one for one in self._services.of(service) if one.running]
        if len(running) != 1:
            msg = f"{service}: {len(running)} containers of it run by now: deploy again"
            raise StepFailed(msg)
        container = running[0]
        shown = self._docker.must("exec", container.id, "openbell", "reload", "show", seconds=60)
        volume = self._docker.must("inspect", "--type", "container", "--format", _MOUNTED, container.id).strip()
        try:
            runs = json.loads(shown.strip().splitlines()[-1])
            found = Reload(
                service, container, volume, str(runs["now"] or IMAGE), dict(runs["releases"]), runs["beside"]
            )
            record = self._record(service)
            placed = json.loads(self._write(found, record["image"], "place", container.id[:12], record["fingerprint"]))
            found.tree, found.new = str(placed["tree"]), dict(placed["releases"])
        except (ValueError, KeyError, IndexError) as error:
            msg = f"{service}: what its container runs cannot be read: {type(error).__name__}: {error}"
            raise StepFailed(msg) from None
        return found

    def start_beside(self, one: Reload) -> None:
        """Start the new loops while the old ones go on, and wait until they are ready to take over."""
        one.began = True
        if one.left:
            self._end_what_was_left(one)
        self._start(one, one.tree, one.new)

    def hand_over(self, one: Reload) -> None:
        """Let the new loops take over, now and after each start of the container; the old ones drain."""
        one.handed_over = True
        self._follow(one, one.tree)

    def settle(self, one: Reload) -> None:
        """Record that the wanted loops have shown a sign of life: the container is no longer in doubt."""
        self._point(one)

    def must_work(self, one: Reload) -> None:
        """Wait until the loops that are to run beat: the old ones may drain for as long as the container may stop."""
        if not one.changed:
            return
        since = _now()
        end = self._docker.now() + self._stop_timeout(one) + BEAT_WITHIN
        while True:
            beat = ("gate", "--beat", str(BEATS_WITHIN), *one.options)
            answer = self._services.inside(one.container.id, *beat, seconds=BEATS_WITHIN + 30)
            if answer.ok:
                return
            self._must_go_on(one, since)
            if self._docker.now() >= end:
                raise StepFailed(named(one.service, answer.reason))
            self._docker.sleep(0.3)
            self._tell(one)  # a container that was restarted meanwhile starts what is wanted, and need not be told

    def first_runs(self, one: Reload) -> str:
        """Wait for the first runs of the changed strategies' bots that are due soon; return what was said."""
        if not one.changed:
            return ""
        return self._services.gate(one.service, one.container.id, "--runs", *one.options)

    def is_quiet(self, one: Reload, *words: str, seconds: float) -> bool:
        """Wait until none of the changed strategies has a run in progress or due soon."""
        return not one.changed or self._services.is_quiet(one.container.id, *words, *one.options, seconds=seconds)

    def put_back(self, one: Reload, *, is_bad: bool) -> None:
        """Let the old loops run again. New ones that were judged bad get no further slot; good ones go on until the old ones are ready."""
        if one.handed_over and not is_bad:
            with contextlib.suppress(StepFailed):  # whether they work is seen at the end
                self._start(one, one.before, one.old)
        self._follow(one, one.before)
        self.must_work(one)
        self.settle(one)

    def prune(self, one: Reload) -> None:
        """Remove folders that no container runs any more."""
        there = [container.id[:12] for container in self._docker.containers(self._plan.project)]
        self._write(one, one.container.image_id, "prune", *there)

    def _follow(self, one: Reload, tree: str) -> None:
        """Let the loops of these folders be the ones that run; the others drain.

        Both links name them until that is seen (`settle`): if this program ends before the loops are told, the next deploy
        knows by the second one that they may run other folders.
        """
        self._point(one, "--now", tree, "--beside", tree)
        self._tell(one)

    def _end_what_was_left(self, one: Reload) -> None:
        """End loops that an interrupted transaction left waiting: they do not say again that they are ready."""
        since, end = _now(), self._docker.now() + BEATS_WITHIN
        self._point(one)
        self._tell(one)
        while self._docker.now() < end and not _HAS_LEFT.search(self._log(one, since)):
            self._docker.sleep(0.2)

    def _start(self, one: Reload, tree: str, releases: dict[str, str]) -> None:
        since, end = _now(), self._docker.now() + READY_WITHIN
        self._point(one, "--beside", tree)
        waiting = set(one.changed)
        told_at = float("-inf")
        while True:
            if self._docker.now() - told_at >= BEATS_WITHIN:  # again: a container that was restarted has forgotten it
                self._tell(one)
                told_at = self._docker.now()
            log = self._log(one, since)
            waiting -= set(_WAITS.findall(log))
            waiting -= {name for name in waiting if _has_started(log, name, releases[name])}
            if not waiting:
                return
            self._must_go_on(one, since)
            if self._docker.now() >= end:
                msg = f"{one.service}: {', '.join(sorted(waiting))}: not imported within {READY_WITHIN:g} s"
                raise StepFailed(msg)
            self._docker.sleep(0.2)

    def _must_go_on(self, one: Reload, since: str) -> None:
        """Raise StepFailed if the container or one of the loops that are to run has ended."""
        log = self._log(one, since)
        if self._docker.state(one.container.id)[0] in {"exited", "dead", "gone"}:
            msg = f"{one.service}: its container ended: {why_it_ended(log)}"
            raise StepFailed(msg)
        for name, reason in _CANNOT.findall(log):
            if name in one.changed:
                raise StepFailed(named(one.service, f"{name}: {reason}"))
        for name in _ENDED.findall(log):
            if name in one.changed and one.handed_over:
                own = "\n".join(line for line in log.splitlines() if f'"strategy": "{name}"' in line)
                raise StepFailed(named(one.service, f"{name}: its loop ended: {why_it_ended(own)}"))

    def _tell(self, one: Reload) -> None:
        self._services.inside(one.container.id, "reload", "tell", seconds=30)

    def _log(self, one: Reload, since: str) -> str:
        return self._docker.ask("logs", "--since", since, one.container.id).text

    def _stop_timeout(self, one: Reload) -> float:
        form = "{{.Config.StopTimeout}}"
        said = self._docker.ask("inspect", "--type", "container", "--format", form, one.container.id).reason
        return float(said) if said.isdigit() else 10.0

    def _point(self, one: Reload, *options: str) -> None:
        # With the image that the container has: no other program can remove it meanwhile.
        self._write(one, one.container.image_id, "point", one.container.id[:12], *options)

    def _write(self, one: Reload, image: str, *words: str) -> str:
        """Run `openbell reload` in a container that may write to the volume, and do nothing else."""
        narrow = ("--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
        labels = ("--label", f"{PREFLIGHT}=1", "--label", f"{PROJECT}={self._plan.project}")
        place = ("--user", "0:0", "--memory", "128m", "--volume", f"{one.volume}:{VOLUME}")
        command = ("run", "--rm", "--pull", "never", *narrow, *labels, *place, image, "openbell", "reload", *words)
        try:
            lines = self._docker.must(*command).strip().splitlines()
        except DockerError as error:
            msg = f"{one.service}: its strategies' folders could not be changed: {error}"
            raise StepFailed(msg) from None
        return lines[-1] if lines else ""

    def _record(self, service: str) -> dict[str, str]:
        content = json.loads(read_text(self._records.release(self._plan.release) / "release.json"))
        return dict(content["services"][service])


def _has_started(log: str, strategy: str, release: str) -> bool:
    """Tell whether a loop of this release has begun, as the journal says that a container's output has."""
    wanted = ('"event": "service_start"', f'"strategy": "{strategy}"', f'"release": "{release}"')
    return any(all(one in line for one in wanted) for line in log.splitlines())


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
