"""Deployments that are cut off, anywhere: a release runs, the next deployment succeeds, and no slot is lost."""

import signal
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest

from tests.deploy.site import Site, assert_no_slot_is_lost_or_doubled, words_of
from tests.engine.kit import wait_until

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(600)]

EVERY = timedelta(seconds=5)
# Lines of a deployment, in the order in which they come; the first two come before the host is asked to do anything.
POINTS = (
    "building the images",
    "shipped",
    "preflight of fives",
    "waiting for a quiet moment of fives",
    "starting fives",
    "waiting for the first run of fives",
)


def change(site: Site) -> str:
    """Change a line of the strategy; return the new words."""
    words = f"changed at {datetime.now(UTC):%H:%M:%S.%f}"
    site.change("fives", words_of(site), words)
    return words


def recent(site: Site) -> list[dict[str, object]]:
    """Return what the strategy has written of the slots since this test began."""
    path = site.kit.folder / "began"
    began = path.read_text()
    return [line for line in site.journal("fives") if str(line.get("slot", line["timestamp"])) >= began]


@pytest.fixture(autouse=True)
def _began(deployed: Site) -> None:
    """From here on slots count: each test is judged by its own."""
    (deployed.kit.folder / "began").write_text(
        datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def transactions_over(site: Site) -> bool:
    """Tell whether no transaction is in progress."""
    holder = site.machine.shell(f"flock --nonblock {site.root}/lock echo free || true").strip()
    return holder == "free"


def assert_all_is_well(
    site: Site, words: str, outcomes: Collection[str] = ("succeeded",), reasons: Collection[str] = ()
) -> None:
    """What was cut off has come to an end by itself; the next deployment succeeds, and nothing was lost meanwhile."""
    wait_until(lambda: transactions_over(site), "the transaction to end by itself", 120)
    assert sorted(site.containers()) == ["daily", "fives", "supervisor"]
    said = site.must("deploy")
    there = site.machine.shell("docker ps -a")
    assert sorted(site.containers()) == ["daily", "fives", "supervisor"], f"{said}\n{there}\n{site.log()}"
    path = "/strategy/strategy.py"
    assert words in site.machine.docker("exec", site.containers()["fives"], "cat", path)
    one_off = site.machine.shell(f"docker ps -aq --filter label=com.docker.compose.project={site.kit.project} | wc -l")
    assert int(one_off) == 3, f"{said}\n{there}\n{site.log()}"
    assert_no_slot_is_lost_or_doubled(recent(site), EVERY, outcomes, reasons)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_laptop_side_dies(deployed: Site, number: signal.Signals, point: str) -> None:
    """Ctrl-C, or a battery that is empty: before the transaction nothing happens, and from there on it goes on."""
    words = change(deployed)
    process = deployed.start("deploy")
    process.until(point)
    process.kill(number)
    said = process.end(60)
    assert process.code in {0, 130, -number}, said  # 0: it was done before the signal came
    if process.code == 130 and POINTS.index(point) > 1:
        assert "continues on the server" in said
    assert_all_is_well(deployed, words)


@pytest.mark.parametrize("point", POINTS)
def test_the_connection_is_cut(deployed: Site, point: str) -> None:
    """One line says so, and what goes on."""
    words = change(deployed)
    process = deployed.start("deploy")
    process.until(point)
    assert deployed.machine.cut_connections()
    said = process.end(120)
    assert "Traceback" not in said
    if process.code:  # it may have been done before the cut
        assert "the connection was lost" in said
    assert_all_is_well(deployed, words)


@pytest.mark.parametrize("point", ["preflight of fives", "starting fives"])
def test_the_network_goes_silent(deployed: Site, point: str) -> None:
    """This side notices by itself, the lock is not stale, and the transaction goes on."""
    words = change(deployed)
    process = deployed.start("deploy")
    process.until(point)
    deployed.machine.cut_network()
    try:
        said = process.end(120)
    finally:
        deployed.machine.mend_network()
    if process.code:  # it may have been done before the cut
        assert "continues on the server" in said
    assert_all_is_well(deployed, words)


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
    process = deployed.start("deploy")
    process.until(point)
    getattr(deployed.machine, way)()
    said = process.end(240)
    assert "Traceback" not in said
    assert "was cut off" not in said
    wait_until(lambda: sorted(deployed.containers()) == ["daily", "fives", "supervisor"], "all containers", 60)
    # Where it was away for longer than five seconds, the newest slot runs and those before it are passed over.
    assert_all_is_well(deployed, words, ("succeeded", "interrupted"), ("coalesced",))


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
    assert_all_is_well(deployed, words, ("succeeded", "interrupted"), ("coalesced",))


def test_images_are_pruned_while_a_gate_fails(deployed: Site) -> None:
    """`docker system prune --all` takes neither the old image nor the way back."""
    words, release = words_of(deployed), deployed.current()
    condition = "    if not ctx.slot.microsecond: # at a real slot only\n        raise ValueError('no good')\n"
    deployed.change("fives", "    time.sleep(0.3)\n", condition)
    process = deployed.start("deploy")
    process.until("waiting for the first run of fives")
    deployed.machine.shell("docker system prune --all --force")
    said = process.end(240)
    deployed.change("fives", condition, "    time.sleep(0.3)\n")
    assert f"did not pass its gate, and {release} runs again" in said
    assert_all_is_well(deployed, words, ("succeeded", "failed"))
    failed = [line for line in recent(deployed) if line["event"] == "run_end" and line["outcome"] == "failed"]
    assert len(failed) == 1, "a release that was judged bad gets no further slot"


def test_without_its_records_a_failed_gate_returns_to_what_ran(deployed: Site) -> None:
    """The folder on the server is gone: the containers are what is returned to."""
    words, before = words_of(deployed), deployed.containers()
    deployed.machine.shell(f"mv {deployed.root} {deployed.root}-away")
    condition = "    if not ctx.slot.microsecond: # at a real slot only\n        raise ValueError('no good')\n"
    deployed.change("fives", "    time.sleep(0.3)\n", condition)
    code, said = deployed.run("deploy")
    deployed.change("fives", condition, "    time.sleep(0.3)\n")
    assert code == 1
    assert "what ran before runs again" in said
    assert deployed.containers() == before
    assert_all_is_well(deployed, words, ("succeeded", "failed"))


def test_two_deployments_at_once(deployed: Site) -> None:
    """One is made; the other says who is at it, or follows it; there is one release more."""
    words = change(deployed)
    before = len(deployed.audit())
    both = [deployed.start("deploy"), deployed.start("deploy")]
    said = [process.end(240) for process in both]
    codes = sorted(process.code for process in both)
    assert codes[0] == 0, said
    held = [one for one in said if "holds the lock since" in one or "attached to the deployment" in one]
    assert len(held) == 1 or any("nothing to do" in one for one in said), said
    assert len([line for line in deployed.audit()[before:] if line["action"] == "deploy"]) == 1
    assert_all_is_well(deployed, words)


def test_who_was_cut_off_attaches_to_what_goes_on(deployed: Site) -> None:
    """The same user's next `make deploy` follows the transaction to its end, instead of starting another."""
    change(deployed)
    process = deployed.start("deploy")
    process.until("waiting for a quiet moment of fives")
    process.kill(signal.SIGKILL)
    process.end(60)
    said = deployed.must("deploy")
    assert "attached to the deployment that is in progress" in said
    assert "it succeeded" in said


def test_how_it_ended_is_told_to_who_comes_later(deployed: Site) -> None:
    """Once."""
    change(deployed)
    process = deployed.start("deploy")
    process.until("preflight of fives")
    process.kill(signal.SIGKILL)
    process.end(60)
    wait_until(lambda: transactions_over(deployed), "the transaction to end by itself", 120)
    assert "which was not watched to its end" in (said := deployed.must("deploy"))
    assert "ended: succeeded" in said
    assert "which was not watched" not in deployed.must("deploy")


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


@pytest.mark.timeout(900)
@pytest.mark.parametrize("ten", range(5))
def test_fifty_deployments_cross_no_run(deployed: Site, ten: int) -> None:
    """A bot that is due every five seconds has one run for each slot through all of them, ten at a time."""
    for number in range(10 * ten, 10 * ten + 10):
        if number % 5 == 4:
            deployed.must("rollback")
            continue
        change(deployed)
        deployed.must("deploy")
    assert assert_no_slot_is_lost_or_doubled(recent(deployed), EVERY) > 10
