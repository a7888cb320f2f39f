"""The commands for Docker Compose and openbell, as argument lists. Nothing is run here.

A value stands behind its option's "=", and a name behind "--": one that begins with a dash is still a value.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.settings import strategies_folder

Command = tuple[str, ...]

COMPOSE: Command = ("docker", "compose")
SUPERVISOR = "supervisor"
SUPERVISOR_STATE = "/var/lib/openbell"  # where its volume is in its container
# A strategy's container has the control volume read-only; the supervisor's user may write it.
_BESIDE = """
project=$1 service=$2 image=$3
shift 3
from=$(docker ps --quiet --filter "label=com.docker.compose.project=$project" \\
    --filter "label=com.docker.compose.service=$service" | head -n 1)
exec docker run --rm --network none --user 10001:10001 --volumes-from "$from:rw" "$image" openbell "$@"
"""


@dataclass(frozen=True)
class ServiceCommand:
    """A command of openbell for a service that runs, in a container or as a process."""

    service: str
    arguments: Command
    strategy: str = ""  # whose, if the service is another one's or hosts several

    @property
    def command(self) -> Command:
        """The same for a container."""
        if self.strategy in {"", self.service}:
            return (*COMPOSE, "exec", "-T", self.service, "openbell", *self.arguments)
        place = (f"OPENBELL_STRATEGY={self.strategy}", f"OPENBELL_FOLDER=/strategies/{self.strategy}")
        options = (option for value in place for option in ("--env", value))
        return (*COMPOSE, "exec", "-T", *options, self.service, "openbell", *self.arguments)


@dataclass(frozen=True)
class OneOffCommand(ServiceCommand):
    """A command in a container for it alone, with the volumes of a service that runs, as the supervisor's user."""

    project: str = ""
    image: str = ""

    @property
    def command(self) -> Command:
        """The same for a container."""
        return ("sh", "-c", _BESIDE, "sh", self.project, self.service, self.image, *self.arguments)


@dataclass(frozen=True)
class Logs:
    """What services write: all of them, or one; then the lines are as it wrote them."""

    service: str | None
    follow: bool

    @property
    def command(self) -> Command:
        """The same for containers."""
        return (
            *(*COMPOSE, "logs", "--tail", "200"),
            *(("--follow",) if self.follow else ()),
            *(("--no-log-prefix", self.service) if self.service else ()),
        )


def build(services: Iterable[str], file: Path | None = None) -> Command:
    """Build the images of these services, as the project's files describe them, or that file."""
    return (*COMPOSE, *((f"--file={file}",) if file else ()), "build", *services)


def inspect_image(reference: str) -> Command:
    """Tell whether this machine has an image."""
    return ("docker", "image", "inspect", reference)


def pull(reference: str) -> Command:
    """Fetch an image from its registry."""
    return ("docker", "pull", reference)


def configuration() -> Command:
    """Print the whole configuration with all values filled in, as JSON."""
    return (*COMPOSE, "config", "--format", "json")


def all_configuration() -> Command:
    """Print the configuration with the services of all profiles, asked for or not, as JSON."""
    return (*COMPOSE, "--profile", "*", "config", "--format", "json")


def remove(services: Iterable[str]) -> Command:
    """Stop services in order and remove their containers, of all profiles; volumes stay."""
    return (*COMPOSE, "--profile", "*", "rm", "--stop", "--force", *services)


def forget(strategy: str) -> Command:
    """Delete what a strategy wrote, in a container that has its volumes."""
    folders = (f"/journal/{strategy}", f"/state/{strategy}", f"/control/{strategy}")
    words = ("run", "--rm", "--no-deps", "--entrypoint", "find", strategy, *folders, "-mindepth", "1", "-delete")
    return (*COMPOSE, "--profile", "*", *words)


def check_bots() -> Command:
    """Say, before anything is stopped, which bots have run here as another strategy's."""
    options = ("run", "--rm", "--no-deps", "-T", "--quiet-pull", "volumes")
    return (*COMPOSE, "--progress", "quiet", *options, "openbell", "rename", "--check")


def with_volumes(volume: str, words: Iterable[str]) -> Command:
    """Run a command of openbell in a container of its own, with the volumes of all strategies and one more."""
    options = ("run", "--rm", "--no-deps", "-T", "--quiet-pull", f"--volume={volume}", "volumes")
    return (*COMPOSE, "--progress", "quiet", *options, "openbell", *words)


def engine_folder() -> Command:
    """Print the folder in which the engine keeps its files."""
    return ("docker", "info", "--format", "{{.DockerRootDir}}")


def volumes(project: str) -> Command:
    """List the volumes of a project."""
    return ("docker", "volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={project}")


def up() -> Command:
    """Start what is not running as it should be, and drop what has no service any more."""
    return (*COMPOSE, "up", "--detach", "--remove-orphans")


def replace_containers() -> Command:
    """Make the containers anew that are not as they should be, and stop those they replace; start none."""
    return (*COMPOSE, "up", "--no-start", "--remove-orphans")


def down() -> Command:
    """Stop and remove the containers, of all profiles; volumes and images stay."""
    return (*COMPOSE, "--profile", "*", "down", "--remove-orphans")


def logs(service: str | None, *, follow: bool) -> Logs:
    """Show what all services wrote, or only one."""
    return Logs(service, follow)


def run(
    strategy: str, bot: str | None, service: str = "", *, slot: str | None = None, dry_run: bool = False
) -> ServiceCommand:
    """Run a strategy's bots, or one of them, where it runs: now or as a past slot; dry_run: only print which slot."""
    words = (f"--bot={bot}" if bot else "", f"--slot={slot}" if slot else "", "--dry-run" if dry_run else "")
    return ServiceCommand(service or strategy, ("run-now", *filter(None, words)), strategy)


def pause(strategy: str, bot: str, length: str | None, reason: str, service: str = "") -> ServiceCommand:
    """Pause a bot, for a while or until it is resumed."""
    words = ("pause", bot, f"--reason={reason}", *((f"--for={length}",) if length else ()))
    return ServiceCommand(service or strategy, words, strategy)


def resume(strategy: str, bot: str, service: str = "") -> ServiceCommand:
    """Let a paused bot run again."""
    return ServiceCommand(service or strategy, ("resume", bot), strategy)


def halt(reason: str, *, exits: bool = False) -> Command:
    """Stop all orders of all strategies, or all but exits: words for `operator` or `beside`."""
    return ("halt", f"--reason={reason}", *(("--exits",) if exits else ()))


def operator(words: Command) -> ServiceCommand:
    """Run a command of openbell that writes what people want: the supervisor's container may, a strategy's may not."""
    return ServiceCommand(SUPERVISOR, words)


def beside(project: str, service: str, image: str, words: Command) -> ServiceCommand:
    """Run such a command while the supervisor is down."""
    return OneOffCommand(service, words, project=project, image=image)


def calendar(name: str | None) -> Command:
    """Show the coming sessions of one calendar, or of those that strategies name."""
    return (
        *_openbell(),
        "calendar",
        "--strategies",
        str(strategies_folder()),
        *((f"--calendar={name}",) if name else ()),
    )


def flatten(strategy: str, *, dry_run: bool, service: str = "") -> ServiceCommand:
    """Cancel what a strategy's orders wait for and close what they hold; dry_run: only print that."""
    return ServiceCommand(service or strategy, ("flatten", *(("--dry-run",) if dry_run else ())), strategy)


def reconcile(strategy: str, *, adopt: bool, service: str = "") -> ServiceCommand:
    """Compare a strategy's account with its ledger."""
    return ServiceCommand(service or strategy, ("reconcile", *(("--adopt",) if adopt else ())), strategy)


def journal(strategy: str, symbol: str | None, since: str | None) -> ServiceCommand:
    """Print lines of a strategy's journal, as they are."""
    options = (*((f"--symbol={symbol}",) if symbol else ()), *((f"--since={since}",) if since else ()))
    return ServiceCommand(SUPERVISOR, ("journal", *options, "--", strategy))


def owners() -> ServiceCommand:
    """Print which host runs each strategy."""
    return ServiceCommand(SUPERVISOR, ("owners",))


def move(strategy: str, host: str) -> ServiceCommand:
    """Let a strategy run on another of the hosts that share a database."""
    return ServiceCommand(SUPERVISOR, ("move", strategy, host))


def place(wanted: str) -> ServiceCommand:
    """Give strategies homes and standbys among hosts. wanted: hosts, needs and what is fixed, as JSON."""
    return ServiceCommand(SUPERVISOR, ("place", wanted))


def alert_test() -> ServiceCommand:
    """Send one message to each channel, from where alerts are sent."""
    return ServiceCommand(SUPERVISOR, ("alert-test",))


def canary() -> ServiceCommand:
    """Miss a slot on purpose in the running supervisor, and follow it to the channels."""
    return ServiceCommand(SUPERVISOR, ("canary",))


def elsewhere(command: Command, project: str) -> Command:
    """Return the same command of Compose for a place where the project's files are not, only its containers."""
    if command[: len(COMPOSE)] != COMPOSE:
        return command
    options = (*COMPOSE, "--project-name", project, *command[len(COMPOSE) :])
    return ("sh", "-c", 'cd / && exec "$@"', "sh", *options)  # a compose.yaml that lies about is not ours


def check() -> Command:
    """Validate all manifests, and that every strategy has a service."""
    return (*_openbell(), "check", "--strategies", str(strategies_folder()))


def coming(strategies: Iterable[str]) -> Command:
    """List the coming slots of every bot, or of these strategies' bots."""
    only = (f"--strategy={name}" for name in strategies)
    return (*_openbell(), "next", "--strategies", str(strategies_folder()), *only)


def crontab(strategy: str | None, data: Path) -> Command:
    """Print the lines that let cron run all strategies, or one."""
    where = ("--strategies", str(strategies_folder()), "--data", str(data), "--kit", str(Path.cwd()))
    return (*_openbell(), "crontab", *where, *((f"--strategy={strategy}",) if strategy else ()))


def schedule_times(strategy: str, zone: str) -> Command:
    """Print, as cron writes them, the times of a zone at which a strategy may be due."""
    return (*_openbell(), "schedule-times", "--strategies", str(strategies_folder()), "--zone", zone, strategy)


def backtest(strategy: str, options: Command, packages: Path) -> Command:
    """Run a strategy over the past, with the packages in that folder, if it is there, added to those of all strategies."""
    path = ("env", f"PYTHONPATH={packages}") if packages.is_dir() else ()
    return (*path, *_openbell(), "backtest", strategy, "--strategies", str(strategies_folder()), *options)


def compare(strategy: str, options: Command, packages: Path) -> Command:
    """Compare a backtest with what really ran, with the packages as `backtest` has them."""
    path = ("env", f"PYTHONPATH={packages}") if packages.is_dir() else ()
    return (*path, *_openbell(), "compare", strategy, "--strategies", str(strategies_folder()), *options)


def history(market: str, symbols: Iterable[str], options: Command, packages: Path) -> Command:
    """Fetch bars of a market, with the packages in that folder added to those of all strategies."""
    path = ("env", f"PYTHONPATH={packages}") if packages.is_dir() else ()
    return (*path, *_openbell(), "history", *options, "--", market, *symbols)


def _openbell() -> Command:
    # The command in the folder of the interpreter that runs this: the one of the same .venv.
    return (str(Path(sys.executable).parent / "openbell"),)
