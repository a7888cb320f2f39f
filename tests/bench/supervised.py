"""The supervisor's container over a fleet that the benchmark writes: started as Compose starts it, on folders of this machine."""

import json
import shutil
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from docker.models.containers import Container

from tests.bench.containers import CPU_LIMIT, Bench
from tests.bench.watched import BOTS, Journals, WatchedBot

MEMORY_LIMIT = "256m"  # what compose/supervisor.yaml gives it
READY_WITHIN = 900.0  # seconds; the first reading of a large history takes its time
STOP_WITHIN = 30  # seconds


@dataclass(frozen=True)
class Home:
    """The folders that a supervisor works with."""

    root: Path
    strategies: Path
    journal: Path
    control: Path
    state: Path
    beats: Path  # of the peer: a file a bot

    def volumes(self) -> dict[str, dict[str, str]]:
        """Return what is mounted where, the journal read-only as for users."""
        return {
            str(self.strategies): {"bind": "/strategies", "mode": "ro"},
            str(self.journal): {"bind": "/journal", "mode": "ro"},
            str(self.control): {"bind": "/control", "mode": "rw"},
            str(self.state): {"bind": "/var/lib/openbell", "mode": "rw"},
        }


@contextmanager
def home(bench: Bench, name: str) -> Iterator[Home]:
    """Give a supervisor's folders, and remove them afterwards."""
    root = bench.kit.folder / name
    one = Home(root, *(root / part for part in ("strategies", "journal", "control", "state", "beats")))
    for folder in (one.strategies, one.journal, one.control, one.state, one.beats):
        folder.mkdir(parents=True)
    for folder in (one.control, one.state):
        folder.chmod(0o777)  # the container's user is not this one
    try:
        yield one
    finally:
        shutil.rmtree(root, ignore_errors=True)


def start(bench: Bench, one: Home, environment: Mapping[str, str] | None = None) -> Container:
    """Start a supervisor with one CPU."""
    return bench.client.containers.run(
        bench.kit.image("supervisor"),
        detach=True,
        init=True,
        read_only=True,
        tmpfs={"/tmp": ""},  # noqa: S108 - in the container
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit=MEMORY_LIMIT,
        nano_cpus=CPU_LIMIT,
        volumes=one.volumes(),
        extra_hosts={"host.docker.internal": "host-gateway"},
        environment=dict(environment or {}),
        labels={"com.docker.compose.project": bench.kit.project},
    )


def seconds_until_ready(container: Container, count: int = BOTS) -> float:
    """Return how long after the container's process the page answered with a first judgement of all bots."""
    container.reload()
    # Python reads six digits of a second, the engine writes nine.
    text = str(container.attrs["State"]["StartedAt"]).rstrip("Z")[:26]
    started = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    began = time.monotonic()
    while known_bots(container) < count:
        container.reload()
        passed = time.monotonic() - began
        if passed > READY_WITHIN or container.status == "exited":
            msg = f"the supervisor did not get ready:\n{container.logs(tail=20).decode(errors='replace')}"
            raise RuntimeError(msg)
        # Exact for a short start; a long one would be longer by the time that the answers take.
        time.sleep(0.02 if passed < 3 else 0.5)
    return time.time() - started


def known_bots(container: Container) -> int:
    """Return how many bots have been judged: they come one strategy after the other while journals are read."""
    if not container.attrs["NetworkSettings"]["IPAddress"]:
        container.reload()
    address = container.attrs["NetworkSettings"]["IPAddress"]
    try:
        with urllib.request.urlopen(f"http://{address}:8080/api/bots?limit=1", timeout=10) as answer:
            return int(json.load(answer)["total"])
    except OSError:  # no judgement yet
        return 0


def stop(container: Container) -> None:
    """Stop a supervisor in order, and remove it."""
    container.stop(timeout=STOP_WITHIN)
    container.remove()


def journals(one: Home, fleet: Sequence[WatchedBot]) -> Journals:
    """Return the writing ends of a fleet's journals."""
    return Journals(one.journal, fleet, one.beats)
