"""What ssh says, in words that help."""

import pytest

from deploy.ssh.errors import added_key, explain, reason

CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
The fingerprint for the ED25519 key sent by the remote host is
SHA256:fb9L9BxmUQ8lwNBlHIjrLnWuFG4mOaVcFNpgPfGzv0o.
Offending ED25519 key in /home/me/.ssh/known_hosts:3
Host key verification failed.
"""


@pytest.mark.parametrize(
    "said,expected",
    [
        ("ssh: Could not resolve hostname vps: Name or service not known", "no machine of this name is known"),
        ("ssh: connect to host 192.0.2.7 port 22: Connection timed out", "the host cannot be reached"),
        ("ssh: connect to host 192.0.2.7 port 22: No route to host", "the host cannot be reached"),
        ("ssh: connect to host 192.0.2.7 port 22: Connection refused", "no sshd listens there"),
        ("me@192.0.2.7: Permission denied (publickey).", "does not accept your key"),
        ("Host key verification failed.", "is never accepted unseen: log in once with `ssh vps`"),
        ("No ED25519 host key is known for vps and you have requested strict checking.", "is never accepted unseen"),
        (CHANGED, "either the machine was reinstalled, or another machine answers between you and it"),
        ("Received disconnect from 192.0.2.7 port 22:2: Too many authentication failures", "too many keys"),
        ("kex_exchange_identification: Connection closed by remote host", "was closed before the login"),
        ("/home/me/.ssh/config: line 3: Bad configuration option: hostnam", "cannot use its config file"),
        ("Can't open user config file /nowhere: No such file or directory", "cannot use its config file"),
        ("Unable to negotiate with 192.0.2.7: no matching host key type found.", "no common algorithm"),
        ("Permissions 0644 for 'id' are too open: bad permissions\nPermission denied (publickey).", "chmod 600"),
        ("something that nobody has seen yet", "no connection (ssh says: something that nobody has seen yet)"),
        ("", "no connection: ssh ended without a word"),
    ],
)
def test_each_failure_has_its_next_step(said: str, expected: str) -> None:
    """One line that begins with the host."""
    told = explain("vps", "ssh vps", said)
    assert told.startswith("vps: ")
    assert expected in told
    assert "\n" not in told


def test_a_changed_key_shows_the_fingerprint_and_the_line_of_the_old_one() -> None:
    """That is what must be compared, and what must go."""
    told = explain("vps", "ssh vps", CHANGED)
    assert "(SHA256:fb9L9BxmUQ8lwNBlHIjrLnWuFG4mOaVcFNpgPfGzv0o)" in told
    assert "(/home/me/.ssh/known_hosts:3)" in told


def test_the_reason_is_no_noise() -> None:
    """A banner that came before, and what ssh says about itself, explain nothing."""
    assert reason("Timeout, server vps not responding.\n\nWarning: Permanently added 'vps' (ED25519)\n") == (
        "Timeout, server vps not responding."
    )
    assert reason("") == ""


def test_a_key_that_was_taken_in_is_seen() -> None:
    """A user's config may let ssh do that; we say so then."""
    line = "Warning: Permanently added '192.0.2.7' (ED25519) to the list of known hosts.\r\n"
    assert added_key(line) == "'192.0.2.7' (ED25519)"
    assert added_key("Welcome") is None
