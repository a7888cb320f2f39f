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


def journal(strategy: str, symbol: str | None, since: str | None) -> Command:
    """Print lines of a strategy's journal, as they are."""
    return (
        *(*COMPOSE, "exec", "-T", SUPERVISOR, "openbell", "journal", strategy),
        *(("--symbol", symbol) if symbol else ()),
        *(("--since", since) if since else ()),
    )


def check() -> Command:
    """Validate all manifests, and that every strategy has a service."""
    return (*_openbell(), "check", "--strategies", "strategies")


def coming(strategy: str | None) -> Command:
    """List the coming slots of every bot, or of one strategy's."""
    return (*_openbell(), "next", "--strategies", "strategies", *(("--strategy", strategy) if strategy else ()))


def _openbell() -> Command:
    # The command beside the interpreter that runs this: the one of the same .venv.
    return (str(Path(sys.executable).parent / "openbell"),)
