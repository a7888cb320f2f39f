"""What a user may set: .env at the root, and the shell's environment, which goes before it as it does for Compose."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from ipaddress import ip_address
from pathlib import Path

import pytz
from dotenv import dotenv_values
from pytz.tzinfo import BaseTzInfo

from deploy.errors import CommandError
from openbell.terminal import one_line

_LONGEST_SHOWN = 200  # characters of what was found
_SIZE = (re.compile(r"[1-9]\d*[bkmg]?"), 'a size such as "256m"')
_NUMBER = (re.compile(r"[1-9]\d{0,6}"), "a whole number above 0")
_DURATION = (re.compile(r"(\d+h)?(\d+m)?(\d+s)?(?<=[hms])"), 'a duration such as "130s" or "2m10s"')
_VOLUME = (re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*"), "a volume's name: letters, digits, _ . and -")

# What these may be, the supervisor says at its start, in one line: it knows zones, channels and bots.
STRATEGIES = Path("strategies")  # the kit's own folder of strategies
_SUPERVISORS = (re.compile(r"\S[\s\S]*"), "what .env.example says")
_FILE = (re.compile(r"\S.*"), "a file")
_ADDRESS = (re.compile(r"[0-9a-fA-F.:]+"), "an IP address of this machine")
_PORT = (re.compile(r"[1-9]\d{0,4}"), "a port from 1 to 65535")
_CPUS = (re.compile(r"\d+(\.\d+)?"), 'a number such as "0.5"')

DATABASE = "OPENBELL_DATABASE"
# Every key that openbell knows, with what it may be. .env.example explains each of them; a test holds the two together.
KEYS: dict[str, tuple[re.Pattern[str], str]] = {
    "COMPOSE_PROJECT_NAME": (re.compile(r"[a-z0-9][a-z0-9_-]*"), "lower-case letters, digits, _ and -"),
    "COMPOSE_PROFILES": (
        re.compile(r"[a-z][\w-]*(,[a-z][\w-]*)*"),
        'profiles with commas between them, such as "portfolio"',
    ),
    "OPENBELL_TAG": (re.compile(r"(?!latest$)\w[\w.-]{0,127}"), "an image tag other than latest"),
    "OPENBELL_BIND": _ADDRESS,
    "OPENBELL_PORT": _PORT,
    "OPENBELL_HOSTS": (re.compile(r"[\w.,:*-]+"), 'names with commas between them, such as "bots.example.org"'),
    "OPENBELL_STRATEGIES": (re.compile(r"\S.*"), "a folder of strategies, such as ../my-strategies"),
    "OPENBELL_BLACKOUT": _SUPERVISORS,
    DATABASE: (re.compile(r"postgres(ql)?://\S+"), "postgresql://user:password@host:5432/database"),
    "OPENBELL_DATABASE_ROOT_FILE": _FILE,
    "OPENBELL_DATABASE_PASSWORD_FILE": _FILE,
    "OPENBELL_DATABASE_BIND": _ADDRESS,
    "OPENBELL_DATABASE_PORT": _PORT,
    "OPENBELL_DATABASE_MEMORY": _SIZE,
    "OPENBELL_BACKUPS_KEEP": _NUMBER,
    "OPENBELL_CLUSTER_VOLUME": _VOLUME,
    "OPENBELL_BACKUPS_VOLUME": _VOLUME,
    "OPENBELL_HOST": (re.compile(r"[\w][\w.-]*"), "a machine's name, such as vps"),
    "OPENBELL_REGISTRY": (
        re.compile(r"[a-z0-9][\w.:/-]*"),
        "a registry and a folder in it, such as registry.example.org/me",
    ),
    "OPENBELL_PULL_SECRET": (re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"), "the name of a Secret"),
    "OPENBELL_PUBLIC": (re.compile(r"yes|no"), "yes or no"),
    "OPENBELL_TOKEN": _SUPERVISORS,
    "OPENBELL_TOKEN_FILE": _FILE,
    "OPENBELL_READ_TOKEN": _SUPERVISORS,
    "OPENBELL_READ_TOKEN_FILE": _FILE,
    "OPENBELL_PROMETHEUS_PORT": _PORT,
    "OPENBELL_GRAFANA_PORT": _PORT,
    "OPENBELL_PROMETHEUS_MEMORY": _SIZE,
    "OPENBELL_GRAFANA_MEMORY": _SIZE,
    "OPENBELL_METRICS_KEEP": (re.compile(r"[1-9]\d*[hdwy]"), 'a duration such as "90d"'),
    "OPENBELL_TIMEZONE": (re.compile(r"\S+"), 'a zone of the tz database such as "Europe/Berlin"'),
    "OPENBELL_JOURNAL_VOLUME": _VOLUME,
    "OPENBELL_STATE_VOLUME": _VOLUME,
    "OPENBELL_CONTROL_VOLUME": _VOLUME,
    "OPENBELL_SUPERVISOR_VOLUME": _VOLUME,
    "OPENBELL_STRATEGY_MEMORY": _SIZE,
    "OPENBELL_STRATEGY_CPUS": _CPUS,
    "OPENBELL_TOGETHER_MEMORY": _SIZE,
    "OPENBELL_SUPERVISOR_MEMORY": _SIZE,
    "OPENBELL_SUPERVISOR_CPUS": _CPUS,
    "OPENBELL_PIDS_LIMIT": _NUMBER,
    "OPENBELL_STOP_GRACE": _DURATION,
    "OPENBELL_HEALTH_INTERVAL": _DURATION,
    "OPENBELL_LOG_MAX_SIZE": _SIZE,
    "OPENBELL_LOG_MAX_FILE": _NUMBER,
    "OPENBELL_ALERT_URLS": _SUPERVISORS,
    "OPENBELL_ALERT_URLS_FILE": _FILE,
    "OPENBELL_ALERT_FALLBACK": _SUPERVISORS,
    "OPENBELL_ALERT_FALLBACK_FAILURES": _NUMBER,
    "OPENBELL_ALERT_FALLBACK_TIME": _SUPERVISORS,
    "OPENBELL_ALERT_ESCALATE": _SUPERVISORS,
    "OPENBELL_URL": _SUPERVISORS,
    "OPENBELL_ALERT_AFTER": _SUPERVISORS,
    "OPENBELL_RECOVER_AFTER": _SUPERVISORS,
    "OPENBELL_REMIND": _SUPERVISORS,
    "OPENBELL_QUIET_HOURS": _SUPERVISORS,
    "OPENBELL_DIGEST_MORNING": _SUPERVISORS,
    "OPENBELL_DIGEST_EVENING": _SUPERVISORS,
    "OPENBELL_DEADMAN_URL": _SUPERVISORS,
    "OPENBELL_DEADMAN_URL_FILE": _FILE,
    "OPENBELL_TELEGRAM": _SUPERVISORS,
    "OPENBELL_TELEGRAM_FILE": _FILE,
    "OPENBELL_TELEGRAM_SERVER": _SUPERVISORS,
    "OPENBELL_DEADMAN_EVERY": _SUPERVISORS,
    "OPENBELL_LOG": (re.compile(r"text|json"), "text or json"),
    "OPENBELL_SSH_CONFIG": (re.compile(r".+"), "a file that `ssh -F` reads"),
}


@dataclass(frozen=True)
class Settings:
    """What this machine's commands need to know of the environment."""

    project: str = "openbell"
    bind: str = "127.0.0.1"
    port: int = 8080
    timezone: BaseTzInfo | None = None  # the user's; None is this machine's own
    stop_grace: int = 130  # seconds
    log: str = "text"
    ssh_config: Path | None = None  # None is the user's own

    @property
    def page(self) -> str:
        """The status page's address as a browser on this machine uses it."""
        address = ip_address(self.bind)
        if address.is_unspecified:
            address = ip_address("127.0.0.1" if address.version == 4 else "::1")
        return f"http://{f'[{address}]' if address.version == 6 else address}:{self.port}"


def read_settings(file: Path, environment: Mapping[str, str]) -> Settings:
    """Return the settings; CommandError names the key, what was found and what is allowed."""
    for key in _from_file(file):
        if key.startswith("OPENBELL_") and key not in KEYS:
            msg = f"{file.name}: {_shown(key)}: an unknown key; known: {', '.join(KEYS)}"
            raise CommandError(msg)
    return settings(values(file, environment), file.name)


def values(file: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return all that is set, secrets too: the shell's environment before the file."""
    return {**_from_file(file), **environment}


def strategies_folder() -> Path:
    """Return the folder of the user's strategies: OPENBELL_STRATEGIES, or the kit's own."""
    return Path(values(Path(".env"), os.environ).get("OPENBELL_STRATEGIES") or STRATEGIES).expanduser()


def _from_file(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        text = file.read_text(encoding="utf-8-sig")
        if "\0" in text:
            msg = f"{file}: holds a NUL character: it is not a text file"
            raise CommandError(msg)
        return {key: value or "" for key, value in dotenv_values(stream=StringIO(text)).items()}
    except (ValueError, RecursionError, OSError) as error:
        msg = f"{file}: cannot be read: {error}"
        raise CommandError(msg) from None


def settings(values: Mapping[str, str], file: str) -> Settings:
    """Return the settings that the values stand for; an empty value is one that is not set, as it is for Compose."""
    given = {key: values[key] for key in KEYS if values.get(key)}
    for key, value in given.items():
        if problem := wrong(key, value):
            msg = f"{file} or the environment: {key}: {problem}"
            raise CommandError(msg)
    zone = given.get("OPENBELL_TIMEZONE")
    return Settings(
        project=given.get("COMPOSE_PROJECT_NAME", Settings.project),
        bind=given.get("OPENBELL_BIND", Settings.bind),
        port=int(given.get("OPENBELL_PORT", Settings.port)),
        timezone=pytz.timezone(zone) if zone else None,
        stop_grace=seconds(given.get("OPENBELL_STOP_GRACE", f"{Settings.stop_grace}s")),
        log=given.get("OPENBELL_LOG", Settings.log),
        ssh_config=Path(given["OPENBELL_SSH_CONFIG"]).expanduser() if "OPENBELL_SSH_CONFIG" in given else None,
    )


def wrong(key: str, value: str) -> str | None:
    """Return what was found and what is allowed, or None if the key may have this value."""
    pattern, allowed = KEYS[key]
    if pattern.fullmatch(value) and _exists(key, value):
        return None
    found = "another text" if key == DATABASE else f'"{_shown(value)}"'  # it has a password
    return f"found {found}; allowed: {allowed}"


def _shown(text: str) -> str:
    """Return a text of the user's as part of a line."""
    return one_line(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")


def seconds(duration: str) -> int:
    """Return the seconds of a duration as Compose writes it: 130s, 2m10s, 1h."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", duration))


def _exists(key: str, value: str) -> bool:
    match key:
        case "OPENBELL_PORT":
            return int(value) <= 65535
        case "OPENBELL_TIMEZONE":
            return value in pytz.all_timezones_set
        case "OPENBELL_BIND":
            try:
                ip_address(value)
            except ValueError:
                return False
    return True
