"""The commands for Docker Compose and openbell, as argument lists. Nothing is run here."""

import sys
from collections.abc import Iterable
from pathlib import Path

Command = tuple[str, ...]

COMPOSE: Command = ("docker", "compose")
SUPERVISOR = "supervisor"
WAIT = 180  # seconds until a start that does not become healthy counts as failed


def build() -> Command:
    """Build every image of which a source has changed."""
    return (*COMPOSE, "build")


def configuration() -> Command:
    """Print the whole configuration with all values filled in, as JSON."""
    return (*COMPOSE, "config", "--format", "json")


def all_configuration() -> Command:
    """Print the configuration with the services of all profiles, asked for or not, as JSON."""
    return (*COMPOSE, "--profile", "*", "config", "--format", "json")


def remove(services: Iterable[str]) -> Command:
    """Stop services in order and remove their containers, whatever their profiles; volumes stay."""
    return (*COMPOSE, "--profile", "*", "rm", "--stop", "--force", *services)


def up() -> Command:
    """Start what is not running as it should be, drop what has no service any more, and wait until all is healthy."""
    return (*COMPOSE, "up", "--detach", "--remove-orphans", "--wait", "--wait-timeout", str(WAIT))


def down() -> Command:
    """Stop and remove the containers; volumes and images stay."""
    return (*COMPOSE, "down", "--remove-orphans")


def logs(strategy: str | None, *, follow: bool) -> Command:
    """Show what all containers wrote, or only one: then the lines are as it wrote them."""
    return (
        *(*COMPOSE, "logs", "--tail", "200"),
        *(("--follow",) if follow else ()),
        *(("--no-log-prefix", strategy) if strategy else ()),
    )


def inside(strategy: str, service: str = "") -> Command:
    """Begin a command in a strategy's container; `service` is the container's if it is not the strategy's own."""
    if service in {"", strategy}:
        return (*COMPOSE, "exec", "-T", strategy, "openbell")
    place = ("--env", f"OPENBELL_STRATEGY={strategy}", "--env", f"OPENBELL_FOLDER=/strategies/{strategy}")
    return (*COMPOSE, "exec", "-T", *place, service, "openbell")


def run(strategy: str, bot: str | None, service: str = "") -> Command:
    """Run a strategy's bots, or one of them, now and inside its container."""
    return (*inside(strategy, service), "run-now", *(("--bot", bot) if bot else ()))


def pause(strategy: str, bot: str, length: str | None, reason: str, service: str = "") -> Command:
    """Pause a bot, for a while or until it is resumed."""
    return (
        *(*inside(strategy, service), "pause", bot, "--reason", reason),
        *(("--for", length) if length else ()),
    )


def resume(strategy: str, bot: str, service: str = "") -> Command:
    """Let a paused bot run again."""
    return (*inside(strategy, service), "resume", bot)


def halt(service: str, reason: str) -> Command:
    """Stop all orders of all strategies; any service has the volume that tells them."""
    return (*COMPOSE, "exec", "-T", service, "openbell", "halt", "--reason", reason)


def unhalt(service: str) -> Command:
    """Let strategies send orders again."""
    return (*COMPOSE, "exec", "-T", service, "openbell", "unhalt")


def reconcile(strategy: str, *, adopt: bool, service: str = "") -> Command:
    """Compare a strategy's account with its ledger."""
    return (*inside(strategy, service), "reconcile", *(("--adopt",) if adopt else ()))


def journal(strategy: str, symbol: str | None, since: str | None) -> Command:
    """Print lines of a strategy's journal, as they are."""
    return (
        *(*COMPOSE, "exec", "-T", SUPERVISOR, "openbell", "journal", strategy),
        *(("--symbol", symbol) if symbol else ()),
        *(("--since", since) if since else ()),
    )


def alert_test() -> Command:
    """Send one message to each channel, from where alerts are sent."""
    return (*COMPOSE, "exec", "-T", SUPERVISOR, "openbell", "alert-test")


def canary() -> Command:
    """Miss a slot on purpose in the running supervisor, and follow it to the channels."""
    return (*COMPOSE, "exec", "-T", SUPERVISOR, "openbell", "canary")


def elsewhere(command: Command, project: str) -> Command:
    """Return the same command of Compose for a place where the project's files are not, only its containers."""
    options = (*COMPOSE, "--project-name", project, *command[len(COMPOSE) :])
    return ("sh", "-c", 'cd / && exec "$@"', "sh", *options)  # a compose.yaml that lies about is not ours


def check() -> Command:
    """Validate all manifests, and that every strategy has a service."""
    return (*_openbell(), "check", "--strategies", "strategies")


def coming(strategies: Iterable[str]) -> Command:
    """List the coming slots of every bot, or of these strategies' bots."""
    only = (word for name in strategies for word in ("--strategy", name))
    return (*_openbell(), "next", "--strategies", "strategies", *only)


def crontab(strategy: str | None, data: Path) -> Command:
    """Print the lines that let cron run all strategies, or one."""
    where = ("--strategies", "strategies", "--data", str(data))
    return (*_openbell(), "crontab", *where, *(("--strategy", strategy) if strategy else ()))


def schedule_times(strategy: str, zone: str) -> Command:
    """Print, as cron writes them, the times of a zone at which a strategy may be due."""
    return (*_openbell(), "schedule-times", "--strategies", "strategies", "--zone", zone, strategy)


def backtest(strategy: str, options: Command, packages: Path) -> Command:
    """Run a strategy over the past, with the packages in that folder, if it is there, beside those of all."""
    path = ("env", f"PYTHONPATH={packages}") if packages.is_dir() else ()
    return (*path, *_openbell(), "backtest", strategy, *options)


def _openbell() -> Command:
    # The command beside the interpreter that runs this: the one of the same .venv.
    return (str(Path(sys.executable).parent / "openbell"),)
