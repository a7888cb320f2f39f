"""A PostgreSQL server of one's own, which ends with the tests."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from openbell.postgres.connection import PostgresError
from openbell.postgres.database import Database
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse/battery"  # an address has to quote it
PATIENCE = 30.0  # seconds


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    port: int
    folder: Path

    def url(self, database: str = "postgres") -> str:
        """Return the address of one of its databases."""
        return f"postgresql://openbell:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def log(self) -> str:
        """Return the end of what the server has said."""
        return (self.folder / "log").read_text()[-2000:]


@contextmanager
def running_server(
    *, key: Path | None = None, certificate: Path | None = None, durable: bool = False
) -> Iterator[Server]:
    """Run Debian's PostgreSQL with a data folder of its own, as a user that is not root.

    With a certificate it speaks TLS. durable: its commits survive a power cut, which takes them longer.
    """
    programs = Path(subprocess.check_output([ROOT / "scripts" / "postgres-ready"], text=True).splitlines()[-1])
    user = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="openbell-postgres-"))
    if user:
        shutil.chown(folder, user)
    (folder / "password").write_text(PASSWORD)
    server = Server(free_port(), folder)
    options = ["--auth=scram-sha-256", "--username=openbell", f"--pwfile={folder / 'password'}", "--no-sync"]
    home = pwd.getpwnam(user).pw_dir if user else str(folder)
    surroundings = {"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8"}
    subprocess.run(
        [programs / "initdb", *options, "-D", folder / "data"],
        user=user, env=surroundings, cwd=folder, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    settings: dict[str, object] = {
        "port": server.port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": folder,
        "fsync": "on" if durable else "off",
        "max_connections": 200 if durable else 100,
    }
    if key and certificate:
        for source, name in ((key, "server.key"), (certificate, "server.crt")):
            shutil.copy(source, folder / "data" / name)
            shutil.chown(folder / "data" / name, user or os.getuid())
            (folder / "data" / name).chmod(0o600)
        settings["ssl"] = "on"
        settings["listen_addresses"] = "127.0.0.1,127.0.0.2"  # the second is not known to be this machine
    command = [str(programs / "postgres"), "-D", str(folder / "data")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, user=user, env=surroundings, cwd=folder, stdout=log, stderr=log)
    try:
        _wait(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # which does not wait for connections that are open
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        database = Database(server.url())
        try:
            database.execute("SELECT 1")
        except PostgresError as error:
            if time.monotonic() > until or process.poll() is not None:
                msg = f"the server did not answer ({error}):\n{server.log()}"
                raise TimeoutError(msg) from error
            time.sleep(0.1)
        else:
            return
        finally:
            database.close()
