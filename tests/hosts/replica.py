"""A PostgreSQL that is killed, and its copy that takes its place: all that was committed after the copy is lost."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from tests.serverless.postgres import PASSWORD, ROOT, Server


class Replica:
    """A standby of a server as it was at one moment, and the process that runs it later."""

    def __init__(self, primary: Server) -> None:
        """Copy the server while it works."""
        self._programs = Path(
            subprocess.check_output([ROOT / "scripts" / "postgres-ready"], text=True).splitlines()[-1]
        )
        self._primary = primary
        self._user = "postgres" if os.getuid() == 0 else None
        self._data = primary.folder / "replica"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": pwd.getpwnam(self._user).pw_dir if self._user else str(primary.folder),
            "LC_ALL": "C.UTF-8",
            "PGPASSWORD": PASSWORD,
        }
        self._process: subprocess.Popen[bytes] | None = None
        words = [
            "--host=127.0.0.1",
            f"--port={primary.port}",
            "--username=openbell",
            "--no-password",
            "--checkpoint=fast",
        ]
        self._run("pg_basebackup", *words, "--no-sync", "--pgdata", str(self._data))
        (self._data / "standby.signal").touch()
        if self._user:
            shutil.chown(self._data / "standby.signal", self._user)

    def take_over(self) -> None:
        """Kill the server; from now on this one answers at the same port, on a new timeline."""
        main = int((self._primary.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(main, signal.SIGQUIT)  # its processes end at once, and write nothing more
        while Path(f"/proc/{main}").exists() and Path(f"/proc/{main}/stat").read_text().split()[2] != "Z":
            pass
        command = [str(self._programs / "postgres"), "-D", str(self._data)]
        for setting in (f"port={self._primary.port}", "listen_addresses=127.0.0.1", "fsync=off"):
            command += ["-c", setting]
        command += ["-c", f"unix_socket_directories={self._primary.folder}"]
        with (self._primary.folder / "replica.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, user=self._user, env=self._environment, cwd=self._primary.folder, stdout=log, stderr=log
            )
        self._run("pg_ctl", "promote", "--wait", "--pgdata", str(self._data), tries=100)

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(10)

    def _run(self, program: str, *words: str, tries: int = 1) -> None:
        for number in range(tries):
            done = subprocess.run(
                [self._programs / program, *words], user=self._user, env=self._environment, cwd=self._primary.folder,
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            if not done.returncode or number == tries - 1:
                assert not done.returncode, done.stdout + done.stderr
                return
