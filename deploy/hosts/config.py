"""What deploy/hosts.toml says about a host. The file may be missing: every host works without an entry."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from deploy import settings
from deploy.errors import CommandError
from deploy.settings import Settings, strategies_folder
from deploy.ssh.connection import Host

FILE = Path("deploy/hosts.toml")

# What is a matter of this machine, and not of a host.
_HERE_ONLY = frozenset({"OPENBELL_STRATEGIES", "OPENBELL_TIMEZONE", "OPENBELL_LOG", "OPENBELL_SSH_CONFIG"})
# The keys of an entry and those of .env that they go before: the same, in lower case and without OPENBELL_ or COMPOSE_.
KEYS: Mapping[str, str] = {
    "project" if key == "COMPOSE_PROJECT_NAME" else key.removeprefix("OPENBELL_").removeprefix("COMPOSE_").lower(): key
    for key in settings.KEYS
    if key not in _HERE_ONLY
}
_FOLDER = "folder"


def find(name: str, settings: Settings, file: Path | None = None) -> Host:
    """Return the host of that name with its settings; Problem names the file and key that are wrong."""
    own = strategies_folder() / FILE.name
    file = file or (own if own.is_file() else FILE)
    entries = {entry: _entry(entry, values, file) for entry, values in _load(file).items()}
    values = entries.get(name, {})
    return Host(
        name=name,
        config=settings.ssh_config,
        folder=values.get(_FOLDER, Host.folder),
        project=values.get("COMPOSE_PROJECT_NAME", settings.project),
        bind=values.get("OPENBELL_BIND", settings.bind),
        port=int(values.get("OPENBELL_PORT", settings.port)),
        environment={key: value for key, value in values.items() if key != _FOLDER},
    )


def _load(file: Path) -> Mapping[str, object]:
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    # A huge number is a plain ValueError to tomllib, and deep nesting a RecursionError.
    except (ValueError, RecursionError, OSError) as error:
        msg = f"{file}: not valid TOML: {error}"
        raise CommandError(msg) from None


def _entry(name: str, values: object, file: Path) -> dict[str, str]:
    """Return an entry's values by the keys of .env, and `folder`."""
    if not isinstance(values, Mapping):
        msg = f"{file}: {name}: found {_shown(values)}; allowed: a table for each host, such as [{name}]"
        raise CommandError(msg)
    Host(name)  # says what is wrong with a name that no HOST can have
    found = {}
    for key, value in values.items():
        where = f"{file}: {name}.{key}"
        if key != _FOLDER and key not in KEYS:
            msg = f"{where}: an unknown key; known: {', '.join((_FOLDER, *KEYS))}"
            raise CommandError(msg)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            msg = f"{where}: found {_shown(value)}; allowed: a text or a number"
            raise CommandError(msg)
        problem = _folder(str(value)) if key == _FOLDER else settings.wrong(KEYS[key], str(value))
        if problem:
            msg = f"{where}: {problem}"
            raise CommandError(msg)
        found[KEYS.get(key, key)] = str(value)
    return found


def _folder(value: str) -> str | None:
    parts = Path(value).parts
    if value and not value.startswith("~") and ".." not in parts and parts not in {(), ("/",)}:
        return None
    return (
        f'found "{value}"; allowed: a folder below the user\'s home there, such as "{Host.folder}", or an absolute one'
    )


def _shown(value: object) -> str:
    return f"{value!r} ({type(value).__name__})"
