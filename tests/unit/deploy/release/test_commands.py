"""What stops a deployment before anything is done."""

import pytest

from deploy.docker import configuration
from deploy.errors import CommandError
from deploy.hosts.facts import Facts
from deploy.release import build, commands
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


def stops(*names: str) -> Plan:
    """Return a plan that removes these services."""
    return Plan(release("a"), {}, (), names)


@pytest.fixture
def portfolio(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout with a service of its own and two of a profile, and one profile that is asked for."""
    services = {
        "pulse": {},
        "bb": {"profiles": ["portfolio"]},
        "rsi": {"profiles": ["portfolio"]},
        "kraken": {"profiles": ["kraken"]},
    }
    monkeypatch.setattr(configuration, "read_all", lambda: {"services": services})
    monkeypatch.setattr(build, "values", lambda: {"COMPOSE_PROFILES": "kraken"})


@pytest.mark.usefixtures("portfolio")
def test_what_would_stop_because_its_profile_was_not_named_is_asked_first() -> None:
    """Off a terminal, both ways to go on are named."""
    expected = (
        "vps: this would stop bb, rsi, because the profile portfolio was not named; nothing was changed: "
        "add PROFILE=kraken,portfolio to keep them, or YES=1 to stop them"
    )
    with pytest.raises(CommandError) as raised:
        commands._may_stop(Host("vps"), stops("bb", "rsi", "gone"), yes=False)
    assert (str(raised.value), raised.value.exit_code) == (expected, 2)


@pytest.mark.usefixtures("portfolio")
@pytest.mark.parametrize("names,yes", [(("bb",), True), (("gone",), False), (("kraken",), False), ((), False)])
def test_what_may_stop_without_a_question(names: tuple[str, ...], yes: bool) -> None:
    """Who said so, a strategy that was removed from the checkout, and one whose profile is named."""
    commands._may_stop(Host("vps"), stops(*names), yes=yes)


@pytest.mark.usefixtures("portfolio")
def test_what_hands_its_strategies_over_does_not_stop() -> None:
    """The portfolio's other form takes them."""
    commands._may_stop(Host("vps"), Plan(release("a"), {}, (), ("bb",), gives_way={"bb": "together"}), yes=False)
