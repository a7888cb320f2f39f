"""Which strategies a service is for, and whether the services in compose/strategies.yaml and the strategies' folders are the same."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.errors import CommandError

STRATEGIES_LABEL = "openbell.strategies"  # a label: what a service hosts, if that is not the strategy of its name
ONCE = "openbell.once"  # a label: this service ends by itself


def strategies(service: str, labels: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the strategies of a service, from its labels in Compose's configuration or those of its container."""
    return tuple(str((labels or {}).get(STRATEGIES_LABEL) or service).split())


def ends_by_itself(labels: Mapping[str, Any] | None) -> bool:
    """Tell whether a service does its work before the others start and ends: it is none of those that are to run."""
    return bool((labels or {}).get(ONCE))


def hosted(configuration: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return service → its strategies of a configuration of Compose; CommandError if two services have the same one."""
    found = {
        name: strategies(name, one.get("labels"))
        for name, one in configuration["services"].items()
        if not ends_by_itself(one.get("labels"))
    }
    owners: dict[str, str] = {}
    for name, own in found.items():
        for strategy in own:
            if (other := owners.setdefault(strategy, name)) != name:
                msg = f"compose: {strategy} would run in {other} and in {name}: ask for the profile of one of them"
                raise CommandError(msg, 2)
    return found


def builders(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the services whose builds make every image once.

    Left to itself Compose builds a service after those that it depends on, and an image again for each service that has it.
    """
    found: dict[str, str] = {}
    for name, one in sorted(configuration["services"].items(), key=lambda item: ends_by_itself(item[1].get("labels"))):
        if "build" in one:
            found.setdefault(one.get("image", name), name)
    return tuple(sorted(found.values()))


def read(file: Path) -> Mapping[str, Any]:
    """Return the services of a Compose file by name; CommandError if it is no YAML.

    Compose itself could tell, but takes an engine's client, and more time than all the rest of a check.
    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        msg = f"{file}: cannot be read as YAML: {' '.join(str(error).split())}"
        raise CommandError(msg) from None
    found = content.get("services") if isinstance(content, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def names(file: Path) -> tuple[str, ...]:
    """Return the names of the services in a Compose file."""
    return tuple(map(str, read(file)))


def without_folder(folders: Iterable[str], services: Iterable[str]) -> tuple[str, ...]:
    """Return one line for each service that has no strategy."""
    return tuple(
        f"compose: {name}: has no folder strategies/{name}: add it, or remove the service"
        for name in sorted(set(services) - set(folders))
    )
