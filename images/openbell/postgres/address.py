"""What OPENBELL_DATABASE says, and how a server is spoken to where it says nothing: with TLS, unless it is this machine."""

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

VARIABLE = "OPENBELL_DATABASE"
OLD_VARIABLE = "OPENBELL_DATABASE_URL"  # what functions called it up to 0.1; it is still read
ROOT_FILE = (
    "OPENBELL_DATABASE_ROOT_FILE"  # the certificate of a provider's own authority; containers have it as a secret
)
LOCAL = ("", "localhost", "127.0.0.1", "::1")
MODES = ("disable", "require", "verify-ca", "verify-full")
# Whom a machine trusts, in one file. psycopg2 brings an OpenSSL of its own, which looks for them where it was built and finds
# nothing: `sslrootcert=system`, as libpq has it, would trust no certificate.
AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Amazon Linux, Fedora
    "/etc/ssl/cert.pem",  # Alpine, macOS
)


class AddressError(ValueError):
    """An address that cannot be used; one line without it."""


def settings(url: str) -> dict[str, str]:
    """Return what libpq is to be told about a server, which is postgresql://user:password@host:port/database?sslmode=mode."""
    given = _parsed(url)
    host = given.get("host", "")
    mode = given.get("sslmode") or usual_mode(host)
    if mode not in MODES:
        msg = f"{VARIABLE}: sslmode is disable, require, verify-ca or verify-full, not {mode}"
        raise AddressError(msg)
    # A password is sent in the clear only over a connection that others cannot read, and never as a hash that is as good.
    ways = "password,scram-sha-256,none" if mode != "disable" or host.startswith("/") else "scram-sha-256,none"
    told: dict[str, str] = {
        name: given[name] for name in ("user", "password", "port", "dbname", "channel_binding") if name in given
    }
    told |= {"host": host or "localhost", "sslmode": mode, "require_auth": ways}
    if mode.startswith("verify"):
        root = given.get("sslrootcert") or own_root() or "system"
        told["sslrootcert"] = authorities() if root == "system" else root
    # Files in a user's home are not searched: a function's home may not even be readable, and libpq stops there.
    told |= {"sslcertmode": "disable", "gssencmode": "disable"}
    return told | {"application_name": "openbell", "client_encoding": "UTF8"}


def passwords(url: str) -> tuple[str, ...]:
    """Return the password as the address has it, and as it is."""
    try:
        written = urlsplit(url).password or ""
    except ValueError:
        written = url
    return written, unquote(written)


def usual_mode(host: str) -> str:
    """Return how a host is spoken to if its address does not say: elsewhere only with TLS, and a certificate that is right."""
    return "disable" if host in LOCAL or host.startswith("/") else "verify-full"


def authorities() -> str:
    """Return the file with the certificates of those whom this machine trusts; AddressError if it has none."""
    for path in (os.environ.get("SSL_CERT_FILE", ""), *AUTHORITIES):
        if path and Path(path).is_file():
            return path
    msg = f"{VARIABLE}: this machine has no certificates of authorities: name a file of them with sslrootcert="
    raise AddressError(msg)


def own_root() -> str:
    """Return the file with the certificate of a provider's own authority, if one is given; an empty file is none."""
    path = os.environ.get(ROOT_FILE, "")
    with suppress(OSError):
        return path if Path(path).stat().st_size else ""
    return ""


def _parsed(url: str) -> dict[str, str]:
    """Return the parts under libpq's names; parameters that are not for us are left to those whom they are for."""
    try:
        url.encode()
        parts = urlsplit(url)
        given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        words = {"user": parts.username, "password": parts.password, "dbname": parts.path.lstrip("/")}
        given |= {name: unquote(word) for name, word in words.items() if word}
        given |= {"host": parts.hostname or given.get("host", ""), "port": str(parts.port or 5432)}
    except ValueError:
        given = {}  # its words may repeat a piece of the password
    scheme = url.partition(":")[0]
    # Several hosts would have to be spoken to in several ways.
    is_one = "," not in given.get("host", ",") and not any("\0" in word for word in given.values())
    if scheme not in {"postgresql", "postgres"} or not given.get("user") or not is_one:
        msg = f"{VARIABLE}: write it as postgresql://user:password@host:5432/database?sslmode=verify-full"
        raise AddressError(msg)
    return given
