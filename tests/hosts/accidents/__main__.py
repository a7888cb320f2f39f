"""Accidents by chance: `python -m tests.hosts.accidents [--seed 1] [--minutes 1000] [--only TEXT]`, which is part of `make test-hosts`.

Every accident happens once with each kind of broker, in pieces, each on a stage of its own. After each accident the checker
examines what is left, and what has passed is kept: `--minutes 20` ends early, and the next call with the same seed goes on for
as long as the sources are the same.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import docker

from deploy.table import aligned
from tests.engine.kit import ROOT
from tests.hosts.accidents.accidents import ACCIDENTS
from tests.hosts.accidents.checker import examine
from tests.hosts.accidents.course import KEPT, Course, Piece, Recovery
from tests.hosts.accidents.stage import MEMORIES, Memory, Stage, running_stage
from tests.resume import sources

PATIENCE = 240.0  # seconds until orders must come again
AFTERWARDS = 2  # orders after an accident that show that all goes on
A_PIECE = 24  # accidents on one stage
EVIDENCE = KEPT.with_name("accidents-evidence.json")  # what the last accident has left


def recovered(stage: Stage, name: str, dice: random.Random) -> Recovery:
    """Let an accident happen; return for how long the broker had no order because of it."""
    began, before = time.time(), stage.owner()
    what = ACCIDENTS[name](stage, dice)
    adopted = stage.wait_for_orders(AFTERWARDS, time.time(), PATIENCE)
    instants = [float(str(one["at"])) for one in stage.orders()]
    since = [one for one in instants if one > began - 10]
    gap = max(later - earlier for earlier, later in pairwise(since))
    return Recovery(what, round(gap, 1), f"{before} -> {stage.owner()}", adopted)


def piece(course: Course, memory: Memory, options: argparse.Namespace, end: float) -> Course:
    """Let accidents happen on a new stage, and examine what each of them leaves."""
    before, done = course, Piece(memory)
    EVIDENCE.parent.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="openbell-accidents-") as folder,
        running_stage(docker.from_env(timeout=120), Path(folder), memory) as stage,
    ):
        for name in course.left(memory, options.only)[:A_PIECE]:
            if time.monotonic() > end:
                break
            try:
                recovery = recovered(stage, name, random.Random(f"{options.seed} {memory} {name}"))
            finally:
                evidence = stage.evidence()
                EVIDENCE.write_text(json.dumps(evidence))
            print(f"{memory}: {name}: {recovery}", flush=True)
            findings = examine(evidence)
            if findings.problems:
                raise AssertionError("\n".join([f"after {name}:", *findings.problems, f"the evidence: {EVIDENCE}"]))
            done = done.after(name, recovery, findings)
            course = before.with_piece(done)
            course.keep()
    return course


def main() -> int:
    """Let accidents happen, and say what was seen; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosts.accidents", description="Accidents, and what is left.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1000, help="no accident begins after so many")
    parser.add_argument("--only", default="", help="accidents whose name has this text")
    options = parser.parse_args()
    end = time.monotonic() + options.minutes * 60
    course, code = Course.kept(options.seed, sources(ROOT)), 0
    while code == 0 and time.monotonic() < end:
        # In turn, so that a course that ends early has seen both.
        memory = max(MEMORIES, key=lambda one: len(course.left(one, options.only)))
        if not course.left(memory, options.only):
            break
        try:
            course = piece(course, memory, options, end)
        except AssertionError as problem:
            print(f"seed {options.seed}, the broker {memory} ids: {problem}", flush=True)
            course, code = Course.kept(options.seed, course.of), 1
    print(aligned(course.table()))
    print(course.summary())
    if left := sum(len(course.left(memory)) for memory in MEMORIES):
        print(f"{left} accidents are left: run the command again for them")
    return code


if __name__ == "__main__":
    sys.exit(main())
