"""Deployments whose server loses its engine, its power, its images or its records: a release runs, and no slot is lost."""

import pytest

from tests.deploy.interruptions import PASSED_OVER, POINTS, assert_all_is_well, change, recent
from tests.deploy.site import FAILS, SLEEPS, Site, words_of
from tests.engine.kit import wait_until

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(600), pytest.mark.usefixtures("began")]

CRASHED = "/run/crashed"


@pytest.mark.parametrize(
    "way,point",
    [
        *(("kill_engine", point) for point in (*POINTS[2:], "handing over fives", "taking over")),
        *(("restart_engine", point) for point in ("preflight of fives", "starting fives", "handing over fives")),
    ],
)
def test_the_engine_goes_away(deployed: Site, way: str, point: str) -> None:
    """An upgrade of Docker, or its crash: the deployment waits for it, and ends one way or the other."""
    words = change(deployed)
    if point == "taking over":  # for a moment only: the server itself waits for it
        deployed.machine.shell(f"rm -f {CRASHED}")
        logs = f"{deployed.root}/transactions/*/log"
        wait = f"n=$(cat {logs} | grep -c '{point}'); until [ $(cat {logs} | grep -c '{point}') -gt $n ]; do sleep 0.05; done"
        crash = f"pkill -KILL dockerd; pkill -KILL -x containerd; touch {CRASHED}"
        deployed.machine.container.exec_run(["sh", "-c", f"{wait}; {crash}"], detach=True)
    process = deployed.start("deploy")
    process.until(point)
    if point == "taking over":
        wait_until(lambda: deployed.machine.shell(f"ls {CRASHED} 2>/dev/null || true"), "the crash", 20)
        wait_until(deployed.machine.engine_answers, "the engine to come back", 60)
    else:
        getattr(deployed.machine, way)()
    said = process.end(240)
    assert "Traceback" not in said
    assert "was cut off" not in said
    wait_until(lambda: sorted(deployed.containers()) == ["daily", "fives", "supervisor"], "all containers", 60)
    assert_all_is_well(deployed, words, ("succeeded", "interrupted"), PASSED_OVER)


@pytest.mark.parametrize(
    "point",
    [
        *("preflight of fives", "starting fives", "waiting for a quiet moment of fives", "handing over fives"),
        *("starting supervisor", "waiting for the first run of fives", "taking over"),
    ],
)
def test_the_power_is_cut(deployed: Site, point: str) -> None:
    """The old release or the new one runs by itself soon after, and the messages are true."""
    words = change(deployed)
    if point == "starting supervisor":  # it knows all manifests
        toml = deployed.kit.folder / "strategies" / "daily" / "strategy.toml"
        toml.write_text(f"{toml.read_text()}# another line\n")
    process = deployed.start("deploy")
    process.until(point)
    deployed.machine.cut_power()
    wait_until(lambda: sorted(deployed.containers()) == ["daily", "fives", "supervisor"], "all services", 60)
    said = process.end(120)
    assert "Traceback" not in said
    assert_all_is_well(deployed, words, ("succeeded", "interrupted"), PASSED_OVER)


def test_images_are_pruned_while_a_gate_fails(deployed: Site) -> None:
    """`docker system prune --all` takes neither the old image nor the way back."""
    words, release = words_of(deployed), deployed.current()
    deployed.change("fives", SLEEPS, FAILS)
    process = deployed.start("deploy")
    process.until("waiting for the first run of fives")
    deployed.machine.shell("docker system prune --all --force")
    said = process.end(240)
    deployed.change("fives", FAILS, SLEEPS)
    assert f"did not pass its gate, and {release} runs again" in said
    assert_all_is_well(deployed, words, ("succeeded", "failed"), PASSED_OVER)
    failed = [line for line in recent(deployed) if line["event"] == "run_end" and line["outcome"] == "failed"]
    assert len(failed) == 1, "a release that was judged bad gets no further slot"


def test_without_its_records_a_failed_gate_returns_to_what_ran(deployed: Site) -> None:
    """The folder on the server is gone: the containers are what is returned to."""
    words, before = words_of(deployed), deployed.containers()
    deployed.machine.shell(f"mv {deployed.root} {deployed.root}-away")
    deployed.change("fives", SLEEPS, FAILS)
    code, said = deployed.run("deploy")
    deployed.change("fives", FAILS, SLEEPS)
    assert code == 1
    assert "what ran before runs again" in said
    assert deployed.containers() == before
    assert_all_is_well(deployed, words, ("succeeded", "failed"), PASSED_OVER)


def test_a_crash_loop_is_given_back(deployed: Site) -> None:
    """A loop that dies at its start, though its preflight was good: the old release runs again, and its last words are told."""
    words, release = words_of(deployed), deployed.current()
    code = "import os\nimport sys\nimport time\n\nif sys.argv[1:] == ['run']:\n    print('no way', flush=True)\n    os._exit(7)\n"
    deployed.change("fives", "import time\n", code)
    exit_code, said = deployed.run("deploy")
    deployed.change("fives", code, "import time\n")
    assert exit_code == 1
    assert f"{release} runs again" in said
    assert "no way" in said
    assert_all_is_well(deployed, words)
