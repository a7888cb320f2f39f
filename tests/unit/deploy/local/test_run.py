"""`make local`, as its user has it: real processes without Docker, from the first start to Ctrl-C."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[4]
PATIENCE = 60.0  # seconds for one thing to come
SECRET = "not for everybody"

CALM = "def run(ctx):\n    ctx.hold('AAPL', reason='fine')\n"
# Prints what it was given, and what it imports from: the journal's output lines say so.
CURIOUS = (
    "import os\ndef run(ctx):\n    print('given', sorted(name for name in os.environ if name.startswith('MY_')))\n"
)
SLOW = "import time\ndef run(ctx):\n    time.sleep(3)\n"
SERVICE = "  {name}: {{build: {{args: {{STRATEGY: {name}}}}}}}\n"


class Project:
    """A copy of the project with strategies of its own, and what was started there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        shutil.copytree(ROOT / "deploy", root / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("strategies", "portfolio", "brokers"):
            (root / "compose").mkdir(exist_ok=True)
            (root / "compose" / f"{name}.yaml").write_text("services:\n")
        (root / "strategies").mkdir()
        self.port = free_port()
        self.started: list[subprocess.Popen[str]] = []

    def strategy(self, name: str, code: str = CALM, top: str = "") -> Path:
        """Write a strategy that is due every second, with its service."""
        folder = self.root / "strategies" / name
        folder.mkdir()
        (folder / "strategy.toml").write_text(
            f'timezone = "UTC"\n{top}\n[[bot]]\nsymbols = ["AAPL"]\nevery = "1s"\ngrace = "10s"\ntimeout = "20s"\n'
        )
        (folder / "strategy.py").write_text(code)
        with (self.root / "compose" / "strategies.yaml").open("a") as file:
            file.write(SERVICE.format(name=name))
        return folder

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Start `make local`."""
        own = {"OPENBELL_PORT": str(self.port), "OPENBELL_DATA": str(self.data), **environment}
        with (self.root / "said").open("a") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "deploy", "local"],
                cwd=self.root,
                env={**os.environ, **own},
                text=True,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def said(self) -> str:
        """Return all that was printed."""
        return (self.root / "said").read_text()

    def events(self, strategy: str, kind: str) -> list[dict[str, object]]:
        """Return the journal's lines of one event."""
        files = sorted((self.data / "journal" / strategy).glob("*.jsonl"))
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [line for line in lines if line["event"] == kind]

    def process(self, service: str, nth: int = -1) -> int:
        """Return the process id of a service's start, by default the newest."""
        return int(re.findall(rf"started \(service: {service}, process: (\d+),", self.said())[nth])

    def page(self) -> str:
        """Return the page, or an empty text while there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/") as answer:
                return str(answer.read().decode())
        except urllib.error.URLError:
            return ""

    def wait(self, is_so: Callable[[], object], what: str) -> None:
        """Wait until something is so; fail with all that was printed."""
        end = time.monotonic() + PATIENCE
        while not is_so():
            gone = all(process.poll() is not None for process in self.started)
            assert time.monotonic() < end, f"{what} did not come\n{self.said()}"
            assert not gone or is_so(), f"all has ended, and {what} did not come\n{self.said()}"
            time.sleep(0.05)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project whose processes are gone afterwards."""
    made = Project(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
            process.wait(60)


def is_alive(process: int) -> bool:
    """Tell whether a process of that id lives; a dead one that was not reaped yet does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_from_the_first_start_to_ctrl_c(project: Project) -> None:
    """The page shows the runs; a killed loop is back; a second start says who runs; Ctrl-C ends runs in order, and all is gone."""
    project.strategy("calm")
    project.strategy("slow", SLOW)
    process = project.start()
    project.wait(lambda: project.events("calm", "run_end"), "a run")
    project.wait(lambda: "calm" in project.page(), "the page")

    first = project.process("calm")
    os.kill(first, signal.SIGKILL)
    project.wait(
        lambda: "starting it again (service: calm, it: was ended by SIGKILL, seconds: 1.0," in project.said(), "it"
    )
    project.wait(lambda: len(project.events("calm", "service_start")) == 2, "its second start")
    assert project.process("calm") != first
    assert [line["previous_stop"] for line in project.events("calm", "service_start")] == ["clean", "unclean"]

    second = project.start()
    assert second.wait(PATIENCE) == 1
    assert f"openbell: everything runs here already, with its data in {project.data}: " in project.said()

    project.wait(
        lambda: len(project.events("slow", "run_start")) > len(project.events("slow", "run_end")), "a slow run"
    )
    processes = [project.process(name) for name in ("calm", "slow", "supervisor")]
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert not any(is_alive(one) for one in processes)
    assert len(project.events("slow", "run_start")) == len(project.events("slow", "run_end"))
    assert {line["outcome"] for line in project.events("slow", "run_end")} == {"succeeded"}
    assert project.events("calm", "service_stop")[-1]["reason"] == "SIGTERM"
    assert project.page() == ""
    assert project.said().rindex("stopped (service: supervisor)") > project.said().rindex("stopped (service: slow)")


def test_a_second_ctrl_c_kills(project: Project) -> None:
    """What does not end within a person's patience ends at once, its run too."""
    project.strategy("slow", "import os, time\ndef run(ctx):\n    print(os.getpid(), flush=True)\n    time.sleep(15)\n")
    process = project.start()
    project.wait(lambda: project.events("slow", "output"), "a run")
    run = int(str(project.events("slow", "output")[0]["text"]))
    process.send_signal(signal.SIGINT)
    project.wait(lambda: "openbell: stopping" in project.said(), "the first answer")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert "was ended by SIGKILL (service: slow)" in project.said()
    project.wait(lambda: not is_alive(run), "the run's end")


def test_a_strategy_is_given_only_the_secrets_that_it_names(project: Project) -> None:
    """From .env or the shell; another strategy does not have them, nor what else there is, and no list of processes shows them."""
    project.strategy("has", CURIOUS, 'secrets = ["MY_KEY"]')
    project.strategy("has_not", CURIOUS)
    manifest = project.strategy("portfolio", CURIOUS, 'profile = "portfolio"') / "strategy.toml"
    manifest.write_text(manifest.read_text().replace('timeout = "20s"', 'timeout = "1s"'))  # longer is worth a warning
    (project.root / ".env").write_text(f"MY_KEY='{SECRET}'\n")
    process = project.start(MY_OTHER="x")
    project.wait(
        lambda: project.events("has", "output") and project.events("has_not", "output"), "what they were given"
    )
    assert project.events("has", "output")[0]["text"] == "given ['MY_KEY']"
    assert project.events("has_not", "output")[0]["text"] == "given []"
    supervisor = project.process("supervisor")
    assert SECRET.encode() not in Path(f"/proc/{supervisor}/environ").read_bytes()
    listed = [Path(f"/proc/{one}/cmdline").read_bytes() for one in (supervisor, process.pid, project.process("has"))]
    assert not any(SECRET.encode() in line for line in listed)
    assert SECRET not in project.said()
    assert "portfolio" not in project.said()  # of a profile that was not asked for


def test_a_manifest_that_is_not_valid_stops_it_all_before_it_begins(project: Project) -> None:
    """One line that names the file and the key, one that says that nothing was started, and no process."""
    folder = project.strategy("calm")
    (folder / "strategy.toml").write_text('timezone = "UTC"\n[[bot]]\nsymbols = ["A"]\nevery = "1 fortnight"\n')
    assert project.start().wait(PATIENCE) == 1
    lines = project.said().splitlines()
    assert lines[0].startswith("calm/strategy.toml: bot 1: every: ") or lines[0].startswith("calm/strategy.toml: ")
    assert lines[-1] == "openbell: nothing was started: fix what the lines above name, and try again"
    assert len(lines) == 2
    assert "Traceback" not in project.said()
    assert not project.data.exists()


def test_a_strategy_that_cannot_start_is_tried_with_growing_pauses(project: Project) -> None:
    """1 s, 2 s, …; the others do not mind, and the page says why."""
    project.strategy("calm")
    project.strategy("broken", f'raise RuntimeError("no way")\n{CALM}')
    project.start()
    project.wait(
        lambda: "(service: broken, it: ended with exit code 3, seconds: 2.0," in project.said(), "the second try"
    )
    assert "(service: broken, it: ended with exit code 3, seconds: 1.0," in project.said()
    project.wait(lambda: project.events("calm", "run_end"), "the other's runs")
    project.wait(lambda: "no way" in project.page(), "the reason on the page")
