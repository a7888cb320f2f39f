"""Who may ask, and what every answer carries."""

import pytest

from openbell.supervisor.web.security_headers import is_own


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "localhost:8080",
        "127.0.0.1:8080",
        "[::1]:8080",
        "192.168.1.4",
        "supervisor:8080",
        "a.localhost",
        "My.Box:1",
    ],
)
def test_this_machines_names(host: str) -> None:
    """Addresses, names without a dot, names below localhost, and those that were allowed."""
    assert is_own(host, {"my.box"})


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "[::1].evil.example",
        "evil.example.",
    ],
)
def test_names_that_a_stranger_can_own(host: str) -> None:
    """DNS rebinding points such a name at this machine."""
    assert not is_own(host, {"my.box"})
