"""Halting from the host: by the supervisor, or without it."""

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
    image: str = "demo/pulse:local"


@dataclass
class Place:
    """A place with these services."""

    found: Sequence[Service]
    project: str = "demo"

    def services(self) -> Sequence[Service]:
        """Return them."""
        return self.found


def test_the_supervisor_writes_what_strategies_obey() -> None:
    """Strategies cannot write it: the command runs in the supervisor's container, whatever else runs."""
    place = Place([Service("pulse"), Service("supervisor")])
    command = operate._operator(place, ("unhalt",))  # type: ignore[arg-type]
    assert command.command == (*compose.COMPOSE, "exec", "-T", "supervisor", "openbell", "unhalt")


def test_a_halt_needs_no_supervisor() -> None:
    """While it is down, a container for the command alone gets a running service's volumes, and a user who may write them."""
    place = Place([Service("pulse"), Service("supervisor", "exited")])
    command = operate._operator(place, compose.halt("it's; odd"))  # type: ignore[arg-type]
    assert command.command[-5:] == ("demo", "pulse", "demo/pulse:local", "halt", "--reason=it's; odd")
    assert compose.elsewhere(command.command, "demo") == command.command


def test_where_nothing_runs_there_is_nothing_to_halt() -> None:
    """It is said, and is an error, because a halt must be certain."""
    with pytest.raises(CommandError, match="nothing runs here, so no order can be sent"):
        operate._operator(Place([Service("pulse", "exited")]), ("unhalt",))  # type: ignore[arg-type]


def test_the_commands() -> None:
    """A reason is one argument, whatever is in it."""
    assert compose.reconcile("pulse", adopt=True).command[-4:] == ("pulse", "openbell", "reconcile", "--adopt")
    options = arguments.options("halt", ["REASON=odd"], {})
    assert (options.command, options.reason) == ("halt", "odd")
