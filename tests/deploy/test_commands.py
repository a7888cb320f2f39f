"""What is asked of a server after a deploy: the same commands as here, with HOST."""

import csv
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.deploy.site import Site
from tests.engine.kit import wait_until

# Tests that run in the background ignore Ctrl-C, and so does what they start.
INTERRUPTIBLE = ("env", "--default-signal=INT")


@pytest.fixture(scope="module")
def deployed(shared: Site) -> Site:
    """The server that is shared."""
    return shared


def ask(site: Site, *words: str) -> tuple[int, str]:
    """Run a command that takes HOST as an option."""
    name, *rest = words
    return run(site, name, f"HOST={site.machine.host}", *rest)


def command(site: Site, *words: str, **environment: str) -> "subprocess.Popen[str]":
    """Start a command of the host's side, in a process group of its own, as a terminal would."""
    return subprocess.Popen(
        (*INTERRUPTIBLE, sys.executable, "-m", "deploy", *words),
        cwd=site.kit.folder,
        env=site.environment() | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(site: Site, *words: str) -> tuple[int, str]:
    """Run a command of the host's side as it is; return its exit code and all that it said."""
    process = command(site, *words)
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


def must(site: Site, *words: str) -> str:
    """Run a command that takes HOST as an option and must succeed."""
    code, said = ask(site, *words)
    assert code == 0, said
    return said


@contextmanager
def followed(site: Site, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Give a command that goes on until Ctrl-C; it is killed if the test forgets it."""
    process = command(site, *words)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def line_with(process: "subprocess.Popen[str]", word: str) -> str:
    """Return the next line that has the word; fail at the end of the output."""
    assert process.stdout
    seen = []
    for line in process.stdout:
        if word in line:
            return line
        seen.append(line)
    msg = f"no line has {word}: {''.join(seen)}"
    raise AssertionError(msg)


def test_status_shows_release_services_and_bots(deployed: Site) -> None:
    """The same table as here, and which release it is."""

    def well() -> str:
        code, said = ask(deployed, "ps")
        return said if code == 0 and "starting" not in said else ""

    said = wait_until(well, "everything to be well", 90, deployed.machine.container)
    assert said.strip().startswith(f"Release {deployed.current()} by ")
    lines = [line.split() for line in said.splitlines() if line]
    for service in ("daily", "fives", "supervisor"):
        assert [service, "healthy", "0"] in [line[:3] for line in lines]
    assert ["BOT", "STATUS", "LAST", "SLOT", "OUTCOME", "NEXT", "SLOT"] in lines
    assert "fives" in {
        line[0] for line in lines[lines.index(["BOT", "STATUS", "LAST", "SLOT", "OUTCOME", "NEXT", "SLOT"]) :]
    }
    assert said.strip().endswith("Status page: make dashboard HOST=vps")


def test_what_ran_on_the_server_is_compared_with_a_backtest_here(deployed: Site) -> None:
    """The journal comes over ssh, and the server's page is told what was found."""
    wait_until(lambda: '"run_end"' in ask(deployed, "journal", "STRATEGY=fives", "SINCE=1h")[1], "a run", 90)
    said = must(deployed, "compare", "STRATEGY=fives", "SINCE=1h")
    assert "the page of each of these runs shows it" in said
    with (deployed.kit.folder / "backtests" / "fives" / "compare.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["bot"], row["symbol"], row["live"], row["backtest"]) for row in rows} == {
        ("fives", "AAPL", "hold", "hold")
    }


def test_a_service_that_is_not_well_is_seen(deployed: Site) -> None:
    """The exit code says it too, and the hints are for the host."""
    supervisor = deployed.containers()["supervisor"]
    deployed.machine.docker("stop", "--time", "20", supervisor)
    try:
        code, said = ask(deployed, "ps")
        assert code == 1
        assert "The supervisor does not answer: see `make logs STRATEGY=supervisor HOST=vps`." in said
        code, said = ask(deployed, "journal", "STRATEGY=fives")
        assert code == 1
        assert (
            "openbell: supervisor does not run: start it with `make deploy HOST=vps`; what runs: daily, fives" in said
        )
    finally:
        deployed.machine.docker("start", supervisor)
    wait_until(lambda: ask(deployed, "ps")[0] == 0, "the supervisor to be well", 60, deployed.machine.container)


def written(line: str) -> dict[str, object]:
    """Return the journal line in a line of output, before which Compose 2.26 wipes the terminal's line, terminal or not."""
    content: dict[str, object] = json.loads(line.removeprefix("\x1b[2K"))
    return content


def test_logs_can_be_printed(deployed: Site) -> None:
    """One strategy's lines are as it wrote them."""
    first = must(deployed, "logs", "FOLLOW=0", "STRATEGY=fives").splitlines()[0]
    assert written(first)["strategy"] == "fives"


def test_logs_are_followed_until_ctrl_c(deployed: Site) -> None:
    """Lines come as they are written; afterwards nothing goes on on the host, and no traceback is left here."""
    follower = "pgrep -f 'compose.* [l]ogs .*--follow' || true"  # not the shell that asks
    with followed(deployed, "logs", f"HOST={deployed.machine.host}", "STRATEGY=fives") as process:
        slots = {written(line_with(process, '"run_end"'))["slot"] for _ in range(2)}
        assert len(slots) == 2
        assert deployed.machine.shell(follower).strip()
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in rest
    wait_until(lambda: not deployed.machine.shell(follower).strip(), "the follower to end", 20)


def test_journal_and_run(deployed: Site) -> None:
    """A requested run is in the journal and in the audit."""
    must(deployed, "run", "STRATEGY=daily")
    lines = [json.loads(line) for line in must(deployed, "journal", "STRATEGY=daily", "SINCE=1h").splitlines()]
    assert [line for line in lines if line["event"] == "run_end" and line["trigger"] == "manual"]
    assert deployed.audit()[-1]["action"] == "run"
    assert deployed.audit()[-1]["strategy"] == "daily"
    assert deployed.audit()[-1]["outcome"] == "succeeded"


def test_a_bot_is_paused_and_resumed(deployed: Site) -> None:
    """The page says so; who did it is in the audit, which is a table and, as it is, JSON."""
    must(deployed, "pause", "BOT=daily", "REASON=earnings; or 'not'", "FOR=2h")
    assert wait_until(lambda: "paused" in ask(deployed, "ps")[1], "the pause to be seen", 30)
    must(deployed, "resume", "BOT=daily")
    wait_until(lambda: "paused" not in ask(deployed, "ps")[1], "the end of the pause to be seen", 30)

    last = deployed.audit()[-2:]
    assert [(line["action"], line["bot"], line["outcome"]) for line in last] == [
        ("pause", "daily", "succeeded"),
        ("resume", "daily", "succeeded"),
    ]
    assert last[0]["reason"] == "earnings; or 'not'"
    code, said = run(deployed, "audit", f"HOST={deployed.machine.host}")
    assert code == 0
    assert said.splitlines()[0].split() == ["WHEN", "WHAT", "OUTCOME", "BY", "ON", "WHY"]
    assert "pause daily" in said
    code, said = run(deployed, "audit", f"HOST={deployed.machine.host}", "JSON=1")
    assert [json.loads(line) for line in said.splitlines()] == deployed.audit()


def test_a_bot_that_nobody_has(deployed: Site) -> None:
    """The nearest of the host's bots is named."""
    code, said = ask(deployed, "pause", "BOT=dayly", "REASON=x")
    assert (code, said) == (2, 'openbell: BOT: there is no bot "dayly"; did you mean daily?\n')


def test_stats_show_what_everything_takes(deployed: Site) -> None:
    """Each container with its limit, the volumes, and what the host has left."""
    said = must(deployed, "stats")
    rows = {line.split()[0]: line.split() for line in said.splitlines() if line}
    for service in ("daily", "fives", "supervisor"):
        _, memory, unit, limit, _, cpu, processes, restarts, *_ = rows[service]
        assert unit == "MB"
        assert 1 < float(memory) < float(limit) == 256
        assert float(cpu.removesuffix("%")) >= 0
        assert int(processes) >= 1
        assert restarts == "0"
    assert f"{deployed.kit.project}_journal" in rows
    assert rows["Memory:"][-1] == "MB"
    assert "free where Docker keeps its files" in said


def test_the_dashboard_is_a_tunnel_that_comes_back(deployed: Site) -> None:
    """At the same address, for which a browser has a tab; Ctrl-C ends it as it should end."""
    with followed(deployed, "dashboard", f"HOST={deployed.machine.host}") as process:
        said = line_with(process, "the page is here until Ctrl-C")
        address = said[said.index("http://") :].split(",")[0].split(")")[0]
        assert answers(address)
        deployed.machine.cut_connections()
        assert "trying again" in line_with(process, "the connection was lost")
        assert address in line_with(process, "the tunnel is there again")
        assert answers(address)
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert rest == "openbell: the tunnel is closed\n"
    with pytest.raises(OSError, match="refused"):
        answers(address)


def answers(address: str) -> bool:
    """Tell whether the status page is at that address."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{address}/api/status", timeout=20) as answer:
        return "fives" in {strategy["name"] for strategy in json.load(answer)["strategies"]}


def test_time_zone_is_the_users(deployed: Site) -> None:
    """A slot is shown in the strategy's zone and in the zone of the one who asks."""
    process = command(deployed, "ps", f"HOST={deployed.machine.host}", OPENBELL_TIMEZONE="Asia/Tokyo")
    said, _ = process.communicate(timeout=60)
    assert "04:17 E" in said
    assert "JST)" in said
