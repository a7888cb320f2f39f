"""The settings of the supervisor's process, from the environment; those of the alerts are in `alerts/settings.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from openbell.supervisor.alerts.links import base_address
from openbell.supervisor.telegram.settings import TelegramSettings
from openbell.supervisor.telegram.settings import from_environment as telegram_settings
from openbell.supervisor.web import Readers, readers, token_from_environment


@dataclass(frozen=True)
class Settings:
    """Folders, the address to listen on and so on, from the environment. The defaults are those inside the image."""

    strategies: Path
    journal: Path
    control: Path
    state: Path
    host: str
    port: int
    hosts: tuple[str, ...]  # names under which the page answers, in addition to this machine's own
    profiles: tuple[str, ...] = ()  # of Compose
    token: str = field(
        default="", repr=False
    )  # what a change through the page must carry; without one nothing can be changed
    readers: Readers = field(default_factory=Readers, repr=False)  # who may read the page
    address: str = ""  # of the page, as readers know it: for links in messages
    telegram: TelegramSettings | None = None


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Return the settings that OPENBELL_* name; ValueError if one makes no sense."""
    listen = environment.get("OPENBELL_LISTEN", "0.0.0.0:8080")  # in the container; it is published on loopback only
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        msg = f'OPENBELL_LISTEN: found "{listen}"; allowed: an address and a port such as 0.0.0.0:8080'
        raise ValueError(msg)
    address = base_address(environment.get("OPENBELL_URL", ""))
    names = [*environment.get("OPENBELL_HOSTS", "").split(","), urlsplit(address).hostname or ""]
    token = token_from_environment(environment)
    return Settings(
        Path(environment.get("OPENBELL_STRATEGIES", "/strategies")),
        Path(environment.get("OPENBELL_JOURNAL", "/journal")),
        Path(environment.get("OPENBELL_CONTROL", "/control")),
        Path(environment.get("OPENBELL_SUPERVISOR_STATE", "/var/lib/openbell")),
        host.strip("[]"),
        int(port),
        tuple(name.strip() for name in names if name.strip()),
        tuple(name.strip() for name in environment.get("OPENBELL_PROFILES", "").split(",") if name.strip()),
        token,
        readers(environment, token),
        address,
        telegram_settings(environment),
    )
