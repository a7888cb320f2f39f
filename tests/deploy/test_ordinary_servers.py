"""Servers as people have them: shells that greet, other shells and tools, few sessions, no forwarding, odd places for Docker."""

import json
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from deploy import audit
from deploy.errors import CommandError
from deploy.hosts.facts import read_facts
from deploy.hosts.requirements import unready
from deploy.release import host_state
from deploy.release.lock import HostLock
from deploy.ssh.connection import Connection, Host
from deploy.transfer import host_images
from tests.deploy.site import site, words_of
from tests.deploy.test_commands import must
from tests.engine.kit import wait_until
from tests.machine.machine import Machine, running_machine

pytestmark = pytest.mark.timeout(600)

WORDS = ["it's", 'a "b"', "a\\b", "!x", "$HOME", "a;b", "ü"]
GREETING = "echo Welcome to the server; echo Mind the gap >&2"


@pytest.fixture(scope="module")
def machine(engine: docker.DockerClient) -> Iterator[Machine]:
    """A server that each test changes, and that is as before afterwards."""
    with running_machine(engine) as one:
        yield one


@contextmanager
def changed(machine: Machine, do: str, undo: str) -> Iterator[Host]:
    """Give the server with a change."""
    machine.shell(do)
    try:
        yield Host(machine.host, config=machine.ssh_config)
    finally:
        machine.shell(undo)


@contextmanager
def sshd_with(machine: Machine, *lines: str) -> Iterator[Host]:
    """Give the server with other settings of sshd."""
    settings = "\\n".join(lines)
    # The first process restarts sshd when it ends; open connections stay.
    again = 'before=$(cat /run/sshd.pid); kill "$before"; while ! p=$(cat /run/sshd.pid 2>/dev/null) || [ "$p" = "$before" ]; do sleep 0.05; done'
    file = "/etc/ssh/sshd_config.d/test.conf"
    with changed(machine, f"printf '{settings}\\n' >{file}; {again}", f"rm {file}; {again}") as host:
        wait_until(machine.sshd_listens, "sshd", 20, machine.container)
        yield host


def assert_it_can_be_worked_with(host: Host) -> None:
    """What it has is read, its lock is taken, what is asked meanwhile is answered, and words arrive as they are."""
    with Connection(host) as connection:
        facts = read_facts(connection)
        assert unready(host, facts) is None
        with HostLock(connection, "alice@laptop", "a test", "x"):
            assert host_state.fetch(connection).releases == ()
            assert host_images.read(connection).zstd
        assert connection.run(("printf", "%s|", *WORDS)).text == "|".join(WORDS) + "|"
        audit.append(connection, {"action": "pause", "reason": WORDS[0]})


@pytest.mark.parametrize("place", ["/root/.bashrc", "/etc/ssh/sshrc"])
def test_a_welcome_is_not_taken_for_an_answer(machine: Machine, place: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither on the one output nor on the other."""
    with changed(machine, f"echo '{GREETING}' >{place}", f"rm {place}") as host:
        assert_it_can_be_worked_with(host)
        capfd.readouterr()
        with Connection(host) as connection:
            connection.foreground(("echo", "only this"))
            with pytest.raises(CommandError, match=r"vps: reading failed: cat: /nowhere: No such file or directory$"):
                connection.check(("cat", "/nowhere"), doing="reading")
        assert capfd.readouterr().out == "only this\n"


@pytest.mark.parametrize("shell", ["tcsh", "dash", pytest.param("fish", marks=pytest.mark.deploy_long)])
def test_other_login_shells(machine: Machine, shell: str) -> None:
    """What they make of quotes and backslashes is nothing to us."""
    machine.shell(f"command -v {shell} || (apt-get update -q && apt-get install -y -q --no-install-recommends {shell})")
    with changed(machine, f"usermod -s $(command -v {shell}) root", "usermod -s /bin/bash root") as host:
        assert_it_can_be_worked_with(host)


def test_two_sessions_are_enough_and_no_forwarding_is_needed(machine: Machine) -> None:
    """The connection itself takes none."""
    with sshd_with(machine, "MaxSessions 2", "AllowTcpForwarding no", "DisableForwarding yes") as host:
        assert_it_can_be_worked_with(host)


def test_one_session_is_too_few(machine: Machine) -> None:
    """One line says which setting it is."""
    with (
        sshd_with(machine, "MaxSessions 1") as host,
        Connection(host) as connection,
        HostLock(connection, "alice@laptop", "a test", "x"),
    ):
        host_state.fetch(connection)  # what is only asked needs no other
        with pytest.raises(CommandError, match=r"^vps: the server refuses another session .* MaxSessions to 2"):
            connection.run(("true",))


def test_busybox_in_front_of_everything(machine: Machine) -> None:
    """No tool is used whose flavours differ."""
    with sshd_with(machine, "SetEnv PATH=/opt/busybox:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin") as host:
        machine.shell("mkdir -p /opt/busybox && busybox --install -s /opt/busybox && rm -f /opt/busybox/python*")
        assert_it_can_be_worked_with(host)


def test_docker_from_snap_is_found(machine: Machine) -> None:
    """Its folder is in no PATH of a login without a terminal."""
    do = "mkdir -p /snap/bin && mv /usr/bin/docker /snap/bin/docker"
    with changed(machine, do, "mv /snap/bin/docker /usr/bin/docker") as host:
        assert_it_can_be_worked_with(host)


def test_podman_under_dockers_name_is_named(machine: Machine) -> None:
    """Before anything is done."""
    script = "#!/bin/sh\\nset -- x\\necho podman version 4.3.1\\n"
    do = f"printf '{script}' >/usr/local/bin/docker; chmod 755 /usr/local/bin/docker"
    with changed(machine, do, "rm /usr/local/bin/docker") as host, Connection(host) as connection:
        said = unready(host, read_facts(connection))
        assert said is not None
        assert said.startswith("vps: `docker` there is Podman under Docker's name (podman-docker)")


@pytest.mark.parametrize(
    "do", ["mount -t tmpfs -o ro none /tmp", "mount -t tmpfs -o size=4k none /tmp; echo >/tmp/one"]
)
def test_a_tmp_that_cannot_be_written_is_named(machine: Machine, do: str) -> None:
    """Docker cannot run a command in a container without it; what only looks works."""
    with changed(machine, do, "umount /tmp") as host, Connection(host) as connection:
        said = unready(host, read_facts(connection))
        assert said is not None
        assert said.startswith("vps: /tmp cannot be written there (read-only, or full)")
        assert host_state.fetch(connection).releases == ()
        assert host_images.read(connection).zstd


@pytest.mark.deploy_long
def test_an_address_of_ipv6(machine: Machine, tmp_path: Path) -> None:
    """In brackets, with a port: ssh itself does not read it so."""
    own = machine.keys.known_hosts.read_text().split()
    port = int(own[0].rpartition(":")[2])
    with relayed("::1", port) as ours:
        (tmp_path / "known_hosts").write_text(f"[::1]:{ours} {own[1]} {own[2]}\n")
        config = machine.ssh_config.read_text().replace(f"Host {machine.host}\n", "Host ::1\n")
        lines = [line for line in config.splitlines() if line.split()[0] not in {"HostName", "Port", "User"}]
        text = "\n".join(lines).replace(str(machine.keys.known_hosts), str(tmp_path / "known_hosts"))
        (tmp_path / "config").write_text(f"{text}\n")
        assert_it_can_be_worked_with(Host(f"ssh://root@[::1]:{ours}", config=tmp_path / "config"))


@contextmanager
def relayed(address: str, port: int) -> Iterator[int]:
    """Lead a port of another address of this machine to a port of 127.0.0.1."""
    try:
        server = socket.create_server((address, 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as other:
                ends = {self.request: other, other: self.request}
                while True:
                    for ready in select.select(list(ends), [], [])[0]:
                        if not (some := ready.recv(1 << 16)):
                            return
                        ends[ready].sendall(some)

    relay = socketserver.ThreadingTCPServer((address, 0), Relay, bind_and_activate=False)
    relay.socket.close()
    relay.socket, relay.daemon_threads = server, True
    thread = threading.Thread(target=relay.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.getsockname()[1])
    finally:
        relay.shutdown()
        relay.server_close()
        thread.join()


@pytest.mark.deploy_long
def test_a_user_in_the_group_docker_needs_no_root(
    engine: docker.DockerClient, machine: Machine, tmp_path: Path
) -> None:
    """A release, a change of one line, and the way back; its records are in that user's own folder."""
    config = machine.ssh_config.read_text()
    machine.shell("useradd -m -s /bin/sh -G docker me && cp -r /root/.ssh /home/me/.ssh && chown -R me /home/me/.ssh")
    machine.ssh_config.write_text(config.replace("User root", "User me"))
    try:
        with site(engine, machine, tmp_path, ["fives"]) as one:
            one.must("deploy")
            one.change("fives", words_of(one), "one line changed")
            one.must("deploy")
            one.must("rollback")
            assert "fives" in must(one, "ps")
            assert machine.shell(f"stat -c %U /home/me/.openbell/{one.kit.project}/current").strip() == "me"
            machine.shell(
                f"docker ps -aq --filter label=com.docker.compose.project={one.kit.project} | xargs docker rm -f"
            )
    finally:
        machine.ssh_config.write_text(config)
        machine.shell("userdel -r me 2>/dev/null; true")


@pytest.mark.deploy_long
def test_a_whole_deployment_to_all_of_it_at_once(engine: docker.DockerClient, machine: Machine, tmp_path: Path) -> None:
    """A release, a change of one line, the table of bots, and a halt with an apostrophe in its reason."""
    machine.shell("mkdir -p /opt/busybox && busybox --install -s /opt/busybox && rm -f /opt/busybox/python*")
    do = f"echo '{GREETING}' >/etc/ssh/sshrc; usermod -s $(command -v tcsh) root"
    undo = "rm /etc/ssh/sshrc; usermod -s /bin/bash root"
    path = "SetEnv PATH=/opt/busybox:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    with (
        changed(machine, do, undo),
        sshd_with(machine, "MaxSessions 2", "AllowTcpForwarding no", "DisableForwarding yes", path),
        site(engine, machine, tmp_path, ["fives"]) as one,
    ):
        one.must("deploy")
        said = must(one, "ps")
        assert "fives" in said
        assert "{" not in said
        must(one, "halt", "REASON=it's a drill")
        assert json.loads(one.machine.shell(f"tail -n 1 {one.root}/audit.jsonl"))["reason"] == "it's a drill"
