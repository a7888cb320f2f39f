"""A random walk of deploys and accidents on one stand-in server: `python -m tests.deploy.walk [--steps 200] [--seed 1]`.

It can be walked in pieces, each on a server of its own: `--minutes 5` ends one early, and the next call with the same seed goes
on with the count for as long as the sources are the same.

A bot is due every five seconds. After each step a healthy release must run by itself, and every slot so far must be told
exactly once in the journal, which is read here as plain files: not by openbell's own reader.
"""

import argparse
import json
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import docker

from tests.deploy.counted import Count, Piece, count
from tests.deploy.site import FAILS, SLEEPS, Command, Site, site, words_of
from tests.engine.kit import ROOT, wait_until
from tests.machine.machine import Suite, running_machine
from tests.resume import sources

RECORDS = "/root/.openbell"
MOMENTS = (
    *("preflight of", "waiting for a quiet moment of", "starting", "handing over"),
    *("waiting for the first run of", "taking over"),
)
NAMES = ("fives", "quints")


class Wrong(AssertionError):  # noqa: N818 - what a step must not leave behind
    """What was seen after a step, and should not be."""


class Walk:
    """The server, what runs there, and the steps that can be taken."""

    def __init__(self, one: Site, seed: int | str) -> None:
        self.site, self.machine = one, one.machine
        self.dice = random.Random(seed)
        self.kinds: Counter[str] = Counter()  # of the steps so far
        self.found = Count(0, (), ())
        self.steps: Sequence[Callable[[], str]] = (
            *(self.deploy, self.deploy, self.deploy_what_fails, self.roll_back, self.rename),
            *(self.lose_the_laptop, self.cut_the_power, self.crash_the_engine, self.prune, self.fill_the_disk),
        )

    @property
    def name(self) -> str:
        """What the strategy is called here."""
        return next(one for one in NAMES if (self.site.kit.folder / "strategies" / one).is_dir())

    def take(self) -> str:
        """Take a step, and see that all is well afterwards; return what was done. Wrong if it is not."""
        step = self.dice.choice(self.steps)
        done = step()
        self.found = self._must_be_well(done)
        self.kinds[step.__name__.replace("_", " ")] += 1
        return done

    # Steps

    def deploy(self) -> str:
        """Deploy a change."""
        self._change()
        return f"deploy: {self._must('deploy')}"

    def deploy_what_fails(self) -> str:
        """Deploy what fails at its first slot."""
        self._replace(SLEEPS, FAILS)
        try:
            code, said = self.site.run("deploy")
        finally:
            self._replace(FAILS, SLEEPS)
        if code == 0 or "runs again" not in said:
            msg = f"what fails was not given back (exit code {code})\n{said}"
            raise Wrong(msg)
        return "a deploy that fails its gate"

    def roll_back(self) -> str:
        """Roll back; there may be nothing to go back to."""
        _, said = self.site.run("rollback")
        self._follow_the_name()
        return f"rollback: {said.strip().splitlines()[-1]}"

    def rename(self) -> str:
        """Give the strategy its other name."""
        old, new = self.name, NAMES[1 - NAMES.index(self.name)]
        rename_here(self.site.kit.folder, old, new)
        return f"rename to {new}: {self._must('rename', f'STRATEGY={old}', f'TO={new}')}"

    def lose_the_laptop(self) -> str:
        """Kill the command at any moment."""
        command, moment = self._deploying()
        command.kill(signal.SIGKILL)
        command.end(60)
        return f"the laptop dies at {moment!r}"

    def cut_the_power(self) -> str:
        """Cut the server's power at any moment of a deploy."""
        command, moment = self._deploying()
        self.machine.cut_power()
        command.end(240)
        return f"the power is cut at {moment!r}"

    def crash_the_engine(self) -> str:
        """Kill the engine at any moment of a deploy."""
        command, moment = self._deploying()
        self.machine.kill_engine()
        command.end(240)
        return f"the engine crashes at {moment!r}"

    def prune(self) -> str:
        """Prune everything at any moment of a deploy."""
        command, moment = self._deploying()
        self.machine.shell("docker system prune --all --force")
        said = command.end(240)
        return f"a prune at {moment!r}: exit code {command.code}, {said.strip().splitlines()[-1]}"

    def fill_the_disk(self) -> str:
        """Let the disk with the records be full, from the beginning or from a moment of a deploy on."""
        with self._full(before=self.dice.random() < 0.5) as (command, moment):
            said = command.end(240)
        return f"the records' disk is full from {moment!r} on: {said.strip().splitlines()[-1]}"

    # What they need

    def _must(self, *words: str) -> str:
        code, said = self.site.run(*words)
        if code:
            msg = f"{words}: exit code {code}\n{said}\n{self.site.log()}"
            raise Wrong(msg)
        return said.strip().splitlines()[-1]

    def _replace(self, before: str, after: str) -> None:
        self.site.change(self.name, before, after)

    def _change(self) -> None:
        self._replace(words_of(self.site, self.name), f"changed at {time.time()}")

    def _deploying(self) -> tuple[Command, str]:
        self._change()
        command, moment = self.site.start("deploy"), f"{self.dice.choice(MOMENTS)}"
        moment = moment if moment == "taking over" else f"{moment} {self.name}"
        command.until(moment)
        return command, moment

    @contextmanager
    def _full(self, *, before: bool) -> Iterator[tuple[Command, str]]:
        fill = f"dd if=/dev/zero of={RECORDS}/filler bs=4k 2>/dev/null; true"
        if before:
            self.machine.shell(fill)
            self._change()
            command, moment = self.site.start("deploy"), "the beginning"
        else:
            command, moment = self._deploying()
            self.machine.shell(fill)
        try:
            yield command, moment
        finally:
            self.machine.shell(f"rm -f {RECORDS}/filler")

    def _follow_the_name(self) -> None:
        """Let the checkout have the name that runs: a rollback may have given the other one back."""
        runs = next((one for one in NAMES if one in self.site.containers()), self.name)
        if runs != self.name:
            rename_here(self.site.kit.folder, self.name, runs)

    # What must be so after each step

    def lines(self) -> list[dict[str, object]]:
        """Return all lines of the strategy's journal under each of its names, read as files."""
        folder = f"/var/lib/docker/volumes/{self.site.kit.project}_journal/_data"
        paths = " ".join(f"{folder}/{name}/*.jsonl" for name in NAMES)
        text = self.machine.shell(f"cat {paths} 2>/dev/null; true")
        found = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        return sorted(found, key=lambda line: str(line["timestamp"]))

    def _must_be_well(self, done: str) -> Count:
        wait_until(self._is_over, f"the transaction to end after: {done}", 240, every=1)
        wait_until(self._everything_runs, f"a release to run by itself after: {done}", 90, every=1)
        self._follow_the_name()
        before = newest(self.lines())
        lines = wait_until(
            lambda: found if newest(found := self.lines()) > before else None,
            f"a slot to succeed after: {done}",
            60,
            every=1,
        )
        found = count(lines)
        if found.lost or found.doubled:
            msg = f"after: {done}\nlost: {found.lost}\ndoubled: {found.doubled}\n{self.site.log()}"
            raise Wrong(msg)
        return found

    def _is_over(self) -> bool:
        # One command that waits: each question to a container costs the machine more than a second of waiting does.
        return self.machine.shell(f"flock --wait 30 {self.site.root}/lock echo free || true").strip() == "free"

    def _everything_runs(self) -> bool:
        found = set(self.site.containers())
        return {"daily", "supervisor"} <= found and len(found & set(NAMES)) == 1


def newest(lines: Sequence[Mapping[str, object]]) -> str:
    """Return the newest slot that has succeeded."""
    succeeded = (line for line in lines if line["event"] == "run_end" and line["outcome"] == "succeeded")
    return max((str(line["slot"]) for line in succeeded), default="")


def rename_here(root: Path, old: str, new: str) -> None:
    """Rename a folder and its service in a project's copy, as a person does; its bot keeps its id."""
    folder = (root / "strategies" / old).rename(root / "strategies" / new)
    toml = folder / "strategy.toml"
    if 'id = "' not in toml.read_text():
        toml.write_text(toml.read_text().replace("[[bot]]\n", f'[[bot]]\nid = "{old}"\n'))
    for file in (root / "compose").glob("*.yaml"):
        file.write_text(re.sub(rf"\b{old}\b", new, file.read_text()))


@contextmanager
def walk(client: docker.DockerClient, folder: Path, seed: int | str, suite: Suite = "bookworm") -> Iterator[Walk]:
    """Give a walk on a server with its first release; the disk of its records is a small one."""
    with ExitStack() as stack:
        machine = stack.enter_context(running_machine(client, suite))
        machine.shell(f"mkdir {RECORDS} && mount -t tmpfs -o size=4m none {RECORDS}")
        one = stack.enter_context(site(client, machine, folder, ["fives", "daily"]))
        toml = folder / "strategies" / "fives" / "strategy.toml"
        toml.write_text(toml.read_text().replace("[[bot]]\n", '[[bot]]\nid = "five"\n'))
        one.must("deploy")
        yield Walk(one, seed)


def main() -> int:
    """Walk, and say what was seen; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.walk", description="Deploy at random, and count.")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--suite", choices=("bookworm", "trixie"), default="bookworm", help="engine 20.10 or 26.1")
    parser.add_argument("--minutes", type=float, default=1e9, help="no step begins after so many")
    options = parser.parse_args()
    total = so_far = Piece.kept(options.seed, sources(ROOT))
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="openbell-walk-") as folder,
        walk(
            docker.from_env(timeout=120), Path(folder), f"{options.seed}.{so_far.pieces}", cast(Suite, options.suite)
        ) as one,
    ):
        while total.steps < options.steps and time.monotonic() - began < options.minutes * 60:
            try:
                done = one.take()
            except AssertionError as problem:
                print(f"step {total.steps + 1} of seed {options.seed}.{so_far.pieces}: {problem}", flush=True)
                return 1
            total = so_far.after(one.kinds, one.found, time.monotonic() - began)
            total.keep()
            print(f"{total.steps}. {done}", flush=True)
    print(total.table())
    print(
        f"{total.steps} steps in {total.seconds / 60:.0f} min, {total.slots} slots, 0 lost, 0 doubled: {dict(total.outcomes)}"
    )
    if total.steps < options.steps:
        print(f"{options.steps - total.steps} steps are left: run the command again for them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
