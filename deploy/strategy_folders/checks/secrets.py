"""Secrets that a manifest names and that have no value anywhere."""

from collections.abc import Iterator, Mapping

from deploy import secrets
from openbell.manifest import Manifest


def secret_problems(manifest: Manifest, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield one line for each secret without a value; environment: .env and the shell's. No command is run."""
    for name in manifest.secrets:
        if problem := secrets.problem(name, environment):
            yield f"{manifest.name}/strategy.toml: secrets: {problem}"
