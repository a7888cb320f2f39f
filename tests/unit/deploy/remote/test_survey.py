"""What a host tells of itself."""

import base64
import subprocess
from pathlib import Path

import pytest

from deploy.hosts.facts import Engine, Facts, parse
from deploy.remote.survey import SCRIPT

TOLD = """\
Welcome to vps
id=ubuntu
like=debian
codename=noble
system=Ubuntu 24.04.1 LTS
machine=x86_64
cpus=2
memory=2014280
available=1500000
user=me
uid=1000
groups=me sudo
member=me sudo docker
sudo=free
systemd=yes
container=
clock=systemd-timesyncd
upgrades=installed
daemon=eyJsaXZlLXJlc3RvcmUiOiB0cnVlfQ==
dockerd=yes
docker=yes
compose=v2.27.1
refusal=permission denied while trying to connect to the Docker daemon socket
engine=26.1.3|true|4|inactive|/var/lib/docker
disk=1000 40000
"""


def test_a_host_that_is_ready() -> None:
    """Every line has its place; what a login greets with has none."""
    assert parse(TOLD) == Facts(
        system="Ubuntu 24.04.1 LTS",
        ids=("ubuntu", "debian"),
        codename="noble",
        machine="x86_64",
        cpus=2,
        memory=2014280 * 1024,
        memory_available=1500000 * 1024,
        disk=40000 * 1024,
        disk_free=1000 * 1024,
        user="me",
        root=False,
        sudo="free",
        in_docker_group=True,
        systemd=True,
        clock="systemd-timesyncd",
        upgrades=True,
        client=True,
        server=True,
        compose="2.27.1",
        engine=Engine("26.1.3", live_restore=True, running=4, swarm=False),
        refusal="permission denied while trying to connect to the Docker daemon socket",
        daemon='{"live-restore": true}',
    )


def test_a_host_that_says_nothing_has_nothing() -> None:
    """No answer is taken for a good one."""
    assert parse("") == Facts()


def test_an_engine_without_a_version_is_none() -> None:
    """Some clients fill in nothing for an engine that does not answer."""
    assert parse("engine=|false|0||").engine is None


def test_an_engine_in_a_swarm() -> None:
    """It knows no live-restore."""
    assert parse("engine=20.10.24+dfsg1|false|0|active|/var/lib/docker").engine == Engine(
        "20.10.24+dfsg1", live_restore=False, running=0, swarm=True
    )


@pytest.fixture
def told(tmp_path: Path) -> Facts:
    """This machine by the script, with a `docker` that says what an old one would."""
    docker = tmp_path / "docker"
    docker.write_text(
        "#!/bin/sh\n"
        'case "$1" in compose) echo v2.5.0;; info) echo WARNING: old >&2; echo "19.03.8|false|2|inactive|/";; esac\n'
    )
    docker.chmod(0o755)
    path = f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"
    done = subprocess.run(["sh", "-s"], input=SCRIPT.encode(), env={"PATH": path}, capture_output=True, check=True)
    assert done.stderr == b""
    return parse(done.stdout.decode())


def test_the_script_tells_what_a_machine_is(told: Facts) -> None:
    """It runs in any POSIX shell, and asks the docker that it finds."""
    assert told.user
    assert told.cpus >= 1
    assert told.memory > told.memory_available > 0
    assert told.disk >= told.disk_free > 0
    assert told.engine == Engine("19.03.8", live_restore=False, running=2, swarm=False)
    assert told.compose == "2.5.0"


def test_the_engines_settings_arrive_as_they_are() -> None:
    """Quotes, line ends and all."""
    text = '{\n  "log-driver": "json-file",\t"labels": ["a=b"]\n}\n'
    assert parse(f"daemon={base64.b64encode(text.encode()).decode()}").daemon == text
