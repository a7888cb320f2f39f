"""What the tests of deployments work with: a copy of the project, a stand-in server, and what one sees there."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import docker

from tests.engine.kit import ROOT, SERVICE, Kit, make_kit, removed_afterwards, wait_until
from tests.machine.machine import Machine, running_machine

SECRET = "deploy$'\"\\ secret 4c1e7f"
LONGEST = 240  # seconds for one command
# In the code of `fives`: a line of it, and what makes a slot fail in the place of that line.
SLEEPS = "    time.sleep(0.3)\n"
FAILS = "    if not ctx.slot.microsecond: # at a real slot only\n        raise ValueError('no good')\n"


class Command:
    """A command that was started, in a process group of its own; what it says is read all the time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def code(self) -> int:
        """The exit code."""
        return self._process.wait(1)

    def until(self, text: str) -> None:
        """Wait until it has said this; fail if it ends without."""
        wait_until(lambda: text in self.said or not self._reader.is_alive(), f"it to say {text!r}", LONGEST)
        assert text in self.said, f"it ended without saying {text!r}\n{self.said}"

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it has started in its group, as a terminal does."""
        os.killpg(self._process.pid, number)

    def end(self, seconds: float) -> str:
        """Wait until it has ended; return all that it said."""
        self._process.wait(seconds)
        self._reader.join(5)
        return self.said

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                self.said += line


@dataclass(frozen=True)
class Site:
    """A copy of the project and the server that it is deployed to."""

    kit: Kit
    machine: Machine

    @property
    def root(self) -> str:
        """The folder of records on the server."""
        return f"/root/.openbell/{self.kit.project}"

    def environment(self) -> dict[str, str]:
        """Return the environment in which a person would call the command."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBELL_", "COMPOSE_"))}
        return ours | {
            "OPENBELL_SSH_CONFIG": str(self.machine.ssh_config),
            "PYTHONPATH": f"{self.kit.folder}:{self.kit.folder}/images",
        }

    def start(self, *words: str) -> "Command":
        """Start a command of the host's side, such as deploy."""
        return Command(
            subprocess.Popen(
                (sys.executable, "-m", "deploy", words[0], f"HOST={self.machine.host}", *words[1:]),
                cwd=self.kit.folder,
                env=self.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )

    def run(self, *words: str) -> tuple[int, str]:
        """Run a command of the host's side; return its exit code and all that it said."""
        command = self.start(*words)
        try:
            said = command.end(LONGEST)
        except subprocess.TimeoutExpired:
            command.kill(signal.SIGKILL)
            msg = f"{words} did not end within {LONGEST} s\n{command.said}\n{self.log()}"
            raise AssertionError(msg) from None
        return command.code, said

    def must(self, *words: str) -> str:
        """Run a command that must succeed, and return what it said."""
        code, said = self.run(*words)
        assert code == 0, f"{words}: exit code {code}\n{said}\n{self.log()}"
        return said

    def log(self) -> str:
        """Return the log of the transaction that was started last."""
        return self.machine.shell(
            f"cd {self.root}/transactions 2>/dev/null && cd $(ls -d */ | tail -n 1) && tail -n 40 plan log output state; true"
        )

    def containers(self) -> dict[str, str]:
        """Return the ids of the containers that run, by service; none while the engine does not answer."""
        form = '{{.Label "com.docker.compose.service"}} {{.ID}}'
        label = f"label=com.docker.compose.project={self.kit.project}"
        lines = self.machine.shell(f"docker ps --no-trunc --filter {label} --format '{form}' || true")
        return dict(line.split(" ", 1) for line in lines.splitlines())

    def current(self) -> str:
        """Return the id of the release that runs, or an empty text."""
        return self.machine.shell(f"readlink {self.root}/current || true").strip().removeprefix("releases/")

    def audit(self) -> list[dict[str, object]]:
        """Return the lines of the audit."""
        return [json.loads(line) for line in self.machine.shell(f"cat {self.root}/audit.jsonl").splitlines()]

    def journal(self, strategy: str) -> list[dict[str, object]]:
        """Return all that a strategy has written."""
        supervisor = self.containers()["supervisor"]
        lines = self.machine.docker("exec", supervisor, "openbell", "journal", strategy, "--since", "1d")
        return [json.loads(line) for line in lines.splitlines()]

    def change(self, strategy: str, before: str, after: str) -> None:
        """Change the strategy's code."""
        path = self.kit.folder / "strategies" / strategy / "strategy.py"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))


@contextmanager
def site(engine: docker.DockerClient, machine: Machine, folder: Path, strategies: Sequence[str]) -> Iterator[Site]:
    """Give a copy of the project with these strategies; what it leaves on the engine here is removed."""
    kit = make_kit(folder, list(strategies))
    ignore = shutil.ignore_patterns("__pycache__", "hosts.toml")
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=ignore)
    quoted = SECRET.replace("\\", "\\\\").replace("'", "\\'")
    with (folder / ".env").open("a") as file:
        file.write(f"DAILY_KEY='{quoted}'\n")
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org")
    for command in (("init", "--quiet"), ("add", "strategies"), ("commit", "--quiet", "--message", "first")):
        subprocess.run((*git, *command), cwd=folder, check=True)
    with removed_afterwards(engine, kit.project):
        yield Site(kit, machine)


@contextmanager
def first_release(engine: docker.DockerClient, folder: Path, profile: str = "") -> Iterator[Site]:
    """Start a server and deploy two strategies to it. profile: the form in which they run, where both are offered."""
    strategies = ("fives", "daily")
    with running_machine(engine) as machine, site(engine, machine, folder, strategies) as one:
        if profile:
            offer_both_forms(folder, sorted(strategies))  # the order in which a plan names them
            choose(folder, profile)
        one.must("deploy")
        yield one


def offer_both_forms(folder: Path, strategies: Sequence[str]) -> None:
    """Let a project's strategies run in a container each, with the profile portfolio, or all in one."""
    compose = folder / "compose"
    (compose / "strategies.yaml").write_text("services: {}\n")
    services = "".join(SERVICE.format(name=name) + "    profiles: [portfolio]\n" for name in strategies)
    (compose / "portfolio.yaml").write_text(f"services:\n{services}")
    together = (ROOT / "compose/together.yaml").read_text()
    names = f">-\n          {' '.join(strategies)}\n"
    (compose / "together.yaml").write_text(re.sub(r">-\n( +\w.*\n){2}", names, together))
    for name in strategies:
        toml = folder / "strategies" / name / "strategy.toml"
        toml.write_text(f'profile = "portfolio"\n{toml.read_text()}')


def choose(folder: Path, profile: str) -> None:
    """Write into .env which form is wanted."""
    path = folder / ".env"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("COMPOSE_PROFILES=")]
    path.write_text("\n".join([*lines, f"COMPOSE_PROFILES={profile}", ""]))


def assert_no_slot_is_lost_or_doubled(
    lines: Sequence[dict[str, object]],
    every: timedelta,
    outcomes: Collection[str] = ("succeeded",),
    reasons: Collection[str] = (),
) -> int:
    """Every slot between the first and the last has one outcome, one of these; return how many there were.

    reasons: for which slots may have been passed over, such as coalesced, where an engine was away for longer.
    """
    ends = [line for line in lines if line["event"] == "run_end" and line["trigger"] == "loop"]
    skips = [line for line in lines if line["event"] == "slot_skipped"]
    slots = [datetime.fromisoformat(str(line["slot"])) for line in ends]
    for line in skips:
        last = datetime.fromisoformat(str(line["slot"]))
        slots += [last - number * every for number in range(int(str(line["count"])))]
    slots.sort()
    doubled = [str(slot) for slot, following in pairwise(slots) if following == slot]
    holes = [str(slot) for slot, following in pairwise(slots) if following - slot > every]
    otherwise = [f"{line['slot']} {line['outcome']}" for line in ends if line["outcome"] not in outcomes]
    otherwise += [f"{line['slot']} skipped: {line['reason']}" for line in skips if line["reason"] not in reasons]
    begun = [line for line in lines if line["event"] in {"service_start", "run_start", "service_stop"}]
    told = [
        f"{line['timestamp']} {line.get('slot', '')} {line['event']} {line.get('outcome', '')} {line.get('reason', '')}"
        f" {line.get('lateness_ms', '')} {line['boot_id']}"
        for line in (*begun, *ends, *skips)
    ]
    problems = f"doubled: {doubled}; nothing until: {holes}; otherwise: {otherwise}"
    assert (doubled, holes, otherwise) == ([], [], []), "\n".join([problems, *sorted(told)])
    return len(slots)


def words_of(site: Site, strategy: str = "fives") -> str:
    """Return the reason that the strategy `fives`, perhaps renamed, gives now in the project's copy."""
    text = (site.kit.folder / "strategies" / strategy / "strategy.py").read_text()
    return text.split('WORDS = "')[1].split('"')[0]
