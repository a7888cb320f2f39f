"""What an address says of a server, and what holds where it says nothing."""

from pathlib import Path

import pytest

from openbell.postgres import address
from openbell.postgres.address import AddressError, settings, usual_mode


@pytest.fixture(autouse=True)
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one file of authorities of this machine."""
    file = tmp_path / "authorities.pem"
    file.touch()
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setattr(address, "AUTHORITIES", (str(tmp_path / "missing.pem"), str(file)))
    return file


@pytest.mark.parametrize(
    "host, mode", [("", "disable"), ("127.0.0.1", "disable"), ("/run/postgresql", "disable"), ("db.example.org", "verify-full")]
)  # fmt: skip
def test_a_host_elsewhere_has_to_show_its_certificate(host: str, mode: str) -> None:
    """Where the address does not say otherwise."""
    assert usual_mode(host) == mode


def test_a_whole_address(trusted: Path) -> None:
    """With what has to be quoted in it; parameters that are for others do no harm."""
    told = settings("postgresql://me:p%40ss%2Fword@DB.example.org:6543/prices?pgbouncer=true&channel_binding=require")
    expected = {
        "user": "me",
        "password": "p@ss/word",
        "host": "db.example.org",
        "port": "6543",
        "dbname": "prices",
        "channel_binding": "require",
        "sslmode": "verify-full",
        "sslrootcert": str(trusted),
    }
    assert expected.items() <= told.items()
    assert "pgbouncer" not in told


def test_a_socket_of_this_machine() -> None:
    """Its folder is the host."""
    told = settings("postgresql:///prices?host=/run/postgresql&user=me")
    assert {"host": "/run/postgresql", "user": "me", "sslmode": "disable"}.items() <= told.items()
    assert settings("postgres://me@/prices")["host"] == "localhost"


@pytest.mark.parametrize(
    "url, clear",
    [
        ("postgresql://u:p@db.example.org/d", True),
        ("postgresql://u:p@db.example.org/d?sslmode=require", True),
        ("postgresql://u:p@/d?host=/run/postgresql", True),
        ("postgresql://u:p@127.0.0.1/d", False),
        ("postgresql://u:p@db.example.org/d?sslmode=disable", False),
    ],
)
def test_a_password_in_the_clear_is_for_private_connections(url: str, clear: bool) -> None:
    """Those with TLS, and this machine's sockets; a hash that is as good is for none."""
    ways = settings(url)["require_auth"].split(",")
    assert ("password" in ways) is clear
    assert "md5" not in ways


def test_whom_the_machine_trusts(trusted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its surroundings say, or else where its kind keeps it; a machine without certificates of authorities is told what to do."""
    url = "postgresql://u:secretword@db.example.org/d"
    own = tmp_path / "own.pem"
    own.touch()
    assert settings(f"{url}?sslmode=verify-ca&sslrootcert=system")["sslrootcert"] == str(trusted)
    assert settings(f"{url}?sslrootcert={own}")["sslrootcert"] == str(own)
    assert "sslrootcert" not in settings(f"{url}?sslmode=require")
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    assert settings(url)["sslrootcert"] == str(own)
    monkeypatch.delenv("SSL_CERT_FILE")
    trusted.unlink()
    with pytest.raises(AddressError, match=r"no certificates of authorities: name a file of them with sslrootcert=$"):
        settings(url)


def test_a_providers_own_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: Path) -> None:
    """Containers have its certificate as a secret, which is empty where none is set; an address may name another."""
    root, url = tmp_path / "root.pem", "postgresql://u:p@db.example.org/d"
    monkeypatch.setenv("OPENBELL_DATABASE_ROOT_FILE", str(root))
    assert settings(url)["sslrootcert"] == str(trusted)
    root.touch()
    assert settings(url)["sslrootcert"] == str(trusted)
    root.write_text("a certificate")
    assert settings(url)["sslrootcert"] == str(root)
    assert settings(f"{url}?sslrootcert=/other.pem")["sslrootcert"] == "/other.pem"


def test_an_address_may_be_one_of_ipv6_alone() -> None:
    """In brackets, as in every URL; elsewhere it is reached with TLS."""
    told = settings("postgresql://u:p@[2001:db8::5]:6543/d")
    assert (told["host"], told["port"], told["sslmode"]) == ("2001:db8::5", "6543", "verify-full")
    assert settings("postgresql://u:p@[::1]/d")["sslmode"] == "disable"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:secretword@h/d",
        "postgresql://h/d",
        "postgresql://u:secretword@h:port/d",
        "postgresql://u:secret/word@h/d",
        "postgresql://u:secretword@[::1/d",
        "postgresql://u:secret%00word@h/d",
        "postgresql://u:secret\udcffword@h/d",
        "postgresql://u:secretword@/run/postgresql,h/d?host=/run,h",
    ],
)
def test_an_address_that_cannot_be_one_is_a_clear_line_without_it(url: str) -> None:
    """Also where it is the password that spoils it."""
    with pytest.raises(AddressError, match="write it as postgresql://user:password@host") as raised:
        settings(url)
    assert "secret" not in str(raised.value)
    assert raised.value.__context__ is None
