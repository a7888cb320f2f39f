"""PostgreSQL's wire protocol, version 3, as far as openbell needs it: log in, send a statement, read the rows.

A driver would do it too, but loading one takes longer than all the rest of a function's cold start, and it asks three times
per statement what is asked once here. The protocol: https://www.postgresql.org/docs/current/protocol.html; the log-in is
SCRAM-SHA-256 (RFC 7677).
"""

import hashlib
import hmac
import os
import socket
import struct
from binascii import a2b_base64, b2a_base64
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ssl

Value = str | int | float | None
Row = tuple[Value, ...]

_PROTOCOL = 196608  # 3.0
_ASK_TLS = 80877103
_WHOLE = frozenset({20, 21, 23, 26})  # object ids of types: bigint, smallint, integer, oid
_BROKEN = frozenset({700, 701, 1700})  # real, double precision, numeric
_MECHANISM = "SCRAM-SHA-256"


class ServerError(Exception):
    """What the server says it cannot do."""


class LoginError(Exception):
    """The server and this client do not come together."""


class Where(NamedTuple):
    """A server, and who logs in to what."""

    host: str  # a name or an address, or the folder of a Unix socket
    port: int
    user: str
    password: str
    database: str


class Connection:
    """A connection that is logged in. Every method raises OSError if it breaks, and ServerError if the server says no."""

    def __init__(self, where: Where, tls: "ssl.SSLContext | None", patience: float) -> None:
        """patience: seconds to wait for an answer."""
        self.row_count = 0  # of the last statement
        self._buffer = b""
        self._is_private = tls is not None or where.host.startswith("/")
        self._socket = _open(where, tls, patience)
        try:
            self._log_in(where)
        except BaseException:
            self._socket.close()
            raise

    def run(self, text: str) -> list[Row]:
        """Carry out statements, with semicolons between them, in one exchange; return the rows of the last that has any."""
        self._send(b"Q", text.encode() + b"\0")
        rows: list[Row] = []
        types: list[int] = []
        error: ServerError | None = None
        while True:
            kind, body = self._receive()
            match kind:
                case b"T":
                    rows, types = [], _types(body)
                case b"D":
                    rows.append(_row(body, types))
                case b"C":
                    last = body[:-1].split(b" ")[-1]
                    self.row_count = int(last) if last.isdigit() else 0
                case b"E":
                    error = ServerError(_message(body))
                case b"Z":
                    if error is not None:
                        raise error
                    return rows
                case _:
                    pass  # notices, and settings of the server's that changed

    def close(self) -> None:
        """Say goodbye."""
        with suppress(OSError):
            self._send(b"X", b"")
        self._socket.close()

    def _log_in(self, where: Where) -> None:
        said = {
            "user": where.user,
            "database": where.database,
            "application_name": "openbell",
            "client_encoding": "UTF8",
        }
        words = b"".join(f"{name}\0{value}\0".encode() for name, value in said.items() if value) + b"\0"
        self._socket.sendall(struct.pack("!ii", len(words) + 8, _PROTOCOL) + words)
        scram = _Scram(where.password)
        while True:
            kind, body = self._receive()
            if kind == b"E":
                raise ServerError(_message(body))
            if kind == b"Z":
                return
            if kind == b"R":
                self._prove(where, scram, struct.unpack("!i", body[:4])[0], body[4:])

    def _prove(self, where: Where, scram: "_Scram", wanted: int, body: bytes) -> None:
        match wanted:
            case 0:
                return
            case 3 if self._is_private:
                self._send(b"p", where.password.encode() + b"\0")
            case 10 if _MECHANISM.encode() in body.split(b"\0"):
                first = scram.first().encode()
                self._send(b"p", _MECHANISM.encode() + b"\0" + struct.pack("!i", len(first)) + first)
            case 11:
                self._send(b"p", scram.final(body.decode()).encode())
            case 12:
                scram.check(body.decode())
            case _:
                msg = "the server asks for a password in a way that is not safe: set password_encryption = scram-sha-256 there"
                raise LoginError(msg)

    def _send(self, kind: bytes, body: bytes) -> None:
        self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def _receive(self) -> tuple[bytes, bytes]:
        head = self._read(5)
        return head[:1], self._read(struct.unpack("!i", head[1:])[0] - 4)

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            more = self._socket.recv(65536)
            if not more:
                msg = "the server has closed the connection"
                raise ConnectionResetError(msg)
            self._buffer += more
        read, self._buffer = self._buffer[:size], self._buffer[size:]
        return read


class _Scram:
    """The client's half of a SCRAM-SHA-256 exchange: both sides show that they know the password, and neither says it."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._nonce = _text(os.urandom(18))
        self._said = f"n=,r={self._nonce}"
        self._server_signature = b""

    def first(self) -> str:
        """Return the first message: without channel binding."""
        return f"n,,{self._said}"

    def final(self, challenge: str) -> str:
        """Return the proof; LoginError if the server did not answer to this client's message."""
        fields = dict(part.split("=", 1) for part in challenge.split(","))
        if not fields["r"].startswith(self._nonce) or fields["r"] == self._nonce:
            msg = "the server's answer to the log-in is not for this client"
            raise LoginError(msg)
        salted = hashlib.pbkdf2_hmac("sha256", self._password.encode(), a2b_base64(fields["s"]), int(fields["i"]))
        answer = f"c=biws,r={fields['r']}"
        signed = f"{self._said},{challenge},{answer}".encode()
        key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(key).digest(), signed)
        self._server_signature = _hmac(_hmac(salted, b"Server Key"), signed)
        return f"{answer},p={_text(bytes(one ^ other for one, other in zip(key, signature, strict=True)))}"

    def check(self, verdict: str) -> None:
        """See that the server knows the password, too; LoginError if it does not."""
        if not hmac.compare_digest(verdict, f"v={_text(self._server_signature)}"):
            msg = "the server does not know the password: it is not the one that it says it is"
            raise LoginError(msg)


def literal(value: Value) -> str:
    """Return a value as a statement may contain it, whatever is in it; ValueError for a text that PostgreSQL cannot keep."""
    match value:
        case None:
            return "NULL"
        case str():
            if "\0" in value:
                msg = "PostgreSQL keeps no text with a zero character in it"
                raise ValueError(msg)
            quoted = value.replace("'", "''")
            # A backslash means the same whatever standard_conforming_strings is set to.
            return " E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in value else f"'{quoted}'"
        case float():
            return repr(value) if value - value == 0 else f"'{value}'::float8"
        case _:
            return str(int(value))


def _open(where: Where, tls: "ssl.SSLContext | None", patience: float) -> socket.socket:
    if where.host.startswith("/"):
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(patience)
        line.connect(f"{where.host}/.s.PGSQL.{where.port}")
        return line
    line = socket.create_connection((where.host, where.port), patience)
    try:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is None:
            return line
        _ask_tls(line)
        return tls.wrap_socket(line, server_hostname=where.host)
    except BaseException:
        line.close()
        raise


def _ask_tls(line: socket.socket) -> None:
    line.sendall(struct.pack("!ii", 8, _ASK_TLS))
    if line.recv(1) != b"S":
        msg = "the server has no TLS, which sslmode asks for"
        raise LoginError(msg)


def _types(body: bytes) -> list[int]:
    types: list[int] = []
    at = 2
    for _ in range(struct.unpack("!h", body[:2])[0]):
        at = body.index(b"\0", at) + 1
        types.append(struct.unpack("!i", body[at + 6 : at + 10])[0])
        at += 18
    return types


def _row(body: bytes, types: list[int]) -> Row:
    values: list[Value] = []
    at = 2
    for kind in types:
        size = struct.unpack("!i", body[at : at + 4])[0]
        at += 4
        if size < 0:
            values.append(None)
            continue
        text = body[at : at + size].decode()
        at += size
        values.append(int(text) if kind in _WHOLE else float(text) if kind in _BROKEN else text)
    return tuple(values)


def _message(body: bytes) -> str:
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return fields.get(b"M", "an error without a message")


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _text(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()
