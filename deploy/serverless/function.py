"""What is known of a function before its files are written, and the limits of those who are to run it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from deploy.errors import CommandError
from deploy.settings import DATABASE
from openbell.manifest import Bot, Manifest

AHEAD = timedelta(seconds=60)  # a call may wait for a slot within its minute
MARGIN = timedelta(seconds=10)  # for the start, and for the answer


@dataclass(frozen=True)
class Provider:
    """What a provider allows."""

    title: str
    python: str
    longest: timedelta  # that a call may take
    memory: tuple[int, ...]  # MB: the sizes there are, or the least and the most
    size: int  # MB that all files may take
    has_zones: bool  # its scheduler does; otherwise it knows UTC only
    most_schedules: int


PROVIDERS = {
    "digitalocean": Provider(
        "DigitalOcean Functions", "3.11", timedelta(minutes=15), (128, 256, 512, 1024), 48, has_zones=False, most_schedules=3
    ),
    "aws": Provider(
        "AWS Lambda", "3.13", timedelta(minutes=15), tuple(range(128, 10241)), 250, has_zones=True, most_schedules=100
    ),
    "gcp": Provider(
        "Google Cloud Functions", "3.13", timedelta(minutes=30), (256, 512, 1024, 2048, 4096, 8192), 500, has_zones=True, most_schedules=100
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Function:
    """One strategy as a function of one provider."""

    manifest: Manifest
    provider: Provider
    memory: int  # MB
    zone: str
    schedules: tuple[str, ...]  # five fields each, as cron writes them
    timeout: int  # seconds

    @property
    def name(self) -> str:
        """The strategy's name."""
        return self.manifest.name

    @property
    def dashed(self) -> str:
        """The name where no underscore may be."""
        return self.manifest.name.replace("_", "-")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of the environment variables whose values are secrets."""
        return (DATABASE, *self.manifest.secrets)


def plan(manifest: Manifest, provider: Provider, memory: int, candidates: Sequence[str]) -> Function:
    """Return the function; CommandError if it cannot be one there."""
    bots = [bot for bot in manifest.bots if not bot.is_stream]
    if not bots:
        msg = f"{manifest.name} has only streams, which run all the time: a function cannot"
        raise CommandError(msg)
    if memory not in provider.memory:
        sizes = provider.memory if len(provider.memory) < 10 else (f"{provider.memory[0]} to {provider.memory[-1]}",)
        msg = f"MEMORY: found {memory}; {provider.title} allows {', '.join(map(str, sizes))} MB"
        raise CommandError(msg, 2)
    slowest = max(bots, key=needs)
    if needs(slowest) > provider.longest:
        msg = (
            f"the bot {slowest.id} may need {needs(slowest).total_seconds():.0f} s for its grace of {slowest.grace.total_seconds():.0f} s, its "
            f"timeout of {slowest.timeout.total_seconds():.0f} s and its retries, and a call of {provider.title} lasts at most "
            f"{provider.longest.total_seconds():.0f} s: lower its timeout in strategy.toml"
        )
        raise CommandError(msg)
    schedules = tuple(candidates)
    if len(schedules) > provider.most_schedules:
        schedules = (together(schedules),)
    zone = manifest.timezone if provider.has_zones else "UTC"
    return Function(manifest, provider, memory, zone, schedules, round(needs(slowest).total_seconds()))


def needs(bot: Bot) -> timedelta:
    """Return how long a call may have to last for the last attempt of a slot to end by itself."""
    last_start = max(bot.grace, bot.timeout) if bot.retries else bot.grace
    return AHEAD + bot.shift + last_start + bot.timeout + MARGIN


def together(schedules: Sequence[str]) -> str:
    """Return one schedule that is due whenever one of several is, and more often: the function finds out."""
    columns = list(zip(*(schedule.split() for schedule in schedules), strict=True))
    return " ".join("*" if any("*" in one for one in column) else _union(column) for column in columns)


def _union(column: Sequence[str]) -> str:
    return ",".join(map(str, sorted({int(value) for one in column for value in one.split(",")})))
