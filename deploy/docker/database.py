"""The commands for the database that `make database` starts, as argument lists. Nothing is run here."""

from deploy.docker.compose import COMPOSE, Command
from deploy.remote.plan import DATABASE

SERVICE = DATABASE

_CONTAINER = """
project=$1
shift
id=$(docker ps --all --quiet --filter "label=com.docker.compose.project=$project" \\
    --filter "label=com.docker.compose.service=database" | head -n 1)
[ -n "$id" ] || { echo "openbell: no database of openbell is there: \\`make database\\` starts one" >&2; exit 1; }
"""
_WITHIN = f'{_CONTAINER}exec docker exec "$id" "$@"\n'
_BESIDE = """
beside() { docker run --rm --interactive --network none --volumes-from "$id" "$(docker inspect --format '{{.Image}}' "$id")" "$@"; }
"""
_RESTORE = f"""{_CONTAINER}{_BESIDE}
docker stop "$id" >/dev/null || exit 1
status=0
beside restore "$@" </dev/null || status=$?
docker start "$id" >/dev/null || status=1
exit "$status"
"""


def build() -> Command:
    """Build its image."""
    return (*COMPOSE, "--profile", SERVICE, "build", SERVICE)


def start() -> Command:
    """Start it."""
    return (*COMPOSE, "--profile", SERVICE, "up", "--detach", "--no-deps", SERVICE)


def answers(project: str) -> Command:
    """Tell whether it answers."""
    return within(project, "pg_isready", "--quiet", "--host=/tmp", "--username=openbell")


def within(project: str, *words: str) -> Command:
    """Run a command in its container."""
    return ("sh", "-c", _WITHIN, "sh", project, *words)


def unpack(project: str) -> Command:
    """Add backups, as a tar file on standard input, to those that are there."""
    return ("sh", "-c", f"{_CONTAINER}{_BESIDE}beside tar --extract --directory=/backups", "sh", project)


def pack(project: str) -> Command:
    """Write all its backups to standard output as a tar file; the log after the base backups, and so with all that these need."""
    return within(project, "tar", "--create", "--directory=/backups", "base", "wal")


def restore(project: str, instant: str) -> Command:
    """Stop it, put the newest state or that of an instant in place, and start it again."""
    return ("sh", "-c", _RESTORE, "sh", project, instant)
