"""What deploy/hosts.toml says about a host. The file may be missing: every host works without an entry."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from deploy import settings
from deploy.errors import CommandError
from deploy.settings import Settings, strategies_folder
from deploy.ssh.connection import Host

FILE = Path("deploy/hosts.toml")

# Settings of this machine, which an entry of a host cannot have.
_HERE_ONLY = frozenset({"OPENBELL_STRATEGIES", "OPENBELL_TIMEZONE", "OPENBELL_LOG", "OPENBELL_SSH_CONFIG"})
# The keys of an entry and those of .env that they replace: the same, in lower case and without OPENBELL_ or COMPOSE_.
KEYS: Mapping[str, str] = {
    "project" if key == "COMPOSE_PROJECT_NAME" else key.removeprefix("OPENBELL_").removeprefix("COMPOSE_").lower(): key
    for key in settings.KEYS
    if key not in _HERE_ONLY
}
_FOLDER = "folder"
_PLACES = ("home", "standby")  # the strategies that run there if they can, where hosts share a database


def find(name: str, settings: Settings, file: Path | None = None) -> Host:
    """Return the host of that name with its settings; CommandError names the file and key that are wrong."""
    if "," in name:
        msg = f"HOST: found {name}; allowed: one host, as this command is for one at a time"
        raise CommandError(msg, 2)
    file = file or default_file()
    entries = {entry: _entry(entry, values, file) for entry, values in _load(file).items()}
    values = entries.get(name, {})
    return Host(
        name=name,
        config=settings.ssh_config,
        folder=values.get(_FOLDER, Host.folder),
        project=values.get("COMPOSE_PROJECT_NAME", settings.project),
        bind=values.get("OPENBELL_BIND", settings.bind),
        port=int(values.get("OPENBELL_PORT", settings.port)),
        environment={key: value for key, value in values.items() if key not in {_FOLDER, *_PLACES}},
    )


def places(file: Path | None = None) -> dict[str, tuple[str, str]]:
    """Return the home and the standby of each strategy that has one in the file, empty where none is named."""
    file = file or default_file()
    found: dict[str, tuple[str, str]] = {}
    for host, values in _load(file).items():
        entry = _entry(host, values, file)
        for number, key in enumerate(_PLACES):
            for strategy in entry.get(key, "").split():
                here = found.get(strategy, ("", ""))
                if host in here or here[number]:
                    msg = f"{file}: {host}.{key}: {strategy} has a {key if here[number] else 'place'} already"
                    raise CommandError(msg)
                found[strategy] = (host, here[1]) if key == "home" else (here[0], host)
    return found


def default_file() -> Path:
    """Return the file in the folder of the user's own strategies, or the kit's."""
    own = strategies_folder() / FILE.name
    return own if own.is_file() else FILE


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
        if key not in {_FOLDER, *_PLACES, *KEYS}:
            msg = f"{where}: an unknown key; known: {', '.join((_FOLDER, *_PLACES, *KEYS))}"
            raise CommandError(msg)
        if key in _PLACES:
            found[key] = " ".join(_strategies(where, value))
            continue
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            msg = f"{where}: found {_shown(value)}; allowed: a text or a number"
            raise CommandError(msg)
        problem = _folder(str(value)) if key == _FOLDER else settings.wrong(KEYS[key], str(value))
        if problem:
            msg = f"{where}: {problem}"
            raise CommandError(msg)
        found[KEYS.get(key, key)] = str(value)
    return found


def _strategies(where: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one.isidentifier() for one in value):
        msg = f'{where}: found {_shown(value)}; allowed: a list of strategies such as ["ma_crossover", "pulse"]'
        raise CommandError(msg)
    return value


def _folder(value: str) -> str | None:
    parts = Path(value).parts
    if value and not value.startswith("~") and ".." not in parts and parts not in {(), ("/",)}:
        return None
    return (
        f'found "{value}"; allowed: a folder below the user\'s home there, such as "{Host.folder}", or an absolute one'
    )


def _shown(value: object) -> str:
    return f"{value!r} ({type(value).__name__})"
