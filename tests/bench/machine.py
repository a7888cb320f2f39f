"""The machine that a run was made on, since figures without it say nothing."""

import os
import platform
from pathlib import Path

import docker

from tests.bench.figures import Table


def facts(client: docker.DockerClient) -> Table:
    """Return the facts that the figures depend on."""
    version, info = client.version(), client.info()
    strangers = int(info["ContainersRunning"])
    rows = (
        ("processor", f"{os.cpu_count()} x {_processor()}"),
        ("memory", f"{int(info['MemTotal']) / 2**30:.1f} GiB"),
        ("kernel", platform.release()),
        ("engine", f"{version['Version']}, {info['Driver']}, cgroup {info.get('CgroupVersion', '?')}"),
        ("system", str(info["OperatingSystem"])),
        ("load before", " ".join(f"{one:.2f}" for one in os.getloadavg())),
        ("other containers", str(strangers)),
    )
    notes = ("other containers and other work take part in every figure below",) if strangers else ()
    return Table("Machine", ("", ""), rows, notes, labels=2)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
