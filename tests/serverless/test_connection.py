"""The connection to PostgreSQL: what is asked and answered, and a server that hangs, refuses, or is not to be trusted."""

import gc
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from openbell.postgres import database as module
from openbell.postgres.connection import PostgresError, Value
from openbell.postgres.database import Database
from tests.serverless.postgres import Server, running_server

TELL = "SELECT CAST(ssl AS text) FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
READY = b"Z" + struct.pack("!ic", 5, b"I")
MINE = "SELECT pg_backend_pid()"


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A connection."""
    one = Database(server.url())
    yield one
    one.close()


@pytest.mark.parametrize(
    "value",
    ["", "it's", "a \\ b", "\\'; DROP TABLE x; --", "ü€😀", "E'\\n'", "5 % 2 %s ?", 5, -5, 2**63 - 1, 1.5, -1e300, 0.1, 5e-324, None],
)  # fmt: skip
def test_values_come_back_as_they_went(database: Database, value: Value) -> None:
    """Whatever is in a text, also where backslashes have their old meaning."""
    kind = "text" if isinstance(value, str) else "float8" if isinstance(value, float) else "bigint"
    for setting in ("on", "off"):
        database.execute(f"SET standard_conforming_strings = {setting}")
        assert database.execute(f"SELECT CAST(? AS {kind})", (value,)) == [(value,)]


def test_numbers_that_are_none_come_back(database: Database) -> None:
    """Infinity is one of PostgreSQL's, and no number is, too."""
    (row,) = database.execute("SELECT CAST(? AS float8), CAST(? AS float8), ?", (float("-inf"), float("nan"), "a"))
    assert (row[0], str(row[1]), row[2]) == (float("-inf"), "nan", "a")


def test_a_decimal_number_comes_as_a_float(database: Database) -> None:
    """As SQLite has it."""
    ((value,),) = database.execute("SELECT 1.5")
    assert (type(value), value) == (float, 1.5)


def test_a_zero_character_is_refused(database: Database) -> None:
    """PostgreSQL keeps none, and what follows it must not be cut off in silence; the connection stays."""
    before = database.execute(MINE)
    with pytest.raises(ValueError, match=r"^A string literal cannot contain NUL \(0x00\) characters.$"):
        database.execute("SELECT ?", ("a\0b",))
    assert database.execute(MINE) == before


def test_many_and_large_values(database: Database) -> None:
    """Answers and questions that go in many pieces."""
    rows = database.execute("SELECT n, repeat('x', 1000) FROM generate_series(1, 2000) AS n")
    assert [row[0] for row in rows] == list(range(1, 2001))
    assert {row[1] for row in rows} == {"x" * 1000}
    assert database.execute("SELECT length(?)", ("x" * 5_000_000,)) == [(5_000_000,)]


def test_many_rows_are_written_at_once(database: Database) -> None:
    """Also none, and texts that look as if a value belonged there."""
    database.execute("CREATE TABLE many (a bigint, b text)")
    database.executemany("INSERT INTO many VALUES (?, ?)", [(1, "100 %"), (2, "%s ?")])
    database.executemany("INSERT INTO many VALUES (?, ?)", [])
    assert database.execute("SELECT a, b FROM many ORDER BY a") == [(1, "100 %"), (2, "%s ?")]


def test_an_error_leaves_the_connection_usable(database: Database) -> None:
    """Also where it came in the middle of several statements."""
    before = database.execute(MINE)
    with pytest.raises(PostgresError, match=r"^PostgreSQL: division by zero$"):
        database.execute("SELECT 1; SELECT 1/0; SELECT 2")
    assert database.execute(MINE) == before


def test_threads_take_turns(database: Database) -> None:
    """Each has its own answers, of one connection."""
    database.execute(MINE)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: database.execute("SELECT ?", (number,)), range(400)))
    assert answers == [[(number,)] for number in range(400)]


def test_a_forked_process_leaves_the_connection_alone(database: Database) -> None:
    """It makes one of its own, and forgets the one that it has a copy of."""
    before = database.execute(MINE)

    def child() -> None:
        mine = database.execute(MINE)
        module._lines.clear()
        gc.collect()
        os._exit(0 if mine != before else 1)

    process = get_context("fork").Process(target=child)
    process.start()
    process.join(30)
    assert process.exitcode == 0
    assert database.execute(MINE) == before


def test_a_server_that_hangs_is_not_waited_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection is open all the while; then there is a new one."""
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    monkeypatch.setattr(module, "WAKING_PATIENCE", 0.3)
    database.close()
    ((pid,),) = database.execute(MINE)
    os.kill(int(str(pid)), signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(PostgresError, match=r"^PostgreSQL cannot be reached: no answer within 0\.3 s$"):
            database.execute("SELECT 1")
    finally:
        os.kill(int(str(pid)), signal.SIGCONT)
    assert time.monotonic() - began < 5
    assert database.execute("SELECT 2") == [(2,)]


def pretend(say: Callable[[socket.socket], None]) -> str:
    """Be a server that is none: return its address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        line, _ = listening.accept()
        with listening, line:
            line.recv(4096)
            say(line)

    threading.Thread(target=serve, daemon=True).start()
    return f"postgresql://u:secretword@127.0.0.1:{listening.getsockname()[1]}/d"


def asks(kind: int, rest: bytes = b"") -> bytes:
    """Return a server's request for a password."""
    return b"R" + struct.pack("!ii", 8 + len(rest), kind) + rest


def welcome(line: socket.socket) -> None:
    """Let the client in."""
    told = {
        "server_version": "15.0",
        "client_encoding": "UTF8",
        "DateStyle": "ISO",
        "standard_conforming_strings": "on",
    }
    line.sendall(asks(0))
    for name, value in told.items():
        words = f"{name}\0{value}\0".encode()
        line.sendall(b"S" + struct.pack("!i", len(words) + 4) + words)
    line.sendall(READY)


def silent(line: socket.socket) -> None:
    """Say nothing until the client goes."""
    while line.recv(4096):
        pass


def silent_between(line: socket.socket) -> None:
    """Answer the first of several statements, and no more."""
    welcome(line)
    line.recv(4096)
    line.sendall(b"C" + struct.pack("!i", 10) + b"BEGIN\0")
    silent(line)


def silent_within(line: socket.socket) -> None:
    """Begin an answer."""
    welcome(line)
    line.recv(4096)
    line.sendall(b"T" + struct.pack("!i", 200) + b"\0")
    silent(line)


@pytest.mark.parametrize("say", [silent, silent_between, silent_within])
def test_silence_is_an_error_wherever_it_begins(
    say: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the log-in, between the answers to two statements, and within one."""
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    monkeypatch.setattr(module, "WAKING_PATIENCE", 0.3)
    began = time.monotonic()
    with pytest.raises(PostgresError, match=r"^PostgreSQL cannot be reached: no answer within 0\.3 s$"):
        Database(pretend(say)).execute("BEGIN; SELECT 1")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("request_", [asks(3), asks(5, b"salt"), asks(10, b"SCRAM-SHA-1\0\0")])
def test_a_password_is_not_given_away(request_: bytes) -> None:
    """In the clear, or as a hash that is as good: one clear line, and nothing is sent."""
    heard: list[bytes] = []

    def say(line: socket.socket) -> None:
        line.sendall(request_)
        heard.append(line.recv(4096))

    with pytest.raises(PostgresError, match=r"authentication (method requirement|mechanisms)") as raised:
        Database(pretend(say)).execute("SELECT 1")
    assert heard in ([b""], [])
    assert "secretword" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_tls_where_it_is_asked_for_is_an_error() -> None:
    """Nothing is said in the clear then."""
    heard: list[bytes] = []

    def say(line: socket.socket) -> None:
        line.sendall(b"N")
        heard.append(line.recv(4096))

    with pytest.raises(PostgresError, match="server does not support SSL"):
        Database(f"{pretend(say)}?sslmode=require").execute("SELECT 1")
    assert heard in ([b""], [])


def test_a_server_that_hangs_up_is_one_clear_line() -> None:
    """As any that cannot be reached."""
    with pytest.raises(PostgresError, match=r"^PostgreSQL cannot be reached: .*closed the connection unexpectedly$"):
        Database(pretend(lambda _: None)).execute("SELECT 1")


@pytest.fixture(scope="module")
def private(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server with TLS, and the certificate that it shows: for localhost, and for an address that is taken for one elsewhere."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.2", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with running_server(key=key, certificate=certificate) as own:
        yield own, certificate


def test_tls(private: tuple[Server, Path]) -> None:
    """Spoken where it is asked for, and not where nothing is said of this machine's own server."""
    server, certificate = private
    named = server.url().replace("127.0.0.1", "localhost")
    for url, expected in (
        (f"{named}?sslmode=require", "true"),
        (f"{named}?sslmode=require&channel_binding=require", "true"),
        (f"{named}?sslmode=verify-full&sslrootcert={certificate}", "true"),
        (f"{server.url()}?sslmode=verify-ca&sslrootcert={certificate}", "true"),  # whatever its name is
        (named, "false"),
    ):
        database = Database(url)
        assert database.execute(TELL) == [(expected,)]
        database.close()
    for url in (
        f"{named}?sslmode=verify-full",
        f"{server.url()}?sslmode=verify-full&sslrootcert={certificate}",  # another name than the certificate's
    ):
        with pytest.raises(PostgresError, match=r"(?i)certificate"):
            Database(url).execute("SELECT 1")


def test_a_server_elsewhere_is_verified_by_whom_the_machine_trusts(
    private: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its address says nothing."""
    server, certificate = private
    elsewhere = server.url().replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(PostgresError, match="certificate verify failed"):
        Database(elsewhere).execute("SELECT 1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for url in (elsewhere, f"{elsewhere}?sslmode=verify-full&sslrootcert=system"):
        database = Database(url)
        assert database.execute(TELL) == [("true",)]
        database.close()
