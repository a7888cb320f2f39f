"""The commands for Docker Compose and openbell, as argument lists. Nothing is run here."""

import sys
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


def run(strategy: str, bot: str | None) -> Command:
    """Run a strategy's bots, or one of them, now and inside its container."""
    return (*COMPOSE, "exec", "-T", strategy, "openbell", "run-now", *(("--bot", bot) if bot else ()))


def pause(strategy: str, bot: str, length: str | None, reason: str) -> Command:
    """Pause a bot, for a while or until it is resumed."""
    return (
        *(*COMPOSE, "exec", "-T", strategy, "openbell", "pause", bot, "--reason", reason),
        *(("--for", length) if length else ()),
    )


def resume(strategy: str, bot: str) -> Command:
    """Let a paused bot run again."""
    return (*COMPOSE, "exec", "-T", strategy, "openbell", "resume", bot)


def halt(service: str, reason: str) -> Command:
    """Stop all orders of all strategies; any service has the volume that tells them."""
    return (*COMPOSE, "exec", "-T", service, "openbell", "halt", "--reason", reason)


def unhalt(service: str) -> Command:
    """Let strategies send orders again."""
    return (*COMPOSE, "exec", "-T", service, "openbell", "unhalt")


def reconcile(strategy: str, *, adopt: bool) -> Command:
    """Compare a strategy's account with its ledger."""
    return (*COMPOSE, "exec", "-T", strategy, "openbell", "reconcile", *(("--adopt",) if adopt else ()))


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


def coming(strategy: str | None) -> Command:
    """List the coming slots of every bot, or of one strategy's."""
    return (*_openbell(), "next", "--strategies", "strategies", *(("--strategy", strategy) if strategy else ()))


def crontab(strategy: str | None, data: Path) -> Command:
    """Print the lines that let cron run all strategies, or one."""
    where = ("--strategies", "strategies", "--data", str(data))
    return (*_openbell(), "crontab", *where, *(("--strategy", strategy) if strategy else ()))


def candidates(strategy: str, zone: str) -> Command:
    """Print, as cron writes them, the times of a zone at which a strategy may be due."""
    return (*_openbell(), "candidates", "--strategies", "strategies", "--zone", zone, strategy)


def _openbell() -> Command:
    # The command beside the interpreter that runs this: the one of the same .venv.
    return (str(Path(sys.executable).parent / "openbell"),)
