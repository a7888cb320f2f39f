"""The connection to a real sshd, and what is said when there is none. Nothing is ever accepted unseen."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.errors import CommandError
from deploy.ssh.connection import Connection, Host
from tests.deploy.ssh.conftest import config
from tests.engine.kit import ROOT, wait_until
from tests.machine.machine import Machine

# Tests that run in the background ignore Ctrl-C, and so does what they start.
INTERRUPTIBLE = ("env", "--default-signal=INT")


def logins(machine: Machine) -> int:
    """Return how many logins there were so far."""
    return int(machine.shell("grep -c 'Accepted publickey' /var/log/sshd.log || true"))


def test_commands_are_words(connection: Connection) -> None:
    """No shell takes them apart, on either side."""
    words = ["a b", "$HOME", "'", '"', "*", "", "\\", "ü", "x\ny"]
    result = connection.run(["printf", "%s|", *words])
    assert (result.code, result.text, result.stderr) == (0, "|".join(words) + "|", "")


def test_input_and_output_are_bytes(connection: Connection) -> None:
    """As many as there are."""
    sent = bytes(range(256)) * 4096
    assert connection.run(["cat"], input=sent).stdout == sent


def test_a_command_without_input_does_not_wait_for_any(connection: Connection) -> None:
    """It reads the end at once."""
    assert connection.run(["cat"], timeout=20).stdout == b""


def test_a_commands_own_failure_is_a_result(connection: Connection) -> None:
    """Even with ssh's own exit code, as long as the connection holds."""
    result = connection.run(["sh", "-c", "echo trouble >&2; exit 255"])
    assert (result.code, result.stderr) == (255, "trouble\n")


def test_what_must_succeed_says_how_it_failed(connection: Connection) -> None:
    """The last line of what it said."""
    with pytest.raises(CommandError, match=r"^vps: reading the page failed: cat: /nowhere: No such file or directory$"):
        connection.check(["cat", "/nowhere"], doing="reading the page")
    with pytest.raises(CommandError, match=r"^vps: `false` failed: exit code 1$"):
        connection.check(["false"])


def test_time_is_limited(connection: Connection) -> None:
    """The connection is as good as before."""
    with pytest.raises(CommandError, match=r"^vps: no answer to `sleep 60` within 0.2 s"):
        connection.run(["sleep", "60"], timeout=0.2)
    assert connection.run(["echo", "well"]).text == "well"


def test_all_commands_share_one_login(machine: Machine, host: Host) -> None:
    """Also those at the same time."""
    before = logins(machine)
    with Connection(host) as connection:
        running = [connection.start(["cat"]) for _ in range(6)]
        assert [process.communicate(b"x")[0] for process in running] == [b"x"] * 6
        assert connection.run(["true"]).code == 0
    assert logins(machine) == before + 1


def test_nothing_is_left_behind(host: Host) -> None:
    """The socket's folder is the user's alone, and goes with the connection; so does what still runs over it."""
    with Connection(host) as connection:
        assert connection._master
        folder = connection._master.folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        process = connection.start(["sleep", "60"])
    assert not folder.exists()
    assert process.poll() is not None
    process.communicate()


def test_a_port_and_a_socket_are_led_to_the_host(connection: Connection) -> None:
    """What listens there is asked here."""
    with socket.create_connection(("127.0.0.1", connection.forward(22)), timeout=20) as asked:
        assert asked.recv(4) == b"SSH-"


def test_what_the_users_config_says_for_logins_by_hand_is_no_obstacle(machine: Machine, tmp_path: Path) -> None:
    """A terminal, a command, forwarded ports that are taken, a word of welcome."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = {"RequestTTY": "force", "RemoteCommand": "top", "LocalForward": f"{port} 127.0.0.1:80"}
        file = config(machine, tmp_path, **options, ExitOnForwardFailure="yes", ControlMaster="auto", LogLevel="QUIET")
        with Connection(Host(machine.host, config=file)) as connection:
            assert connection.run(["echo", "well"]).text == "well"


def test_neither_the_agent_nor_x11_is_forwarded(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the user's config asks for it: root on the server could log in elsewhere with the user's keys."""
    agent = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", agent], stdout=subprocess.DEVNULL) as process:
        wait_until(agent.exists, "the agent", 20)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        monkeypatch.setenv("DISPLAY", ":0")
        file = config(machine, tmp_path, ForwardAgent="yes", ForwardX11="yes", ForwardX11Trusted="yes")
        shown = subprocess.run(["ssh", "-F", file, machine.host, "env"], check=True, capture_output=True, text=True)
        with Connection(Host(machine.host, config=file)) as connection:
            ours = connection.run(["env"]).text
        process.terminate()
    assert "SSH_AUTH_SOCK" in shown.stdout  # the server would take it
    assert "SSH_AUTH_SOCK" not in ours
    assert "DISPLAY" not in ours


def test_a_shell_that_greets_is_no_obstacle(machine: Machine, host: Host) -> None:
    """Some people's .bashrc says something to everybody."""
    machine.shell("echo 'echo good morning' >/root/.bashrc")
    try:
        with Connection(host) as connection:
            assert connection.run(["true"]).code == 0
    finally:
        machine.shell("rm /root/.bashrc")


def test_a_lost_connection_is_told_as_that(machine: Machine, host: Host) -> None:
    """In mid-command, and for every command after it: none opens a connection of its own."""
    before = logins(machine)
    with Connection(host) as connection:
        process = connection.start(["sh", "-c", "echo begun; sleep 60"])
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
        machine.cut_connections()
        process.communicate()
        with pytest.raises(
            CommandError, match=r"^vps: the connection was lost in `sleep`: .*; see that `ssh .*` works"
        ):
            connection.must_live(process.returncode, ["sleep"])
        with pytest.raises(CommandError, match=r"^vps: the connection was lost in `true`"):
            connection.run(["true"])
        assert not connection.alive
    assert logins(machine) == before + 1


@pytest.mark.deploy_long
def test_a_host_that_goes_silent_is_noticed(machine: Machine, host: Host) -> None:
    """A network that is gone closes no connection."""
    with Connection(host) as connection:
        machine.cut_network()
        try:
            with pytest.raises(CommandError, match=r"^vps: the connection was lost in `true`"):
                connection.run(["true"], timeout=60)
        finally:
            machine.mend_network()


SCRIPT = """\
import sys
from deploy.ssh.connection import Connection, Host
with Connection(Host("vps")) as connection:
    print("open", flush=True)
    sys.exit(connection.foreground(["sh", "-c", "echo begun; exec sleep 987"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_is_followed_ends_on_the_host_too(machine: Machine, number: signal.Signals) -> None:
    """After Ctrl-C, or when the laptop dies, nothing goes on there and no connection stays open here."""
    asleep = "pgrep -xf 'sleep 987' || true"
    ours = ("pgrep", "-f", f"^ssh -F {machine.ssh_config}")
    with subprocess.Popen(
        [*INTERRUPTIBLE, sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={**os.environ, "OPENBELL_SSH_CONFIG": str(machine.ssh_config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stdout.read(len("open\nbegun\n")) == b"open\nbegun\n"
        assert machine.shell(asleep).strip()
        assert subprocess.run(ours, capture_output=True, check=False).returncode == 0
        os.killpg(process.pid, number)
        process.wait(20)
    wait_until(lambda: not machine.shell(asleep).strip(), "the command on the host to end", 20, machine.container)
    wait_until(lambda: subprocess.run(ours, capture_output=True, check=False).returncode == 1, "ssh to end", 20)
