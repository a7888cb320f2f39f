"""`openbell once`: real processes, each of which runs what is due and ends."""

import base64
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.journal import Event, since
from openbell.ledger import Ledger
from tests.unit.runner.fakes import wait_for

SUCCEEDS = "def run(ctx):\n    ctx.hold('AAPL', reason='fine')\n"
FAILS = "def run(ctx):\n    raise ValueError('no bars')\n"


class Host:
    """A machine that has the strategy `demo` and starts `once` now and then."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {
            **os.environ,
            **{f"OPENBELL_{name.upper()}": str(root / name) for name in ("strategies", "journal", "state", "control")},
        }
        (root / "strategies" / "demo").mkdir(parents=True)

    def write(self, bots: str, code: str = SUCCEEDS) -> None:
        """Write the strategy's two files."""
        folder = self.root / "strategies" / "demo"
        (folder / "strategy.toml").write_text(f'timezone = "UTC"\n{bots}')
        (folder / "strategy.py").write_text(code)

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start `openbell once demo`."""
        command = [str(Path(sys.executable).parent / "openbell"), "once", "demo", *options]
        return subprocess.Popen(
            command, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def once(self, *options: str) -> tuple[int, str, str]:
        """Run it to its end; return exit code, output and errors."""
        process = self.start(*options)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    def events(self, kind: str) -> list[Event]:
        """Return the journal's lines of one event."""
        today = datetime.now(UTC).date() - timedelta(days=1)
        return [event for event in since(self.root / "journal" / "demo", today) if event["event"] == kind]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A machine without any run so far."""
    return Host(tmp_path)


def bot_due_now(grace: str = "10m", name: str = "b", retries: int = 0) -> str:
    """Return a bot whose newest slot was a moment ago, and whose next one is tomorrow."""
    ago = datetime.now(UTC) - timedelta(seconds=2)
    return (
        f'[[bot]]\nid = "{name}"\nsymbols = ["AAPL"]\nat = "{ago:%H:%M:%S}"\ngrace = "{grace}"\nretries = {retries}\n'
    )


def test_a_slot_that_is_due_runs_once(host: Host) -> None:
    """Within its grace, with cron as its trigger; the next start has nothing to do and says nothing."""
    host.write(bot_due_now())
    code, output, errors = host.once()
    assert (code, errors) == (0, "")
    assert [json.loads(line)["event"] for line in output.splitlines()] == [
        event["event"] for event in since(host.root / "journal" / "demo", datetime.now(UTC).date() - timedelta(days=1))
    ]
    assert [event["trigger"] for event in host.events("run_start")] == ["cron"]
    assert [event["outcome"] for event in host.events("run_end")] == ["succeeded"]
    assert host.once() == (0, "", "")
    assert len(host.events("run_start")) == 1


def test_nothing_due_is_a_quiet_success(host: Host) -> None:
    """The strategy is not even imported then; only the very first start leaves a sign that it is looked after."""
    later = datetime.now(UTC) + timedelta(hours=2)
    host.write(f'[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nat = "{later:%H:%M}"\n')
    assert host.once()[0] == 0
    host.write(f'[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nat = "{later:%H:%M}"\n', "raise ValueError('imported')")
    assert host.once() == (0, "", "")
    assert [event["reason"] for event in host.events("service_stop")] == ["nothing more is due"]


def test_it_waits_for_a_slot_that_is_about_to_come(host: Host) -> None:
    """With --ahead, for slots that are not on the minute."""
    soon = datetime.now(UTC) + timedelta(seconds=3)
    host.write(f'[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nat = "{soon:%H:%M:%S}"\n')
    assert host.once("--ahead", "10s")[0] == 0
    (start,) = host.events("run_start")
    assert float(str(start["lateness_ms"])) >= 0
    assert len(host.events("run_end")) == 1


def test_only_the_bots_that_are_asked_for(host: Host) -> None:
    """The others keep what is due to them."""
    host.write(bot_due_now() + bot_due_now(name="c"))
    assert host.once("--bot", "c")[0] == 0
    assert [event["bot"] for event in host.events("run_end")] == ["c"]
    assert host.once()[0] == 0
    assert [event["bot"] for event in host.events("run_end")] == ["c", "b"]


def test_a_failure_has_its_exit_code(host: Host) -> None:
    """1, with the error in the journal; the slot is not tried again by the next start."""
    host.write(bot_due_now(), FAILS)
    assert host.once()[0] == 1
    assert host.events("error")[0]["error"] == "ValueError: no bars"
    assert host.once()[0] == 0
    assert len(host.events("run_start")) == 1


def test_retries_happen_before_it_ends(host: Host) -> None:
    """A run with retries has its attempts in one start."""
    host.write(bot_due_now(retries=1), FAILS)
    assert host.once()[0] == 1
    assert [event["attempt"] for event in host.events("run_start")] == [1, 2]


def test_what_nobody_started_it_for_is_missed(host: Host) -> None:
    """The next start accounts for the slots of the time between, and its exit code says so."""
    host.write('[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "1h"\ngrace = "1s"\n')
    assert host.once()[0] in {0, 1}
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with_hours = Ledger(host.root / "state" / "demo" / "ledger.sqlite")
    with_hours._database.execute(
        "UPDATE accounted SET until = ?", ((hour - timedelta(hours=3)).isoformat(timespec="microseconds"),)
    )
    with_hours.close()
    assert host.once()[0] == 1
    missed = host.events("slot_skipped")[-1]
    assert (missed["outcome"], missed["count"]) == ("missed", 3)


def test_a_start_that_was_killed_is_settled_by_the_next(host: Host) -> None:
    """Kill -9 in mid-run: the slot is tried again, under its run, once the run that outlived its parent is over."""
    code = "import os, time\ndef run(ctx):\n    print(os.getpid())\n    time.sleep(60)\n"
    host.write(bot_due_now(retries=1), code)
    process = host.start()
    wait_for(lambda: bool(host.events("output")), "the run")
    process.kill()
    process.wait()
    host.write(bot_due_now(retries=1))
    following = host.start()
    os.kill(int(str(host.events("output")[0]["text"])), signal.SIGKILL)
    process.communicate()
    following.communicate(timeout=60)
    assert [event["attempt"] for event in host.events("run_start")] == [1, 2]
    assert len({event["run_id"] for event in host.events("run_start")}) == 1
    assert [event["outcome"] for event in host.events("run_end")] == ["succeeded"]
    assert "the loop ended in the middle of this run" in str(host.events("error")[0]["error"])


def test_two_at_a_time_run_a_slot_once(host: Host) -> None:
    """Cron may start it while another one still runs: the second waits, and finds the slot done."""
    host.write(bot_due_now(), "import time\ndef run(ctx):\n    time.sleep(1)\n")
    both = [host.start(), host.start()]
    assert [process.wait(60) for process in both] == [0, 0]
    for process in both:
        process.communicate()
    assert len(host.events("run_start")) == 1


def test_somebody_else_runs_the_strategy(host: Host) -> None:
    """A loop that holds the strategy for longer than the slots may wait: exit code 75, and who it is."""
    code = "import os, time\ndef run(ctx):\n    print(os.getpid())\n    time.sleep(60)\n"
    host.write(bot_due_now(grace="7s"), code)
    holder = host.start()
    wait_for(lambda: bool(host.events("output")), "the run")
    exit_code, _, errors = host.once()
    holder.kill()
    os.kill(int(str(host.events("output")[0]["text"])), signal.SIGKILL)  # it has inherited the holder's output
    holder.communicate()
    assert exit_code == 75
    assert errors.startswith(f"openbell once: demo: process {holder.pid} on ")


@pytest.mark.parametrize(
    "options, said",
    [
        (["--bot", "x"], "openbell once: --bot x: demo has no such bot with slots; it has: b"),
        (
            ["--ahead", "soon"],
            'openbell once: error: argument --ahead: found "soon"; allowed: a duration such as "60s"',
        ),
    ],
)
def test_wrong_options_are_one_line(host: Host, options: list[str], said: str) -> None:
    """What was found and what is allowed; exit code 2."""
    host.write(bot_due_now())
    code, _, errors = host.once(*options)
    assert (code, errors.splitlines()[-1]) == (2, said)


def test_an_unknown_strategy_leaves_nothing_behind(host: Host) -> None:
    """Exit code 2, the strategies that there are, and no folder for one that does not exist."""
    host.write(bot_due_now())
    command = [str(Path(sys.executable).parent / "openbell"), "once", "nope"]
    done = subprocess.run(command, env=host.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("(demo)")
    assert not (host.root / "journal").exists()


def test_a_strategy_that_cannot_start_says_why(host: Host) -> None:
    """Exit code 3, and the reason in the journal."""
    host.write(bot_due_now(), "import no_such_package")
    assert host.once()[0] == 3
    assert "No module named 'no_such_package'" in str(host.events("error")[0]["error"])


def test_sigterm_drains(host: Host) -> None:
    """The run that is under way ends in order."""
    host.write(bot_due_now(), "import time\ndef run(ctx):\n    time.sleep(2)\n")
    process = host.start()
    wait_for(lambda: bool(host.events("run_start")), "the run")
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert [event["outcome"] for event in host.events("run_end")] == ["succeeded"]
    assert host.events("service_stop")[0]["reason"] == "SIGTERM"


KEY = "sk-live+0123/456="
PRINTS = """
import base64, logging, os, subprocess, sys
KEY = os.environ["API_KEY"]
logging.basicConfig(level=logging.INFO, format="%(message)s")
logging.info("logged at import: %s", KEY)
print("printed at import", KEY)
os.write(1, f"written at import {KEY}\\n".encode())
subprocess.run(["echo", "echoed at import", KEY])
def run(ctx):
    logging.info("logged in the run: %s", KEY)
    os.write(2, base64.b64encode(b"user:" + KEY.encode()) + b" encoded in the run\\n")
    subprocess.run(["echo", "echoed in the run", KEY])
    ctx.hold("AAPL", reason="fine")
"""


@pytest.mark.parametrize("start", ["warm", "fresh"])
def test_what_is_printed_reaches_the_journal_without_secrets(host: Host, start: str) -> None:
    """At import and in a run, by Python, log handlers, children and descriptors: on the container's output too."""
    host.environment["API_KEY"] = KEY
    host.write(f'secrets = ["API_KEY"]\nstart = "{start}"\n' + bot_due_now(), PRINTS)
    code, output, errors = host.once()
    assert code == 0, errors
    told = [str(line["text"]) for line in host.events("output")]
    for way in ("logged at import: [secret]", "printed at import [secret]", "written at import [secret]"):
        assert way in told
    assert {"echoed at import [secret]", "logged in the run: [secret]", "echoed in the run [secret]"} <= set(told)
    raw = "".join(path.read_text() for path in (host.root / "journal" / "demo").glob("*.jsonl"))
    for form in (KEY, base64.b64encode(f"user:{KEY}".encode()).decode()[8:-4]):
        assert form not in raw + output + errors
    assert errors == ""
    assert {line["event"] for line in map(json.loads, output.splitlines())} >= {"service_start", "output", "run_end"}


def test_a_strategy_that_fails_at_import_shows_what_it_printed(host: Host) -> None:
    """The lines before the error are in the journal before it."""
    host.write(bot_due_now(), "import os\nprint('going')\nos.write(1, b'gone')\n1 / 0\n")
    code, _, _ = host.once()
    assert code == 3
    assert {line["text"] for line in host.events("output")} == {"going", "gone"}
    assert (
        host.events("service_stop")[0]["reason"]
        == "cannot start: strategy.py cannot be imported: ZeroDivisionError: division by zero (strategy.py, line 4)"
    )
