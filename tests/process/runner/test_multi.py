"""`openbell host`: real processes, a loop for each strategy, forked from one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell import heartbeat
from openbell.journal import Event, since
from openbell.runner import multi
from openbell.runner.multi import RAN_WELL, ManagedLoop
from tests.unit.runner.fakes import wait_for

PATIENCE = 30.0  # seconds
EVERY_SECOND = '[[bot]]\nsymbols = ["AAPL"]\nevery = "1s"\n'
HOLDS = "def run(ctx):\n    ctx.hold('AAPL', reason='fine')\n"
TELLS = """\
import os
import time

def run(ctx):
    secrets = sorted(name for name in os.environ if name.startswith("SECRET_"))
    ctx.log("told", zone=time.strftime("%Z"), secrets=secrets)
"""


class Machine:
    """A machine with a folder of strategies and one host for all of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.errors = root / "errors"
        self.environment = {
            **os.environ,
            **{f"OPENBELL_{name.upper()}": str(root / name) for name in ("strategies", "journal", "state", "control")},
        }
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, name: str, code: str = HOLDS, *, top: str = 'timezone = "UTC"', bots: str = EVERY_SECOND) -> None:
        """Write a strategy."""
        folder = self.root / "strategies" / name
        folder.mkdir(parents=True)
        (folder / "strategy.toml").write_text(f"{top}\n{bots}")
        (folder / "strategy.py").write_text(code)

    def start(self, *names: str, **environment: str) -> None:
        """Start the host."""
        command = [str(Path(sys.executable).parent / "openbell"), "host", *names]
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command, env=self.environment | environment, stdout=subprocess.DEVNULL, stderr=errors
            )

    def stop(self) -> int:
        """Send SIGTERM and return the host's exit code."""
        assert self.process
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def events(self, name: str, kind: str) -> list[Event]:
        """Return the lines of one event in a strategy's journal."""
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        return [event for event in since(self.root / "journal" / name, yesterday) if event["event"] == kind]

    def wait_for_runs(self, name: str, count: int = 1) -> None:
        """Wait until a strategy has ended so many runs."""
        wait_for(lambda: len(self.events(name, "run_end")) >= count, f"runs of {name}", PATIENCE)

    def loop(self, name: str) -> int:
        """Return the process that holds a strategy."""
        return int((self.root / "state" / name / "loop.lock").read_text().split()[1])


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine on which nothing is left running."""
    machine = Machine(tmp_path)
    yield machine
    if machine.process and machine.process.poll() is None:
        loops = [machine.loop(lock.parent.name) for lock in tmp_path.glob("state/*/loop.lock") if lock.read_text()]
        machine.process.kill()
        machine.process.wait(PATIENCE)
        for loop in loops:
            os.kill(loop, signal.SIGKILL)


def test_each_strategy_has_its_own_zone_and_only_its_own_secrets(machine: Machine) -> None:
    """The clock is the manifest's; of the secrets that the container has, a strategy's run sees those that it names."""
    machine.write("east", TELLS, top='timezone = "Asia/Tokyo"\nsecrets = ["SECRET_EAST"]')
    machine.write("west", TELLS, top='timezone = "America/Phoenix"\nsecrets = ["SECRET_WEST"]')
    machine.start(SECRET_EAST="jade", SECRET_WEST="gold")
    for name in ("east", "west"):
        machine.wait_for_runs(name)
    assert machine.stop() == 0
    told = {name: machine.events(name, "note")[0] for name in ("east", "west")}
    assert (told["east"]["zone"], told["east"]["secrets"]) == ("JST", ["SECRET_EAST"])
    assert (told["west"]["zone"], told["west"]["secrets"]) == ("MST", ["SECRET_WEST"])
    assert {event["timezone"] for event in machine.events("west", "service_start")} == {"America/Phoenix"}


def test_sigterm_lets_the_runs_of_all_loops_end(machine: Machine) -> None:
    """Each run that is under way ends by itself, each loop says that it stops, and the next start finds a clean stop."""
    for name in ("one", "two"):
        machine.write(name, "import time\n\ndef run(ctx):\n    time.sleep(1.5)\n")
    machine.start()
    wait_for(lambda: all(machine.events(name, "run_start") for name in ("one", "two")), "a run of each", PATIENCE)
    assert machine.stop() == 0
    for name in ("one", "two"):
        starts, ends = machine.events(name, "run_start"), machine.events(name, "run_end")
        assert [end["outcome"] for end in ends] == ["succeeded"] * len(starts)
        assert [stop["reason"] for stop in machine.events(name, "service_stop")] == ["SIGTERM"]
        assert heartbeat.is_there(machine.root / "journal" / name) is False


def test_a_loop_that_dies_is_started_again_alone(machine: Machine) -> None:
    """The others do not notice; the new one knows that the one before did not end well."""
    machine.write("frail")
    machine.write("steady")
    machine.start()
    for name in ("frail", "steady"):
        machine.wait_for_runs(name)
    os.kill(machine.loop("frail"), signal.SIGKILL)
    wait_for(lambda: len(machine.events("frail", "service_start")) == 2, "the second start", PATIENCE)
    ended = len(machine.events("frail", "run_end"))
    machine.wait_for_runs("frail", ended + 1)
    assert machine.stop() == 0
    assert [start["previous_stop"] for start in machine.events("frail", "service_start")] == ["clean", "unclean"]
    assert len(machine.events("steady", "service_start")) == 1
    assert "openbell host: frail ended with exit code -9; it is started again in 1 s" in machine.errors.read_text()


def test_a_strategy_that_cannot_start_keeps_no_other_from_it(machine: Machine) -> None:
    """What is wrong with it is in its journal, once for each try; the good one runs."""
    machine.write("bad", bots='[[bot]]\nsymbols = "AAPL"\nevery = "soon"\n')
    machine.write("good")
    machine.start()
    machine.wait_for_runs("good")
    wait_for(lambda: len(machine.events("bad", "service_stop")) >= 2, "a second try", PATIENCE)
    assert machine.stop() == 0
    assert {str(event["stage"]) for event in machine.events("bad", "error")} == {"start"}


def test_only_those_that_are_named_run(machine: Machine) -> None:
    """Names on the command line choose; the others of the folder stay as they are."""
    machine.write("asked")
    machine.write("unasked")
    machine.start("asked")
    machine.wait_for_runs("asked")
    assert machine.stop() == 0
    assert not (machine.root / "journal" / "unasked").exists()


@pytest.mark.parametrize("names, said", [(("nobody",), 'found "nobody"'), ((), "found no strategy")])
def test_nothing_to_host(machine: Machine, names: tuple[str, ...], said: str) -> None:
    """A name without a folder, or no folder at all, is one line and exit code 2."""
    if names:
        machine.write("somebody")
    machine.start(*names)
    assert machine.process
    assert machine.process.wait(PATIENCE) == 2
    (line,) = machine.errors.read_text().splitlines()
    assert line.startswith(f"openbell host: {said}; below {machine.root / 'strategies'} there is: ")


def test_a_loop_that_died_says_when_it_is_started_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Later each time, until it has run well."""
    one = ManagedLoop(Path("demo"), {})
    for now in (0.0, 2.0, 5.0, 5.0 + RAN_WELL):
        one.restart = one.restart.started(now)
        multi._has_ended(one, 3, now=now if now < RAN_WELL else now + RAN_WELL)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"openbell host: demo ended with exit code 3; it is started again in {pause} s" for pause in (1, 2, 4, 1)
    ]


def test_a_secret_of_two_strategies_reaches_both(machine: Machine) -> None:
    """A variable that no manifest names as a secret reaches all; a broken strategy gets no secret at all."""
    machine.write("one", top='timezone = "UTC"\nsecrets = ["SHARED", "FIRST"]')
    machine.write("two", top='timezone = "UTC"\nsecrets = ["SHARED"]')
    machine.write("broken", bots="")
    folders = [machine.root / "strategies" / name for name in ("one", "two", "broken")]
    given = {"SHARED": "a", "FIRST": "b", "LANG": "C"}
    own = {folder.name: set(found) & set(given) for folder, found in multi.environments(folders, given)}
    assert own == {"one": {"SHARED", "FIRST", "LANG"}, "two": {"SHARED", "LANG"}, "broken": {"LANG"}}


def test_the_loops_share_one_journal_on_standard_output(machine: Machine) -> None:
    """Every line says whose it is: `docker logs` of the container is the journal of all."""
    machine.write("one")
    machine.write("two")
    command = [str(Path(sys.executable).parent / "openbell"), "host"]
    machine.process = subprocess.Popen(command, env=machine.environment, stdout=subprocess.PIPE)
    for name in ("one", "two"):
        machine.wait_for_runs(name)
    machine.process.terminate()
    output, _ = machine.process.communicate(timeout=PATIENCE)
    assert {json.loads(line)["strategy"] for line in output.splitlines()} == {"one", "two"}
