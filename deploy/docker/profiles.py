"""Profiles that are two forms of the same strategies: "portfolio" and, in one container, "portfolio-together"."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from deploy.docker.services import read
from deploy.errors import CommandError
from openbell.manifest import Manifest, suggestion

TOGETHER = "-together"


def replaced(services: Mapping[str, Sequence[str]], profiles: Iterable[str]) -> tuple[str, ...]:
    """Return the services that give way to those of the profiles that are asked for; CommandError if both forms are.

    services: service → its profiles. Compose itself lets a container run on when its profile is not asked for any more:
    then both forms would take memory, and one of them would only wait for the other's strategies.
    """
    asked = set(profiles)
    if both := sorted(name for name in asked if f"{name}{TOGETHER}" in asked):
        msg = (
            f"COMPOSE_PROFILES: found {both[0]} and {both[0]}{TOGETHER}: they are two forms of the same strategies; "
            "take one of them"
        )
        raise CommandError(msg, 2)
    others = {name.removesuffix(TOGETHER) if name.endswith(TOGETHER) else f"{name}{TOGETHER}" for name in asked}
    return tuple(name for name, own in services.items() if set(own) & others and not set(own) & asked)


def not_asked_for(
    services: Iterable[str], profiles: Mapping[str, Sequence[str]], asked: Iterable[str]
) -> dict[str, str]:
    """Return which of these services belong to profiles none of which is asked for, each with its profile."""
    wanted = set(asked)
    return {name: own[0] for name in services if (own := profiles.get(name, ())) and not wanted & set(own)}


def profiles_of(configuration: Mapping[str, Mapping[str, Mapping[str, Sequence[str]]]]) -> dict[str, Sequence[str]]:
    """Return service → its profiles of a whole configuration of Compose."""
    return {name: one.get("profiles") or () for name, one in configuration["services"].items()}


def unknown(asked: str, manifests: Iterable[Manifest], files: Iterable[Path]) -> str | None:
    """Return what is wrong with the profiles of COMPOSE_PROFILES, or None if each is a strategy's or a service's.

    files: those of Compose.
    """
    known = {manifest.profile for manifest in manifests if manifest.profile}
    known |= {name for file in files for one in read(file).values() for name in (one or {}).get("profiles") or ()}
    if strange := [name for name in asked.split(",") if name and name not in known]:
        return f'PROFILE: there is no profile "{strange[0]}"; {suggestion(strange[0], known)}'
    return None
