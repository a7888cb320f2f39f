"""A PostgreSQL and its standby, which copies it all the time, behind a PgBouncer that gives out connections for a transaction."""

import json

from tests.engine.kit import answer, wait_until
from tests.hosts.accidents.nodes import Node

PORT, POOLED = 5432, 6432
DATA = "/var/lib/postgresql/cluster"
PROGRAMS = "/usr/lib/postgresql/15/bin"
# The server takes the time from a file, as the hosts' containers do (`runtime`), but from the library of its own release.
CLOCK = (
    "LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1) FAKETIME_TIMESTAMP_FILE=/faketime/now "
    "FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1"
)
SETTINGS = f"""
listen_addresses = '*'
unix_socket_directories = ''
port = {PORT}
max_connections = 100
fsync = off
wal_keep_size = 256MB
wal_receiver_timeout = 5s
wal_sender_timeout = 5s
"""
POOLER = """
[databases]
postgres = host={address} port=5432 dbname=postgres
[pgbouncer]
listen_addr = 0.0.0.0
listen_port = 6432
auth_type = trust
auth_file = /pooler/users
pool_mode = transaction
default_pool_size = 20
max_client_conn = 200
server_login_retry = 1
server_connect_timeout = 3
ignore_startup_parameters = extra_float_digits
logfile = /pooler/log
pidfile = /pooler/pid
"""


class Databases:
    """Both, and which of them is the one that may be written to."""

    def __init__(self, first: Node, second: Node, pooler: Node) -> None:
        """Start all three."""
        self.primary, self.standby, self.pooler = first, second, pooler
        as_postgres(first, f"{PROGRAMS}/initdb --auth=trust --username=openbell --no-sync -D {DATA}")
        as_postgres(first, f'echo "{SETTINGS}" >>{DATA}/postgresql.conf')
        for what in ("all", "replication"):
            as_postgres(first, f"echo host {what} all 0.0.0.0/0 trust >>{DATA}/pg_hba.conf")
        self.start()
        self.copy()
        pooler.shell('mkdir -p /pooler && echo \'"openbell" ""\' >/pooler/users')
        self.point()
        self.start_pooler()

    @property
    def url(self) -> str:
        """The pooler's address."""
        return f"postgresql://openbell:openbell@{self.pooler.address}:{POOLED}/postgres?sslmode=disable"

    def start(self) -> None:
        """Start the primary, also after it was killed."""
        self.primary.shell(f"rm -f {DATA}/postmaster.pid")
        self._start(self.primary)

    def kill(self) -> None:
        """Kill the primary: its processes write nothing more."""
        self.primary.shell("pkill -KILL -u postgres; true")
        wait_until(
            lambda: not self.primary.shell("pgrep -u postgres --runstates DRST; true"), "the end of the database", 20
        )

    def promote(self) -> None:
        """Let the standby be the primary, as it is; the one that was has lost all."""
        self.kill()
        self.primary, self.standby = self.standby, self.primary
        as_postgres(self.primary, f"{PROGRAMS}/pg_ctl -D {DATA} -w promote")
        self.point()
        self.pooler.shell("pkill -HUP pgbouncer")

    def copy(self) -> None:
        """Make the standby anew, from the primary as it is now."""
        self.standby.shell(f"rm -rf {DATA}")
        source = f"--host={self.primary.address} --port={PORT} --username=openbell"
        as_postgres(
            self.standby,
            f"{PROGRAMS}/pg_basebackup {source} --no-sync --checkpoint=fast --write-recovery-conf -D {DATA}",
        )
        self._start(self.standby)

    def _start(self, node: Node) -> None:
        as_postgres(node, f"{CLOCK} {PROGRAMS}/pg_ctl -D {DATA} -l {DATA}.log -w -t 60 start")

    def follows(self) -> bool:
        """Tell whether the standby has all that the primary has."""
        ask = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()"
        return self.ask(ask) == "1"

    def point(self) -> None:
        """Let the pooler connect to the primary."""
        text = POOLER.format(address=self.primary.address)
        self.pooler.shell(f"printf '%s' '{text}' >/pooler/settings && chown -R postgres /pooler")

    def start_pooler(self) -> None:
        """Start the pooler."""
        as_postgres(self.pooler, "pgbouncer --daemon /pooler/settings")

    def ask(self, statement: str) -> str:
        """Return what the primary answers, as psql prints it."""
        command = ["psql", "-h", "127.0.0.1", "-U", "openbell", "-d", "postgres", "-Atqc", statement]
        return answer(self.primary.container, *command)[1].strip()

    def rows(self, table: str) -> list[dict[str, object]]:
        """Return all rows of a table."""
        text = self.ask(f"SELECT coalesce(json_agg(one), '[]') FROM {table} AS one")  # noqa: S608 - a table's name as written here
        found: list[dict[str, object]] = json.loads(text)
        return found


def as_postgres(node: Node, script: str) -> str:
    """Run a line of shell as the database's user."""
    code, said = answer(node.container, "sh", "-c", script, options=("--user", "postgres", "--workdir", "/"))
    assert code == 0, f"{node.name}: {script}: {said}"
    return said
