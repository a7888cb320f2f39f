"""For which kind of machine images are built: the host's, where the builder here can do that."""

import os
import re

from deploy import processes
from deploy.errors import CommandError
from deploy.hosts.facts import Facts
from deploy.log import Log
from deploy.ssh.host import Host
from deploy.transfer.host_images import platform_of

VARIABLE = "DOCKER_DEFAULT_PLATFORM"  # which Compose and BuildKit obey


def follow_host(host: Host, facts: Facts, log: Log) -> None:
    """From here on images are built for the host's platform; CommandError, before a long build, if they cannot be."""
    wanted = platform_of("linux", facts.machine)
    if not facts.machine or VARIABLE in os.environ:
        return
    local = processes.output(("docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")).strip()
    if wanted == local:
        return
    if wanted not in offered(processes.output(("docker", "buildx", "inspect"))):
        msg = (
            f"{host.name} is {wanted}, and the engine here builds for {local} only: deploy from a machine of that kind, "
            f"or let this one emulate it (package qemu-user-static with binfmt-support; `docker buildx ls` lists {wanted} then)"
        )
        raise CommandError(msg)
    log.info("building for the host's kind of machine, which is not this one's", platform=wanted)
    os.environ[VARIABLE] = wanted


def offered(inspected: str) -> frozenset[str]:
    """Return the platforms, without variants, that `docker buildx inspect` lists."""
    lines = [line for line in inspected.splitlines() if line.strip().startswith("Platforms:")]
    return frozenset(re.findall(r"\blinux/\w+", " ".join(lines)))
