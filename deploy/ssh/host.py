"""A machine that strategies are deployed to, and command lines that every login shell there passes on unchanged."""

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from deploy.errors import CommandError

CONFIG_KEY = "OPENBELL_SSH_CONFIG"

# Login shells and sshrc may print a welcome: what comes before this line, on either output, is not the command's.
BEGIN = "-- openbell: output begins --"
# Where a login without a terminal may not look: sbin, and what snap installs.
_PATHS = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/snap/bin"
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ./:=_,@+-")


def _config_of_environment() -> Path | None:
    given = os.environ.get(CONFIG_KEY)
    return Path(given) if given else None


@dataclass(frozen=True)
class Host:
    """A machine that strategies are deployed to, and what deploy/hosts.toml says about it."""

    name: str  # as ssh understands it: an alias, user@address, ssh://user@address:port
    config: Path | None = field(default_factory=_config_of_environment)  # for `ssh -F`; None is the user's own
    project: str = "openbell"  # of Compose there
    folder: str = ".openbell"  # of records and configuration, below the user's home there or absolute
    bind: str = "127.0.0.1"  # the host's address that the status page listens on
    port: int = 8080  # of the status page
    environment: dict[str, str] = field(default_factory=dict)  # keys and values that go before those of .env

    def __post_init__(self) -> None:
        """Refuse what ssh would read as an option, or could not be a name; CommandError says what is allowed."""
        if not re.fullmatch(r"[^\s\-'\"`$\\;&<>|(){}][^\s'\"`$\\;&<>|(){}]*", self.name):
            msg = f'HOST: found "{self.name}"; allowed: what ssh understands, such as "vps", "me@192.0.2.7" or a Host of ~/.ssh/config; not an option'
            raise CommandError(msg, 2)

    @property
    def page_address(self) -> str:
        """The address of the status page, as seen on the host."""
        address = ip_address(self.bind)
        if not address.is_unspecified:
            return self.bind
        return "127.0.0.1" if address.version == 4 else "::1"

    @property
    def destination(self) -> tuple[str, ...]:
        """The last words of ssh's command line: options, and where to. ssh itself reads no address in brackets."""
        url = re.fullmatch(r"ssh://(?:([^@/]+)@)?\[([0-9A-Fa-f:.%\w]+)\](?::(\d+))?/?", self.name)
        if url is None:
            return ("--", self.name)
        user, address, port = url.groups()
        return (
            *(("-l", user) if user else ()),
            *(("-p", port) if port else ()),
            *("--", address),
        )

    @property
    def ssh(self) -> str:
        """The command that a person types to get there by hand."""
        where = tuple(word for word in self.destination if word != "--")
        return shlex.join(("ssh", *(("-F", str(self.config)) if self.config else ()), *where))


def shell_line(command: Sequence[str]) -> str:
    """Return the line that runs a command through the host's own sh.

    Within single quotes shells differ about quotes, backslashes, exclamation marks and line ends: none of these is in the
    line, since each is written as a number, which printf turns back.
    """
    script = (
        f"printf '\\n%s\\n' '{BEGIN}'; printf '\\n%s\\n' '{BEGIN}' >&2; "
        f'PATH="$PATH:{_PATHS}"; export PATH; exec {shlex.join(command)}'
    )
    encoded = "".join(chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in script.encode())
    return f'exec sh -c \'eval "$(printf %b "{encoded}")"\''


def after_welcome(output: bytes) -> bytes:
    """Return what the command itself has written; all of it if the command was never begun."""
    _, found, rest = output.partition(f"{BEGIN}\n".encode())
    return rest if found else output


def is_begin(line: bytes) -> bool:
    """Tell whether a line is the last one that is not the command's."""
    return line.endswith(f"{BEGIN}\n".encode())
