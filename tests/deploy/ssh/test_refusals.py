"""Hosts that cannot be reached, or that ssh refuses: each is one line that says what to do."""

import socket
import threading
from pathlib import Path

import pytest

from deploy.errors import CommandError
from deploy.ssh.connection import Connection, Host
from tests.deploy.ssh.conftest import config
from tests.machine.machine import Machine

NOTHING_LISTENS = "discard"  # a name of a Host entry, not of a port


def why_not(host: Host) -> str:
    """Return what is said because there is no connection."""
    with pytest.raises(CommandError) as raised, Connection(host):
        pass
    said = str(raised.value)
    assert "\n" not in said
    assert said.startswith(f"{host.name}: ")
    return said


def test_a_name_that_nobody_knows(tmp_path: Path) -> None:
    """The spelling is what one looks at first."""
    said = why_not(Host("no-such-host.invalid", config=None))
    assert "no machine of this name is known: check the spelling, or give it an entry `Host" in said


def test_a_host_that_cannot_be_reached(tmp_path: Path) -> None:
    """Nothing listens."""
    file = tmp_path / "config"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # and does not listen
        file.write_text(f"Host {NOTHING_LISTENS}\n    HostName 127.0.0.1\n    Port {probe.getsockname()[1]}\n")
        assert "the machine answers, but no sshd listens there" in why_not(Host(NOTHING_LISTENS, config=file))


@pytest.mark.deploy_long
def test_a_host_that_does_not_answer(machine: Machine, host: Host) -> None:
    """A firewall swallows what is sent."""
    machine.cut_network()
    try:
        assert "the host cannot be reached: check its address" in why_not(host)
    finally:
        machine.mend_network()


def test_something_else_that_listens(tmp_path: Path) -> None:
    """It hangs up before it has said that it is an sshd."""
    file = tmp_path / "config"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            accepted, _ = server.accept()
            accepted.close()

        other = threading.Thread(target=hang_up)
        other.start()
        file.write_text(f"Host {NOTHING_LISTENS}\n    HostName 127.0.0.1\n    Port {server.getsockname()[1]}\n")
        assert "was closed before the login" in why_not(Host(NOTHING_LISTENS, config=file))
        other.join()


def test_an_unknown_host_key_is_never_accepted(machine: Machine, tmp_path: Path) -> None:
    """Not even written down; the user is told how to see the fingerprint, and to compare it."""
    known = tmp_path / "known_hosts"
    for strict in ("ask", "yes"):
        file = config(machine, tmp_path, UserKnownHostsFile=str(known), StrictHostKeyChecking=strict)
        said = why_not(Host(machine.host, config=file))
        assert f"is never accepted unseen: log in once with `ssh -F {file} vps`, which shows the fingerprint" in said
        assert not known.exists()


def test_what_the_users_config_accepts_is_told(
    machine: Machine, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who has ssh take in new keys hears that it did."""
    known = tmp_path / "known_hosts"
    file = config(machine, tmp_path, UserKnownHostsFile=str(known), StrictHostKeyChecking="accept-new")
    with Connection(Host(machine.host, config=file)):
        assert "as your ssh config asks, an unknown host key was accepted: '[127.0.0.1]:" in capfd.readouterr().err
    with Connection(Host(machine.host, config=file)):
        assert capfd.readouterr().err == ""


def test_a_changed_host_key_is_an_alarm(machine: Machine, host: Host) -> None:
    """It shows the fingerprint that was offered, and where the old key stands."""
    before = machine.keys.known_hosts.read_text()
    machine.keys.change_host()
    try:
        said = why_not(host)
    finally:
        machine.keys.known_hosts.write_text(before)
    assert "either the machine was reinstalled, or another machine answers between you and it" in said
    offered = machine.shell("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert offered in said
    assert f"{machine.keys.known_hosts}:1" in said


def test_a_key_that_the_host_does_not_accept(machine: Machine, host: Host) -> None:
    """No password is asked for."""
    machine.shell("mv /root/.ssh/authorized_keys /root/.ssh/others")
    try:
        assert "the host does not accept your key: see that `ssh -F" in why_not(host)
    finally:
        machine.shell("mv /root/.ssh/others /root/.ssh/authorized_keys")


def test_a_config_that_cannot_be_read(tmp_path: Path) -> None:
    """The user's mistake, not the host's."""
    assert "ssh cannot use its config file" in why_not(Host("vps", config=tmp_path / "nowhere"))


def test_without_ssh_there_is_one_clear_line(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match=r"^ssh is not installed here: install OpenSSH's client"), Connection(host):
        pass
