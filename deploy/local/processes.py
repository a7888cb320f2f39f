"""What runs: one process a strategy and the supervisor's, as values. Nothing is started here."""

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import openbell
from deploy.docker.compose import SUPERVISOR
from deploy.errors import CommandError
from deploy.settings import DATABASE, Settings
from openbell.manifest import Manifest

# What a process needs of the machine to run at all. Everything else of the user's environment stays with the user.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
KIT = Path(openbell.__file__).parent


@dataclass(frozen=True)
class LocalPaths:
    """Where things lie; all that is written is below `data`."""

    strategies: Path
    data: Path

    def environment(self) -> dict[str, str]:
        """Return what openbell's processes find in their environment."""
        folders = {name: str(self.data / name) for name in ("journal", "state", "control")}
        return {f"OPENBELL_{name.upper()}": path for name, path in folders.items()}

    def log(self, name: str) -> Path:
        """Return the file that a process's output goes to."""
        return self.data / "logs" / f"{name}.log"

    def packages(self, strategy: str) -> Path:
        """Return the folder of the packages that only this strategy asks for."""
        return self.data / "packages" / strategy


@dataclass(frozen=True)
class Process:
    """A process to keep alive: its name, its command and its whole environment."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    version: str = ""  # of all that it is made of; where it is the same, nothing needs to start again


def asked_for(manifests: Iterable[Manifest], profiles: str) -> list[Manifest]:
    """Return the strategies without a profile, and those of the profiles that COMPOSE_PROFILES names, as Compose does."""
    named = profiles.split(",")
    return [
        one
        for one in manifests
        if not one.profile or any(name == one.profile or name.startswith(f"{one.profile}-") for name in named)
    ]


def processes(
    manifests: Iterable[Manifest], places: LocalPaths, settings: Settings, environment: Mapping[str, str]
) -> list[Process]:
    """Return what runs. Each process gets what it needs of `environment`: a strategy only the secrets that it names."""
    inherited = {name: environment[name] for name in INHERITED if name in environment}
    common = {**inherited, **places.environment(), "PYTHONUNBUFFERED": "1", **_clock(environment)}
    openbell = str(Path(sys.executable).parent / "openbell")
    found = []
    for manifest in manifests:
        own = {name: environment[name] for name in manifest.secrets if name in environment}
        packages = places.packages(manifest.name)
        own |= {
            "OPENBELL_STRATEGY": manifest.name,
            "OPENBELL_FOLDER": str(places.strategies / manifest.name),
            "TZ": manifest.timezone,
            **({"PYTHONPATH": str(packages)} if packages.is_dir() else {}),
        }
        found.append(Process(manifest.name, (openbell, "run"), {**common, **own}))
    listen = f"[{settings.bind}]" if ":" in settings.bind else settings.bind
    own = {
        **{name: value for name, value in environment.items() if name.startswith("OPENBELL_") and value},
        **common,
        "OPENBELL_PROFILES": environment.get("COMPOSE_PROFILES", ""),
        "OPENBELL_STRATEGIES": str(places.strategies),
        "OPENBELL_SUPERVISOR_STATE": str(places.data / SUPERVISOR),
        "OPENBELL_LISTEN": f"{listen}:{settings.port}",
    }
    return [*found, Process(SUPERVISOR, (openbell, "supervise"), own)]


def supported() -> None:
    """Raise CommandError unless this is Linux: runs answer their loop through memfd, and locks and pauses are Linux's too."""
    if sys.platform != "linux":
        msg = "without Docker openbell runs on Linux only: use `make up` here, which runs it in containers"
        raise CommandError(msg)


def install(strategy: str, places: LocalPaths) -> tuple[str, ...] | None:
    """Return the command that installs a strategy's own packages, or None if it has none or they are there."""
    locked, target = places.strategies / strategy / "requirements.txt", places.packages(strategy)
    if not locked.is_file() or (target.is_dir() and target.stat().st_mtime > locked.stat().st_mtime):
        return None
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet")
    return (*pip, "--upgrade", "--require-hashes", "--no-deps", "--target", str(target), "--requirement", str(locked))


def _clock(environment: Mapping[str, str]) -> dict[str, str]:
    names = ("OPENBELL_CLOCK", "OPENBELL_BLACKOUT", DATABASE)
    return {name: environment[name] for name in names if environment.get(name)}


def stamped(processes: Iterable[Process], places: LocalPaths) -> list[Process]:
    """Return the processes with their versions: the kit's code, the strategy's folder, its packages, its environment."""
    kit = _tree(KIT)
    return [replace(one, version=_version(one, places, kit)) for one in processes]


def _version(one: Process, places: LocalPaths, kit: str) -> str:
    if one.name == SUPERVISOR:
        own = [_file(path) for path in sorted(places.strategies.glob("*/strategy.toml"))]
    else:
        lock = places.strategies / one.name / "requirements.txt"
        own = [_tree(places.strategies / one.name), _file(lock) if lock.is_file() else ""]
    # What is only inherited differs from shell to shell and means nothing.
    environment = sorted((key, value) for key, value in one.environment.items() if key not in INHERITED)
    return _digest([kit, *own, repr(one.command), repr(environment)])


def _tree(folder: Path) -> str:
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts)
    )
    return _digest(f"{path.relative_to(folder)} {_file(path)}" for path in files)


def _file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
