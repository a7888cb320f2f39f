"""What the user's side of SSH has for one stand-in server: a key, the server's own key, and a configuration."""

import subprocess
from pathlib import Path

HOST = "vps"

CONFIG = """\
Host {host}
    HostName 127.0.0.1
    Port {port}
    User root
    IdentityFile {folder}/id
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
"""


class Keys:
    """Files in a folder of their own: `id`, `known_hosts`, and `config` for `ssh -F`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.known_hosts = folder / "known_hosts"
        self.identity = folder / "id"
        make_key(self.identity)

    def public(self) -> str:
        """Return the public half of the user's key."""
        return self.identity.with_suffix(".pub").read_text().strip()

    def know(self, port: int, host_key: str) -> None:
        """Write the configuration, and the server's key as one that the user has accepted."""
        kind, key, *_ = host_key.split()
        self.known_hosts.write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
        self.config.write_text(CONFIG.format(host=HOST, port=port, folder=self.folder))

    def forget_host(self) -> None:
        """Make the server one that the user has never seen."""
        self.known_hosts.write_text("")

    def change_host(self) -> None:
        """Make the server's key another than the one that the user has accepted."""
        make_key(self.folder / "other")
        where, kind, _ = self.known_hosts.read_text().split()
        other = (self.folder / "other.pub").read_text().split()[1]
        self.known_hosts.write_text(f"{where} {kind} {other}\n")

    def change_identity(self) -> None:
        """Make the user's key one that the server does not accept."""
        self.identity.unlink()
        make_key(self.identity)


def make_key(file: Path) -> None:
    """Make a pair of keys without a passphrase."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "openbell-test", "-f", str(file)]
    subprocess.run(command, check=True, capture_output=True)
