"""A bare server becomes ready: real sshd, real packages of the distribution, a real engine."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from tests.engine.kit import ROOT, wait_until
from tests.machine.machine import Machine, Suite, running_machine

pytestmark = pytest.mark.deploy_long

SETTINGS = "/etc/docker/daemon.json"
LONGEST = 300  # seconds: packages are fetched and installed


def provision(machine: Machine, *options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as `make provision` does, without a terminal."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBELL_", "COMPOSE_"))}
    return subprocess.run(
        (sys.executable, "-m", "deploy", "provision", f"HOST={machine.host}", *options),
        cwd=ROOT,
        env=ours | {"OPENBELL_SSH_CONFIG": str(machine.ssh_config)} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )


def must_be_ready(machine: Machine, **environment: str) -> str:
    """Run the command without being asked; return what it said."""
    done = provision(machine, "YES=1", **environment)
    assert done.returncode == 0, (
        f"{done.stdout}\n{done.stderr}\n{machine.shell('tail -n 30 /var/log/dockerd.log; true')}"
    )
    return done.stdout


def fingerprint(machine: Machine) -> str:
    """Return what must not change: every file of /etc, what is installed, and the engine's process."""
    return machine.shell(
        "find /etc -type f -not -name 'ld.so.cache' -printf '%p %T@ %m\\n' | sort; dpkg-query -W; pidof dockerd; iptables-save | sed '/^#/d; s/ \\[.*//'; true"
    )


def kill_engine(machine: Machine) -> None:
    """End the engine at once, as a crash would; nothing brings it back on a server without systemd."""
    machine.shell("pkill -KILL -x dockerd; pkill -KILL -x containerd; true")
    wait_until(lambda: not machine.shell("pidof dockerd || true").strip(), "the engine to end", 20, machine.container)
    # Dead processes are not reaped here, and their pid files would pass for live ones.
    machine.shell("rm -f /run/docker.pid /run/docker/containerd/containerd.pid")


def start_engine(machine: Machine) -> None:
    """Start it by hand."""
    machine.container.exec_run(["sh", "-c", "exec dockerd >>/var/log/dockerd.log 2>&1"], detach=True)
    wait_until(machine.engine_answers, "the engine", 60, machine.container)


@contextmanager
def asleep(machine: Machine) -> Iterator[str]:
    """Give a container that runs, made of the machine's own shell: nothing can be pulled."""
    files = "/bin/sleep $(ldd /bin/sleep | grep -o '/[^ ]*')"
    machine.shell(f"tar -ch {files} 2>/dev/null | docker import - asleep:1")
    name = machine.docker("run", "--detach", "--network", "none", "asleep:1", "/bin/sleep", "900").strip()
    yield machine.shell(f"docker inspect -f '{{{{.Id}}}} {{{{.State.Pid}}}} {{{{.State.StartedAt}}}}' {name}").strip()
    machine.docker("rm", "--force", name)


def state_of(machine: Machine, before: str) -> str:
    """Return the container's id, process and start as they are now."""
    name = before.split(maxsplit=1)[0]
    return machine.shell(f"docker inspect -f '{{{{.Id}}}} {{{{.State.Pid}}}} {{{{.State.StartedAt}}}}' {name}").strip()


@pytest.fixture(scope="module", params=["bookworm-bare", "trixie-bare"])
def bare(engine: docker.DockerClient, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A server with sshd and nothing else."""
    suite: Suite = request.param
    with running_machine(engine, suite) as machine:
        yield machine


@pytest.fixture(scope="module")
def ready(bare: Machine) -> Machine:
    """The same server, after one `make provision`."""
    must_be_ready(bare)
    return bare


def test_nothing_is_done_unless_somebody_says_yes(bare: Machine) -> None:
    """Without a terminal and without YES=1 the plan is shown, and that is all."""
    if bare.container.exec_run(["which", "docker"]).exit_code == 0:
        pytest.fail("this test must come before those that provision")
    before = fingerprint(bare)
    done = provision(bare)
    assert done.returncode == 2
    assert "nothing was changed: there is no terminal to ask on; `make provision HOST=vps YES=1`" in done.stderr
    assert "install docker.io from the distribution" in done.stdout
    assert "live-restore on; log rotation max-size 10m, max-file 3" in done.stdout
    assert fingerprint(bare) == before


def test_a_person_who_says_no_is_heard(bare: Machine) -> None:
    """On a terminal it asks, and only yes is yes."""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        (sys.executable, "-m", "deploy", "provision", f"HOST={bare.host}"),
        cwd=ROOT,
        env={**os.environ, "OPENBELL_SSH_CONFIG": str(bare.ssh_config)},
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.write(controller, b"n\n")
        said, wrong = process.communicate(timeout=60)
    os.close(controller)
    os.close(terminal)
    assert process.returncode == 1
    assert "Go on? [y/N]" in said
    assert "openbell: nothing was changed" in wrong


def test_a_bare_server_becomes_ready(ready: Machine) -> None:
    """An engine that runs containers, Compose, and the settings: from its first start on."""
    assert ready.docker("info", "--format", "{{.LiveRestoreEnabled}} {{.LoggingDriver}}").split() == [
        "true",
        "json-file",
    ]
    assert json.loads(ready.shell(f"cat {SETTINGS}"))["log-opts"] == {"max-size": "10m", "max-file": "3"}
    assert int(ready.docker("compose", "version", "--short").split(".")[1]) >= 20
    with asleep(ready) as container:
        options = ready.docker("inspect", "--format", "{{json .HostConfig.LogConfig.Config}}", container.split()[0])
        assert json.loads(options) == {"max-size": "10m", "max-file": "3"}


def test_the_second_time_nothing_changes(ready: Machine) -> None:
    """No file, no package, no process; and it says so."""
    before = fingerprint(ready)
    assert "vps is ready: nothing to be done." in must_be_ready(ready)
    assert fingerprint(ready) == before


def test_an_engine_that_runs_containers_is_not_restarted(ready: Machine) -> None:
    """It gets live-restore beside the settings that were there, and running containers go on."""
    ready.shell(f"""echo '{{"max-concurrent-downloads": 5, "live-restore": false}}' >{SETTINGS}""")
    kill_engine(ready)
    start_engine(ready)
    engine = ready.shell("pidof dockerd")
    with asleep(ready) as before:
        said = must_be_ready(ready)
        assert "live-restore off, 1 containers run" in said
        assert "the engine reads it without a restart, containers keep running" in said
        assert ready.shell("pidof dockerd") == engine
        assert state_of(ready, before) == before
        settings = json.loads(ready.shell(f"cat {SETTINGS}"))
        assert settings["max-concurrent-downloads"] == 5
        assert settings["live-restore"] is True
        # That is what it is for: the engine's own end is none for the container. The same command starts the engine again.
        kill_engine(ready)
        assert "start it (no systemd here: see to it that dockerd is started at boot)" in must_be_ready(ready)
        assert state_of(ready, before) == before


def test_settings_that_the_engine_does_not_take_are_put_back(ready: Machine) -> None:
    """An engine that was started with the flag itself refuses the same in the file."""
    text = '{"live-restore": false, "debug": true}'
    ready.shell(f"echo '{text}' >{SETTINGS}")
    kill_engine(ready)
    start_engine(ready)
    # An option that the engine knows, with a value that it does not: it keeps all of its old settings.
    ready.shell(f"""echo '{{"live-restore": false, "debug": "perhaps"}}' >{SETTINGS}""")
    before = ready.shell(f"cat {SETTINGS}")
    done = provision(ready, "YES=1")
    assert done.returncode == 1
    assert "The engine did not take live-restore: see its log. Its settings are as they were." in done.stderr
    assert """vps: "engine's settings" failed: see above""" in done.stderr
    assert ready.shell(f"cat {SETTINGS}") == before


def test_settings_that_are_no_json_are_left_to_their_owner(ready: Machine) -> None:
    """A file that a person has written is not replaced."""
    ready.shell(f"echo '{{ \"mtu\": }}' >{SETTINGS}")
    done = provision(ready, "YES=1")
    assert done.returncode == 1
    assert f"{SETTINGS} there is not valid JSON" in done.stderr
    assert ready.shell(f"cat {SETTINGS}") == '{ "mtu": }\n'
    ready.shell(f"rm {SETTINGS}")


def test_another_distribution_is_refused(ready: Machine) -> None:
    """One clear line, whatever is installed there."""
    ready.shell(
        "mv /etc/os-release /etc/os-release.kept; printf 'ID=fedora\\nPRETTY_NAME=\"Fedora 42\"\\n' >/etc/os-release"
    )
    try:
        done = provision(ready, "YES=1")
    finally:
        ready.shell("mv /etc/os-release.kept /etc/os-release")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "openbell: vps: is Fedora 42; `make provision` knows Debian and Ubuntu: install Docker"
    )


def test_a_user_with_sudo_is_brought_into_the_group_docker(ready: Machine, tmp_path: Path) -> None:
    """First refused without sudo's leave, then made ready; afterwards that user needs no sudo."""
    ready.shell("apt-get install -y -q --no-install-recommends sudo >/dev/null 2>&1; useradd -m -s /bin/sh me")
    ready.shell("cp -r /root/.ssh /home/me/.ssh; chown -R me /home/me/.ssh")
    config = tmp_path / "config"
    config.write_text(ready.ssh_config.read_text().replace("User root", "User me"))
    environment = {"OPENBELL_SSH_CONFIG": str(config)}

    done = provision(ready, "YES=1", **environment)
    assert done.returncode == 1
    assert "you are me there, and sudo asks for a password: provision it as root, such as HOST=root@vps" in done.stderr

    ready.shell("echo 'me ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/me")
    said = must_be_ready(ready, **environment)
    assert "add me to the group docker, which is as good as root there" in said
    assert "docker" in ready.shell("id -Gn me").split()
    ready.shell("rm /etc/sudoers.d/me")
    assert "vps is ready: nothing to be done." in must_be_ready(ready, **environment)
