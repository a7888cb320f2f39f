"""The whole portfolio on a machine of 1 CPU and 1 GB, its engine included: `python -m tests.bench.portfolio [--quick]`.

The machine is a stand-in server under those limits. The strategies are the real ones with one change: every bot is due
each minute, so that each minute has the instant at which all 45 are due together, which really comes every four hours.
"""

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import docker
from docker.errors import DockerException

from tests.bench import machine as facts
from tests.bench.figures import Budget, Table, budget_table, duration, mebibytes, percentile
from tests.bench.progress import doing, say, wait_until
from tests.engine.kit import Kit, removed_afterwards
from tests.engine.portfolio import MANIFESTS, PROFILES, choose, make_portfolio
from tests.machine.machine import Machine, running_machine

MEMORY = 2**30  # bytes
SETTLED = 20.0  # seconds after which a start is over
TOLERANCE = 0.1  # seconds beside a bot's share of the stagger
PROJECT = "portfolio"  # on the stand-in server
FILE = "/root/portfolio.json"


@dataclass(frozen=True)
class Start:
    """How late one run began, beyond its bot's share of the stagger."""

    slot: datetime
    bot: str
    late: float  # seconds


@dataclass(frozen=True)
class Form:
    """What was seen of the portfolio in one of its forms."""

    profile: str
    idle: int  # bytes of the whole machine
    most: int  # the same, while runs were under way
    services: Mapping[str, float]  # service → MB as `docker stats` shows them, idle
    engine: int  # bytes of the machine without any container of ours
    starts: Sequence[Start]


def main() -> int:
    """Measure both forms; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.portfolio", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes for each form instead of ten")
    minutes = 2 if parser.parse_args().quick else 10
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is removed all the same
    try:
        forms = measure(minutes)
    except (DockerException, subprocess.CalledProcessError) as error:
        said = error.stderr.decode(errors="replace") if isinstance(error, subprocess.CalledProcessError) else error
        say(f"ended early: {said}")
        return 1
    for table in (memory_table(forms), service_table(forms), lateness_table(forms), budget_table(budgets(forms))):
        print(table)
    return 0


def measure(minutes: int) -> list[Form]:
    """Build the images, bring them to the machine, and let each form run there for some minutes."""
    client = docker.from_env()
    print(facts.facts(client), flush=True)
    with tempfile.TemporaryDirectory(prefix="openbell-bench-") as folder:
        kit = make_portfolio(Path(folder), lambda text: re.sub(r'every = "\w+"', 'every = "1m"', text))
        with removed_afterwards(client, kit.project):
            choose(kit, ",".join(PROFILES))
            with doing("building the images"):
                run(["docker", "compose", "build", "--quiet"], kit.folder)
            with running_machine(client) as machine:
                with doing("bringing the images to the machine"):
                    bring(kit, machine)
                # One core, as such a machine has: a quota over several cores would hold back all that is due together.
                machine.container.update(mem_limit=MEMORY, memswap_limit=MEMORY, cpuset_cpus="0")
                time.sleep(SETTLED)
                engine = taken(machine)
                return [look(kit, machine, profile, engine, minutes) for profile in PROFILES]


def look(kit: Kit, machine: Machine, profile: str, engine: int, minutes: int) -> Form:
    """Let one form run on the machine, and take it away again."""
    choose(kit, profile)
    config = json.loads(run(["docker", "compose", "config", "--format", "json"], kit.folder))
    for service in config["services"].values():
        service.pop("build", None)  # the images are there
        service.pop("profiles", None)  # chosen above
    run(["docker", "exec", "-i", str(machine.container.id), "sh", "-c", f"cat > {FILE}"], given=json.dumps(config))
    compose = ("compose", "--project-name", PROJECT, "--file", FILE)
    with doing(f"starting {profile}"):
        machine.docker(*compose, "up", "--detach", "--no-build")
        beats = (*compose, "exec", "-T", "supervisor", "sh", "-c", "ls /journal/*/beat.json | wc -l")
        while int(machine.docker(*beats)) < len(MANIFESTS):
            time.sleep(1)
    wait_until((time.time() // 60 + 1) * 60 - 8, "letting it be idle")  # the last bot of a minute is long done
    services, idle = of_services(machine), taken(machine)
    begin = (time.time() // 60 + 1) * 60
    with doing(f"letting all bots be due together, {minutes} times"):
        looks = []
        while time.time() < begin + minutes * 60 - 2:
            looks.append(taken(machine))  # this takes a second or two
    lines: list[str] = []
    for manifest in MANIFESTS:
        journal = ("exec", "-T", "supervisor", "openbell", "journal", manifest.name, "--since", "1h")
        lines += machine.docker(*compose, *journal).splitlines()
    machine.docker(*compose, "down", "--volumes", "--timeout", "30")
    return Form(profile, idle, max(looks), services, engine, starts(lines, begin, begin + minutes * 60))


def bring(kit: Kit, machine: Machine) -> None:
    """Copy all images at once: what they share goes over once."""
    names = sorted(kit.image(name) for name in ("supervisor", "together", *(one.name for one in MANIFESTS)))
    load = f"docker save {' '.join(names)} | docker exec -i {machine.container.id} docker load"
    run(["bash", "-o", "pipefail", "-c", load])


def taken(machine: Machine) -> int:
    """Return the bytes that the whole machine takes: its processes, the kernel for them, and files that are in use."""
    answer = machine.container.stats(stream=False)
    assert isinstance(answer, dict)
    memory = answer["memory_stats"]
    kinds = memory["stats"]
    spare = kinds.get("total_inactive_file", kinds.get("inactive_file", 0))
    return int(memory["usage"]) - int(spare)


def of_services(machine: Machine) -> dict[str, float]:
    """Return the MB of each container as the machine's own `docker stats` counts them."""
    printed = machine.docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}")
    found = {}
    for line in printed.splitlines():
        name, amount, *_ = line.split()
        number, unit = float(amount[:-3]), amount[-3:]
        found[name.removeprefix(f"{PROJECT}-").removesuffix("-1")] = number * {"KiB": 1 / 1024, "GiB": 1024}.get(
            unit, 1
        )
    return found


def starts(lines: Iterable[str], begin: float, end: float) -> list[Start]:
    """Return the starts of the slots with begin <= slot < end; their lateness does not include the stagger."""
    found = []
    for event in map(json.loads, lines):
        if event["event"] != "run_start":
            continue
        slot = datetime.fromisoformat(event["slot"])
        if begin <= slot.timestamp() < end:
            found.append(Start(slot, event["bot"], event["lateness_ms"] / 1000))
    return found


def rounds(found: Iterable[Start]) -> list[list[float]]:
    """Return the lateness of all starts, slot by slot."""
    by_slot: dict[datetime, list[float]] = {}
    for start in found:
        by_slot.setdefault(start.slot, []).append(start.late)
    return [by_slot[slot] for slot in sorted(by_slot)]


def memory_table(forms: Sequence[Form]) -> Table:
    """Return what the whole machine takes."""
    rows = tuple(
        (one.profile, mb(one.engine), mb(one.idle), mb(one.most), f"{100 * (1 - one.most / MEMORY):.0f} %")
        for one in forms
    )
    notes = (
        "all of the machine counts: sshd, engine, containerd, their shims, the supervisor and the strategies; limits: 1 CPU, 1 GB, no swap",
        "without cached pages of files; most: the largest of the looks, one each second or two",
    )
    return Table("Memory of the machine", ("", "engine alone", "idle", "most", "free then"), rows, notes)


def service_table(forms: Sequence[Form]) -> Table:
    """Return what each container takes."""
    rows = tuple(
        (one.profile, service, f"{size:.1f} MB") for one in forms for service, size in sorted(one.services.items())
    )
    return Table("Memory of its containers, idle, as `docker stats` counts", ("", "", "memory"), rows, labels=2)


def lateness_table(forms: Sequence[Form]) -> Table:
    """Return how late the bots began."""
    rows = []
    for one in forms:
        late, worst = [start.late for start in one.starts], [max(found) for found in rounds(one.starts)]
        counts = (str(len(worst)), str(len(late)), str(sum(one > TOLERANCE for one in late)))
        figures = (percentile(late, 50), percentile(late, 99), percentile(worst, 50), max(worst))
        rows.append((one.profile, *counts, *map(duration, figures)))
    notes = (
        "lateness of run_start beyond the bot's share of the stagger (two seconds from one bot of a strategy to the next)",
        "so up to seven bots, one of each strategy, begin in the same instant; last: the latest bot of a round",
    )
    headings = ("", "rounds", "starts", "over 100 ms", "median", "p99", "last, median", "last, worst")
    return Table("45 bots due together", headings, tuple(rows), notes)


def budgets(forms: Sequence[Form]) -> list[Budget]:
    """Return the promises that the figures speak of."""
    found = []
    for one in forms:
        late = max(start.late for start in one.starts)
        missing = sum(45 - len(found) for found in rounds(one.starts))
        found += [
            Budget(f"{one.profile}: memory", mb(one.most), "<= 512 MB", one.most <= MEMORY / 2),
            Budget(f"{one.profile}: latest beyond its stagger", duration(late), "<= 100 ms", late <= TOLERANCE),
            Budget(f"{one.profile}: bots that did not start", str(missing), "0", missing == 0),
        ]
    return found


def mb(size: int) -> str:
    """Return bytes as MB."""
    return mebibytes(size / 1024)


def run(command: Sequence[str], folder: Path | None = None, given: str | None = None) -> str:
    """Run a command that must succeed and return what it printed."""
    done = subprocess.run(command, cwd=folder, input=given.encode() if given else None, capture_output=True, check=True)
    return done.stdout.decode()


if __name__ == "__main__":
    sys.exit(main())
