"""Debian's docker-registry, to compare with: taken out of its package, and run on the stand-in server's loopback."""

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.bench.deploy.ways import REGISTRY
from tests.engine.kit import wait_until
from tests.machine.machine import Machine

CONFIGURATION = f"""\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: /var/lib/docker/registry}}}}
http: {{addr: "127.0.0.1:{REGISTRY}"}}
"""


def fetch() -> bytes | None:
    """Return the program out of the distribution's package, or None where there is no such package."""
    with tempfile.TemporaryDirectory() as folder:
        # As root: apt's own user may not write here, and says so at length.
        download = ("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", "docker-registry")
        try:
            subprocess.run(("apt-get", "-q", "update"), check=False, capture_output=True)
            subprocess.run(download, cwd=folder, check=True, capture_output=True)
            (package,) = Path(folder).glob("*.deb")
            subprocess.run(("dpkg-deb", "-x", str(package), folder), check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return (Path(folder) / "usr" / "bin" / "docker-registry").read_bytes()


def start(machine: Machine, program: bytes) -> None:
    """Run the registry on the server, and wait until it answers."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in {"registry": program, "registry.yml": CONFIGURATION.encode()}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    machine.container.put_archive("/root", raw.getvalue())
    machine.container.exec_run(["/root/registry", "serve", "/root/registry.yml"], detach=True)
    answers = ["curl", "--silent", "--fail", f"http://127.0.0.1:{REGISTRY}/v2/"]
    wait_until(lambda: machine.container.exec_run(answers).exit_code == 0, "the registry", 30, machine.container)
