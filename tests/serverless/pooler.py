"""A PgBouncer of one's own before a test's server: few connections, each given out for one transaction at a time."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from openbell.postgres.connection import PostgresError
from openbell.postgres.database import Database
from tests.ports import free_port
from tests.serverless.postgres import PASSWORD, PATIENCE

PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"


@contextmanager
def running_pooler(url: str, connections: int) -> Iterator[str]:
    """Run a pooler that holds at most so many connections to the database of `url`; yield the database's address there."""
    parts = urlsplit(url)
    folder = Path(tempfile.mkdtemp(prefix="openbell-pgbouncer-", dir="/tmp"))  # where its user may look
    port, name = free_port(), parts.path.lstrip("/")
    (folder / "users").write_text(f'"openbell" "{PASSWORD}"\n')
    (folder / "settings").write_text(
        f"[databases]\n{name} = host=127.0.0.1 port={parts.port} dbname={name}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = scram-sha-256\nauth_file = {folder}/users\npool_mode = transaction\n"
        f"default_pool_size = {connections}\nmax_client_conn = 1000\nignore_startup_parameters = extra_float_digits\n"
    )
    user = "postgres" if os.getuid() == 0 else None
    if user:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, str(folder / "settings")], user=user, stdout=log, stderr=log)
    there = f"postgresql://openbell:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/{name}?sslmode=disable"
    try:
        _wait(there, process, folder / "log")
        yield there
    finally:
        process.kill()
        process.wait(5)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        database = Database(url)
        try:
            database.execute("SELECT 1")
        except PostgresError as error:
            if time.monotonic() > until or process.poll() is not None:
                msg = f"the pooler did not answer ({error}):\n{log.read_text()[-2000:]}"
                raise TimeoutError(msg) from error
            time.sleep(0.1)
        else:
            return
        finally:
            database.close()
