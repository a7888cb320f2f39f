"""A machine on which no container engine can run: an unprivileged container, made from the images' own base."""

import os
import re
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)  # all packages of the tests are installed anew

ROOT = Path(__file__).parents[2]
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CONF = "/etc/apt/apt.conf.d/99host"
PROXIES = tuple(name for one in ("http_proxy", "https_proxy", "no_proxy") for name in (one, one.upper()))


class Bare:
    """The container: Python, make, and the project's files in /kit."""

    def __init__(self, name: str) -> None:
        self._name = name

    def run(self, *command: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run a command in /kit, with these bytes as its input."""
        words = ["docker", "exec", "-i", "-w", "/kit", self._name, *command]
        return subprocess.run(words, input=given, capture_output=True, check=False, timeout=600)

    def must(self, *command: str, given: bytes | None = None) -> str:
        """Run a command that must succeed, and return what it prints."""
        done = self.run(*command, given=given)
        assert done.returncode == 0, f"{command}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        return done.stdout.decode()


@pytest.fixture(scope="module")
def bare() -> Iterator[Bare]:
    """A machine that reaches packages as this one does, and may nothing else."""
    (base,) = re.findall(r"^FROM (python:\S+)", (ROOT / "images" / "Dockerfile").read_text(), re.MULTILINE)
    name = f"openbell-test-bare-{uuid.uuid4().hex[:8]}"
    environment = {"PIP_CERT": BUNDLE, "SSL_CERT_FILE": BUNDLE, "PIP_CACHE_DIR": "/pip-cache"}
    environment |= {key: os.environ[key] for key in ("PIP_INDEX_URL", *PROXIES) if key in os.environ}
    if index := _asked("pip", "config", "get", "global.index-url"):
        environment.setdefault("PIP_INDEX_URL", index)
    options = [word for key, value in environment.items() for word in ("--env", f"{key}={value}")]
    if (cache := _asked("pip", "cache", "dir")) and Path(cache).is_dir():
        options += ["--volume", f"{cache}:/pip-cache"]
    subprocess.run(
        ["docker", "run", "--detach", "--init", "--name", name, "--workdir", "/kit", *options, base, "sleep", "1d"],
        check=True,
        capture_output=True,
    )
    try:
        machine = Bare(name)
        certificates = Path(os.environ.get("SSL_CERT_FILE", BUNDLE))
        if certificates.is_file():
            machine.must("sh", "-c", f"mkdir -p /etc/ssl/certs && cat >{BUNDLE}", given=certificates.read_bytes())
        apt = _asked("apt-config", "dump", "--format", '%F "%v";%n', "Acquire::http", "Acquire::https")
        machine.must("sh", "-c", f"cat >{CONF}", given=apt.encode())
        machine.must("sh", "-c", "apt-get update -q && apt-get install -y -q --no-install-recommends make")
        machine.must("tar", "-xf", "-", given=_project())
        yield machine
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], check=True, capture_output=True)


def _asked(*command: str) -> str:
    """Return what a command of this machine prints; nothing where there is no such command or setting."""
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return ""


def _project() -> bytes:
    """Return the files of the checkout, with uncommitted changes, as a tar."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, text=True)
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).exists():
                archive.add(ROOT / name, name)
    return content.getvalue()


def test_up_says_why_and_starts_processes(bare: Bare) -> None:
    """One line with the reason, the same table and page, a second start that changes nothing, and an end."""
    said = bare.must("make", "up")
    reasons = [line for line in said.splitlines() if "containers cannot run here" in line]
    assert len(reasons) == 1
    assert "unprivileged container" in reasons[0]
    assert re.search(r"^pulse +healthy +0 +process \d+$", said, re.MULTILINE)
    assert "Status page: http://127.0.0.1:8080" in said

    again = bare.must("make", "up")
    assert re.findall(r"process \d+", again) == re.findall(r"process \d+", said)
    assert "ma_crossover: succeeded" in bare.must("make", "run", "STRATEGY=ma_crossover")

    bare.must("make", "down")
    assert bare.run("make", "ps").returncode != 0
    # Where they cannot run and are insisted on, nothing else is started in their place.
    done = bare.run("make", "up", "ENGINE=docker")
    assert done.returncode != 0
    assert b"openbell: containers cannot run here: " in done.stderr


@pytest.mark.deploy_long
def test_the_tests_that_need_no_engine_run_and_the_others_are_counted(bare: Bare) -> None:
    """A part of the suite, for time's sake; the linters, which know no engine, are left out for the same reason."""
    some = "tests/unit/journal tests/unit/deploy/local/test_processes.py tests/engine/test_readme.py"
    said = bare.must("make", "-o", "lint", "test", f"tests={some}")
    assert re.search(r"^=+ \d+ passed", said, re.MULTILINE)
    assert re.search(r"^[1-9]\d* tests were not run, because they need a container engine: ", said, re.MULTILINE)
