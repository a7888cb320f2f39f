"""The services in compose/strategies.yaml, and whether they and the strategies' folders are the same."""

import re
from collections.abc import Iterable
from pathlib import Path


def names(file: Path) -> tuple[str, ...]:
    """Return the names of the services in a Compose file as `make new` and people write it: two spaces deep.

    Compose itself could tell, but takes an engine's client, and more time than all the rest of a check.
    """
    *_, listed = re.split(r"^services:.*$", file.read_text(encoding="utf-8"), maxsplit=1, flags=re.MULTILINE)
    return tuple(re.findall(r"^  ([\w.-]+):", listed, re.MULTILINE))


def differences(folders: Iterable[str], services: Iterable[str]) -> tuple[str, ...]:
    """Return one line for each strategy that has no service, and for each service that has no strategy."""
    folders, services = set(folders), set(services)
    return (
        *(
            f"strategies/{name}: has no service: add one to compose/strategies.yaml"
            for name in sorted(folders - services)
        ),
        *(
            f"compose: {name}: has no folder strategies/{name}: add it, or remove the service"
            for name in sorted(services - folders)
        ),
    )
