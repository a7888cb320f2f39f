"""What stops a deployment before anything is done."""

import pytest

from deploy.errors import CommandError
from deploy.hosts.facts import Facts
from deploy.release import commands
from deploy.release.plan import Plan
from deploy.ssh.host import Host
from tests.unit.deploy.release.releases import release

MEGABYTE = 2**20


def plan(new: int, changed: int = 0) -> Plan:
    """Return a plan with so many services that are new, and so many that have changed."""
    why = {f"n{number}": "new" for number in range(new)} | {f"c{number}": "changed: image" for number in range(changed)}
    return Plan(release("a"), why, (), ())


def test_memory_must_be_enough_for_what_is_added() -> None:
    """And for a rehearsal; the line says how much is there, and where to look."""
    with pytest.raises(
        CommandError, match=r"vps: 100 MB of memory are free there, 144 MB are needed for 2 more containers"
    ):
        commands._must_have_memory(Host("vps"), Facts(memory_available=100 * MEGABYTE), plan(2))


@pytest.mark.parametrize("free,new,changed", [(150, 2, 0), (70, 0, 9), (0, 5, 5), (1, 0, 0)])
def test_memory_that_is_enough_or_not_known(free: int, new: int, changed: int) -> None:
    """What is replaced needs no more than before; a host that does not say is believed to have enough."""
    commands._must_have_memory(Host("vps"), Facts(memory_available=free * MEGABYTE), plan(new, changed))
