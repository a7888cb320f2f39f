"""Deployments whose laptop or connection goes away, anywhere: a release runs, the next deployment succeeds, no slot is lost."""

import signal

import pytest

from tests.deploy.interruptions import POINTS, assert_all_is_well, change, transactions_over
from tests.deploy.site import Site
from tests.engine.kit import wait_until

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(600), pytest.mark.usefixtures("began")]


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
    deployed.machine.shell(
        "pkill -STOP -f '[/]transactions/'"
    )  # it waits, however long the next command takes to begin
    process.kill(signal.SIGKILL)
    process.end(60)
    process = deployed.start("deploy")
    try:
        process.until("attached to the deployment that is in progress")
    finally:
        deployed.machine.shell("pkill -CONT -f '[/]transactions/'")
    assert "it succeeded" in process.end(240)


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
