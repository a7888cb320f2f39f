"""What would be done to a host."""

from dataclasses import replace

import pytest

from deploy.errors import CommandError
from deploy.hosts.facts import Engine, Facts
from deploy.provision.daemon import change
from deploy.provision.plan import Step, described, plan
from deploy.ssh.host import Host

HOST = Host("me@vps", config=None)
BARE = Facts(
    system="Debian GNU/Linux 13 (trixie)",
    ids=("debian",),
    codename="trixie",
    machine="x86_64",
    cpus=1,
    memory=2**30,
    disk_free=10 * 2**30,
    user="root",
    root=True,
    systemd=True,
)
SETTINGS = change(None, live_restore=True)
assert SETTINGS
ENGINE = Engine("26.1.5", live_restore=True, running=2, swarm=False)
READY = replace(
    BARE,
    python="3.9.2",
    client=True,
    server=True,
    compose="2.26.1",
    engine=ENGINE,
    daemon=SETTINGS.text,
    clock="systemd-timesyncd",
)


def to_be_done(facts: Facts) -> dict[str, Step]:
    """Return the steps that do something, by their part."""
    return {step.part: step for step in plan(HOST, facts) if step.script}


def test_a_bare_host_gets_everything_in_this_order() -> None:
    """The engine's settings are there when it starts for the first time."""
    steps = to_be_done(BARE)
    assert list(steps) == ["Python", "engine's settings", "Docker engine", "Docker Compose", "time"]
    assert "reload" not in steps["engine's settings"].script
    assert "docker.io" in steps["Docker engine"].script


def test_a_host_that_is_ready_stays_as_it_is() -> None:
    """And every part says how it is."""
    assert to_be_done(READY) == {}
    steps = plan(HOST, READY)
    assert steps
    assert all(step.now and not step.then for step in steps)


def test_no_plan_touches_firewall_or_upgrades() -> None:
    """They are named in the plan."""
    for facts in (BARE, READY, replace(READY, upgrades=True)):
        parts = {step.part: step for step in plan(HOST, facts)}
        for part in ("firewall", "unattended upgrades"):
            assert "left as" in parts[part].now
            assert parts[part].script == ""


@pytest.mark.parametrize("running", [0, 3])
def test_an_engine_that_is_there_is_never_restarted(running: int) -> None:
    """It reads its settings anew, which no container notices."""
    engine = replace(ENGINE, live_restore=False, running=running)
    for facts in (replace(READY, engine=engine, daemon=None), replace(READY, engine=engine, compose="", daemon="{}")):
        steps = to_be_done(facts)
        assert "reload" in steps["engine's settings"].script
        assert "containers keep running" in steps["engine's settings"].then
        assert not [step for step in steps.values() if "restart" in step.script or "docker.io" in step.script]


def test_settings_that_are_not_in_force_are_read_again() -> None:
    """The file is right, and the engine has not seen it."""
    steps = to_be_done(replace(READY, engine=replace(ENGINE, live_restore=False)))
    assert list(steps) == ["engine's settings"]
    assert "daemon.json.new" not in steps["engine's settings"].script


def test_a_swarm_keeps_its_restarts() -> None:
    """Live-restore and swarm exclude each other."""
    swarm = replace(ENGINE, live_restore=False, swarm=True)
    steps = to_be_done(replace(READY, engine=swarm, daemon=None))
    assert "live-restore" not in steps["engine's settings"].script
    assert "reload" not in steps["engine's settings"].script


@pytest.mark.parametrize(
    "facts,part,expected",
    [
        (replace(READY, engine=None, refusal="Cannot connect"), "Docker engine", "start it"),
        (replace(READY, client=False, engine=None), "Docker engine", "install docker-cli"),
        (replace(READY, compose="2.5.0"), "Docker Compose", "install it from the distribution"),
        (replace(READY, compose="", codename="bookworm"), "Docker Compose", "install it from Debian 13"),
        (replace(READY, clock=""), "time", "install systemd-timesyncd"),
        (replace(BARE, systemd=False), "Docker engine", "see to it that dockerd is started at boot"),
    ],
)
def test_what_is_missing_is_what_is_done(facts: Facts, part: str, expected: str) -> None:
    """Each in its words."""
    assert expected in to_be_done(facts)[part].then


def test_a_container_does_not_set_the_clock_of_its_machine() -> None:
    """It could not; without systemd nothing is promised either."""
    assert "time" not in to_be_done(replace(BARE, container="lxc"))
    assert "time" not in to_be_done(replace(BARE, systemd=False))


def test_a_user_with_sudo_joins_the_group_docker() -> None:
    """And is told what that means."""
    facts = replace(READY, user="me", root=False, sudo="free", refusal="permission denied")
    steps = to_be_done(facts)
    assert list(steps) == ["your user"]
    assert "as good as root" in steps["your user"].then
    assert to_be_done(replace(facts, in_docker_group=True)) == {}


@pytest.mark.parametrize("sudo,expected", [("asks", "sudo asks for a password"), ("", "there is no sudo")])
def test_a_user_who_may_not_is_told_how(sudo: str, expected: str) -> None:
    """Only if there is something to do."""
    with pytest.raises(
        CommandError, match=f"^me@vps: you are me there, and {expected}: provision it as root, such as HOST=root@vps"
    ):
        plan(HOST, replace(BARE, user="me", root=False, sudo=sudo))
    assert to_be_done(replace(READY, user="me", root=False, sudo=sudo)) == {}


def test_other_distributions_are_refused() -> None:
    """Even one that is ready: nothing is known about it."""
    with pytest.raises(CommandError, match=r"^me@vps: is Fedora Linux 42; `make provision` knows Debian and Ubuntu"):
        plan(HOST, replace(READY, system="Fedora Linux 42", ids=("fedora",)))
    assert to_be_done(replace(READY, ids=("linuxmint", "ubuntu", "debian"))) == {}


def test_an_engine_that_is_too_old_is_not_upgraded() -> None:
    """Its restart would end what runs."""
    with pytest.raises(CommandError, match=r"has Docker engine 19.03.8; openbell needs 20.10 or newer"):
        plan(HOST, replace(READY, engine=replace(ENGINE, version="19.03.8")))


def test_the_host_is_described_in_one_line() -> None:
    """What a person compares with the machine that is meant."""
    assert described(HOST, BARE) == (
        "me@vps: Debian GNU/Linux 13 (trixie), x86_64, 1 CPU, 1.0 GB memory, 10.0 GB of disk free; you are root there"
    )
