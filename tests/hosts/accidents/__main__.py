"""Accidents by chance: `python -m tests.hosts.accidents [--count 40] [--seed 1] [--minutes 1000]`, which is part of `make test-hosts`.

They come in pieces, each on a stage of its own: `--minutes 20` ends one early, and the next call with the same seed goes on for
as long as the sources are the same. At the end of each piece the checker examines what is left.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import docker

from deploy.table import aligned
from tests.engine.kit import ROOT
from tests.hosts.accidents.accidents import Accidents
from tests.hosts.accidents.checker import examine
from tests.hosts.accidents.course import Course, Recovery
from tests.hosts.accidents.stage import Memory, Stage, running_stage
from tests.resume import sources

PATIENCE = 240.0  # seconds until orders must come again
AFTERWARDS = 3  # orders after an accident that show that all goes on
A_PIECE = 12  # accidents on one stage


def recovered(stage: Stage, accident: Callable[[], str]) -> Recovery:
    """Let an accident happen; return for how long the broker had no order because of it."""
    began, before = time.time(), stage.owner()
    what = accident()
    adopted = stage.wait_for_orders(AFTERWARDS, time.time(), PATIENCE)
    instants = [float(str(one["at"])) for one in stage.orders()]
    since = [one for one in instants if one > began - 10]
    gap = max(later - earlier for earlier, later in pairwise(since))
    return Recovery(what, round(gap, 1), f"{before} -> {stage.owner()}", adopted)


def piece(course: Course, options: argparse.Namespace, end: float) -> Course:
    """Let accidents happen on a new stage, and examine what is left."""
    memory: Memory = "forgets" if course.pieces % 2 else "remembers"
    with (
        tempfile.TemporaryDirectory(prefix="openbell-accidents-") as folder,
        running_stage(docker.from_env(timeout=120), Path(folder), memory) as stage,
    ):
        accidents = Accidents(stage, options.seed, course.done)
        found: list[Recovery] = []
        for accident in accidents.some(min(A_PIECE, options.count - course.done)):
            if time.monotonic() > end:
                break
            found.append(recovered(stage, accident))
            print(f"{course.done + len(found)}. {found[-1]}, the broker {memory} ids", flush=True)
        findings = examine(stage.evidence())
        if findings.problems:
            raise AssertionError("\n".join(findings.problems))
    return course.after(found, findings)


def main() -> int:
    """Let accidents happen, and say what was seen; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosts.accidents", description="Accidents, and what is left.")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1000, help="no accident begins after so many")
    options = parser.parse_args()
    end = time.monotonic() + options.minutes * 60
    course = Course.kept(options.seed, sources(ROOT))
    while course.done < options.count and time.monotonic() < end:
        try:
            course = piece(course, options, end)
        except AssertionError as problem:
            print(f"seed {options.seed}, piece {course.pieces}: {problem}", flush=True)
            return 1
        course.keep()
    print(aligned(course.table()))
    print(course.summary())
    if course.done < options.count:
        print(f"{options.count - course.done} accidents are left: run the command again for them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
