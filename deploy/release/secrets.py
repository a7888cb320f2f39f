"""The values of the secrets that strategies name: from the shell's environment, .env, or files that these name."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from deploy.errors import CommandError
from openbell.manifest import Manifest

FILE = "_FILE"


def of(manifests: Iterable[Manifest], values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return, by strategy, its secrets by name; Problem names each that has no value.

    values: what .env and the environment say. NAME is the value itself, NAME_FILE the path of a file with it.
    """
    found: dict[str, dict[str, str]] = {}
    missing = []
    for manifest in manifests:
        for name in manifest.secrets:
            value = values.get(name) or _from_file(name, values)
            if value:
                found.setdefault(manifest.name, {})[name] = value
            else:
                missing.append(f"{name} (named by strategies/{manifest.name}/strategy.toml)")
    if missing:
        msg = f"without a value: {', '.join(missing)}: set it in .env, or its file as NAME{FILE}=path"
        raise CommandError(msg)
    return found


def _from_file(name: str, values: Mapping[str, str]) -> str:
    path = values.get(name + FILE)
    if not path:
        return ""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{name}{FILE}: {path} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}"
        raise CommandError(msg) from None
