"""Many deployments, one after the other."""

import pytest

from tests.deploy.interruptions import EVERY, change, recent
from tests.deploy.site import Site, assert_no_slot_is_lost_or_doubled

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(900), pytest.mark.usefixtures("began")]


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
