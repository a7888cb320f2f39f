"""Halting from the host: any running service will do, the supervisor's first."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from deploy.cli import arguments, operate
from deploy.docker import compose
from deploy.errors import CommandError


@dataclass
class Service:
    """One service as the engine tells of it."""

    name: str
    state: str = "running"


@dataclass
class Place:
    """A place with these services."""

    found: Sequence[Service]

    def services(self) -> Sequence[Service]:
        """Return them."""
        return self.found


@pytest.mark.parametrize("found, chosen", [
    ([Service("pulse"), Service("supervisor")], "supervisor"),
    ([Service("pulse"), Service("supervisor", "exited")], "pulse"),
])  # fmt: skip
def test_a_halt_needs_one_container_that_runs(found: list[Service], chosen: str) -> None:
    """Every container has the volume that tells all of them."""
    assert operate._any_service(Place(found)) == chosen  # type: ignore[arg-type]


def test_where_nothing_runs_there_is_nothing_to_halt() -> None:
    """It is said, and is an error: whoever halts wants to be sure."""
    with pytest.raises(CommandError, match="nothing runs here, so no order can be sent"):
        operate._any_service(Place([Service("pulse", "exited")]))  # type: ignore[arg-type]


def test_the_commands() -> None:
    """A reason is one argument, whatever is in it."""
    assert compose.halt("pulse", "it's; odd").command[-4:] == ("pulse", "openbell", "halt", "--reason=it's; odd")
    assert compose.unhalt("supervisor").command[-3:] == ("supervisor", "openbell", "unhalt")
    assert compose.reconcile("pulse", adopt=True).command[-4:] == ("pulse", "openbell", "reconcile", "--adopt")
    options = arguments.options("halt", ["REASON=odd"], {})
    assert (options.command, options.reason) == ("halt", "odd")
