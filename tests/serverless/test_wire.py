"""The wire protocol: logging in, what is asked and answered, and what must not be trusted."""

import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openbell.postgres.database import Database, PostgresError, usual_mode
from openbell.postgres.wire import LoginError, Value, _Scram, literal
from tests.serverless.postgres import Server, running_server


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A connection."""
    one = Database(server.url(), "public")
    yield one
    one.close()


def test_the_exchange_of_the_rfc(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7677, section 3."""
    scram = _Scram("pencil")
    scram._nonce, scram._said = "rOprNGfwEbeRWgbNEkqO", "n=user,r=rOprNGfwEbeRWgbNEkqO"
    challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert scram.final(challenge) == f"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p={proof}"
    scram.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    with pytest.raises(LoginError, match="does not know the password"):
        scram.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=")


def test_a_server_that_answers_to_somebody_else_is_not_answered() -> None:
    """Its nonce has to begin with ours, and to be longer."""
    for nonce in ("x", "n"):
        scram = _Scram("pencil")
        scram._nonce = "n"
        with pytest.raises(LoginError, match="not for this client"):
            scram.final(f"r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")


@pytest.mark.parametrize(
    "value", ["", "it's", "a \\ b", "\\'; DROP TABLE x; --", "ü€😀", "E'\\n'", 5, -5, 1.5, -1e300, 0.1, 5e-324, None]
)
def test_values_come_back_as_they_went(database: Database, value: Value) -> None:
    """Whatever is in a text, also where backslashes have their old meaning."""
    kind = "text" if isinstance(value, str) else "float8" if isinstance(value, float) else "bigint"
    for setting in ("on", "off"):
        database.execute(f"SET standard_conforming_strings = {setting}")
        assert database.execute(f"SELECT CAST(? AS {kind})", (value,)) == [(value,)]


def test_numbers_that_are_none_come_back(database: Database) -> None:
    """Infinity is one of PostgreSQL's."""
    assert database.execute("SELECT CAST(? AS float8), ?", (float("-inf"), "a")) == [(float("-inf"), "a")]


def test_a_zero_character_is_refused() -> None:
    """PostgreSQL keeps none, and what follows it must not be cut off in silence."""
    with pytest.raises(ValueError, match="zero character"):
        literal("a\0b")


def test_many_and_large_rows(database: Database) -> None:
    """Answers that come in many pieces."""
    rows = database.execute("SELECT n, repeat('x', 1000) FROM generate_series(1, 2000) AS n")
    assert [row[0] for row in rows] == list(range(1, 2001))
    assert {row[1] for row in rows} == {"x" * 1000}


def test_an_error_leaves_the_connection_usable(database: Database) -> None:
    """Also where it came in the middle of several statements."""
    with pytest.raises(PostgresError, match=r"^PostgreSQL: division by zero$"):
        database.execute("SELECT 1; SELECT 1/0; SELECT 2")
    assert database.execute("SELECT 3") == [(3,)]


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


@pytest.mark.parametrize("request_", [asks(3), asks(5, b"salt"), asks(10, b"SCRAM-SHA-1\0\0")])
def test_a_password_is_not_given_away(request_: bytes) -> None:
    """In the clear, or as a hash that is as good: one clear line, and nothing is sent."""
    heard: list[bytes] = []

    def say(line: socket.socket) -> None:
        line.sendall(request_)
        heard.append(line.recv(4096))

    with pytest.raises(PostgresError, match="in a way that is not safe"):
        Database(pretend(say), "s").execute("SELECT 1")
    assert heard in ([b""], [])


def test_no_tls_where_it_is_asked_for_is_an_error() -> None:
    """Nothing is said in the clear then."""
    heard: list[bytes] = []

    def say(line: socket.socket) -> None:
        line.sendall(b"N")
        heard.append(line.recv(4096))

    with pytest.raises(PostgresError, match="the server has no TLS"):
        Database(f"{pretend(say)}?sslmode=require", "s").execute("SELECT 1")
    assert heard in ([b""], [])


def test_a_server_that_hangs_up_is_one_clear_line() -> None:
    """As any that cannot be reached."""
    with pytest.raises(PostgresError, match="the server has closed the connection"):
        Database(pretend(lambda _: None), "s").execute("SELECT 1")


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server with TLS, and the certificate that it shows for the name localhost."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with running_server(key=key, certificate=certificate) as server:
        yield server, certificate


def test_tls(private: tuple[Server, Path]) -> None:
    """Spoken where it is asked for, and verified where nothing else is said."""
    server, certificate = private
    encrypted = "SELECT CAST(ssl AS text) FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    named = server.url().replace("127.0.0.1", "localhost")
    for url, expected in (
        (f"{named}?sslmode=require", "true"),
        (f"{named}?sslmode=verify-full&sslrootcert={certificate}", "true"),
        (named, "false"),
    ):
        database = Database(url, "public")
        assert database.execute(encrypted) == [(expected,)]
        database.close()
    for url in (
        f"{named}?sslmode=verify-full",
        f"{server.url()}?sslmode=verify-full&sslrootcert={certificate}",  # another name than the certificate's
    ):
        with pytest.raises(PostgresError, match=r"(?i)certificate"):
            Database(url, "public").execute("SELECT 1")


@pytest.mark.parametrize(
    "host, mode", [("", "disable"), ("127.0.0.1", "disable"), ("/run/postgresql", "disable"), ("db.example.org", "verify-full")]
)  # fmt: skip
def test_a_host_elsewhere_has_to_show_its_certificate(host: str, mode: str) -> None:
    """Where the address does not say otherwise."""
    assert usual_mode(host) == mode
