"""The values of the secrets that strategies name: from .env or the environment, a file, or what a command prints.

NAME is the value itself, NAME_FILE the path of a file with it, NAME_COMMAND a command that prints it, such as "op read …",
"sops -d …" or "pass show …". A value is in no argument, no file and no message.
"""

import shlex
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from deploy import processes
from deploy.errors import CommandError
from openbell.manifest import Manifest

FILE, COMMAND = "_FILE", "_COMMAND"
PATIENCE = 30.0  # seconds for a command to print a secret
HOW = f"set NAME, NAME{FILE} or NAME{COMMAND} in .env or the environment"


def by_strategy(manifests: Iterable[Manifest], values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return, by strategy, its secrets by name; CommandError names each that has no value.

    values: what .env and the environment say.
    """
    found: dict[str, dict[str, str]] = {}
    missing = []
    known: dict[str, str] = {}
    for manifest in manifests:
        for name in manifest.secrets:
            if name not in known:
                known[name] = value(name, values)
            if known[name]:
                found.setdefault(manifest.name, {})[name] = known[name]
            else:
                missing.append(f"{name} (named by strategies/{manifest.name}/strategy.toml)")
    if missing:
        msg = f"without a value: {', '.join(missing)}: {HOW}"
        raise CommandError(msg)
    return found


def filled(manifests: Iterable[Manifest], values: Mapping[str, str]) -> dict[str, str]:
    """Return the values with those of all secrets that the strategies name; one that is not set anywhere stays so."""
    named = dict.fromkeys(name for manifest in manifests for name in manifest.secrets)
    return {**values, **{name: found for name in named if (found := value(name, values))}}


def value(name: str, values: Mapping[str, str]) -> str:
    """Return a secret, empty if it is not set; CommandError if its file or its command does not give it."""
    return values.get(name) or _from_file(name, values) or _from_command(name, values)


def problem(name: str, values: Mapping[str, str]) -> str:
    """Return why a secret has no value, as far as that can be known without running its command; empty if it should have one."""
    if values.get(name):
        return ""
    if values.get(name + FILE):
        try:
            return "" if _from_file(name, values) else f"{name}{FILE}: {values[name + FILE]} is empty"
        except CommandError as error:
            return str(error)
    if not values.get(name + COMMAND):
        return f"{name} has no value: {HOW.replace('NAME', name)}"
    try:
        program = _words(name, values)[0]
    except CommandError as error:
        return str(error)
    return "" if shutil.which(program, path=values.get("PATH")) else f"{name}{COMMAND}: {program} is not installed here"


def _from_file(name: str, values: Mapping[str, str]) -> str:
    path = values.get(name + FILE)
    if not path:
        return ""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{name}{FILE}: {path} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}"
        raise CommandError(msg) from None


def _from_command(name: str, values: Mapping[str, str]) -> str:
    if not values.get(name + COMMAND):
        return ""
    words = _words(name, values)
    try:
        printed = processes.private_output(words, values, PATIENCE).removesuffix("\n").removesuffix("\r")
    except CommandError as error:
        msg = f"{name}{COMMAND}: {error}; run the command by hand to see why"
        raise CommandError(msg) from None
    if not printed:
        msg = f"{name}{COMMAND}: {words[0]} printed nothing"
        raise CommandError(msg)
    return printed


def _words(name: str, values: Mapping[str, str]) -> list[str]:
    try:
        words = shlex.split(values[name + COMMAND])
    except ValueError:
        words = []
    if not words:
        msg = f"{name}{COMMAND}: is not a command: allowed: words with closed quotes, such as op read op://vault/item/field"
        raise CommandError(msg)
    return words
