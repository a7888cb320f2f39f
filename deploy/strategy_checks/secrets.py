"""Secrets that a manifest names and that have no value anywhere."""

from collections.abc import Iterator, Mapping

from openbell.manifest import Manifest

SOURCES = ("", "_FILE", "_COMMAND")  # NAME holds the value; the others say where it is


def secret_problems(manifest: Manifest, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield one line for each secret without a value; environment: .env and the shell's."""
    for name in manifest.secrets:
        if not any(environment.get(name + source) for source in SOURCES):
            yield (
                f"{manifest.name}/strategy.toml: secrets: {name} has no value: set {name} or {name}_FILE in .env or the "
                "environment"
            )
