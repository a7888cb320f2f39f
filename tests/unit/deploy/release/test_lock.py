"""The lock as a deploy holds it; the server's program runs here, started as over a connection."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from deploy.errors import CommandError
from deploy.hosts.facts import read_facts
from deploy.release.lock import HostLock, LockHeldError
from deploy.ssh import program
from deploy.ssh.connection import Connection, Host, Result


class Here(Connection):
    """A connection to this machine, with the records in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Host("vps", folder=str(folder)))
        self.sent: list[bytes] = []  # the input of commands that are not the program's

    def check(
        self,
        command: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002 - as subprocess calls it
        timeout: float | None = None,
        doing: str | None = None,
    ) -> Result:
        """Run a command here, and keep its input."""
        assert doing
        self.sent.append(input or b"")
        done = subprocess.run(command, input=input, capture_output=True, timeout=timeout, check=True)
        return Result(done.returncode, done.stdout, done.stderr.decode())

    def start(self, command: Sequence[str], *, errors: IO[bytes] | None = None) -> "subprocess.Popen[bytes]":
        """Start a command here."""
        pipe = subprocess.PIPE
        return subprocess.Popen(tuple(command), stdin=pipe, stdout=pipe, stderr=errors, start_new_session=True)

    @property
    def alive(self) -> bool:
        """Whether the connection holds."""
        return True


@pytest.fixture
def connections(tmp_path: Path) -> Iterator[list[Here]]:
    """Two connections to one server."""
    made = [Here(tmp_path), Here(tmp_path)]
    yield made
    for one in made:
        one.close()


def lock(connection: Connection, by: str = "alice@laptop") -> HostLock:
    """Return the lock for someone."""
    return HostLock(connection, by, "deploying x", "x")


def test_one_at_a_time_holds_the_lock(connections: list[Here]) -> None:
    """The other is told who it is; it is free after the block, also one that an error has ended."""
    first, second = connections
    with (
        lock(first),
        pytest.raises(LockHeldError, match=r"^alice@laptop holds the lock since .*: deploying x$") as held,
        lock(second, "bob@desk"),
    ):
        pass
    assert (held.value.by, held.value.transaction) == ("alice@laptop", "x")
    with pytest.raises(ZeroDivisionError), lock(second, "bob@desk"):
        raise ZeroDivisionError
    with lock(first):
        pass


def test_questions_are_answered_while_it_is_held(connections: list[Here]) -> None:
    """By the same process: the lock is its own."""
    with lock(connections[0]):
        session = connections[0].session
        root = f"{connections[0].host.folder}/{connections[0].host.project}"
        program.ask(connections[0], "add-audit", root, input='{"action": "pause", "reason": "it\'s ü"}')
        assert '"reason": "it\'s' in program.ask(connections[0], "audit", root)
        assert connections[0].session is session


def test_a_server_that_has_the_program_tells_its_facts_with_it(connections: list[Here]) -> None:
    """A script is sent only before the first deploy has left the program there; the facts are the same."""
    first, second = connections
    before = read_facts(first)
    assert (len(first.sent), first.session) == (1, None)
    with lock(first):
        pass
    after = read_facts(second)
    assert (after.user, after.system, after.machine) == (before.user, before.system, before.machine)
    assert (second.sent, second.session is not None) == ([], True)


def test_what_cannot_be_started_is_told(connections: list[Here]) -> None:
    """And the lock stays this one's."""
    with lock(connections[0]) as held:
        with pytest.raises(CommandError, match=r"^vps: starting the deployment .* failed: the plan has not arrived$"):
            held.start("nothing")
        with pytest.raises(LockHeldError), lock(connections[1]):
            pass


def test_a_lock_whose_process_was_killed_starts_nothing(connections: list[Here]) -> None:
    """Another process that answers later does not have it."""
    with lock(connections[0]) as held:
        _kill(connections[0])
        with pytest.raises(CommandError, match=r"^vps: `audit .*` failed: exit code -9$"):
            program.ask(connections[0], "audit", "x")
        assert program.ask(connections[0], "audit", "x") == ""
        with pytest.raises(CommandError, match=r"^vps: the lock was lost: try again$"):
            held.start("x")
    with lock(connections[1]):
        pass


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """With the way to look at it."""
    (tmp_path / "file").touch()
    with (
        _closing(Here(tmp_path / "file")) as connection,
        pytest.raises(
            CommandError, match=r"^vps: .* cannot be locked there \(Not a directory: .*\): see whether it can"
        ),
        lock(connection),
    ):
        pass


def _kill(connection: Connection) -> None:
    assert connection.session
    connection.session._process.kill()


@contextmanager
def _closing(connection: Here) -> Iterator[Here]:
    try:
        yield connection
    finally:
        connection.close()
