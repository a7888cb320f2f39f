"""The whole kit on a real engine: runs at their slots, crashes, stops, and the supervisor that sees it."""

import json
import os
import re
import signal
import threading
import time
import urllib.request
from datetime import datetime, timedelta
from itertools import pairwise

import docker
import pytest

from tests.engine.conftest import BROKEN
from tests.engine.kit import Kit, ask, container_of, events, journal, run_now, wait_until


def status(kit: Kit) -> dict[str, dict[str, object]]:
    """Return the supervisor's answer about each strategy, by name."""
    with urllib.request.urlopen(f"{kit.page}/api/status", timeout=10) as answer:
        return {strategy["name"]: strategy for strategy in json.load(answer)["strategies"]}


def bot_status(kit: Kit, strategy: str) -> str:
    """Return the status of a strategy's only bot."""
    bots = status(kit)[strategy]["bots"]
    assert isinstance(bots, list)
    return str(bots[0]["status"])


def slots(kit: Kit, bot: str) -> list[dict[str, object]]:
    """Return the supervisor's ledger of a bot's slots."""
    with urllib.request.urlopen(f"{kit.page}/api/slots?bot={bot}&limit=200", timeout=10) as answer:
        return list(json.load(answer)["slots"])


def test_every_due_slot_runs_once(engine: docker.DockerClient, kit: Kit) -> None:
    """A bot that is due every two seconds has one run for each slot, in order and without a hole."""
    ticker = container_of(engine, kit, "ticker")
    wait_until(lambda: len(events(journal(engine, kit, "ticker"), "run_end")) >= 3, "three runs", 30, ticker)
    ends = events(journal(engine, kit, "ticker"), "run_end")
    boot = ends[-1]["boot_id"]
    times = [datetime.fromisoformat(str(end["slot"])) for end in ends if end["boot_id"] == boot]
    assert [later - earlier for earlier, later in pairwise(times)] == [timedelta(seconds=2)] * (len(times) - 1)
    assert {end["outcome"] for end in ends} == {"succeeded"}


def test_the_fields_habit_works_on_the_files(engine: docker.DockerClient, kit: Kit) -> None:
    """`grep '"symbol": "AAPL"'` on the journal's files gives whole JSON lines."""
    ticker = container_of(engine, kit, "ticker")
    wait_until(lambda: events(journal(engine, kit, "ticker"), "decision"), "a decision", 30, ticker)
    found = ask(ticker, "sh", "-c", 'grep -h \'"symbol": "AAPL"\' /journal/ticker/*.jsonl')
    lines = [json.loads(line) for line in found.splitlines()]
    assert {line["event"] for line in lines} == {"signal", "decision"}
    assert {line["source"] for line in lines} == {"sample"}


def test_a_killed_strategy_comes_back_and_runs_its_next_slot(engine: docker.DockerClient, kit: Kit) -> None:
    """After kill -9 of a container's main process the restart policy revives it, and the journal says that it was unclean."""
    ticker = container_of(engine, kit, "ticker")
    wait_until(lambda: events(journal(engine, kit, "ticker"), "run_end"), "a run", 30, ticker)
    before = len(events(journal(engine, kit, "ticker"), "service_start"))
    os.kill(int(ticker.attrs["State"]["Pid"]), signal.SIGKILL)

    def revived() -> list[dict[str, object]] | None:
        ticker.reload()
        if ticker.status != "running":
            return None
        lines = journal(engine, kit, "ticker")
        starts = events(lines, "service_start")
        return (
            lines
            if len(starts) > before
            and [end for end in events(lines, "run_end") if end["boot_id"] == starts[-1]["boot_id"]]
            else None
        )

    lines = wait_until(revived, "a run after the crash", 60, ticker)
    assert events(lines, "service_start")[-1]["previous_stop"] == "unclean"
    run_ids = [end["run_id"] for end in events(lines, "run_end")]
    assert len(run_ids) == len(set(run_ids)), "a run ends once"


def test_a_stopped_strategy_is_seen_to_miss_its_slots(engine: docker.DockerClient, kit: Kit) -> None:
    """`docker stop` is the user's wish, so the container stays down; the page tells of the slots that are missed."""
    ticker = container_of(engine, kit, "ticker")
    ticker.stop()
    try:
        missed = wait_until(
            lambda: [slot for slot in slots(kit, "ticker") if slot["outcome"] == "missed"], "a missed slot", 30
        )
        assert missed
        with urllib.request.urlopen(kit.page, timeout=10) as answer:
            page = answer.read().decode()
        assert "missed" in page
        wait_until(lambda: bot_status(kit, "ticker") == "down", "the bot to be down", 30)
    finally:
        ticker.start()
    wait_until(lambda: bot_status(kit, "ticker") in {"up", "running"}, "the bot to be up again", 60, ticker)


def test_an_idle_strategy_stops_at_once(engine: docker.DockerClient, kit: Kit) -> None:
    """`docker stop` of a loop that waits takes a moment, and leaves a clean stop in the journal."""
    slow = container_of(engine, kit, "slow")
    started = datetime.now().astimezone()
    slow.stop(timeout=30)
    slow.reload()
    stopped = datetime.fromisoformat(re.sub(r"\.(\d{6})\d*Z", r".\1+00:00", slow.attrs["State"]["FinishedAt"]))
    slow.start()
    assert slow.attrs["State"]["ExitCode"] == 0
    assert stopped - started < timedelta(seconds=10), "it was killed after its time, it did not stop"
    wait_until(lambda: events(journal(engine, kit, "slow"), "service_stop"), "service_stop", 30, slow)
    assert events(journal(engine, kit, "slow"), "service_stop")[-1]["reason"] == "SIGTERM"


def test_a_stop_waits_for_the_run(engine: docker.DockerClient, kit: Kit) -> None:
    """SIGTERM in the middle of a run: the run ends by itself with its order, then the loop does."""
    slow = container_of(engine, kit, "slow")
    begun = len(events(journal(engine, kit, "slow"), "run_start"))
    asked = threading.Thread(target=lambda: run_now(engine, kit, "slow"))
    asked.start()
    wait_until(
        lambda: len(events(journal(engine, kit, "slow"), "run_start")) > begun or None, "the run's start", 20, slow
    )
    slow.stop(timeout=60)
    asked.join()
    slow.start()
    lines = journal(engine, kit, "slow")
    end = events(lines, "run_end")[-1]
    assert (end["outcome"], end["orders"], end["trigger"]) == ("succeeded", 1, "manual")
    stop = events(lines, "service_stop")[-1]
    assert lines.index(end) < lines.index(stop)


def test_run_now_runs_in_the_container_and_tells_what_was_decided(engine: docker.DockerClient, kit: Kit) -> None:
    """A run that a person asks for has the trigger "manual", and its decisions are printed."""
    ticker = container_of(engine, kit, "ticker")
    # A bot that is due every two seconds may be in a run of its own when it is asked: then it refuses.
    answers: list[str] = []

    def asked() -> bool:
        # Each time at another moment between two slots: a slow machine would otherwise ask at every slot, and only then.
        time.sleep(len(answers) % 7 * 0.3)
        code, output = run_now(engine, kit, "ticker")
        answers.append(output)
        return code == 0

    wait_until(asked, "a manual run", 60, ticker)
    text = answers[-1]
    assert "trigger manual" in text
    assert "AAPL: hold: only ticking" in text


@pytest.mark.parametrize("strategy", BROKEN)
def test_a_strategy_that_cannot_start_is_shown_with_the_reason(kit: Kit, strategy: str) -> None:
    """The supervisor tells why a container does not come up."""
    reasons = {
        "bad_import": "no_such_package",
        "bad_manifest": "America/New_Yorc",
        "no_code": "strategy.py is missing",
        "no_run": "no function run",
    }
    found = wait_until(
        lambda: one if str((one := status(kit)[strategy])["reason"]).startswith("cannot start") else None,
        f"{strategy} to be seen",
        60,
    )
    assert reasons[strategy] in json.dumps(found)


@pytest.mark.parametrize(
    "strategy,line",
    [
        ("bad_manifest", 'bad_manifest/strategy.toml: timezone: found "America/New_Yorc"'),
        (
            "bad_import",
            "strategy.py cannot be imported: ModuleNotFoundError: No module named 'no_such_package' (strategy.py, line 3)",
        ),
        ("no_run", 'strategy.py has no function run: write "def run(ctx)"'),
        ("no_code", 'strategy.py is missing: write one with a function "def run(ctx)"'),
    ],
)
def test_bad_strategies_end_with_a_clear_line(engine: docker.DockerClient, kit: Kit, strategy: str, line: str) -> None:
    """The exit code is not zero and the log has the line, as a journal line and without openbell's own frames."""
    container = engine.containers.run(kit.image(strategy), detach=True, network_mode="none")
    try:
        assert container.wait(timeout=60)["StatusCode"] == 3
        errors = [json.loads(text) for text in container.logs().decode().splitlines()]
        assert any(str(error.get("error", "")).startswith(line) for error in errors), errors
        assert events(errors, "service_stop")[-1]["reason"].startswith("cannot start")  # type: ignore[attr-defined]
    finally:
        container.remove(force=True, v=True)


def test_a_manifests_problems_are_all_told_at_once(engine: docker.DockerClient, kit: Kit) -> None:
    """Three mistakes are three lines."""
    container = engine.containers.run(kit.image("bad_manifest"), detach=True, network_mode="none")
    try:
        container.wait(timeout=60)
        errors = events([json.loads(text) for text in container.logs().decode().splitlines()], "error")
        keys = [str(error["error"]).split(": ")[1] for error in errors]
        assert keys == ["timezone", "bot[0].symbols", "bot[0].at"]
    finally:
        container.remove(force=True, v=True)


@pytest.mark.parametrize("place", ["/journal", "/state"])
def test_a_volume_of_another_user_is_one_clear_line(engine: docker.DockerClient, kit: Kit, place: str) -> None:
    """A volume that root owns is named, with whose it is and what to do."""
    container = engine.containers.run(
        kit.image("ticker"), detach=True, network_mode="none", tmpfs={place: "uid=0,mode=755"}
    )
    try:
        assert container.wait(timeout=60)["StatusCode"] == 3
        log = container.logs().decode()
        # Without a journal the line is all there is; with one it is an error there, which the supervisor shows.
        lines = [log] if place == "/journal" else [json.loads(line)["error"] for line in log.splitlines()[:1]]
        assert place in lines[0]
        assert "belongs to user 0" in lines[0]
        assert "chown" in lines[0]
        assert "Traceback" not in log
    finally:
        container.remove(force=True, v=True)


def test_the_containers_are_hardened(engine: docker.DockerClient, kit: Kit) -> None:
    """Read-only root, no capabilities, no new privileges, and limits on memory, processes and logs."""
    for service in ("ticker", "supervisor"):
        host = container_of(engine, kit, service).attrs["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["Memory"] > 0
        assert host["PidsLimit"] > 0
        assert host["NanoCpus"] > 0
        assert host["LogConfig"]["Config"]["max-size"]
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert host["Init"]
    mounts = {mount["Destination"]: mount["RW"] for mount in container_of(engine, kit, "supervisor").attrs["Mounts"]}
    assert mounts["/journal"] is False
    assert "/var/run/docker.sock" not in mounts
