"""`make test-ported`: build the image of each ported strategy, kill its container in the middle of its year, and compare the books.

It prints what docs/figures.md tells: how long an image takes to build, how large it is, and what it keeps in memory, beside no other.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError
from docker.models.containers import Container

from tests.bench.processes import of_container
from tests.engine.kit import ROOT, Kit, make_kit, removed_afterwards, wait_until

PORTED = ROOT / "tests" / "fixtures" / "ported"
YEAR = Path(__file__).with_name("year.py")
HEADINGS = ("strategy", "build", "image", "idle loop", "with a run", "kills", "books")
NAMES = sorted(path.name for path in PORTED.iterdir() if path.is_dir())
PATIENCE = 600.0  # seconds for a year
PLAIN = "momentum_rotation"  # without packages of its own


@dataclass(frozen=True)
class Seen:
    """What became of one strategy."""

    name: str
    build: float  # seconds
    size: int  # bytes
    idle: float  # MB, of the loop's processes
    year: float  # MB, at most, of the process that has run the year
    kills: int
    problem: str


def main() -> int:
    """Return 1 if a strategy's books differ from its broker's, or if too few kills have met it."""
    parser = argparse.ArgumentParser(prog="make test-ported")
    parser.add_argument("--only", nargs="*", default=NAMES)
    parser.add_argument("--kills", type=int, default=3, help="of each strategy's container")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    engine, chance = docker.from_env(), random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        kit = make_kit(Path(folder), options.only, source=PORTED)
        with removed_afterwards(engine, kit.project):
            seen = [_tried(engine, kit, name, options.kills, chance) for name in options.only]
    print(f"| {' | '.join(HEADINGS)} |\n|{' --- |' * len(HEADINGS)}")
    for one in seen:
        memory = f"{one.idle:.0f} MB | {one.year:.0f} MB"
        row = f"{one.build:.0f} s | {one.size / 1e6:.0f} MB | {memory} | {one.kills}"
        print(f"| {one.name} | {row} | {one.problem or 'equal'} |")
    return 1 if any(one.problem or one.kills < options.kills for one in seen) else 0


def _tried(engine: docker.DockerClient, kit: Kit, name: str, kills: int, chance: random.Random) -> Seen:
    print(f"{name}: building", flush=True)
    image, started = kit.image(name), time.monotonic()
    label = f"com.docker.compose.project={kit.project}"
    command = [
        "docker",
        "build",
        "-q",
        "-f",
        "images/Dockerfile",
        "--target",
        "strategy",
        "--build-arg",
        f"STRATEGY={name}",
    ]
    subprocess.run(
        [*command, "--label", label, "-t", image, "."], cwd=kit.folder, check=True, stdout=subprocess.DEVNULL
    )
    build, size = time.monotonic() - started, int(engine.images.get(image).attrs["Size"])
    idle = _idle(engine, kit, image, name)
    done, most, problem = _year(engine, kit, image, name, kills, chance)
    print(f"{name}: {done} kills, {problem or 'the books are equal'}", flush=True)
    return Seen(name, build, size, idle, most, done, problem)


def _state(kit: Kit, name: str) -> Path:
    """Return a folder of the host's memory, where there is one: it outlives the container, and a year's commits wait for no disk."""
    memory = Path("/dev/shm")  # noqa: S108 - removed after each strategy
    folder = (memory if memory.is_dir() else kit.folder) / f"{kit.project}-{name}"
    if not folder.is_dir():
        folder.mkdir()
        folder.chmod(0o777)
    return folder


def _container(engine: docker.DockerClient, kit: Kit, image: str, name: str, command: list[str]) -> Container:
    made = engine.containers.create(
        image,
        command,
        init=True,
        network_mode="none",
        mem_limit="512m",
        restart_policy={"Name": "on-failure"},
        labels={"com.docker.compose.project": kit.project},
        volumes=[f"{YEAR}:/year.py:ro", f"{_state(kit, name)}:/state/{name}"],
    )
    made.start()
    return made


def _idle(engine: docker.DockerClient, kit: Kit, image: str, name: str) -> float:
    """Return the memory of the strategy's loop, some seconds after its start."""
    container = _container(engine, kit, image, name, ["openbell", "run"])
    try:
        wait_until(lambda: b'"service_start"' in container.logs(), "the loop's start", 90, container)
        time.sleep(5)  # what it frees after its start is part of the figure
        return of_container(container).pss / 1024
    finally:
        container.remove(force=True)


def _year(
    engine: docker.DockerClient, kit: Kit, image: str, name: str, kills: int, chance: random.Random
) -> tuple[int, float, str]:
    """Run the year, with kills of the whole container; return how many there were, its memory, and what differs at its end."""
    container = _container(engine, kit, image, name, ["python", "/year.py", f"/state/{name}/year"])
    done, end = 0, time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end:
            container.reload()
            if container.status == "exited" and container.attrs["State"]["ExitCode"] == 0:
                told = json.loads(container.logs().splitlines()[-1])
                return done, told["memory"] / 1024, _problem(told)
            lines = container.logs().count(b"done ")
            if done < kills and container.status == "running" and lines > done:
                time.sleep(chance.uniform(0.0, 0.5))
                container.reload()
                if pid := container.attrs["State"]["Pid"]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, 9)  # the whole container dies; the engine starts it again
                        done += 1
            time.sleep(0.1)
        return done, 0.0, f"the year was not over after {PATIENCE:g} s: {container.logs(tail=3)!r}"
    finally:
        with suppress(APIError):
            container.remove(force=True, v=True)
        shutil.rmtree(_state(kit, name), ignore_errors=True)


def _problem(told: dict[str, Any]) -> str:
    if told["ours"].keys() != told["theirs"].keys() or any(
        not isclose(held, told["theirs"][symbol], rel_tol=1e-9) for symbol, held in told["ours"].items()
    ):
        return f"positions differ: {told['ours']} and {told['theirs']}"
    if abs(told["flows"] - told["spent"]) > 0.01:
        return f"cash differs: {told['flows']} and {told['spent']}"
    return f"{told['uncertain']} orders are uncertain" if told["uncertain"] else ""


if __name__ == "__main__":
    sys.exit(main())
