"""A host's name, and what follows from it."""

from pathlib import Path

import pytest

from deploy.errors import CommandError
from deploy.ssh.host import CONFIG_KEY, Host


@pytest.mark.parametrize("name", ["vps", "me@192.0.2.7", "ssh://me@vps.example.org:2222", "2001:db8::7", "a_b.c"])
def test_a_host_is_what_ssh_understands(name: str) -> None:
    """An alias, an address, an address with a user, a URI."""
    assert Host(name, config=None).ssh == f"ssh {name}"


@pytest.mark.parametrize(
    "name,ssh",
    [
        ("ssh://root@[::1]:2299", "ssh -l root -p 2299 ::1"),
        ("ssh://[2001:db8::7]", "ssh 2001:db8::7"),
        ("ssh://me@[fe80::1%eth0]/", "ssh -l me fe80::1%eth0"),
    ],
)
def test_an_address_in_brackets_is_taken_apart(name: str, ssh: str) -> None:
    """Ssh itself reads none in a URI."""
    assert Host(name, config=None).ssh == ssh


@pytest.mark.parametrize("name", ["", "-oProxyCommand=reboot", "a b", "a;b", "$(b)", "a\nb", "`b`", "a'b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    """An option would be obeyed by ssh, and the rest by a shell."""
    with pytest.raises(CommandError, match=r"^HOST: found") as raised:
        Host(name)
    assert raised.value.exit_code == 2


def test_the_users_own_config_is_in_the_command_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person is told to type leads to the same machine."""
    monkeypatch.setenv(CONFIG_KEY, "/etc/my ssh/config")
    assert Host("vps").config == Path("/etc/my ssh/config")
    assert Host("vps").ssh == "ssh -F '/etc/my ssh/config' vps"
    monkeypatch.setenv(CONFIG_KEY, "")
    assert Host("vps").config is None


@pytest.mark.parametrize(
    "bind,expected",
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("100.64.0.7", "100.64.0.7")],  # noqa: S104 - what a user may choose
)
def test_the_page_is_asked_where_it_listens(bind: str, expected: str) -> None:
    """A tunnel ends at an address that can be asked."""
    assert Host("vps", bind=bind).page_address == expected
