"""The database that `make database` starts, as a process: the image's own scripts with PostgreSQL's programs of this machine."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from openbell.postgres.connection import PostgresError, Value
from openbell.postgres.database import Database
from tests.ports import free_port
from tests.serverless.postgres import PASSWORD, PATIENCE, ROOT

SCRIPTS = ROOT / "images" / "database"


class OwnDatabase:
    """One installation of it, which can be stopped, restored and started again."""

    def __init__(self, folder: Path) -> None:
        programs = subprocess.check_output([ROOT / "scripts" / "postgres-ready"], text=True).splitlines()[-1]
        self.folder, self._port = folder, free_port()
        self._user = "postgres" if os.getuid() == 0 else None
        for name in ("cluster", "backups", "tmp"):
            (folder / name).mkdir()
        (folder / "password").write_text(f"{PASSWORD}\n")
        # The user's home may hold the checkout, which it may not enter.
        self._scripts = Path(shutil.copytree(SCRIPTS, folder / "scripts"))
        if self._user:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, self._user)
        self._environment = {
            "PATH": f"{self._scripts}:{programs}:{os.environ['PATH']}",
            "HOME": pwd.getpwnam(self._user).pw_dir if self._user else str(folder),
            "TMPDIR": str(folder / "tmp"),
            "PGPORT": str(self._port),
            "LC_ALL": "C.UTF-8",
            "OPENBELL_CLUSTER": str(folder / "cluster"),
            "OPENBELL_BACKUPS": str(folder / "backups"),
            "OPENBELL_BACKUPS_KEEP": "1",
            "OPENBELL_DATABASE_PASSWORD_FILE": str(folder / "password"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, parameters: str = "sslmode=disable", host: str = "127.0.0.1") -> str:
        """Return its address."""
        return f"postgresql://openbell:{quote(PASSWORD, safe='')}@{host}:{self._port}/postgres?{parameters}"

    def start(self) -> None:
        """Start it, and wait until it answers as one that may be written to."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._scripts / "start"],
                user=self._user,
                env=self._environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        self.wait(lambda: self.ask("SELECT 1 WHERE NOT pg_is_in_recovery()"))

    def stop(self) -> int:
        """Stop it in order."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(20)
        self._process = None
        return code

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run one of the scripts, as the container's user."""
        return subprocess.run(
            [self._scripts / words[0], *words[1:]], user=self._user, env=self._environment, cwd=self.folder,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def ask(self, statement: str, url: str = "") -> list[tuple[Value, ...]]:
        """Return what the database answers, over a connection for that alone; nothing if it gives no answer."""
        database = Database(url or self.url())
        try:
            return list(database.execute(statement))
        except PostgresError:
            return []
        finally:
            database.close()

    def wait(self, until: Callable[[], object]) -> None:
        """Wait until something holds."""
        end = time.monotonic() + PATIENCE
        while not until():
            if time.monotonic() > end or self._process is None or self._process.poll() is not None:
                msg = f"it did not come about:\n{self.log()}"
                raise TimeoutError(msg)
            time.sleep(0.1)

    def log(self) -> str:
        """Return the end of what it has said."""
        return (self.folder / "log").read_text()[-3000:]


@contextmanager
def own_database() -> Iterator[OwnDatabase]:
    """Give one that is not started yet, and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="openbell-database-", dir="/tmp"))  # where its user may look
    one = OwnDatabase(folder)
    try:
        yield one
    finally:
        if one._process is not None:
            one.stop()
        shutil.rmtree(folder, ignore_errors=True)
